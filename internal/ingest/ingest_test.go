package ingest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"logkeep/internal/control"
	"logkeep/internal/fault"
	"logkeep/internal/resource"
	"logkeep/internal/schema"
	"logkeep/internal/worker/wire"
)

const below = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/g/providers/Microsoft.OperationalInsights/workspaces/"

// world has every workspace, linked to one cluster, and every table but None_CL.
type world struct {
	Plane
	settings control.Settings
	fails    map[schema.TableName]error
	took     []string         // table and body of what was appended
	away     map[string]error // of workspaces
}

func (w *world) Ready(_ context.Context, v control.Workspace) error { return w.away[v.ID.Name()] }

func (w *world) Workspace(_ context.Context, id resource.ID) (control.Workspace, error) {
	return control.Workspace{ID: id, CustomerID: schema.WorkspaceID(id.Name()), Link: &control.Link{ClusterID: "c"}}, nil
}

func (w *world) Table(_ context.Context, id resource.ID) (control.Table, error) {
	if id.Name() == "None_CL" {
		return control.Table{}, fault.New(fault.TableNotFound, "no such table")
	}
	return control.Table{ID: id}, nil
}

func (w *world) End(ctx context.Context, id resource.ID, table schema.TableName) (control.Workspace, control.Table, error) {
	v, _ := w.Workspace(ctx, id)
	t, err := w.Table(ctx, id.Child("tables", string(table)))
	return v, t, err
}

func (w *world) ClusterByID(context.Context, schema.ClusterID) (control.Cluster, error) {
	return control.Cluster{Settings: w.settings}, nil
}

func (w *world) Append(_ context.Context, v control.Workspace, r wire.Append, body io.Reader) (wire.Appended, error) {
	if err := w.fails[r.Table.Name]; err != nil {
		return wire.Appended{}, err
	}
	b, err := io.ReadAll(body)
	w.took = append(w.took, string(v.CustomerID)+"/"+string(r.Table.Name)+": "+string(b))
	return wire.Appended{}, err
}

func rule(t *testing.T, flows ...control.Flow) control.Rule {
	t.Helper()
	r := control.Rule{Streams: map[string][]schema.Column{"Custom-A_CL": nil, "Custom-None_CL": nil}, Flows: flows}
	for _, name := range []string{"one", "two"} {
		id, err := resource.Parse(below + name)
		if err != nil {
			t.Fatal(err)
		}
		r.Destinations = append(r.Destinations, control.Destination{Name: name, Workspace: id})
	}
	return r
}

func TestRowsGoToEveryTableOfTheirStream(t *testing.T) {
	w := &world{}
	r := rule(t, control.Flow{Streams: []string{"Custom-A_CL"}, Destinations: []string{"one", "two"}})
	if err := New(w, w).Ingest(t.Context(), Request{Rule: r, Stream: "Custom-A_CL", Body: strings.NewReader("[{}]")}); err != nil {
		t.Fatal(err)
	}
	if want := []string{"one/A_CL: [{}]", "two/A_CL: [{}]"}; !slices.Equal(w.took, want) {
		t.Errorf("took %q, want %q", w.took, want)
	}
	w.took = nil
	large := Request{Rule: r, Stream: "Custom-A_CL", Body: bytes.NewReader(make([]byte, MaxBytes+1))}
	if err := New(w, w).Ingest(t.Context(), large); !errors.Is(err, fault.ContentLengthLimit) || w.took != nil {
		t.Errorf("a large body: %v, %d tables", err, len(w.took))
	}
	large.Body = cutOff{}
	if err := New(w, w).Ingest(t.Context(), large); !errors.Is(err, fault.MalformedJSON) || w.took != nil {
		t.Errorf("a body that ends early: %v", err)
	}
}

type cutOff struct{}

func (cutOff) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestRowsWithoutAWayAreRefused(t *testing.T) {
	w := &world{}
	none := rule(t)
	if err := New(w, w).Ingest(t.Context(), Request{Rule: none, Stream: "Custom-A_CL", Body: strings.NewReader("[]")}); !errors.Is(err, fault.StreamNotFound) {
		t.Errorf("a stream of no flow: %v", err)
	}
	gone := rule(t, control.Flow{Streams: []string{"Custom-None_CL"}, Destinations: []string{"one"}})
	if err := New(w, w).Ingest(t.Context(), Request{Rule: gone, Stream: "Custom-None_CL", Body: strings.NewReader("[]")}); !errors.Is(err, fault.TableNotFound) {
		t.Errorf("a table that is gone: %v", err)
	}
}

