package catalog_test

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"logkeep/internal/catalog"
	"logkeep/internal/entra"
	"logkeep/internal/rbac"
	"logkeep/internal/resource"
	"logkeep/internal/schema"
)

func TestMain(m *testing.M) {
	if path := os.Getenv("LOGKEEP_TEST_CATALOG"); path != "" {
		writeUntilKilled(path)
	}
	os.Exit(m.Run())
}

// writeUntilKilled commits one resource after the other and names each on
// standard output once it is acknowledged.
func writeUntilKilled(path string) {
	ctx := context.Background()
	c, err := catalog.Open(ctx, path)
	for i := 0; err == nil; i++ {
		id := fmt.Sprintf("%s/providers/a/b/%d", group, i)
		err = c.Tx(ctx, func(tx *catalog.Tx) error {
			if _, err := tx.Put(ctx, vault(id), catalog.Always()); err != nil {
				return err
			}
			_, err := tx.StartOperation(ctx, catalog.Operation{ID: fmt.Sprint(i), Kind: "k", Resource: id})
			return err
		})
		if err == nil {
			fmt.Println(i)
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func TestAcknowledgedWritesSurviveSIGKILL(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalog.db")
	for round := range 3 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "LOGKEEP_TEST_CATALOG="+path)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		check(t, err)
		check(t, cmd.Start())
		acknowledged := -1
		for lines := bufio.NewScanner(out); lines.Scan(); {
			fmt.Sscan(lines.Text(), &acknowledged)
			if acknowledged == 20+7*round {
				check(t, cmd.Process.Kill())
			}
		}
		if err := cmd.Wait(); err == nil || acknowledged < 20 {
			t.Fatalf("the writer ended by itself after %d: %v", acknowledged, err)
		}

		c := open(t, path)
		all, err := c.List(t.Context(), group, "")
		check(t, err)
		running, err := c.RunningOperations(t.Context())
		check(t, err)
		// The write that was under way may be there, whole, or not at all.
		if n := len(all); n != len(running) || n < acknowledged+1 || n > acknowledged+2 {
			t.Errorf("%d resources and %d operations after %d acknowledged", n, len(running), acknowledged+1)
		}
		_, err = c.DeleteBelow(t.Context(), group)
		check(t, err)
		for _, op := range running {
			check(t, c.FinishOperation(t.Context(), op.ID, catalog.Canceled, nil))
		}
		check(t, c.ForgetOperations(t.Context(), running[0].Started.AddDate(1, 0, 0)))
		check(t, c.Close())
	}
}

func TestFileIsForItsOwnerOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "odd name?#%.db")
	c := open(t, path)
	_, err := c.Put(t.Context(), vault(group), catalog.Always())
	check(t, err)
	files, err := filepath.Glob(strings.ReplaceAll(path, "?", "[?]") + "*")
	check(t, err)
	if len(files) != 3 {
		t.Errorf("files: %v", files)
	}
	for _, f := range files {
		if info, err := os.Stat(f); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", f, info.Mode(), err)
		}
	}
}

func TestForeignNewerAndDamagedFilesAreRefused(t *testing.T) {
	dir := t.TempDir()
	made := func(name string, statements ...string) string {
		path := filepath.Join(dir, name)
		check(t, open(t, path).Close())
		db, err := sql.Open("sqlite", path)
		check(t, err)
		defer db.Close()
		for _, s := range statements {
			_, err := db.Exec(s)
			check(t, err)
		}
		return path
	}
	rewritten := func(name string, change func([]byte) []byte) string {
		path := made(name)
		b, err := os.ReadFile(path)
		check(t, err)
		check(t, os.WriteFile(path, change(b), 0o600))
		return path
	}
	for _, c := range []struct {
		path string
		want error
		says string
	}{
		{made("newer", "INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, 1)"), catalog.ErrNewer, "version 99"},
		{made("foreign", "PRAGMA application_id = 7"), catalog.ErrDamaged, "another application"},
		{rewritten("header", func(b []byte) []byte { copy(b, "not a database"); return b }), catalog.ErrDamaged, "backup"},
		{rewritten("cut", func(b []byte) []byte { return b[:len(b)/2] }), catalog.ErrDamaged, "backup"},
		{rewritten("pages", func(b []byte) []byte { return append(b[:4096], make([]byte, len(b)-4096)...) }), catalog.ErrDamaged, "backup"},
	} {
		before, err := os.ReadFile(c.path)
		check(t, err)
		_, err = catalog.Open(t.Context(), c.path)
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), c.path) {
			t.Errorf("%s: %v", filepath.Base(c.path), err)
		}
		if after, _ := os.ReadFile(c.path); string(after) != string(before) {
			t.Errorf("%s was changed", filepath.Base(c.path))
		}
	}
	if _, err := catalog.Open(t.Context(), filepath.Join(dir, "missing", "catalog.db")); err == nil || errors.Is(err, catalog.ErrDamaged) {
		t.Errorf("a folder that is not there: %v", err)
	}
}

