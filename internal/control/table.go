package control

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"time"

	"logkeep/internal/catalog"
	"logkeep/internal/fault"
	"logkeep/internal/resource"
	"logkeep/internal/schema"
)

// A Table is a table of a workspace.
type Table struct {
	ID       resource.ID `json:"-"`
	Created  time.Time   `json:"-"`
	Modified time.Time   `json:"-"`

	State       resource.State `json:"state"`
	DisplayName string         `json:"displayName,omitempty"`
	Description string         `json:"description,omitempty"`
	Columns     []Column       `json:"columns"`
	Retired     []Column       `json:"retired,omitempty"` // removed; their rows are still there, so their types are taken
	Retention   *int           `json:"retention,omitempty"`
	Total       *int           `json:"total,omitempty"`
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
	for _, c := range t.Columns {
		s.Columns = append(s.Columns, schema.Column{Name: c.Name, Type: c.Type})
	}
	return s
}

func tableOf(res catalog.Resource) (Table, error) {
	var t Table
	if err := decode(res, &t); err != nil {
		return Table{}, err
	}
	id, err := idOf(res)
	t.ID, t.Created, t.Modified = id, res.Created, res.Modified
	return t, err
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
	res, err := r.Get(ctx, id.String())
	if errors.Is(err, catalog.ErrNotFound) {
		return Table{}, fault.New(fault.TableNotFound, "The table '%s' was not found in the workspace. Create it with PUT {workspace}/tables/{name}.", id.Name())
	}
	if err != nil {
		return Table{}, err
	}
	return tableOf(res)
}

// Table returns a table of a workspace.
func (s *Service) Table(ctx context.Context, id resource.ID) (Table, error) {
	if _, err := s.Workspace(ctx, id.Parent()); err != nil {
		return Table{}, err
	}
	return s.table(ctx, s.cat.Records, id)
}

// Tables returns the tables of a workspace, in the order of their names.
func (s *Service) Tables(ctx context.Context, workspace resource.ID) ([]Table, error) {
	if _, err := s.Workspace(ctx, workspace); err != nil {
		return nil, err
	}
	return list(ctx, s.cat.Records, workspace, resource.Table, tableOf)
}

// A TableChange is what a PUT or PATCH asks for.
type TableChange struct {
	Name        *string  // of the schema; it must be the one in the id
	Columns     []Column // nil: unchanged; TypeName of each is read into Type by the face
	DisplayName *string
	Description *string
	Retention   *int32 // days; -1: that of the workspace
	Total       *int32 // days; -1: Retention
	Plan        *string
	Replace     bool // PUT: what is not given is reset
}

var (
	tableName  = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,59}_CL$`)
	columnName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*$`)
)

// reservedColumns are columns that the service itself writes or may write.
var reservedColumns = []string{"_ResourceId", "id", "_SubscriptionId", "TenantId", "Type", "UniqueId", "Title"}

// tableTypes are the types that a table's columns may have.
var tableTypes = []schema.Type{schema.String, schema.Int, schema.Long, schema.Real, schema.Bool, schema.DateTime, schema.GUID, schema.Dynamic}

// PutTable creates a custom table, or changes what the change names.
func (s *Service) PutTable(ctx context.Context, id resource.ID, ch TableChange) (t Table, err error) {
	err = s.cat.Tx(ctx, func(tx *catalog.Tx) error {
		w, err := s.workspace(ctx, tx.Records, id.Parent())
		if err != nil {
			return err
		}
		if !w.State.Settled() {
			return fault.New(fault.Conflict, "The workspace '%s' is being created or deleted. Wait for that operation to complete and try again.", w.ID.Name())
		}
		t, err = s.table(ctx, tx.Records, id)
		switch {
		case errors.Is(err, fault.TableNotFound) && ch.Replace:
			if t, err = s.newTable(ctx, tx, id, ch); err != nil {
				return err
			}
		case err != nil:
			return err
		case t.State == resource.Deleting:
			return fault.New(fault.Conflict, "The table '%s' is being deleted. Wait for that to complete and try again.", id.Name())
		}
		if t, err = s.applyTable(t, ch); err != nil {
			return err
		}
		t, err = putTable(ctx, tx, t)
		return err
	})
	return t, err
}

func (s *Service) newTable(ctx context.Context, tx *catalog.Tx, id resource.ID, ch TableChange) (Table, error) {
	if !tableName.MatchString(id.Name()) {
		return Table{}, fault.New(fault.InvalidTableSchema, "The table name '%.80s' isn't valid. A custom table's name begins with a letter, has letters, digits and underscores, up to 63, and ends in _CL.", id.Name()).WithTarget("properties.schema.name")
	}
	if len(ch.Columns) == 0 {
		return Table{}, fault.New(fault.InvalidTableSchema, "A new table needs properties.schema.columns with at least TimeGenerated of type dateTime.").WithTarget("properties.schema.columns")
	}
	there, err := tx.List(ctx, id.Parent().String(), string(resource.Table))
	if err != nil {
		return Table{}, err
	}
	if len(there) >= s.limits.CustomTables {
		return Table{}, fault.New(fault.QuotaExceeded, "A workspace can have %d custom tables. Delete one, or use another workspace.", s.limits.CustomTables)
	}
	return Table{ID: id, State: resource.Succeeded}, nil
}

