package domain

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"logkeep/internal/catalog"
	"logkeep/internal/control"
	"logkeep/internal/fault"
	"logkeep/internal/kek"
	"logkeep/internal/keyring"
	"logkeep/internal/schema"
	"logkeep/internal/tunnel"
	"logkeep/internal/worker/wire"
	"logkeep/internal/wrap"
)

// Guids of the tests.
const (
	cluster   schema.ClusterID   = "11111111-1111-1111-1111-111111111111"
	stranger  schema.ClusterID   = "22222222-2222-2222-2222-222222222222"
	workspace schema.WorkspaceID = "33333333-3333-3333-3333-333333333333"
	tenant    schema.TenantID    = "44444444-4444-4444-4444-444444444444"
)

// issuer gives everybody a token that says whose it is.
type issuer struct{}

func (issuer) TokenFor(_ context.Context, objectID, audience string) (string, time.Time, error) {
	return objectID + " for " + audience, time.Now().Add(time.Hour), nil
}

func domains(t *testing.T) *Domains {
	t.Helper()
	cat, err := catalog.Open(t.Context(), filepath.Join(t.TempDir(), "catalog.db"))
	must(t, err)
	t.Cleanup(func() { cat.Close() })
	return New(Config{
		Catalog: cat, Tokens: issuer{}, Accounts: t.TempDir(), Now: time.Now, Log: slog.New(slog.DiscardHandler), Default: keyring.DefaultPolicy(),
		Policy:  &tunnel.Policy{BuiltIn: []string{"vault.test"}},
		Service: Service{Vault: "https://service.vault.test", Key: "mmk", Principal: "the-service", Tenant: "host"},
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// cover adds an account with a wrap record.
func (d *Domains) cover(t *testing.T, a catalog.Account) {
	t.Helper()
	must(t, d.cfg.Catalog.AddAccount(t.Context(), a))
	c := a.Domain
	if a.Kind == ofService {
		c = schema.ServiceCluster
	}
	rows, err := wraps([]wrap.Record{record(c, a.ID, 1, "v1")})
	must(t, err)
	must(t, d.cfg.Catalog.PutWraps(t.Context(), rows))
}

func record(c schema.ClusterID, a schema.AccountID, generation uint32, version string) wrap.Record {
	return wrap.Record{
		Tenant: tenant, Cluster: c, Account: a, Generation: generation, KID: kek.ID{VaultURI: "https://kv.vault.test", Name: "k", Version: version},
		Alg: "RSA-OAEP-256", Wrapped: []byte("wrapped with " + version), Created: time.Unix(1700000000, 0).UTC(), Signature: []byte("signed"),
	}
}

func canaryOf(version string) wrap.Canary {
	return wrap.Canary{Tenant: tenant, Cluster: cluster, KID: kek.ID{VaultURI: "https://kv.vault.test", Name: "k", Version: version}, Alg: "RSA-OAEP-256", Wrapped: []byte(version), Signature: []byte("signed")}
}

// Where a table's rows lie must never change: these are on disks.
func TestTablesHaveTheirAccountsForEver(t *testing.T) {
	for table, want := range map[schema.TableName]schema.AccountID{
		"Events_CL": schema.AccountID(cluster + "-3"), "Heartbeat": schema.AccountID(cluster + "-2"), "Syslog": schema.AccountID(cluster + "-3"), "": schema.AccountID(cluster + "-2"), "events_cl": schema.AccountID(cluster + "-3"),
	} {
		if got := clusterAccount(cluster, workspace, table); got != want {
			t.Errorf("%q: got %s, want %s", table, got, want)
		}
	}
	if got := serviceAccount(workspace); got != "ws-"+schema.AccountID(workspace) {
		t.Error(got)
	}
}

func TestAWorkerGetsTokensOfItsOwnIdentitiesForVaultsOnly(t *testing.T) {
	d := domains(t)
	d.holders[cluster] = control.Holder{Cluster: cluster, Principal: "the-cluster"}
	d.holders[stranger] = control.Holder{Cluster: stranger, Principal: "the-stranger"}
	const audience = "https://vault.test"
	for _, test := range []struct {
		name   string
		domain schema.ClusterID
		ask    wire.TokenRequest
		want   string
		code   fault.Code
	}{
		{"its own", cluster, wire.TokenRequest{Owner: wire.Owner{Tenant: tenant, Cluster: cluster}, Audience: audience}, "the-cluster for " + audience, ""},
		{"the service's", cluster, wire.TokenRequest{Audience: audience}, "the-service for " + audience, ""},
		{"another cluster's", cluster, wire.TokenRequest{Owner: wire.Owner{Tenant: tenant, Cluster: stranger}, Audience: audience}, "", fault.AuthorizationFailed},
		{"a cluster's, asked by the service's worker", schema.ServiceCluster, wire.TokenRequest{Owner: wire.Owner{Cluster: cluster}, Audience: audience}, "", fault.AuthorizationFailed},
		{"none, of a cluster without identity", "nobody", wire.TokenRequest{Owner: wire.Owner{Cluster: "nobody"}, Audience: audience}, "", fault.IdentityRemoved},
		{"for the resource manager", cluster, wire.TokenRequest{Owner: wire.Owner{Cluster: cluster}, Audience: "https://management.azure.com"}, "", fault.AuthorizationFailed},
		{"for a look-alike", cluster, wire.TokenRequest{Audience: "https://evilvault.test"}, "", fault.AuthorizationFailed},
		{"for nothing", cluster, wire.TokenRequest{}, "", fault.AuthorizationFailed},
	} {
		got, err := d.Token(t.Context(), []schema.ClusterID{test.domain}, test.ask)
		if got.Token != test.want || test.code == "" && err != nil || test.code != "" && !errors.Is(err, test.code) {
			t.Errorf("%s: %q %v", test.name, got.Token, err)
		}
	}
}

func TestAChangeOfAManifestIsDoneOnceAndInOrder(t *testing.T) {
	d := domains(t)
	account := clusterAccountAt(cluster, 0)
	d.cover(t, catalog.Account{ID: account, Domain: cluster, Kind: ofCluster})
	segment := func(id string) wire.Segment {
		return wire.Segment{ID: schema.SegmentID(id), Workspace: workspace, Table: "T", Generation: 1, Rows: 1, Columns: []schema.Column{{Name: "a", Type: schema.Long}}, Created: time.Now()}
	}
	one := wire.Commit{Account: account, Add: []wire.Segment{segment("01")}, Seq: 1, Floor: 5, MAC: []byte("m1")}
	two := wire.Commit{Account: account, Add: []wire.Segment{segment("02")}, Remove: []schema.SegmentID{"01"}, Seq: 2, Floor: 9, MAC: []byte("m2")}
	must(t, d.Commit(t.Context(), cluster, one))
	must(t, d.Commit(t.Context(), cluster, one)) // its answer was lost
	must(t, d.Commit(t.Context(), cluster, two))
	must(t, d.Commit(t.Context(), cluster, two))
	for name, test := range map[string]struct {
		domain schema.ClusterID
		change wire.Commit
	}{
		"one of long ago":         {cluster, one},
		"one of a gap":            {cluster, wire.Commit{Account: account, Seq: 4, Floor: 9, MAC: []byte("m4")}},
		"another one of the same": {cluster, wire.Commit{Account: account, Seq: 2, Floor: 9, MAC: []byte("forged")}},
		"another domain's":        {stranger, wire.Commit{Account: account, Seq: 3, Floor: 9, MAC: []byte("m3")}},
		"the service's":           {schema.ServiceCluster, wire.Commit{Account: account, Seq: 3, Floor: 9, MAC: []byte("m3")}},
		"of no account":           {cluster, wire.Commit{Account: "none", Seq: 1, MAC: []byte("m1")}},
		"a removal of nothing":    {cluster, wire.Commit{Account: account, Seq: 3, Floor: 9, MAC: []byte("m3"), Remove: []schema.SegmentID{"01"}}},
	} {
		if err := d.Commit(t.Context(), test.domain, test.change); err == nil {
			t.Errorf("%s was done", name)
		}
	}
	accounts, err := d.Accounts(t.Context(), cluster)
	must(t, err)
	if len(accounts) != 1 {
		t.Fatalf("%d accounts", len(accounts))
	}
	m := accounts[0].Manifest
	segments, err := m.Segments()
	if err != nil || m.Seq != 2 || m.Floor != 9 || string(m.MAC) != "m2" || len(segments) != 1 || segments[0].ID != "02" {
		t.Errorf("manifest %+v of %+v, %v", m, segments, err)
	}
}

func TestAWorkerIsToldOfAccountsWithKeysThatAreNotShut(t *testing.T) {
	d := domains(t)
	d.cover(t, catalog.Account{ID: clusterAccountAt(cluster, 0), Domain: cluster, Kind: ofCluster})
	d.cover(t, catalog.Account{ID: serviceAccount(workspace), Domain: cluster, Workspace: workspace, Kind: ofService})
	must(t, d.cfg.Catalog.AddAccount(t.Context(), catalog.Account{ID: clusterAccountAt(cluster, 1), Domain: cluster, Kind: ofCluster})) // no key yet
	d.cover(t, catalog.Account{ID: "ws-other", Domain: schema.ServiceCluster, Workspace: "other", Kind: ofService})
	accounts, err := d.Accounts(t.Context(), cluster)
	must(t, err)
	owners := map[schema.AccountID]schema.ClusterID{}
	for _, a := range accounts {
		owners[a.ID] = a.Cluster
	}
	if len(owners) != 2 || owners[clusterAccountAt(cluster, 0)] != cluster || owners[serviceAccount(workspace)] != schema.ServiceCluster {
		t.Errorf("a worker is told of %v", owners)
	}
	d.shut[serviceAccount(workspace)] = true
	if accounts, _ = d.Accounts(t.Context(), cluster); len(accounts) != 1 || accounts[0].ID != clusterAccountAt(cluster, 0) {
		t.Errorf("a worker is told of an account that is being moved: %v", accounts)
	}
}

func TestTheBookGivesBackWhatWasWritten(t *testing.T) {
	d := domains(t)
	a := clusterAccountAt(cluster, 0)
	d.cover(t, catalog.Account{ID: a, Domain: cluster, Kind: ofCluster})
	d.cover(t, catalog.Account{ID: serviceAccount(workspace), Domain: cluster, Workspace: workspace, Kind: ofService})
	page, verdict, err := d.Load(t.Context(), cluster)
	must(t, err)
	if len(page.Records) != 1 || !page.Setting.IsZero() || !page.Canary.KID.IsZero() || verdict != (keyring.Verdict{}) {
		t.Errorf("a first page: %+v %+v", page, verdict)
	}
	want := keyring.Verdict{State: keyring.Revoked, Since: time.Unix(1700000000, 0).UTC(), Reason: "denied", Epoch: 7}
	must(t, d.Note(t.Context(), cluster, want))
	next := keyring.Page{
		Setting: kek.ID{VaultURI: "https://kv.vault.test", Name: "k"}, Canary: canaryOf("v2"),
		Records: []wrap.Record{record(cluster, a, 1, "v1"), record(cluster, a, 1, "v2"), record(cluster, a, 2, "v2")},
	}
	must(t, d.Save(t.Context(), cluster, next))
	if page, verdict, err = d.Load(t.Context(), cluster); err != nil || len(page.Records) != 3 || page.Setting != next.Setting || page.Canary.KID.Version != "v2" || verdict != want {
		t.Errorf("%+v %+v %v", page, verdict, err)
	}
	// What a page lacks is erased, from the files too, and nobody else's is.
	next.Records = next.Records[1:]
	must(t, d.Save(t.Context(), cluster, next))
	must(t, d.Note(t.Context(), cluster, keyring.Verdict{State: keyring.Active}))
	if page, verdict, err = d.Load(t.Context(), cluster); err != nil || len(page.Records) != 2 || page.Canary.KID.Version != "v2" || verdict.State != keyring.Active {
		t.Errorf("%+v %+v %v", page, verdict, err)
	}
	if page, _, err = d.Load(t.Context(), schema.ServiceCluster); err != nil || len(page.Records) != 1 || page.Records[0].Account != serviceAccount(workspace) {
		t.Errorf("the service's page is %+v %v", page, err)
	}
	files, err := filepath.Glob(filepath.Join(d.cfg.Accounts, "..", "*", "catalog.db*"))
	must(t, err)
	gone, err := record(cluster, a, 1, "v1").Encode()
	must(t, err)
	kept, err := record(cluster, a, 1, "v2").Encode()
	must(t, err)
	found := false
	for _, path := range files {
		b, err := os.ReadFile(path)
		must(t, err)
		if strings.Contains(string(b), string(gone)) {
			t.Errorf("an erased wrap is still in %s", filepath.Base(path))
		}
		found = found || strings.Contains(string(b), string(kept))
	}
	if !found {
		t.Error("the test looks in the wrong files: the wrap that is kept is in none")
	}
}

func TestAPageIsSavedWholeOrNotAtAll(t *testing.T) {
	d := domains(t)
	a := clusterAccountAt(cluster, 0)
	d.cover(t, catalog.Account{ID: a, Domain: cluster, Kind: ofCluster})
	before, _, err := d.Load(t.Context(), cluster)
	must(t, err)
	next := keyring.Page{Setting: kek.ID{VaultURI: "https://kv.vault.test", Name: "k"}, Canary: canaryOf("v2"), Records: []wrap.Record{record(cluster, a, 1, "v2"), record(cluster, "none", 1, "v2")}}
	if err := d.Save(t.Context(), cluster, next); err == nil {
		t.Fatal("a wrap of no account was saved")
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := d.Save(cancelled, cluster, next); err == nil {
		t.Fatal("a page was saved for nobody")
	}
	after, _, err := d.Load(t.Context(), cluster)
	must(t, err)
	if after.Setting != before.Setting || len(after.Records) != 1 || after.Records[0].KID != before.Records[0].KID {
		t.Errorf("half a page: %+v", after)
	}
}

func TestAClustersSettingsBoundItsPolicy(t *testing.T) {
	d := domains(t)
	if got := d.policyOf(control.Settings{}); got != keyring.DefaultPolicy() {
		t.Errorf("nothing set: %+v", got)
	}
	set := control.Settings{OutageGrace: time.Minute, ProbeInterval: 6 * time.Second, Lease: 20 * time.Second}
	got := d.policyOf(set)
	if got.Grace != time.Minute || got.Interval != 6*time.Second || got.Lease != 20*time.Second || got.Timeout != 5*time.Second || got.Validate() != nil {
		t.Errorf("%+v: %v", got, got.Validate())
	}
}