func TestBootstrapHappensOnceAndSavesBeforeItCommits(t *testing.T) {
	path, ctx := filepath.Join(t.TempDir(), "catalog.db"), t.Context()
	c := open(t, path)
	boom := errors.New("disk full")
	if _, made, err := c.Bootstrap(ctx, func(catalog.Administrator) error { return boom }); made || !errors.Is(err, boom) {
		t.Fatalf("%v %v", made, err)
	}
	if all, _ := c.Tenants(ctx); len(all) != 0 {
		t.Fatal("a tenant whose administrator was not saved")
	}
	var saved catalog.Administrator
	admin, made, err := c.Bootstrap(ctx, func(a catalog.Administrator) error { saved = a; return nil })
	check(t, err)
	if !made || admin != saved || len(admin.ClientSecret) < 40 {
		t.Errorf("made %v: %v", made, admin)
	}
	if text := fmt.Sprintf("%v %+v %#v %s", admin, admin, admin, admin); strings.Contains(text, admin.ClientSecret) {
		t.Error("the secret is printed")
	}
	for _, f := range []string{path, path + "-wal"} {
		if b, _ := os.ReadFile(f); strings.Contains(string(b), admin.ClientSecret) {
			t.Errorf("the secret is in %s", f)
		}
	}
	who := rbac.Caller{Tenant: admin.TenantID, ObjectID: admin.ObjectID}
	authority := rbac.New(c)
	for _, want := range []struct {
		data, may bool
		scope     string
	}{{false, true, "/subscriptions/" + admin.SubscriptionID}, {true, false, "/subscriptions/" + admin.SubscriptionID}, {false, false, "/"}} {
		if may, err := authority.Decide(ctx, who, "Microsoft.KeyVault/vaults/keys/read", want.data, want.scope); err != nil || may != want.may {
			t.Errorf("%+v: %v %v", want, may, err)
		}
	}
	check(t, c.Close())
	c = open(t, path)
	_, made, err = c.Bootstrap(ctx, func(catalog.Administrator) error { t.Error("saved again"); return nil })
	if made || err != nil {
		t.Errorf("second start: %v %v", made, err)
	}
	if p, err := c.PrincipalsByApp(ctx, entra.CosmosDB); err != nil || len(p) != 1 {
		t.Errorf("Cosmos DB: %v %v", p, err)
	}
}

func TestRolesAreKept(t *testing.T) {
	path, ctx := filepath.Join(t.TempDir(), "catalog.db"), t.Context()
	c := open(t, path)
	admin, _, err := c.Bootstrap(ctx, func(catalog.Administrator) error { return nil })
	check(t, err)
	scope := resource.GroupID(admin.SubscriptionID, "Rg")
	a := rbac.New(c)
	role := rbac.Definition{Name: "r1", RoleName: "Mine", Tenant: admin.TenantID, Permissions: []rbac.Permission{{Actions: []string{"a/*"}, NotActions: []string{}, DataActions: []string{"d"}, NotDataActions: []string{}}}, AssignableScopes: []resource.ID{scope}, UpdatedBy: "me"}
	_, _, err = a.Define(ctx, role)
	check(t, err)
	_, _, err = a.Assign(ctx, rbac.Assignment{Name: "a1", Scope: scope, Tenant: admin.TenantID, Role: "r1", Principal: admin.ObjectID, PrincipalType: "ServicePrincipal", Description: "why", UpdatedBy: "me"})
	check(t, err)
	check(t, c.Close())

	c = open(t, path)
	roles, err := c.Roles(ctx)
	check(t, err)
	if len(roles.Custom) != 1 || roles.Custom[0].RoleName != "Mine" || roles.Custom[0].Permissions[0].DataActions[0] != "d" || !roles.Custom[0].AssignableScopes[0].Equal(scope) || roles.Custom[0].CreatedBy != "me" {
		t.Errorf("custom roles: %+v", roles.Custom)
	}
	i := slices.IndexFunc(roles.Assignments, func(x rbac.Assignment) bool { return x.Name == "a1" })
	if len(roles.Assignments) != 2 || i < 0 || !roles.Assignments[i].Scope.Equal(scope) || roles.Assignments[i].Role != "r1" || roles.Assignments[i].Description != "why" {
		t.Errorf("assignments: %+v", roles.Assignments)
	}
	before := c.RolesRevision()
	check(t, c.RemovePrincipal(ctx, admin.ObjectID))
	if c.RolesRevision() == before {
		t.Error("removing a principal does not move the revision")
	}
	if ok, err := rbac.New(c).Decide(ctx, rbac.Caller{Tenant: admin.TenantID, ObjectID: admin.ObjectID}, "a/b", false, scope.String()); ok || err != nil {
		t.Errorf("a removed principal may: %v %v", ok, err)
	}
}

