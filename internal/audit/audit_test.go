package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"logkeep/internal/control"
	"logkeep/internal/fault"
	"logkeep/internal/resource"
	"logkeep/internal/schema"
	"logkeep/internal/vault/admin"
	"logkeep/internal/worker/wire"
)

// A world is everything that a Forwarder works with, in memory. Its queries
// know no language: they give back every row's _ItemId.
type world struct {
	mu       sync.Mutex
	log      []admin.Event // of the one vault; the number of a record is its place, from 1
	purged   bool
	settings []control.Diagnostic
	marks    map[string]int64
	rows     map[schema.TableName][]map[string]json.RawMessage
	away     bool // the workspace takes nothing
	lose     int  // appends that are done and answered with an error
	forget   int  // marks that are not written
	asked    int
	lost     map[int64]int64 // by the record after which they are missing
	readers  map[string]bool
}

var vault = must(resource.Parse("/subscriptions/s1/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/kv"))
var space = must(resource.Parse("/subscriptions/s1/resourceGroups/rg/providers/Microsoft.OperationalInsights/workspaces/ws"))

func must(id resource.ID, err error) resource.ID {
	if err != nil {
		panic(err)
	}
	return id
}

func setting(name string, dedicated bool) control.Diagnostic {
	return control.Diagnostic{ID: vault.Resource(resource.Diagnostic, name), Workspace: space, Dedicated: dedicated, Since: time.Now(),
		Logs: []control.DiagnosticLog{{Category: control.AuditEvent, Enabled: true}}}
}

func (w *world) Audit(_ context.Context, q admin.AuditQuery) (admin.AuditPage, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked++
	if w.readers == nil {
		w.readers = map[string]bool{}
	}
	w.readers[q.Reader] = true
	if w.purged {
		return admin.AuditPage{}, admin.Refuse(404, "ResourceNotFound", "no such vault")
	}
	end := min(int64(len(w.log)), q.After+int64(q.Limit))
	if end <= q.After {
		return admin.AuditPage{Next: q.After}, nil
	}
	return admin.AuditPage{Events: slices.Clone(w.log[q.After:end]), Next: end, Lost: w.lost[q.After]}, nil
}

func (w *world) Diagnostics(context.Context, resource.ID) ([]control.Diagnostic, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.settings), nil
}

func (w *world) Workspace(context.Context, resource.ID) (control.Workspace, error) {
	return control.Workspace{ID: space, CustomerID: "22222222-2222-2222-2222-222222222222"}, nil
}

func (w *world) KeepTable(_ context.Context, _ resource.ID, t schema.Table) (control.Table, error) {
	out := control.Table{ID: space.Child("tables", string(t.Name))}
	for _, c := range t.Columns {
		out.Columns = append(out.Columns, control.Column{Name: c.Name, Type: c.Type})
	}
	return out, nil
}

func (w *world) AuditMark(_ context.Context, setting string) (int64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.marks[setting], nil
}

func (w *world) SetAuditMark(_ context.Context, setting string, mark int64) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.forget > 0 {
		w.forget--
		return errors.New("the disk is full")
	}
	w.marks[setting] = mark
	return nil
}

