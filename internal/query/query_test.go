package query

import (
	"context"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"

	"logkeep/internal/control"
	"logkeep/internal/fault"
	"logkeep/internal/resource"
	"logkeep/internal/schema"
	"logkeep/internal/worker/wire"
)

// planned has tables by workspace and remembers what was asked.
type planned struct {
	tables map[string][]control.Table
	asked  wire.Query
	fails  error
}

func (p *planned) Tables(_ context.Context, w resource.ID) ([]control.Table, error) {
	return p.tables[w.Name()], nil
}

func (p *planned) SealedSearches(_ context.Context, w resource.ID) ([]string, []control.SealedText, error) {
	return nil, nil, nil
}

func (p *planned) Query(_ context.Context, _ []control.Workspace, q wire.Query) (io.ReadCloser, error) {
	p.asked = q
	return io.NopCloser(strings.NewReader("{}")), p.fails
}

func workspace(t *testing.T, name string) control.Workspace {
	t.Helper()
	id, err := resource.Parse("/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/g/providers/Microsoft.OperationalInsights/workspaces/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return control.Workspace{ID: id, CustomerID: schema.WorkspaceID(name)}
}

func TestTablesOfOneNameAreOneWithTheColumnsOfAll(t *testing.T) {
	column := func(name string, of schema.Type) schema.Column { return schema.Column{Name: name, Type: of} }
	when := column(schema.TimeGenerated, schema.DateTime)
	a := []schema.Column{when, column("x", schema.Long), column("y", schema.String)}
	var m merging
	m.add(schema.Table{Name: "T", Columns: a})
	m.add(schema.Table{Name: "t", Columns: []schema.Column{when, column("x", schema.String)}}) // another table
	m.add(schema.Table{Name: "T", Columns: []schema.Column{when, column("z", schema.Real), column("x", schema.Long)}})
	m.add(schema.Table{Name: "T", Columns: []schema.Column{when, column("z", schema.Real), column("x", schema.String), column("x_string", schema.Bool)}})
	got, stored := m.done()
	want := []schema.Table{
		{Name: "T", Columns: []schema.Column{when, column("x_long", schema.Long), column("x_string1", schema.String), column("y", schema.String), column("z", schema.Real), column("x_string", schema.Bool)}},
		{Name: "t", Columns: []schema.Column{when, column("x", schema.String)}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if want := []wire.Stored{{Table: "T", Column: "x_long", As: "x"}, {Table: "T", Column: "x_string1", As: "x"}}; !reflect.DeepEqual(stored, want) {
		t.Errorf("stored as %v, want %v", stored, want)
	}
	if a[1].Name != "x" || len(a) != 3 {
		t.Error("the workspace's own table was changed")
	}
}

func TestTheInnermostCodeSaysWhatToDo(t *testing.T) {
	revoked := fault.New(fault.CustomerManagedKeyRevoked, "repair the key")
	p := &planned{fails: revoked}
	_, err := New(p, p, nil, nil).Query(t.Context(), Request{Workspaces: []control.Workspace{workspace(t, "a")}, Text: "T"})
	f := fault.Of(err)
	if f.Code != fault.InsufficientAccess || f.Status() != 403 || f.Inner == nil || f.Inner.Code != fault.CustomerManagedKeyRevoked || f.Inner.Message != "repair the key" {
		t.Errorf("%+v", f)
	}
	silent := fault.New(fault.CustomerManagedKeyUnreachable, "wait")
	p.fails = silent
	if _, err = New(p, p, nil, nil).Query(t.Context(), Request{}); !errors.Is(err, fault.CustomerManagedKeyUnreachable) || fault.Of(err).Status() != 503 {
		t.Errorf("a silent vault: %v", err)
	}
	if p.asked.MaxRows != MaxRows || p.asked.MaxBytes != MaxBytes {
		t.Errorf("a query without bounds: %+v", p.asked)
	}
}

func TestATableThatMayNotBeReadDoesNotExist(t *testing.T) {
	table := func(w control.Workspace, name string) control.Table {
		return control.Table{ID: w.ID.Child("tables", name)}
	}
	a, b := workspace(t, "a"), workspace(t, "b")
	p := &planned{tables: map[string][]control.Table{"a": {table(a, "Open"), table(a, "Shut"), table(a, "Mixed")}, "b": {table(b, "Mixed")}}}
	denied := map[string]bool{"a/Shut": true, "b/Mixed": true}
	_, err := New(p, p, nil, nil).Query(t.Context(), Request{Workspaces: []control.Workspace{a, b}, Text: "Open", MayRead: func(_ context.Context, w control.Workspace, t schema.TableName) (bool, error) {
		return !denied[w.ID.Name()+"/"+string(t)], nil
	}})
	if err != nil || len(p.asked.Tables) != 1 || p.asked.Tables[0].Name != "Open" {
		t.Errorf("%+v %v", p.asked.Tables, err)
	}
	broken := errors.New("the book can't be read")
	_, err = New(p, p, nil, nil).Query(t.Context(), Request{Workspaces: []control.Workspace{a}, MayRead: func(context.Context, control.Workspace, schema.TableName) (bool, error) { return false, broken }})
	if !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
}

// wanting is a holder that wants files, and who reads them.
type wanting struct {
	planned
	wants [][]string
	held  int
	read  []string
}

func (w *wanting) Query(ctx context.Context, all []control.Workspace, q wire.Query) (io.ReadCloser, error) {
	for _, list := range w.wants {
		for _, a := range list {
			if q.Files[a] == nil {
				return nil, &wire.Wanted{Addresses: list}
			}
		}
	}
	return w.planned.Query(ctx, all, q)
}

func (w *wanting) Hold(context.Context) (func(), error) {
	w.held++
	return func() { w.held-- }, nil
}

func (w *wanting) Fetch(_ context.Context, addresses []string, have map[string][]byte) (map[string][]byte, error) {
	if w.held != 1 {
		return nil, errors.New("read without a hold")
	}
	files := map[string][]byte{}
	for _, a := range addresses {
		w.read = append(w.read, a)
		files[a] = []byte("x")
	}
	return files, nil
}

func TestFilesAreReadWhenTheHolderWantsThem(t *testing.T) {
	w := &wanting{wants: [][]string{{"a", "b"}, {"c"}}}
	if _, err := New(w, w, nil, w).Query(t.Context(), Request{}); err != nil || strings.Join(w.read, "") != "abc" || w.held != 0 || len(w.asked.Files) != 3 || !w.asked.External {
		t.Errorf("%v, read %v, held by %d, %d files", err, w.read, w.held, len(w.asked.Files))
	}
	w = &wanting{}
	if _, err := New(w, w, nil, nil).Query(t.Context(), Request{}); err != nil || w.asked.External {
		t.Errorf("%v, %v: files are allowed and nobody reads them", err, w.asked.External)
	}
}