// collected is what the older collector API may call a table.
var collected = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,99}_CL$`)

// GrowTable makes sure that a table has columns, and makes the table if there
// is none. It is for rows that bring their columns: what it adds is not what a
// client may name, such as columns that begin with an underscore. A column that
// is there with another type is left as it is.
func (s *Service) GrowTable(ctx context.Context, id resource.ID, columns []schema.Column) (t Table, err error) {
	err = s.cat.Tx(ctx, func(tx *catalog.Tx) error {
		w, err := s.workspace(ctx, tx.Records, id.Parent())
		if err != nil {
			return err
		}
		t, err = s.table(ctx, tx.Records, id)
		if errors.Is(err, fault.TableNotFound) {
			if !collected.MatchString(id.Name()) {
				return fault.New(fault.InvalidLogType, "The log type '%.120s' can't name a table.", strings.TrimSuffix(id.Name(), "_CL"))
			}
			there, err := tx.List(ctx, w.ID.String(), string(resource.Table))
			if err != nil {
				return err
			}
			if len(there) >= s.limits.CustomTables {
				return fault.New(fault.QuotaExceeded, "A workspace can have %d custom tables. Delete one, or use another workspace.", s.limits.CustomTables)
			}
			t = Table{ID: id, State: resource.Succeeded}
		} else if err != nil {
			return err
		}
		if t.State == resource.Deleting {
			return fault.New(fault.Conflict, "The table '%s' is being deleted. Wait for that to complete and try again.", id.Name())
		}
		for _, c := range columns {
			same := func(have Column) bool { return strings.EqualFold(have.Name, c.Name) }
			if slices.ContainsFunc(t.Columns, same) {
				continue
			}
			back := slices.IndexFunc(t.Retired, same)
			if back >= 0 {
				if t.Retired[back].Type != c.Type {
					return fault.New(fault.InvalidDataFormat, "The column '%s' was removed from the table '%s' and had another type; rename the property.", c.Name, id.Name())
				}
				t.Columns, t.Retired = append(t.Columns, t.Retired[back]), slices.Delete(t.Retired, back, back+1)
				continue
			}
			t.Columns = append(t.Columns, Column{Name: c.Name, Type: c.Type})
		}
		if len(t.Columns) > s.limits.Columns {
			return fault.New(fault.InvalidDataFormat, "A table can have %d columns; with the properties of these rows '%s' would have %d.", s.limits.Columns, id.Name(), len(t.Columns))
		}
		t, err = putTable(ctx, tx, t)
		return err
	})
	return t, err
}

func (s *Service) applyTable(t Table, ch TableChange) (Table, error) {
	var wrong []*fault.Error
	no := func(target, format string, args ...any) {
		wrong = append(wrong, fault.New(fault.InvalidTableSchema, format, args...).WithTarget(target))
	}
	if ch.Name != nil && *ch.Name != "" && *ch.Name != t.ID.Name() {
		no("properties.schema.name", "properties.schema.name '%.80s' is not the table's name '%s'.", *ch.Name, t.ID.Name())
	}
	if ch.Plan != nil && !strings.EqualFold(*ch.Plan, "Analytics") {
		no("properties.plan", "properties.plan '%.40s' is not supported; use Analytics.", *ch.Plan)
	}
	if ch.DisplayName != nil {
		t.DisplayName = *ch.DisplayName
	}
	if ch.Description != nil {
		t.Description = *ch.Description
	}
	if ch.Columns != nil {
		wrong = append(wrong, s.checkColumns(ch.Columns)...)
		next, retired := slices.Clone(ch.Columns), []Column(nil)
		for _, old := range slices.Concat(t.Columns, t.Retired) {
			i := slices.IndexFunc(next, func(c Column) bool { return c.Name == old.Name })
			switch {
			case i < 0:
				retired = append(retired, old)
			case next[i].Type != old.Type && next[i].Type != schema.Invalid:
				no("properties.schema.columns", "Column '%s' has the type %s, which can't be changed to %s; give the new one another name.", old.Name, old.Type, next[i].Type)
			}
		}
		t.Columns, t.Retired = next, retired
	}
	if len(t.Columns) > 0 && len(wrong) == 0 {
		if c, ok := t.Schema().Column(schema.TimeGenerated); !ok || c.Type != schema.DateTime {
			no("properties.schema.columns", "The table needs a column TimeGenerated of type dateTime.")
		}
	}
	t.Retention = days(t.Retention, ch.Retention, ch.Replace)
	t.Total = days(t.Total, ch.Total, ch.Replace)
	if v := t.Retention; v != nil && (*v < 4 || *v > 730) {
		no("properties.retentionInDays", "properties.retentionInDays must be from 4 to 730, or -1 for that of the workspace.")
	}
	if v := t.Total; v != nil {
		longer := []int{1095, 1460, 1826, 2191, 2556, 2922, 3288, 3653, 4018, 4383}
		if (*v < 4 || *v > 730) && !slices.Contains(longer, *v) {
			no("properties.totalRetentionInDays", "properties.totalRetentionInDays must be from 4 to 730 or one of 1095, 1460, 1826, 2191, 2556, 2922, 3288, 3653, 4018, 4383, or -1 for retentionInDays.")
		} else if t.Retention != nil && *v < *t.Retention {
			no("properties.totalRetentionInDays", "properties.totalRetentionInDays can't be less than retentionInDays.")
		}
	}
	return t, fault.Join(wrong...)
}

func days(now *int, wish *int32, reset bool) *int {
	switch {
	case wish == nil && reset, wish != nil && *wish == -1:
		return nil
	case wish == nil:
		return now
	}
	v := int(*wish)
	return &v
}

func (s *Service) checkColumns(columns []Column) []*fault.Error {
	var wrong []*fault.Error
	no := func(format string, args ...any) {
		wrong = append(wrong, fault.New(fault.InvalidTableSchema, format, args...).WithTarget("properties.schema.columns"))
	}
	if len(columns) > s.limits.Columns {
		no("A table can have %d columns, not %d.", s.limits.Columns, len(columns))
		return wrong
	}
	seen := map[string]bool{}
	for _, c := range columns {
		switch folded := strings.ToLower(c.Name); {
		case !columnName.MatchString(c.Name) || len(c.Name) > s.limits.ColumnName:
			no("The column name '%.80s' isn't valid. It begins with a letter and has letters, digits and underscores, up to %d.", c.Name, s.limits.ColumnName)
		case slices.ContainsFunc(reservedColumns, func(r string) bool { return strings.EqualFold(r, c.Name) }):
			no("The column name '%s' is reserved; choose another.", c.Name)
		case seen[folded]:
			no("The column '%s' is there twice; names that differ in case only are the same.", c.Name)
		case !slices.Contains(tableTypes, c.Type):
			no("The column '%s' has no valid type; use string, int, long, real, boolean, dateTime, guid or dynamic.", c.Name)
		default:
			seen[folded] = true
		}
	}
	return wrong
}

// DeleteTable begins to delete a table with its rows. found is false if there
// is none.
func (s *Service) DeleteTable(ctx context.Context, id resource.ID, caller string) (o Operation, found bool, err error) {
	var op catalog.Operation
	err = s.cat.Tx(ctx, func(tx *catalog.Tx) error {
		w, err := s.workspace(ctx, tx.Records, id.Parent())
		if err != nil {
			return err
		}
		t, err := s.table(ctx, tx.Records, id)
		if err != nil {
			return err
		}
		if t.State == resource.Deleting {
			return fault.New(fault.Conflict, "The table '%s' is being deleted already.", id.Name())
		}
		t.State = resource.Deleting
		if t, err = putTable(ctx, tx, t); err != nil {
			return err
		}
		op, err = begin(ctx, tx, deleteTable, id, w.Location, caller, nil)
		return err
	})
	if errors.Is(err, fault.TableNotFound) || errors.Is(err, fault.WorkspaceNotFound) {
		return Operation{}, false, nil
	}
	if err != nil {
		return Operation{}, true, err
	}
	s.launch(op)
	o, err = operationOf(op)
	return o, true, err
}

// unmakeTable does the work of deleteTable.
func (s *Service) unmakeTable(ctx context.Context, op catalog.Operation) error {
	id, err := resource.Parse(op.Resource)
	if err != nil {
		return err
	}
	w, err := s.Workspace(ctx, id.Parent())
	if err != nil {
		return err
	}
	t, err := s.table(ctx, s.cat.Records, id)
	if err != nil {
		return err
	}
	return s.domains.DropTable(ctx, w, t.Name())
}

func (s *Service) tableUnmade(ctx context.Context, tx *catalog.Tx, op catalog.Operation) error {
	return tx.Delete(ctx, op.Resource, catalog.Always())
}

func (s *Service) tableFailed(ctx context.Context, tx *catalog.Tx, op catalog.Operation) error {
	id, err := resource.Parse(op.Resource)
	if err != nil {
		return err
	}
	t, err := s.table(ctx, tx.Records, id)
	if err != nil {
		return err
	}
	t.State = resource.Succeeded
	_, err = putTable(ctx, tx, t)
	return err
}