func (w *world) Append(_ context.Context, _ control.Workspace, r wire.Append, body io.Reader) (wire.Appended, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.away {
		return wire.Appended{}, fault.New(fault.CustomerManagedKeyRevoked, "no key")
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
	w.rows[r.Table.Name] = append(w.rows[r.Table.Name], rows...)
	if w.lose > 0 {
		w.lose--
		return wire.Appended{}, errors.New("the answer is lost")
	}
	return wire.Appended{}, nil
}

func (w *world) Query(_ context.Context, _ []control.Workspace, q wire.Query) (io.ReadCloser, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.away {
		return nil, fault.New(fault.CustomerManagedKeyRevoked, "no key")
	}
	rows := [][]json.RawMessage{}
	for _, row := range w.rows[q.Tables[0].Name] {
		rows = append(rows, []json.RawMessage{row["_ItemId"]})
	}
	b, err := json.Marshal(map[string]any{"tables": []any{map[string]any{"rows": rows}}})
	return io.NopCloser(strings.NewReader(string(b))), err
}

// happen adds records to the vault's log.
func (w *world) happen(operations ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, o := range operations {
		w.log = append(w.log, admin.Event{
			Time: time.Now().UTC(), ResourceID: strings.ToUpper(vault.String()), OperationName: o, Category: "AuditEvent", ResultType: "Success", ResultSignature: "OK",
			CallerIPAddress: "192.0.2.1", CorrelationID: fmt.Sprint(len(w.log)),
			Identity:   admin.Identity{Claim: admin.Claim{ObjectID: "someone", AppID: "33333333-3333-3333-3333-333333333333"}},
			Properties: admin.EventProps{ID: "https://kv.vault.x/keys/kek/1", HTTPStatus: 200},
		})
	}
}

func (w *world) operations(table schema.TableName) (all []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.rows[table] {
		var s string
		json.Unmarshal(r["OperationName"], &s)
		all = append(all, s)
	}
	return all
}

func newWorld() *world {
	return &world{marks: map[string]int64{}, rows: map[schema.TableName][]map[string]json.RawMessage{}}
}

// pass lets the forwarder do what is due within d.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func same(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestRecordsBecomeRowsOfBothTables(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.happen("KeyCreate") // before there is a setting
		time.Sleep(time.Second)
		w.settings = []control.Diagnostic{setting("a", true), setting("b", false)}
		off := setting("c", true)
		off.Logs[0].Enabled = false
		w.settings = append(w.settings, off)
		f := Start(w, w, w, w, slog.New(slog.DiscardHandler))
		defer f.Close()
		time.Sleep(time.Millisecond)
		w.happen("KeyWrap", "KeyUnwrap")
		pass(3 * time.Second)
		same(t, w.operations("AZKVAuditLogs"), "KeyWrap", "KeyUnwrap")
		same(t, w.operations("AzureDiagnostics"), "KeyWrap", "KeyUnwrap")
		for table, columns := range map[schema.TableName]map[string]string{
			"AZKVAuditLogs":    {"HttpStatusCode": "200", "Id": `"https://kv.vault.x/keys/kek/1"`, "_ResourceId": `"` + strings.ToLower(vault.String()) + `"`, "TenantId": `"22222222-2222-2222-2222-222222222222"`},
			"AzureDiagnostics": {"httpStatusCode_d": "200", "id_s": `"https://kv.vault.x/keys/kek/1"`, "Resource": `"KV"`, "ResourceGroup": `"RG"`, "identity_claim_appid_g": `"33333333-3333-3333-3333-333333333333"`},
		} {
			for name, want := range columns {
				if got := string(w.rows[table][0][name]); got != want {
					t.Errorf("%s.%s is %s, want %s", table, name, got, want)
				}
			}
		}
	})
}

// The answer to an append is lost, a mark is not written, the program ends:
// each record is a row once.
func TestARecordIsARowOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.settings = []control.Diagnostic{setting("a", true)}
		log := slog.New(slog.DiscardHandler)
		f := Start(w, w, w, w, log)
		w.lose = 2
		w.happen("1", "2")
		pass(time.Minute)
		same(t, w.operations("AZKVAuditLogs"), "1", "2")
		w.forget = 1
		w.happen("3")
		pass(time.Minute)
		w.forget = 1 << 30
		w.happen("4")
		pass(3 * time.Second)
		f.Close()
		w.forget = 0
		f = Start(w, w, w, w, log)
		defer f.Close()
		w.happen("5")
		pass(time.Minute)
		same(t, w.operations("AZKVAuditLogs"), "1", "2", "3", "4", "5")
	})
}

func TestWhileTheKeyIsAwayRecordsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.settings = []control.Diagnostic{setting("a", true)}
		f := Start(w, w, w, w, slog.New(slog.DiscardHandler))
		defer f.Close()
		w.away = true
		var all []string
		for i := range 1200 { // more than two batches
			all = append(all, fmt.Sprint(i))
		}
		w.happen(all...)
		pass(time.Hour)
		same(t, w.operations("AZKVAuditLogs"))
		if w.asked > 200 {
			t.Errorf("the vault was asked %d times in an hour for what can't be taken", w.asked)
		}
		w.mu.Lock()
		w.away = false
		w.mu.Unlock()
		pass(time.Minute)
		same(t, w.operations("AZKVAuditLogs"), all...)
		w.mu.Lock()
		w.purged = true
		w.mu.Unlock()
		pass(time.Minute)
		same(t, w.operations("AZKVAuditLogs"), all...)
	})
}

// What the vault had to remove before it could be stored is told where it is missing.
func TestLostRecordsAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.lost = map[int64]int64{1: 42}
		w.settings = []control.Diagnostic{setting("a", true)}
		f := Start(w, w, w, w, slog.New(slog.DiscardHandler))
		defer f.Close()
		w.happen("first")
		pass(time.Minute)
		if told := w.rows["Operation"]; len(told) != 0 {
			t.Fatalf("told of a loss that is none: %s", told)
		}
		w.happen("after the loss")
		pass(time.Minute)
		told := w.rows["Operation"]
		if len(told) != 1 || !strings.Contains(string(told[0]["Detail"]), "up to 42 of them were removed") || string(told[0]["OperationStatus"]) != `"Error"` {
			t.Errorf("told %s", told)
		}
		same(t, w.operations("AZKVAuditLogs"), "first", "after the loss")
		if len(w.readers) != 1 || w.readers[""] {
			t.Errorf("the vault knows %v as readers; it keeps nothing for one without a name", w.readers)
		}
	})
}
