package server_test

import (
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/operationalinsights/armoperationalinsights/v2"

	"logkeep/internal/catalog"
	"logkeep/internal/cli/client"
	"logkeep/internal/kek"
	"logkeep/internal/schema"
	"logkeep/internal/seal"
	"logkeep/internal/vault/keystore"
	"logkeep/internal/wrap"
)

// A thief has a server's disk, its root key included.
type thief struct {
	t       *testing.T
	dir     string
	vault   *keystore.Store
	catalog *catalog.Catalog
}

func burgle(s *site) *thief {
	s.t.Helper()
	text, err := os.ReadFile(s.RootKey)
	must(s.t, err)
	b, err := hex.DecodeString(strings.TrimSpace(string(text)))
	must(s.t, err)
	root, err := seal.ImportKey(b)
	must(s.t, err)
	th := &thief{t: s.t, dir: s.DataDir}
	th.vault, err = keystore.Open(s.t.Context(), filepath.Join(s.DataDir, "vault"), root)
	must(s.t, err)
	s.t.Cleanup(func() { th.vault.Close() })
	th.catalog, err = catalog.Open(s.t.Context(), filepath.Join(s.DataDir, "catalog.db"))
	must(s.t, err)
	s.t.Cleanup(func() { th.catalog.Close() })
	return th
}

// records are the wrap records of an account.
func (th *thief) records(account schema.AccountID) (out []wrap.Record) {
	th.t.Helper()
	wraps, err := th.catalog.Wraps(th.t.Context(), account)
	must(th.t, err)
	for _, w := range wraps {
		r, err := wrap.DecodeRecord(w.Record)
		must(th.t, err)
		out = append(out, r)
	}
	return out
}

// unwrap uses the key that a record is wrapped with.
func (th *thief) unwrap(r wrap.Record) *seal.Key {
	th.t.Helper()
	name, _, _ := strings.Cut(r.KID.Host(), ".")
	var key *seal.Key
	must(th.t, th.vault.View(th.t.Context(), func(tx *keystore.Tx) error {
		v, err := tx.Vault(keystore.VaultName(name))
		if err != nil {
			return err
		}
		k, err := tx.Key(v.UID, keystore.KeyName(r.KID.Name))
		if err != nil {
			return err
		}
		version, err := tx.Version(k, keystore.VersionID(r.KID.Version))
		if err != nil {
			return err
		}
		private, err := tx.Private(k, version)
		if err != nil {
			return err
		}
		b, err := private.Unwrap(r.Alg, r.Wrapped)
		if err != nil {
			return err
		}
		key, err = seal.ImportKey(b)
		return err
	}))
	th.t.Cleanup(key.Destroy)
	return key
}

// open tries keys on the object of a segment.
func (th *thief) open(g catalog.Segment, r wrap.Record, k seal.Keys) error {
	th.t.Helper()
	found, err := filepath.Glob(filepath.Join(th.dir, "accounts", "*", string(g.Account), "objects", string(g.ID)))
	must(th.t, err)
	if len(found) != 1 {
		th.t.Fatalf("the object of segment %s is %q", g.ID, found)
	}
	b, err := os.ReadFile(found[0])
	must(th.t, err)
	_, _, err = seal.OpenMessage(k, seal.Place{
		Tenant: r.Tenant, Cluster: r.Cluster, Workspace: g.Workspace, Table: g.Table, Kind: "segment", Object: string(g.ID),
	}, b)
	return err
}

