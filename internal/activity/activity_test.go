package activity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"logkeep/internal/catalog"
	"logkeep/internal/control"
	"logkeep/internal/fault"
	"logkeep/internal/schema"
	"logkeep/internal/worker/wire"
)

// A shelf keeps rows in memory. Its queries know no language: they give back
// every row of the workspace between the times.
type shelf struct {
	mu    sync.Mutex
	made  map[schema.WorkspaceID]bool
	rows  map[schema.WorkspaceID][]map[string]json.RawMessage
	lose  int // appends that are done and answered with an error
	down  bool
	asked []string
}

func (s *shelf) EnsureWorkspace(_ context.Context, w control.Workspace) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.made[w.CustomerID] = true
	return nil
}

func (s *shelf) Append(_ context.Context, w control.Workspace, r wire.Append, body io.Reader) (wire.Appended, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down || !s.made[w.CustomerID] {
		return wire.Appended{}, errors.New("no place")
	}
	var rows []map[string]json.RawMessage
	if err := json.NewDecoder(body).Decode(&rows); err != nil {
		return wire.Appended{}, err
	}
	for _, row := range rows {
		for name := range row {
			if _, ok := r.Table.Column(name); !ok {
				return wire.Appended{}, fmt.Errorf("no column %s", name)
			}
		}
	}
	s.rows[w.CustomerID] = append(s.rows[w.CustomerID], rows...)
	if s.lose > 0 {
		s.lose--
		return wire.Appended{}, errors.New("the answer is lost")
	}
	return wire.Appended{}, nil
}

func (s *shelf) Query(_ context.Context, ws []control.Workspace, q wire.Query) (io.ReadCloser, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, q.Text)
	var columns []any
	for _, c := range Schema().Columns {
		columns = append(columns, map[string]string{"name": c.Name, "type": c.Type.String()})
	}
	rows := []any{}
	for _, row := range s.rows[ws[0].CustomerID] {
		var at time.Time
		if err := json.Unmarshal(row["TimeGenerated"], &at); err != nil {
			return nil, err
		}
		if t := schema.TicksOf(at); t < q.From || t > q.To {
			continue
		}
		var cells []any
		for _, c := range Schema().Columns {
			if c.Type == schema.Dynamic {
				cells = append(cells, nil)
				continue
			}
			cells = append(cells, row[c.Name])
		}
		rows = append(rows, cells)
	}
	b, err := json.Marshal(map[string]any{"tables": []any{map[string]any{"columns": columns, "rows": rows}}})
	return io.NopCloser(strings.NewReader(string(b))), err
}

func (s *shelf) count(tenant schema.TenantID, subscription string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.rows[Workspace(tenant, subscription).CustomerID])
}

func newShelf() *shelf {
	return &shelf{made: map[schema.WorkspaceID]bool{}, rows: map[schema.WorkspaceID][]map[string]json.RawMessage{}}
}

