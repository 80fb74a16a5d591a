package control

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"logkeep/internal/catalog"
	"logkeep/internal/fault"
	"logkeep/internal/resource"
	"logkeep/internal/schema"
	"logkeep/internal/standard"
)

// A Table is a table of a workspace: a custom one, or one that is published and
// that every workspace has. Of a published one there is a record only once the
// workspace has something of its own about it: rows, columns, a plan, a
// retention.
type Table struct {
	ID       resource.ID `json:"-"`
	Created  time.Time   `json:"-"`
	Modified time.Time   `json:"-"`

	// Published is what it is everywhere; nil of a custom table. Shared: read only.
	Published *standard.Table `json:"-"`

	State       resource.State `json:"state"`
	DisplayName string         `json:"displayName,omitempty"`
	Description string         `json:"description,omitempty"`
	Columns     []Column       `json:"columns"`           // without published ones
	Retired     []Column       `json:"retired,omitempty"` // removed; their rows are still there, so their types are taken
	Classic     bool           `json:"classic,omitempty"` // made by the older collector API, and not migrated
	Plan        Plan           `json:"plan,omitempty"`
	PlanChanged time.Time      `json:"planChanged,omitzero"`
	Retention   *int           `json:"retention,omitempty"` // days; nil: the default
	Total       *int           `json:"total,omitempty"`     // days; nil: as long as retention
	Shortened   *Shortened     `json:"shortened,omitempty"`
}

// A Column is a column with what clients say of it.
type Column struct {
	Name        string      `json:"name"`
	Type        schema.Type `json:"type"`
	Hint        string      `json:"hint,omitempty"`
	DisplayName string      `json:"displayName,omitempty"`
	Description string      `json:"description,omitempty"`
}

// Name is the table's name as it was first written.
func (t Table) Name() schema.TableName { return schema.TableName(t.ID.Name()) }

// Schema is the table as queries and ingestion see it.
func (t Table) Schema() schema.Table {
	s := schema.Table{Name: t.Name()}
	if t.Published != nil {
		s.Columns = slices.Clone(t.Published.Columns)
	}
	for _, c := range t.Columns {
		s.Columns = append(s.Columns, schema.Column{Name: c.Name, Type: c.Type})
	}
	return s
}

// common are the columns that every table has for those who query it, stored or not.
var common = []schema.Column{{Name: "TenantId", Type: schema.String}, {Name: "Type", Type: schema.String}, {Name: "_ResourceId", Type: schema.String}}

// Readable is a table as queries see it.
func Readable(t schema.Table) schema.Table {
	t.Columns = slices.Clone(t.Columns)
	for _, c := range common {
		if _, has := t.Column(c.Name); !has {
			t.Columns = append(t.Columns, c)
		}
	}
	return t
}

// ours are the columns of published tables that senders don't give.
var ours = []string{"TenantId", "Type", "_SubscriptionId", "_ItemId", "_TimeReceived", "_BilledSize", "_IsBillable"}

// Writable is the table as rows from outside fill it.
func (t Table) Writable() schema.Table {
	s := t.Schema()
	if t.Published != nil {
		s.Columns = slices.DeleteFunc(s.Columns, func(c schema.Column) bool { return slices.Contains(ours, c.Name) })
	}
	return s
}

// Known tells whether there is a record of the table. A published one of which
// there is none has never had a row.
func (t Table) Known() bool { return !t.Created.IsZero() }

func tableOf(res catalog.Resource) (Table, error) {
	var t Table
	if err := decode(res, &t); err != nil {
		return Table{}, err
	}
	id, err := idOf(res)
	t.ID, t.Created, t.Modified = id, res.Created, res.Modified
	if p, ok := standard.Lookup(id.Name()); ok {
		t.Published = &p
	}
	return t, err
}

// published is a table that the workspace has nothing of its own about.
func published(workspace resource.ID, p standard.Table) Table {
	return Table{ID: workspace.Child("tables", string(p.Name)), Published: &p, State: resource.Succeeded}
}

func putTable(ctx context.Context, tx *catalog.Tx, t Table) (Table, error) {
	res, err := record(t.ID, "", nil, t)
	if err != nil {
		return Table{}, err
	}
	if res, err = tx.Put(ctx, res, catalog.Always()); err != nil {
		return Table{}, err
	}
	return tableOf(res)
}

func (s *Service) table(ctx context.Context, r catalog.Records, id resource.ID) (Table, error) {
	return s.readTable(ctx, r, id, tableOf)
}

func (s *Service) readTable(ctx context.Context, r catalog.Records, id resource.ID, read func(catalog.Resource) (Table, error)) (Table, error) {
	res, err := r.Get(ctx, id.String())
	if errors.Is(err, catalog.ErrNotFound) {
		if p, ok := standard.Lookup(id.Name()); ok {
			return published(id.Parent(), p), nil
		}
		return Table{}, fault.New(fault.TableNotFound, "The table '%s' was not found in the workspace. Create it with PUT {workspace}/tables/{name}.", id.Name())
	}
	if err != nil {
		return Table{}, err
	}
	return read(res)
}

// Table returns a table of a workspace.
func (s *Service) Table(ctx context.Context, id resource.ID) (Table, error) {
	if _, err := s.Workspace(ctx, id.Parent()); err != nil {
		return Table{}, err
	}
	return s.table(ctx, s.cat.Records, id)
}

// Tables returns the tables of which a workspace has a record, in the order of
// their names. Published tables that are not among them have no rows.
func (s *Service) Tables(ctx context.Context, workspace resource.ID) ([]Table, error) {
	if _, err := s.Workspace(ctx, workspace); err != nil {
		return nil, err
	}
	return list(ctx, s.cat.Records, workspace, resource.Table, tableOf)
}

// AllTables returns every table that a workspace has, in the order of their names.
func (s *Service) AllTables(ctx context.Context, workspace resource.ID) ([]Table, error) {
	w, err := s.Workspace(ctx, workspace)
	if err != nil {
		return nil, err
	}
	all, err := s.Tables(ctx, workspace)
	if err != nil {
		return nil, err
	}
	known := map[schema.TableName]bool{}
	for _, t := range all {
		known[t.Name()] = true
	}
	for _, p := range standard.All() {
		if !known[p.Name] {
			all = append(all, published(w.ID, p))
		}
	}
	slices.SortFunc(all, func(a, b Table) int { return strings.Compare(string(a.Name()), string(b.Name())) })
	return all, nil
}