func TestRowsWhileTheKeyIsAwayAreRefusedUnlessTheOwnerSaysDrop(t *testing.T) {
	for _, code := range []fault.Code{fault.CustomerManagedKeyRevoked, fault.CustomerManagedKeyUnreachable, fault.CustomerManagedKeyDamaged, fault.InvalidRow} {
		for _, way := range []string{control.Reject, control.Drop, ""} {
			w := &world{settings: control.Settings{IngestionWhenRevoked: way}, fails: map[schema.TableName]error{"A_CL": fault.New(code, "no")}}
			r := rule(t, control.Flow{Streams: []string{"Custom-A_CL"}, Destinations: []string{"one"}})
			err := New(w, w).Ingest(t.Context(), Request{Rule: r, Stream: "Custom-A_CL", Body: strings.NewReader("[{}]")})
			if dropped := way == control.Drop && code != fault.InvalidRow; dropped != (err == nil) || err != nil && !errors.Is(err, code) {
				t.Errorf("%s with %q: %v", code, way, err)
			}
		}
	}
}

// A request that some tables have the rows of is not acknowledged, and sent again
// it goes to the others only: no row is lost, and none is there twice.
func TestARequestForSeveralTablesIsAcknowledgedWhenAllHaveItsRows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{fails: map[schema.TableName]error{}, away: map[string]error{}}
		s := New(w, w)
		r := rule(t, control.Flow{Streams: []string{"Custom-A_CL"}, Destinations: []string{"one", "two"}},
			control.Flow{Streams: []string{"Custom-A_CL"}, Destinations: []string{"one"}, Output: "Custom-B_CL", Transform: "source | where true", Changes: true})
		send := func(body string) error {
			return s.Ingest(t.Context(), Request{Rule: r, Stream: "Custom-A_CL", Body: strings.NewReader(body)})
		}
		check := func(what string, err error, code fault.Code, words string, took ...string) {
			t.Helper()
			if code == "" && err != nil || code != "" && !errors.Is(err, code) || err != nil && !strings.Contains(err.Error(), words) {
				t.Errorf("%s: told %v, want %s %q", what, err, code, words)
			}
			if !slices.Equal(w.took, took) {
				t.Errorf("%s: took %q, want %q", what, w.took, took)
			}
			w.took = nil
		}
		check("all is well", send("[1]"), "", "", "one/B_CL: [1]", "one/A_CL: [1]", "two/A_CL: [1]")

		w.away["two"] = fault.New(fault.CustomerManagedKeyRevoked, "The key is revoked.")
		check("a key is away", send("[2]"), fault.CustomerManagedKeyRevoked, "The key is revoked.")
		w.settings.IngestionWhenRevoked = control.Drop
		check("and its owner wants rows dropped", send("[2]"), "", "", "one/B_CL: [2]", "one/A_CL: [2]")
		w.settings, w.away = control.Settings{}, nil

		w.fails["B_CL"] = fault.New(fault.InvalidRow, "Nothing was stored: row 1 is wrong.")
		check("rows can't be changed", send("[3]"), fault.InvalidRow, "InvalidRow: Nothing was stored: row 1 is wrong.")
		delete(w.fails, "B_CL")
		w.fails["A_CL"] = fault.New(fault.TooManyRequests, "Nothing was stored: too many.").WithRetryAfter(7)
		err := send("[4]")
		check("the second table fails", err, fault.TooManyRequests, "In table 'A_CL' of workspace 'one' nothing was stored: too many. The rows are in table 'B_CL' of workspace 'one'; the same request, sent again, goes to the others only.", "one/B_CL: [4]")
		if f, ok := errors.AsType[*fault.Error](err); !ok || f.RetryAfter() != 7 {
			t.Errorf("when to come again is lost: %v", err)
		}
		check("another request", send("[5]"), fault.TooManyRequests, "", "one/B_CL: [5]")
		check("the same again, in vain", send("[4]"), fault.TooManyRequests, "The rows are in table 'B_CL'")
		delete(w.fails, "A_CL")
		check("the same again", send("[4]"), "", "", "one/A_CL: [4]", "two/A_CL: [4]")
		check("and a new one with the same rows", send("[4]"), "", "", "one/B_CL: [4]", "one/A_CL: [4]", "two/A_CL: [4]")
		time.Sleep(halfFor + time.Second)
		check("what was half stored long ago", send("[5]"), "", "", "one/B_CL: [5]", "one/A_CL: [5]", "two/A_CL: [5]")
		if len(s.half.all) != 0 {
			t.Errorf("%d requests are remembered", len(s.half.all))
		}
	})
}