// A cluster's objects need the account key, which the customer's key wraps,
// and the infrastructure key, which the service's wraps: neither alone does.
func TestEveryObjectOfAClusterNeedsBothKeys(t *testing.T) {
	t.Parallel()
	s := copied(t)
	s.Flush.Bytes = 1 << 10
	s.serve()
	s.mustSend("a", 2000)
	var id schema.ClusterID
	look, err := catalog.Open(t.Context(), filepath.Join(s.DataDir, "catalog.db"))
	must(t, err)
	eventually(t, limit, "a segment", func() error { // a file alone may still be on its way into the catalog
		accounts, err := look.Accounts(t.Context(), "")
		for _, a := range accounts {
			if found, err := look.Segments(t.Context(), a.ID); err != nil || len(found) > 0 && a.Kind == "cluster" {
				return err
			}
		}
		return errors.Join(err, errNotYet)
	})
	must(t, look.Close())
	s.holds(2000)
	s.halt()

	th := burgle(s)
	accounts, err := th.catalog.Accounts(t.Context(), "")
	must(t, err)
	objects := 0
	for _, a := range accounts {
		if a.Kind != "cluster" {
			continue
		}
		id = a.Domain
		var outer wrap.Record
		inner := map[uint32]wrap.Record{}
		for _, r := range th.records(a.ID) {
			switch r.Layer {
			case wrap.Outer:
				outer = r
				if host := r.KID.Host(); !strings.HasPrefix(host, "logkeep-service.") {
					t.Errorf("the infrastructure key of %s is wrapped at %s", a.ID, host)
				}
			default:
				inner[r.Generation] = r
			}
		}
		if outer.KID == (kek.ID{}) {
			t.Fatalf("account %s has no infrastructure key", a.ID)
		}
		segments, err := th.catalog.Segments(t.Context(), a.ID)
		must(t, err)
		for _, g := range segments {
			objects++
			r := inner[g.Generation]
			if !strings.HasPrefix(r.KID.Host(), "kv-1.") {
				t.Errorf("generation %d of %s is wrapped with %s, not with the customer's key", g.Generation, a.ID, r.KID)
			}
			aek, infra := th.unwrap(r), th.unwrap(outer)
			if err := th.open(g, r, seal.Keys{Inner: aek, Outer: infra, Generation: g.Generation}); err != nil {
				t.Errorf("with both keys: %v", err)
			}
			for what, k := range map[string]seal.Keys{
				"the account key alone":        {Inner: aek, Generation: g.Generation},
				"the account key twice":        {Inner: aek, Outer: aek, Generation: g.Generation},
				"the infrastructure key alone": {Inner: infra, Generation: g.Generation},
				"the infrastructure key twice": {Inner: infra, Outer: infra, Generation: g.Generation},
				"the keys exchanged":           {Inner: infra, Outer: aek, Generation: g.Generation},
			} {
				if err := th.open(g, r, k); !errors.Is(err, seal.ErrTampered) {
					t.Errorf("with %s: %v", what, err)
				}
			}
		}
		files, err := filepath.Glob(filepath.Join(s.DataDir, "accounts", string(a.Domain), string(a.ID), "objects", "*"))
		must(t, err)
		for _, path := range files {
			twiceSealed(t, path, 0)
		}
		if files, err = filepath.Glob(filepath.Join(s.DataDir, "accounts", string(a.Domain), string(a.ID), "journal", "*.journal")); err != nil {
			t.Fatal(err)
		}
		for _, path := range files {
			twiceSealed(t, path, 52+52) // behind the file's header and the frame's
		}
	}
	if id == "" || objects == 0 {
		t.Fatalf("cluster %q has %d objects", id, objects)
	}
}

// twiceSealed insists that the sealed message at an offset says two layers.
func twiceSealed(t *testing.T, path string, offset int) {
	t.Helper()
	b, err := os.ReadFile(path)
	must(t, err)
	if len(b) < offset+4 || string(b[offset:offset+2]) != "LK" || b[offset+3] != 2 {
		t.Errorf("%s is not sealed twice at %d", path, offset)
	}
}

// Who does not want the second layer says so when the cluster is made, and can
// never change it.
func TestAClusterWithoutDoubleEncryption(t *testing.T) {
	t.Parallel()
	s := linked(t)
	make := func(name string, double *bool) (armoperationalinsights.Cluster, error) {
		poller, err := s.clusters().BeginCreateOrUpdate(t.Context(), group, name, armoperationalinsights.Cluster{
			Location:   to.Ptr(location),
			Identity:   &armoperationalinsights.ManagedServiceIdentity{Type: to.Ptr(armoperationalinsights.ManagedServiceIdentityTypeSystemAssigned)},
			SKU:        &armoperationalinsights.ClusterSKU{Name: to.Ptr(armoperationalinsights.ClusterSKUNameEnumCapacityReservation), Capacity: to.Ptr(int64(100))},
			Properties: &armoperationalinsights.ClusterProperties{IsDoubleEncryptionEnabled: double},
		}, nil)
		made, err := client.Wait(t.Context(), poller, err)
		return made.Cluster, err
	}
	c, err := make("single-1", to.Ptr(false))
	must(t, err)
	if *c.Properties.IsDoubleEncryptionEnabled {
		t.Error("it is on")
	}
	_, err = make("single-1", to.Ptr(true))
	refused(t, err, 400, "InvalidParameter")
	if first, err := s.clusters().Get(t.Context(), group, "cluster-1", nil); err != nil || !*first.Properties.IsDoubleEncryptionEnabled {
		t.Errorf("it is not on by default: %v", err)
	}
	s.halt()
	th := burgle(s)
	for i := range 4 {
		for _, r := range th.records(schema.AccountID(*c.Properties.ClusterID + "-" + string(rune('0'+i)))) {
			if r.Layer != wrap.Sole {
				t.Errorf("%+v", r.Place())
			}
		}
	}
}
