package catalog_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"logkeep/internal/catalog"
	"logkeep/internal/entra"
	"logkeep/internal/schema"
)

func open(t *testing.T, path string) *catalog.Catalog {
	t.Helper()
	c, err := catalog.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func fresh(t *testing.T) *catalog.Catalog {
	return open(t, filepath.Join(t.TempDir(), "catalog.db"))
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func vault(id string) catalog.Resource {
	return catalog.Resource{ID: id, Type: "Microsoft.KeyVault/vaults", Name: id[strings.LastIndexByte(id, '/')+1:], Location: "westeurope",
		Tags: map[string]string{"Team": "a"}, Body: json.RawMessage(`{"properties":{"n":9007199254740993}}`)}
}

const group = "/subscriptions/S1/resourceGroups/Prod"

func TestResourceIDsAreComparedWithoutCase(t *testing.T) {
	c, ctx := fresh(t), t.Context()
	first, err := c.Put(ctx, vault(group+"/providers/Microsoft.KeyVault/vaults/Kv"), catalog.Always())
	check(t, err)
	again, err := c.Put(ctx, vault("/SUBSCRIPTIONS/s1/resourcegroups/PROD/providers/microsoft.keyvault/vaults/KV"), catalog.IfMatch(first.ETag))
	check(t, err)
	if again.ID != first.ID || !again.Created.Equal(first.Created) || again.ETag == first.ETag {
		t.Errorf("second Put gave %+v after %+v", again, first)
	}
	got, err := c.Get(ctx, strings.ToUpper(first.ID))
	check(t, err)
	if got.ID != first.ID || got.Tags["Team"] != "a" || string(got.Body) != `{"properties":{"n":9007199254740993}}` {
		t.Errorf("Get gave %+v", got)
	}
}

func TestListIsByScopeAndType(t *testing.T) {
	c, ctx := fresh(t), t.Context()
	for _, id := range []string{
		group,
		group + "/providers/Microsoft.KeyVault/vaults/a",
		group + "/providers/Microsoft.KeyVault/vaults/a/keys/k",
		group + "2/providers/Microsoft.KeyVault/vaults/b", // a sibling whose name has ours as a prefix
		group + "-x/providers/Microsoft.KeyVault/vaults/c",
	} {
		r := vault(id)
		if strings.Contains(id, "/keys/") {
			r.Type = "Microsoft.KeyVault/vaults/keys"
		}
		_, err := c.Put(ctx, r, catalog.IfAbsent())
		check(t, err)
	}
	for _, tc := range []struct {
		scope, typ string
		want       int
	}{{group, "microsoft.keyvault/VAULTS", 1}, {strings.ToLower(group) + "/", "", 2}, {"", "", 5}, {"/subscriptions/S1", "Microsoft.KeyVault/vaults", 4}, {"/subscriptions/S", "", 0}} {
		all, err := c.List(ctx, tc.scope, tc.typ)
		check(t, err)
		if len(all) != tc.want {
			t.Errorf("List(%q, %q) gave %d, want %d: %+v", tc.scope, tc.typ, len(all), tc.want, all)
		}
	}
	gone, err := c.DeleteBelow(ctx, group)
	check(t, err)
	if all, _ := c.List(ctx, "", ""); len(gone) != 2 || len(all) != 3 {
		t.Errorf("DeleteBelow removed %d and left %d", len(gone), len(all))
	}
}

func TestConditionsAreChecked(t *testing.T) {
	c, ctx := fresh(t), t.Context()
	id := group + "/providers/Microsoft.KeyVault/vaults/a"
	_, err := c.Put(ctx, vault(id), catalog.IfMatch("*"))
	if !errors.Is(err, catalog.ErrConflict) {
		t.Errorf("IfMatch on nothing: %v", err)
	}
	r, err := c.Put(ctx, vault(id), catalog.IfAbsent())
	check(t, err)
	if _, err := c.Put(ctx, vault(id), catalog.IfAbsent()); !errors.Is(err, catalog.ErrExists) {
		t.Errorf("IfAbsent on something: %v", err)
	}
	if _, err := c.Put(ctx, vault(id), catalog.IfMatch("stale")); !errors.Is(err, catalog.ErrConflict) {
		t.Errorf("stale etag: %v", err)
	}
	if err := c.Delete(ctx, id, catalog.IfMatch("stale")); !errors.Is(err, catalog.ErrConflict) {
		t.Errorf("stale delete: %v", err)
	}
	check(t, c.Delete(ctx, id, catalog.IfMatch(r.ETag)))
	if err := c.Delete(ctx, id, catalog.Always()); !errors.Is(err, catalog.ErrNotFound) {
		t.Errorf("second delete: %v", err)
	}
}

func TestSoftDeletedIsHiddenUntilPutOrDelete(t *testing.T) {
	c, ctx := fresh(t), t.Context()
	id := group + "/providers/Microsoft.OperationalInsights/workspaces/w"
	first, err := c.Put(ctx, vault(id), catalog.Always())
	check(t, err)
	_, err = c.SoftDelete(ctx, id, catalog.Always())
	check(t, err)
	if _, err := c.Get(ctx, id); !errors.Is(err, catalog.ErrNotFound) {
		t.Errorf("Get: %v", err)
	}
	if all, _ := c.List(ctx, "", ""); len(all) != 0 {
		t.Errorf("List gave %v", all)
	}
	if _, err := c.SoftDelete(ctx, id, catalog.Always()); !errors.Is(err, catalog.ErrNotFound) {
		t.Errorf("second SoftDelete: %v", err)
	}
	if _, err := c.Put(ctx, vault(id), catalog.IfAbsent()); !errors.Is(err, catalog.ErrExists) {
		t.Errorf("IfAbsent over a soft-deleted one: %v", err)
	}
	d, err := c.GetDeleted(ctx, id)
	check(t, err)
	if all, _ := c.ListDeleted(ctx, group, ""); len(all) != 1 || d.Deleted.IsZero() {
		t.Errorf("ListDeleted gave %v", all)
	}
	r, err := c.Put(ctx, d, catalog.Always())
	check(t, err)
	if !r.Deleted.IsZero() || !r.Created.Equal(first.Created) {
		t.Errorf("recovered %+v", r)
	}
}

func TestResourcesBelongToTheTenantOfTheirSubscription(t *testing.T) {
	c, ctx := fresh(t), t.Context()
	_, err := c.Put(ctx, catalog.Resource{ID: "/subscriptions/S1", Type: catalog.SubscriptionType, Name: "S1", Tenant: "t-1"}, catalog.Always())
	check(t, err)
	r, err := c.Put(ctx, vault(group+"/providers/Microsoft.KeyVault/vaults/a"), catalog.Always())
	check(t, err)
	if r.Tenant != "t-1" {
		t.Errorf("tenant %q", r.Tenant)
	}
}

func TestRevisionGrowsWithEveryCommittedChangeOfTheType(t *testing.T) {
	c, ctx := fresh(t), t.Context()
	id := group + "/providers/Microsoft.KeyVault/vaults/a"
	was := c.Revision("Microsoft.KeyVault/vaults")
	step := func(what string, want bool, err error) {
		t.Helper()
		now := c.Revision("microsoft.keyvault/VAULTS")
		if (now > was) != want {
			t.Errorf("%s: revision %d after %d (%v)", what, now, was, err)
		}
		was = now
	}
	_, err := c.Put(ctx, vault(id), catalog.Always())
	step("put", true, err)
	_, err = c.Put(ctx, vault(id), catalog.IfAbsent())
	step("refused put", false, err)
	err = c.Tx(ctx, func(tx *catalog.Tx) error {
		_, err := tx.Put(ctx, vault(id), catalog.Always())
		return errors.Join(err, context.Canceled)
	})
	step("rolled back", false, err)
	_, err = c.SoftDelete(ctx, id, catalog.Always())
	step("soft delete", true, err)
	step("delete", true, c.Delete(ctx, id, catalog.Always()))
}

func TestTransactionIsAllOrNothing(t *testing.T) {
	c, ctx := fresh(t), t.Context()
	boom := errors.New("boom")
	err := c.Tx(ctx, func(tx *catalog.Tx) error {
		if _, err := tx.Put(ctx, vault(group+"/providers/a/b/c"), catalog.Always()); err != nil {
			return err
		}
		if _, err := tx.Get(ctx, group+"/providers/a/b/c"); err != nil {
			t.Errorf("the transaction does not see its own write: %v", err)
		}
		if _, err := c.Get(ctx, group+"/providers/a/b/c"); !errors.Is(err, catalog.ErrNotFound) {
			t.Errorf("others see an uncommitted write: %v", err)
		}
		return boom
	})
	if !errors.Is(err, boom) {
		t.Fatal(err)
	}
	if all, _ := c.List(ctx, "", ""); len(all) != 0 {
		t.Errorf("left over: %v", all)
	}
	err = c.View(ctx, func(tx *catalog.Tx) error {
		_, err := tx.Put(ctx, vault(group+"/providers/a/b/c"), catalog.Always())
		return err
	})
	if err == nil || !strings.Contains(err.Error(), "internal error") {
		t.Errorf("write in a view: %v", err)
	}
}

func TestOperationsAreFoundAgainAfterARestart(t *testing.T) {
	path, ctx := filepath.Join(t.TempDir(), "catalog.db"), t.Context()
	c := open(t, path)
	op, err := c.StartOperation(ctx, catalog.Operation{ID: "op1", Kind: "cluster.put", Resource: group + "/x", Caller: "me", Input: json.RawMessage(`{"a":1}`)})
	check(t, err)
	_, err = c.StartOperation(ctx, catalog.Operation{ID: "op2", Kind: "cluster.put", Resource: group + "/y", Caller: "me", Started: op.Started.Add(time.Second)})
	check(t, err)
	check(t, c.Close())

	c = open(t, path)
	running, err := c.RunningOperations(ctx)
	check(t, err)
	if len(running) != 2 || running[0].ID != "op1" || string(running[0].Input) != `{"a":1}` || running[0].Status != catalog.InProgress {
		t.Fatalf("running: %+v", running)
	}
	check(t, c.FinishOperation(ctx, "op1", catalog.Failed, json.RawMessage(`{"code":"X"}`)))
	if err := c.FinishOperation(ctx, "op1", catalog.Succeeded, nil); !errors.Is(err, catalog.ErrConflict) {
		t.Errorf("finished twice: %v", err)
	}
	if err := c.FinishOperation(ctx, "none", catalog.Succeeded, nil); !errors.Is(err, catalog.ErrNotFound) {
		t.Errorf("finished nothing: %v", err)
	}
	done, err := c.Operation(ctx, "op1")
	check(t, err)
	if done.Status != catalog.Failed || string(done.Error) != `{"code":"X"}` || done.Ended.IsZero() {
		t.Errorf("finished: %+v", done)
	}
	check(t, c.ForgetOperations(ctx, time.Now().Add(time.Hour)))
	if of, _ := c.OperationsOf(ctx, group+"/X"); len(of) != 0 {
		t.Errorf("not forgotten: %+v", of)
	}
	if _, err := c.Operation(ctx, "op2"); err != nil {
		t.Errorf("a running operation was forgotten: %v", err)
	}
}

func TestPrincipalsAreUniqueByObjectAppAndResource(t *testing.T) {
	c, ctx := fresh(t), t.Context()
	check(t, c.PutTenant(ctx, entra.Tenant{ID: "t1"}))
	p := entra.Principal{ObjectID: "O1", AppID: "A1", Tenant: "T1", Kind: entra.SystemAssigned, Resource: group + "/c"}
	check(t, c.AddPrincipal(ctx, p))
	for _, q := range []entra.Principal{
		{ObjectID: "o1", AppID: "a2", Tenant: "t1"},
		{ObjectID: "o2", AppID: "a1", Tenant: "t1"},
		{ObjectID: "o2", AppID: "a2", Tenant: "t1", Resource: strings.ToUpper(group) + "/C"},
	} {
		if err := c.AddPrincipal(ctx, q); !errors.Is(err, catalog.ErrExists) {
			t.Errorf("AddPrincipal(%+v): %v", q, err)
		}
	}
	if err := c.AddPrincipal(ctx, entra.Principal{ObjectID: "o3", AppID: "a3", Tenant: "nowhere"}); !errors.Is(err, catalog.ErrNotFound) {
		t.Errorf("principal of no tenant: %v", err)
	}
	check(t, c.AddSecret(ctx, "o1", entra.Secret{ID: "s", Salt: []byte{1}, Hash: []byte{2}}))
	got, err := c.PrincipalOf(ctx, group+"/C")
	check(t, err)
	if got.ObjectID != "o1" || got.Tenant != "t1" {
		t.Errorf("PrincipalOf: %+v", got)
	}
	check(t, c.RemovePrincipal(ctx, "O1"))
	if left, _ := c.Secrets(ctx, "o1"); len(left) != 0 {
		t.Errorf("secrets outlived their principal: %v", left)
	}
}

func TestSegmentsMoveWithTheirManifest(t *testing.T) {
	c, ctx := fresh(t), t.Context()
	check(t, c.AddAccount(ctx, catalog.Account{ID: "acc", Domain: "d", Kind: "cluster"}))
	seg := func(id schema.SegmentID) catalog.Segment {
		return catalog.Segment{ID: id, Account: "acc", Workspace: "w", Table: "T", Generation: 1, Rows: 2, Bytes: 3, MinTime: 4, MaxTime: 5,
			Columns: []schema.Column{{Name: "A", Type: schema.DateTime}}}
	}
	check(t, c.CommitSegments(ctx, "acc", []catalog.Segment{seg("1"), seg("2")}, nil, catalog.Manifest{Seq: 1, Floor: 10, MAC: []byte("m")}))
	for what, err := range map[string]error{
		"a manifest that stays":     c.CommitSegments(ctx, "acc", nil, nil, catalog.Manifest{Seq: 1, Floor: 10}),
		"a floor that shrinks":      c.CommitSegments(ctx, "acc", nil, nil, catalog.Manifest{Seq: 2, Floor: 9}),
		"removal of what is absent": c.CommitSegments(ctx, "acc", []catalog.Segment{seg("3")}, []schema.SegmentID{"1", "9"}, catalog.Manifest{Seq: 2, Floor: 10}),
	} {
		if !errors.Is(err, catalog.ErrConflict) {
			t.Errorf("%s: %v", what, err)
		}
	}
	check(t, c.CommitSegments(ctx, "acc", []catalog.Segment{seg("3")}, []schema.SegmentID{"1", "2"}, catalog.Manifest{Seq: 2, Floor: 20, MAC: []byte("n")}))
	all, err := c.Segments(ctx, "acc")
	check(t, err)
	m, err := c.Manifest(ctx, "acc")
	check(t, err)
	if len(all) != 1 || all[0].ID != "3" || all[0].Columns[0].Type != schema.DateTime || m.Seq != 2 || m.Floor != 20 || string(m.MAC) != "n" {
		t.Errorf("segments %+v, manifest %+v", all, m)
	}
	check(t, c.RemoveAccount(ctx, "acc"))
	if all, _ := c.Segments(ctx, "acc"); len(all) != 0 {
		t.Errorf("segments outlived their account: %v", all)
	}
}

func TestRemovedWrapsAreGoneFromTheFiles(t *testing.T) {
	path, ctx := filepath.Join(t.TempDir(), "catalog.db"), t.Context()
	c := open(t, path)
	check(t, c.AddAccount(ctx, catalog.Account{ID: "acc", Domain: "d"}))
	const mark = "wrapped-under-the-service-key"
	w := catalog.Wrap{Account: "acc", Generation: 1, KID: "k1", Record: json.RawMessage(`{"w":"` + mark + `"}`)}
	check(t, c.PutWraps(ctx, []catalog.Wrap{w}))
	check(t, c.PutCanary(ctx, catalog.Canary{Cluster: "d", KID: "k1", Record: json.RawMessage(`{"c":1}`)}))
	if !found(t, path, mark) {
		t.Fatal("the search does not find what is there")
	}
	check(t, c.RemoveWraps(ctx, []catalog.Wrap{w}))
	check(t, c.Scrub(ctx))
	if found(t, path, mark) {
		t.Error("a removed wrap record is still in a file")
	}
	if left, _ := c.Wraps(ctx, "acc"); len(left) != 0 {
		t.Errorf("wraps: %v", left)
	}
	check(t, c.RemoveCanary(ctx, "d"))
	if _, err := c.Canary(ctx, "d"); !errors.Is(err, catalog.ErrNotFound) {
		t.Errorf("canary: %v", err)
	}
}

func found(t *testing.T, path, mark string) bool {
	files, err := filepath.Glob(path + "*")
	check(t, err)
	for _, f := range files {
		b, err := os.ReadFile(f)
		check(t, err)
		if strings.Contains(string(b), mark) {
			return true
		}
	}
	return false
}

// BenchmarkSegments reads an account of 100,000 segments of 100 tables, as a
// worker's start does.
func BenchmarkSegments(b *testing.B) {
	c, err := catalog.Open(b.Context(), filepath.Join(b.TempDir(), "catalog.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	if err := c.AddAccount(b.Context(), catalog.Account{ID: "a", Domain: "c", Kind: "cluster"}); err != nil {
		b.Fatal(err)
	}
	var columns []schema.Column
	for i := range 10 {
		columns = append(columns, schema.Column{Name: fmt.Sprintf("Column%d", i), Type: schema.String})
	}
	const segments = 100_000
	var all []catalog.Segment
	for i := range segments {
		all = append(all, catalog.Segment{
			ID: schema.SegmentID(fmt.Sprintf("%032x", i)), Account: "a", Workspace: "6f9619ff-8b86-d011-b42d-00cf4fc964ff",
			Table: schema.TableName(fmt.Sprintf("T%d_CL", i%100)), Generation: 1, Rows: 1, Bytes: 1, Columns: columns,
		})
	}
	if err := c.CommitSegments(b.Context(), "a", all, nil, catalog.Manifest{Seq: 1, Floor: 1}); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if got, err := c.Segments(b.Context(), "a"); err != nil || len(got) != segments {
			b.Fatal(len(got), err)
		}
	}
}