// Whatever is done to a catalog, it holds what a map would hold, and still does
// when it is opened again.
func TestCatalogHoldsWhatAMapWouldHold(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalog.db")
	rapid.Check(t, func(rt *rapid.T) {
		ctx := context.Background()
		c, err := catalog.Open(ctx, path)
		if err != nil {
			rt.Fatal(err)
		}
		defer func() { c.Close() }()
		if _, err := c.DeleteBelow(ctx, ""); err != nil {
			rt.Fatal(err)
		}
		living, deleted := map[string]string{}, map[string]string{}
		names := rapid.SampledFrom([]string{"a", "A", "b", "a/c/x", "A/c/X", "ab"})
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			id := group + "/providers/n/t/" + names.Draw(rt, "id")
			key := strings.ToLower(id)
			switch rapid.IntRange(0, 5).Draw(rt, "step") {
			case 0, 1:
				value := rapid.StringMatching(`[a-z]{0,3}`).Draw(rt, "value")
				body, _ := json.Marshal(value)
				r := vault(id)
				r.Body = body
				if _, err := c.Put(ctx, r, catalog.Always()); err != nil {
					rt.Fatal(err)
				}
				living[key] = string(body)
				delete(deleted, key)
			case 2:
				_, known := living[key]
				if _, err := c.SoftDelete(ctx, id, catalog.Always()); (err == nil) != known {
					rt.Fatalf("soft delete of %s: %v", id, err)
				}
				if known {
					deleted[key] = living[key]
					delete(living, key)
				}
			case 3:
				_, alive := living[key]
				_, dead := deleted[key]
				if err := c.Delete(ctx, id, catalog.Always()); (err == nil) != (alive || dead) {
					rt.Fatalf("delete of %s: %v", id, err)
				}
				delete(living, key)
				delete(deleted, key)
			case 4:
				if _, err := c.DeleteBelow(ctx, id); err != nil {
					rt.Fatal(err)
				}
				below := func(k, _ string) bool { return strings.HasPrefix(k, key+"/") }
				maps.DeleteFunc(living, below)
				maps.DeleteFunc(deleted, below)
			case 5:
				if err := c.Close(); err != nil {
					rt.Fatal(err)
				}
				if c, err = catalog.Open(ctx, path); err != nil {
					rt.Fatal(err)
				}
			}
		}
		for _, part := range []struct {
			list func(context.Context, string, string) ([]catalog.Resource, error)
			want map[string]string
		}{{c.List, living}, {c.ListDeleted, deleted}} {
			all, err := part.list(ctx, group, "")
			got := map[string]string{}
			for _, r := range all {
				got[strings.ToLower(r.ID)] = string(r.Body)
			}
			if err != nil || !maps.Equal(got, part.want) {
				rt.Fatalf("got %v, want %v (%v)", got, part.want, err)
			}
		}
	})
}

func BenchmarkGet(b *testing.B) {
	c, err := catalog.Open(b.Context(), filepath.Join(b.TempDir(), "catalog.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Put(b.Context(), vault(group+"/x"), catalog.Always()); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := c.Get(b.Context(), group+"/x"); err != nil {
			b.Fatal(err)
		}
	}
}

// What others write holds up nobody who reads something else.
func BenchmarkGetWhileOthersWrite(b *testing.B) {
	c, err := catalog.Open(b.Context(), filepath.Join(b.TempDir(), "catalog.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	ids := make([]string, 1000)
	for i := range ids {
		ids[i] = fmt.Sprintf("%s/x-%d", group, i)
		if _, err := c.Put(b.Context(), vault(ids[i]), catalog.Always()); err != nil {
			b.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(b.Context())
	var writers sync.WaitGroup
	defer writers.Wait()
	defer stop()
	for w := range 4 {
		writers.Go(func() {
			for i := w; ctx.Err() == nil; i += 4 {
				if _, err := c.Put(b.Context(), vault(ids[i%len(ids)]), catalog.Always()); err != nil {
					b.Error(err)
				}
			}
		})
	}
	for i := 0; b.Loop(); i++ {
		if _, err := c.Get(b.Context(), ids[i*7%len(ids)]); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCommitSegments(b *testing.B) {
	c, err := catalog.Open(b.Context(), filepath.Join(b.TempDir(), "catalog.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	if err := c.AddAccount(b.Context(), catalog.Account{ID: "acc"}); err != nil {
		b.Fatal(err)
	}
	for i := uint64(1); b.Loop(); i++ {
		s := catalog.Segment{ID: schema.SegmentID(fmt.Sprint(i)), Account: "acc"}
		if err := c.CommitSegments(b.Context(), "acc", []catalog.Segment{s}, nil, catalog.Manifest{Seq: i}); err != nil {
			b.Fatal(err)
		}
	}
}
