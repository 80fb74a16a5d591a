package drill

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"logkeep/internal/cli/client"
)

// prefix begins the name of everything that a drill makes; tag marks its resource
// group, and its value is the vault with the key: so whoever finds a group knows
// what else there is.
const (
	prefix = "drill-"
	tag    = "logkeep-drill"
)

// A site is what a drill makes. Everything in it has the same name.
type site struct {
	name      string
	folder    client.Folder
	vaultURI  string
	hasKey    bool // it made one there
	target    client.Target
	workspace client.Workspace
	cluster   client.Cluster
}

// cleanLimit bounds the tidying, which goes on when the drill was told to stop.
const cleanLimit = 3 * time.Minute

func (d *driller) make(ctx context.Context) error {
	s := d.Server
	if err := s.KnowSelf(ctx); err != nil { // the load needs rights, and they are given by name
		return err
	}
	d.vaultURI = d.Subject.VaultURI
	if d.vaultURI == "" {
		d.NewVault = true // the cluster goes by the service's key, which nobody may disable
	}
	if d.NewVault {
		d.vaultURI = s.Host(d.name + ".vault")
	}
	if err := d.step(ctx, "place", func(ctx context.Context) (string, error) {
		return "resource group " + d.name + " in " + d.folder.Location, s.CreateTaggedGroup(ctx, d.folder, map[string]string{tag: d.vaultURI})
	}); err != nil {
		return err
	}
	var vault client.Vault
	if err := d.step(ctx, "key", func(ctx context.Context) (string, error) {
		var err error
		if d.NewVault {
			if _, _, err = s.CreateVault(ctx, d.folder, d.name); err != nil {
				return "", err
			}
		}
		var ok bool
		if vault, ok, err = s.FindVault(ctx, d.vaultURI); err != nil {
			return "", err
		} else if !ok {
			return "", fmt.Errorf("the cluster's vault %s is not one that you see on this server; use --new-vault to drill with a vault of its own here", d.vaultURI)
		}
		if d.NewVault && s.ObjectID != "" {
			if err := s.Assign(ctx, vault.ID, client.RoleCryptoOfficer, s.ObjectID); err != nil {
				return "", err
			}
		}
		return d.makeKey(ctx)
	}); err != nil {
		return err
	}
	if err := d.step(ctx, "cluster", func(ctx context.Context) (string, error) {
		var err error
		if d.cluster, err = s.CreateClusterLike(ctx, d.folder, d.name, d.Subject); err != nil {
			return "", err
		}
		if err := s.LetUse(ctx, vault, d.name, d.cluster.PrincipalID); err != nil {
			return "", err
		}
		if err := s.SetKey(ctx, d.folder, d.name, d.vaultURI, d.name); err != nil {
			return "", err
		}
		k := d.cluster.Logkeep.Settings
		return fmt.Sprintf("%s, with the settings of %s (probe interval %s, lease %s, double encryption %t), under the key", d.name, d.Subject.Name, k.ProbeInterval, k.Lease, d.cluster.Double), nil
	}); err != nil {
		return err
	}
	return d.step(ctx, "workspace", func(ctx context.Context) (string, error) {
		var err error
		if d.workspace, err = s.CreateWorkspace(ctx, d.folder, d.name); err != nil {
			return "", err
		}
		if err := s.CreateTable(ctx, d.workspace, d.table); err != nil {
			return "", err
		}
		if d.target, err = s.Collect(ctx, d.workspace, d.table, d.name); err != nil {
			return "", err
		}
		return "linked, with a table and a way in", s.LinkWorkspace(ctx, d.workspace, d.cluster.ID)
	})
}

// makeKey makes a key like the cluster's own.
func (d *driller) makeKey(ctx context.Context) (string, error) {
	keys, err := d.Server.Keys(d.vaultURI)
	if err != nil {
		return "", err
	}
	size := int32(3072)
	if !d.NewVault {
		if its, err := keys.GetKey(ctx, d.Subject.KeyName, "", nil); err == nil && its.Key != nil && len(its.Key.N) > 0 {
			size = int32(len(its.Key.N)) * 8
		}
	}
	made, err := keys.CreateKey(ctx, d.name, azkeys.CreateKeyParameters{Kty: to.Ptr(azkeys.KeyTypeRSA), KeySize: &size}, nil)
	if f, ok := client.FailureOf(err); ok && f.Status == http.StatusForbidden {
		return "", fmt.Errorf("you may not make a key in %s; have it allowed (Key Vault Crypto Officer), or use --new-vault to drill with a vault of its own: %w", d.vaultURI, err)
	}
	if err != nil {
		return "", err
	}
	d.version, d.hasKey = made.Key.KID.Version(), true
	return fmt.Sprintf("RSA-%d %s in %s, made for this drill", size, d.name, d.vaultURI), nil
}

// Clean removes what a drill made, as far as it came. It goes on when ctx ends:
// that is how a drill is told to stop.
func Clean(ctx context.Context, s *client.Server, made site) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanLimit)
	defer cancel()
	var failed []error
	try := func(err error) {
		if err != nil {
			failed = append(failed, err)
		}
	}
	// The cluster first: without it the workspace's deletion needs no key, which
	// may be disabled at this moment.
	cluster, err := s.Cluster(ctx, "/subscriptions/"+s.SubscriptionID+"/resourceGroups/"+made.folder.Group+"/providers/Microsoft.OperationalInsights/clusters/"+made.name)
	if err == nil {
		if vault, ok, err := s.FindVault(ctx, made.vaultURI); err != nil {
			try(err)
		} else if ok {
			try(s.LetUseNoMore(ctx, vault, made.name, cluster.PrincipalID))
		}
	}
	try(s.DeleteCluster(ctx, made.folder, made.name))
	try(s.CollectNoMore(ctx, made.folder, made.name))
	try(s.DeleteWorkspace(ctx, made.folder, made.name))
	if made.hasKey {
		try(deleteKey(ctx, s, made))
	}
	if len(failed) == 0 { // else its tag is needed to clean later
		try(s.DeleteGroup(ctx, made.folder))
	}
	return errors.Join(failed...)
}

func deleteKey(ctx context.Context, s *client.Server, made site) error {
	keys, err := s.Keys(made.vaultURI)
	if err != nil {
		return err
	}
	_, err = keys.DeleteKey(ctx, made.name, nil)
	if f, ok := client.FailureOf(err); ok && f.Status == http.StatusNotFound {
		return nil
	}
	if err != nil {
		return fmt.Errorf("delete key %s of %s: %w", made.name, made.vaultURI, err)
	}
	return nil
}

// Left removes what drills left that were cut off, and returns their names. A
// drill that still runs would lose its ground: it is the caller's to know.
func Left(ctx context.Context, s *client.Server) (names []string, err error) {
	groups, err := s.TaggedGroups(ctx, tag)
	if err != nil {
		return nil, err
	}
	for name, tags := range groups {
		if len(name) <= len(prefix) || name[:len(prefix)] != prefix {
			continue
		}
		if failed := Clean(ctx, s, site{name: name, folder: client.Folder{Group: name}, hasKey: true, vaultURI: cmp.Or(tags[tag], s.Host(name+".vault"))}); failed != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", name, failed))
			continue
		}
		names = append(names, name)
	}
	return names, err
}
