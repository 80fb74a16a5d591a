package wire_test

import (
	"slices"
	"testing"

	"logkeep/internal/schema"
	"logkeep/internal/worker/wire"
)

// Rows on disks lie where these say.
func TestTablesAreSpreadAsEver(t *testing.T) {
	const w = "3fbe7a0c-0f3c-4a7f-9d3f-0a6b5b0d8a11"
	for table, want := range map[schema.TableName]int{"Events_CL": 1, "Heartbeat": 0, "Syslog": 1, "": 0, "events_cl": 1} {
		if got := wire.Spread(w, table, 4); got != want {
			t.Errorf("%q is in account %d, was in %d", table, got, want)
		}
	}
}

func TestAQueryLikelyReadsTheTablesThatItNames(t *testing.T) {
	q := wire.Query{
		Text:   "Heartbeat | union Syslog",
		Tables: []schema.Table{{Name: "Heartbeat"}, {Name: "Syslog"}, {Name: "Events_CL"}},
		Readable: []wire.Readable{
			{Workspace: "a", Accounts: []schema.AccountID{"ws-a"}, Spread: [][]schema.AccountID{{"c-0", "c-1"}, {"d-0"}}},
			{Workspace: "b", Accounts: []schema.AccountID{"ws-b"}},
		},
	}
	named := func(table schema.TableName) schema.AccountID {
		return []schema.AccountID{"c-0", "c-1"}[wire.Spread("a", table, 2)]
	}
	want := []schema.AccountID{"ws-a", named("Heartbeat"), "d-0", "ws-b", named("Syslog")}
	slices.Sort(want)
	got := q.Likely()
	slices.Sort(got)
	if !slices.Equal(got, slices.Compact(want)) {
		t.Errorf("%q, want %q", got, want)
	}
	if q.Text = "print 1"; len(q.Likely()) > 0 {
		t.Error("a query that names no table likely reads", q.Likely())
	}
}
