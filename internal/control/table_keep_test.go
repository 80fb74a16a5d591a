package control

import (
	"testing"
	"time"

	"logkeep/internal/fault"
	"logkeep/internal/schema"
)

// changed applies a change to a table at a time.
func changed(t *testing.T, table Table, ch TableChange, now time.Time) (Table, error) {
	t.Helper()
	d := &tableDraft{table: table, workspace: Workspace{Retention: 60}, limits: Limits{}.orDefault(), now: now}
	d.apply(ch)
	return d.table, fault.Join(d.wrong...)
}

func TestAPlanIsSwitchedOnceAWeekAndTotalRetentionStays(t *testing.T) {
	now := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	table := Table{Created: now.Add(-day), Retention: new(90)}
	basic, err := changed(t, table, TableChange{Plan: new("basic")}, now)
	if k := basic.Keeping(Workspace{Retention: 60}, now); err != nil || k != (Keeping{Basic, 30, 90, 90}) || k.Archive() != 60 {
		t.Fatalf("%+v %v", k, err)
	}
	_, err = changed(t, basic, TableChange{Plan: new("Analytics")}, now.Add(7*day-1))
	wants(t, "within the week", err, fault.InvalidParameter, "once a week")
	back, err := changed(t, basic, TableChange{Plan: new("Analytics")}, now.Add(7*day))
	if k := back.Keeping(Workspace{Retention: 60}, now); err != nil || k != (Keeping{Analytics, 60, 90, 90}) {
		t.Errorf("%+v %v", k, err)
	}
	whole, err := changed(t, table, TableChange{Plan: new("Basic"), Retention: new(int32(90)), Total: new(int32(90)), Replace: true}, now)
	if k := whole.Keeping(Workspace{Retention: 60}, now); err != nil || k != (Keeping{Basic, 30, 90, 90}) {
		t.Errorf("with all that was read: %+v %v", k, err)
	}
	_, err = changed(t, Table{Created: now, Classic: true}, TableChange{Plan: new("Basic")}, now)
	wants(t, "a classic table", err, fault.InvalidTableSchema, "Data Collector API")
	if same, err := changed(t, basic, TableChange{Plan: new("Basic")}, now); err != nil || !same.PlanChanged.Equal(basic.PlanChanged) {
		t.Errorf("the same plan is no switch: %v", err)
	}
}

func TestWhatAShorterRetentionTakesAwayGoesAMonthLater(t *testing.T) {
	now := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	w := Workspace{Retention: 60}
	table := Table{Created: now, Total: new(730)}
	short, err := changed(t, table, TableChange{Total: new(int32(100))}, now)
	if err != nil {
		t.Fatal(err)
	}
	shorter, err := changed(t, short, TableChange{Total: new(int32(30)), Retention: new(int32(30))}, now.Add(10*day))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		table Table
		after time.Duration
		want  Keeping
	}{
		{short, 0, Keeping{Analytics, 60, 100, 730}},
		{short, 30*day - 1, Keeping{Analytics, 60, 100, 730}},
		{short, 30 * day, Keeping{Analytics, 60, 100, 100}},
		{shorter, 31 * day, Keeping{Analytics, 30, 30, 730}}, // the first month begins anew with the second change
		{shorter, 40 * day, Keeping{Analytics, 30, 30, 30}},
	} {
		if got := c.table.Keeping(w, now.Add(c.after)); got != c.want {
			t.Errorf("after %v: %+v, want %+v", c.after, got, c.want)
		}
	}
	w.Features = map[string]any{"immediatePurgeDataOn30Days": true}
	if got := shorter.Keeping(w, now.Add(11*day)); got.Removal != 30 {
		t.Errorf("at once, where the workspace wants it: %+v", got)
	}
	longer, err := changed(t, short, TableChange{Total: new(int32(4383))}, now.Add(day))
	if got := longer.Keeping(w, now.Add(day)); err != nil || got.Removal != 4383 {
		t.Errorf("longer: %+v %v", got, err)
	}
}

func TestKeepingsKnowEveryTable(t *testing.T) {
	w := newWorld(t)
	ws := w.makeWorkspace("ws-1")
	if _, err := w.PutTable(t.Context(), ws.ID.Child("tables", "App_CL"), TableChange{Columns: logColumns, Replace: true, Retention: new(int32(10)), Total: new(int32(1095))}); err != nil {
		t.Fatal(err)
	}
	of, err := w.Keepings(t.Context(), ws.ID)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]Keeping{
		"App_CL": {Analytics, 10, 1095, 1095}, "Syslog": {Analytics, ws.Retention, ws.Retention, ws.Retention},
		"AzureActivity": {Analytics, 90, 90, 90}, "Gone_CL": {Analytics, ws.Retention, ws.Retention, ws.Retention},
	} {
		if got := of(schema.TableName(name)); got != want {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
	all, err := w.AllTables(t.Context(), ws.ID)
	if err != nil || len(all) != 989 || all[0].Name() > all[1].Name() {
		t.Errorf("%d tables, %v", len(all), err)
	}
	if known, err := w.Tables(t.Context(), ws.ID); err != nil || len(known) != 1 {
		t.Errorf("%d tables are known, %v", len(known), err)
	}
}

func TestAPublishedTableIsRememberedWhenItIsUsed(t *testing.T) {
	w := newWorld(t)
	ws := w.makeWorkspace("ws-1")
	id := ws.ID.Child("tables", "SYSLOG")
	found, err := w.Table(t.Context(), id)
	if err != nil || found.Known() || found.Name() != "Syslog" {
		t.Fatalf("%+v %v", found, err)
	}
	if _, err := w.GrowTable(t.Context(), found.ID, nil); err != nil {
		t.Fatal(err)
	}
	again, err := w.Table(t.Context(), id)
	if err != nil || !again.Known() || again.Published == nil || len(again.Columns) != 0 || again.Name() != "Syslog" {
		t.Errorf("%+v %v", again, err)
	}
	_, _, err = w.DeleteTable(t.Context(), id, "me")
	wants(t, "delete", err, fault.InvalidParameter, "Azure table")
}

// A total retention that is named counts, also where it is what the default was: the
// default goes down with the interactive one. One that is less than the new
// interactive retention was read before and follows it.
func TestATotalRetentionThatIsNamedIsKept(t *testing.T) {
	for _, c := range []struct{ retention, total, want int32 }{
		{4, 60, 60}, {60, 60, 60}, {4, -1, 4}, {90, 60, 90}, {-1, 60, 60}, {4, 90, 90},
	} {
		table, err := changed(t, Table{}, TableChange{Retention: &c.retention, Total: &c.total}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if k := table.Keeping(Workspace{Retention: 60}, time.Now()); k.Total != int(c.want) {
			t.Errorf("retention %d, total %d: rows are kept for %d days, want %d", c.retention, c.total, k.Total, c.want)
		}
	}
}
