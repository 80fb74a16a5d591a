package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"
	"golang.org/x/sys/unix"

	"logkeep/internal/cli/client"
	"logkeep/internal/cli/walk"
	"logkeep/internal/schema"
)

const (
	name    = "bench"
	keyName = "logs"
	large   = "Bench_CL" // the table that is queried
	small   = "Other_CL"
	soon    = 30 * time.Second // until something must have happened
)

// A site is a server with a workspace whose logs lie under a customer's key.
type site struct {
	*client.Server
	own          *walk.OwnServer
	folder       client.Folder
	cluster      string // resource id
	workspace    client.Workspace
	small, large client.Target
	keys         *azkeys.Client
	version      string       // of the key
	processes    func() []int // the server's; nil: not known

	revoked, restored []time.Duration
}

// open makes everything, as a person would. twice says how the cluster seals; nil is
// as clusters do.
func open(ctx context.Context, where client.Where, twice *bool) (_ *site, err error) {
	s := &site{folder: client.Folder{Group: name, Location: "westeurope"}}
	if s.Server, err = client.Open(ctx, where, client.Options{Patient: true}); err != nil {
		return nil, err
	}
	if err := s.CreateGroup(ctx, s.folder); err != nil {
		return nil, err
	}
	vault, uri, err := s.CreateVault(ctx, s.folder, "vault-"+name)
	if err != nil {
		return nil, err
	}
	if err := s.Assign(ctx, vault, client.RoleCryptoOfficer, s.ObjectID); err != nil {
		return nil, err
	}
	if s.keys, err = s.Keys(uri); err != nil {
		return nil, err
	}
	key, err := s.keys.CreateKey(ctx, keyName, azkeys.CreateKeyParameters{Kty: to.Ptr(azkeys.KeyTypeRSA), KeySize: to.Ptr(int32(3072))}, nil)
	if err != nil {
		return nil, err
	}
	s.version = key.Key.KID.Version()
	if s.cluster, err = s.CreateClusterSealed(ctx, s.folder, name, twice); err != nil {
		return nil, err
	}
	c, err := s.Cluster(ctx, s.cluster)
	if err != nil {
		return nil, err
	}
	if err := s.Assign(ctx, vault, client.RoleCryptoServiceUser, c.PrincipalID); err != nil {
		return nil, err
	}
	if err := s.SetKey(ctx, s.folder, name, uri, keyName); err != nil {
		return nil, err
	}
	if s.workspace, err = s.CreateWorkspace(ctx, s.folder, name); err != nil {
		return nil, err
	}
	if s.small, err = s.table(ctx, small); err != nil {
		return nil, err
	}
	if s.large, err = s.table(ctx, large); err != nil {
		return nil, err
	}
	return s, s.LinkWorkspace(ctx, s.workspace, s.cluster)
}

func (s *site) table(ctx context.Context, table schema.TableName) (client.Target, error) {
	t := schema.Table{Name: table, Columns: columns}
	if err := s.CreateTable(ctx, s.workspace, t); err != nil {
		return client.Target{}, err
	}
	return s.Collect(ctx, s.workspace, t, strings.ToLower(strings.TrimSuffix(string(table), "_CL")))
}

// stored is the size of what lies on the disk for accounts: segments, and
// journals of which the last file stays for a while.
func (s *site) stored() (segments, journals int64, err error) {
	err = sizes(filepath.Join(s.own.DataDir, "accounts"), func(path string) *int64 {
		if strings.Contains(path, "/objects/") {
			return &segments
		}
		return &journals
	})
	return segments, journals, err
}

// sizes adds the size of each file below a folder to the sum that to chooses.
func sizes(folder string, to func(path string) *int64) error {
	return filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			*to(path) += info.Size()
		}
		return err
	})
}

// rotations makes new versions of the key and takes the time from the vault's
// answer until the cluster is under the new one.
func (s *site) rotations(ctx context.Context, n int) (took []time.Duration, err error) {
	for range n {
		rotated, err := s.keys.RotateKey(ctx, keyName, nil)
		if err != nil {
			return nil, err
		}
		begin := time.Now()
		s.version = rotated.Key.KID.Version()
		if err := until(ctx, func() (bool, error) {
			c, err := s.Cluster(ctx, s.cluster)
			return strings.HasSuffix(c.Logkeep.KeyState.KeyVersion, s.version) && c.Logkeep.KeyState.State == "Active", err
		}); err != nil {
			return nil, fmt.Errorf("rotate the key: %w", err)
		}
		took = append(took, time.Since(begin))
	}
	return took, nil
}

// restart disables the key until the worker is gone, and enables it until a
// new one answers: a cold worker. Both are measured.
func (s *site) restart(ctx context.Context) error {
	c, err := s.Cluster(ctx, s.cluster)
	if err != nil {
		return err
	}
	worker, err := unix.PidfdOpen(c.Logkeep.Worker.PID, 0)
	if err != nil {
		return fmt.Errorf("watch worker %d: %w", c.Logkeep.Worker.PID, err)
	}
	defer unix.Close(worker)
	answered, err := s.enable(ctx, false)
	if err != nil {
		return err
	}
	if err := until(ctx, func() (bool, error) {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(worker), Events: unix.POLLIN}}, 20)
		if errors.Is(err, unix.EINTR) {
			err = nil
		}
		return n > 0, err
	}); err != nil {
		return fmt.Errorf("disable the key: %w", err)
	}
	s.revoked = append(s.revoked, max(0, time.Since(answered)))
	if answered, err = s.enable(ctx, true); err != nil {
		return err
	}
	// The first query that is answered; it reads no row.
	if err := until(ctx, func() (bool, error) {
		_, _, err := s.query(ctx, "print 1")
		return err == nil, nil
	}); err != nil {
		return fmt.Errorf("enable the key: %w", err)
	}
	s.restored = append(s.restored, time.Since(answered))
	return nil
}

func (s *site) enable(ctx context.Context, enabled bool) (answered time.Time, err error) {
	_, err = s.keys.UpdateKey(ctx, keyName, s.version, azkeys.UpdateKeyParameters{KeyAttributes: &azkeys.KeyAttributes{Enabled: &enabled}}, nil)
	return time.Now(), err
}

// until asks again and again, without a pause worth naming.
func until(ctx context.Context, done func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, soon)
	defer cancel()
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.New("it has not happened in time")
		case <-time.After(2 * time.Millisecond):
		}
	}
}