func open(t *testing.T) *catalog.Catalog {
	t.Helper()
	c, err := catalog.Open(t.Context(), filepath.Join(t.TempDir(), "catalog.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func example(subscription, what string) Event {
	return Event{Tenant: "t1", Subscription: subscription, Resource: "/subscriptions/" + subscription + "/resourceGroups/G/providers/A.B/c/" + what, Group: "G",
		Operation: "A.B/c/write", Status: Succeeded, HTTP: 201, Caller: "someone", Address: "192.0.2.1", Method: "PUT", Path: "/x", Correlation: "corr", OperationID: "op"}
}

func question(subscription string) Question {
	return Question{Tenant: "t1", Subscription: subscription, From: time.Now().Add(-time.Hour), To: time.Now().Add(time.Hour), Most: 100}
}

func TestEventsAreDurableThenRowsThenFound(t *testing.T) {
	cat, shelf := open(t), newShelf()
	j := Start(cat, shelf, slog.New(slog.DiscardHandler))
	defer j.Close()
	if err := j.Begin(t.Context(), example("s1", "first")); err != nil {
		t.Fatal(err)
	}
	j.End(t.Context(), example("s1", "second"))
	j.End(t.Context(), example("s2", "other"))
	found, err := j.Events(t.Context(), question("s1"))
	if err != nil || len(found) != 2 {
		t.Fatalf("%v %v", found, err)
	}
	e := found[0]
	if !strings.HasSuffix(e.Resource, "/second") || e.SubText != "Created (HTTP Status Code: 201)" || e.SubStatus != "Created" || e.Status != Succeeded ||
		e.Caller != "someone" || e.Request["clientIpAddress"] != "192.0.2.1" || e.Claims["oid"] != "someone" || e.Properties["statusCode"] != "Created" || e.Provider != "A.B" {
		t.Errorf("%+v", e)
	}
	if !found[1].Time.Before(e.Time) {
		t.Error("two events of one time")
	}
	if left, err := cat.PendingActivity(t.Context(), 10); err != nil || len(left) != 0 {
		t.Errorf("left in the outbox: %v %v", left, err)
	}
	if found, err = j.Events(t.Context(), question("s2")); err != nil || len(found) != 1 {
		t.Errorf("of the other subscription: %v %v", found, err)
	}
}

// TestAnEventIsARowOnce: the answer to an append is lost, the program is killed.
func TestAnEventIsARowOnce(t *testing.T) {
	cat, shelf := open(t), newShelf()
	log := slog.New(slog.DiscardHandler)
	j := Start(cat, shelf, log)
	shelf.lose = 2
	for i := range 5 {
		if err := j.Begin(t.Context(), example("s1", fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Flush(t.Context()); err == nil {
		t.Error("a lost answer is no failure")
	}
	j.Close()
	if left, err := cat.PendingActivity(t.Context(), 10); err != nil || len(left) != 5 {
		t.Fatalf("in the outbox: %v %v", left, err)
	}
	j = Start(cat, shelf, log)
	defer j.Close()
	if err := j.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := shelf.count("t1", "s1"); n != 5 {
		t.Errorf("%d rows of 5 events", n)
	}
}

func TestWhenRowsCantBeKeptEventsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shelf := newShelf()
		shelf.down = true
		box := &box{}
		j := Start(box, shelf, slog.New(slog.DiscardHandler))
		defer j.Close()
		if err := j.Begin(t.Context(), example("s1", "x")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if _, err := j.Events(t.Context(), question("s1")); !errors.Is(err, fault.ServiceUnavailable) {
			t.Errorf("an answer without an event: %v", err)
		}
		shelf.mu.Lock()
		shelf.down = false
		shelf.mu.Unlock()
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := shelf.count("t1", "s1"); n != 1 || len(box.all) != 0 {
			t.Errorf("%d rows, %d in the outbox", n, len(box.all))
		}
		box.full = true
		if err := j.Begin(t.Context(), example("s1", "y")); err == nil {
			t.Error("an event that was not written is told to be")
		}
	})
}

// A box is an outbox in memory.
type box struct {
	mu   sync.Mutex
	seq  int64
	all  []catalog.Pending
	full bool
}

func (b *box) AddActivity(_ context.Context, events []json.RawMessage) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.full {
		return errors.New("no space left on device")
	}
	for _, e := range events {
		b.seq++
		b.all = append(b.all, catalog.Pending{Seq: b.seq, Event: e})
	}
	return nil
}

func (b *box) PendingActivity(_ context.Context, most int) ([]catalog.Pending, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]catalog.Pending(nil), b.all[:min(most, len(b.all))]...), nil
}

func (b *box) ForgetActivity(_ context.Context, upTo int64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.all) > 0 && b.all[0].Seq <= upTo {
		b.all = b.all[1:]
	}
	return nil
}

func TestQuestionsAreQuoted(t *testing.T) {
	q := Question{Group: `g" | take 0 //`, Resource: `/A\"B`, Caller: "a\nb", Status: "Failed", Type: "A.B/c", Most: 3, Provider: "A.B", Correlation: "c"}
	want := `AzureActivity
| where ResourceGroup =~ "g\" | take 0 //"
| where _ResourceId =~ "/a\\\"b"
| where ResourceProvider =~ "A.B"
| where CorrelationId =~ "c"
| where Caller =~ "a b"
| where ActivityStatus =~ "Failed"
| where OperationName startswith "A.B/c/"
| sort by TimeGenerated desc | take 3
| project ` + strings.Join(wanted, ", ")
	if got := q.text(); got != want {
		t.Errorf("%s", got)
	}
}
