package control

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"logkeep/internal/catalog"
	"logkeep/internal/fault"
	"logkeep/internal/resource"
	"logkeep/internal/schema"
)

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
	tableName  = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,59}_CL$`) })
	columnName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*$`) })
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
		d := &tableDraft{table: t, workspace: w, limits: s.limits, now: time.Now()}
		d.apply(ch)
		if err := fault.Join(d.wrong...); err != nil {
			return err
		}
		t, err = putTable(ctx, tx, d.table)
		return err
	})
	return t, err
}

func (s *Service) newTable(ctx context.Context, tx *catalog.Tx, id resource.ID, ch TableChange) (Table, error) {
	for suffix, job := range map[string]string{"_SRCH": "Search jobs, which make search results tables,", "_RST": "Restore operations, which make restored logs tables,"} {
		if strings.HasSuffix(id.Name(), suffix) {
			return Table{}, fault.New(fault.InvalidParameter, "%s are not supported; query the table itself.", job).WithTarget("properties")
		}
	}
	if !tableName().MatchString(id.Name()) {
		return Table{}, fault.New(fault.InvalidTableSchema, "The table name '%.80s' isn't valid. A custom table's name begins with a letter, has letters, digits and underscores, up to 63, and ends in _CL.", id.Name()).WithTarget("properties.schema.name")
	}
	if len(ch.Columns) == 0 {
		return Table{}, fault.New(fault.InvalidTableSchema, "A new table needs properties.schema.columns with at least TimeGenerated of type dateTime.").WithTarget("properties.schema.columns")
	}
	return s.emptyTable(ctx, tx, id)
}

// emptyTable is a new custom table, if the workspace may have one more.
func (s *Service) emptyTable(ctx context.Context, tx *catalog.Tx, id resource.ID) (Table, error) {
	there, err := list(ctx, tx.Records, id.Parent(), resource.Table, tableOf)
	if err != nil {
		return Table{}, err
	}
	there = slices.DeleteFunc(there, func(t Table) bool { return t.Published != nil })
	if len(there) >= s.limits.CustomTables {
		return Table{}, fault.New(fault.QuotaExceeded, "A workspace can have %d custom tables. Delete one, or use another workspace.", s.limits.CustomTables)
	}
	return Table{ID: id, State: resource.Succeeded}, nil
}

// A tableDraft is a table while a change is applied to it.
type tableDraft struct {
	table     Table
	workspace Workspace
	limits    Limits
	now       time.Time
	shown     Keeping // what clients have read, and send back
	wrong     []*fault.Error
}

func (d *tableDraft) no(target, format string, args ...any) {
	d.wrong = append(d.wrong, fault.New(fault.InvalidTableSchema, format, args...).WithTarget(target))
}

// apply makes the table what the change says. All that is wrong is in d.wrong.
func (d *tableDraft) apply(ch TableChange) {
	d.shown = d.table.Keeping(d.workspace, d.now)
	if ch.Name != nil && *ch.Name != "" && !strings.EqualFold(*ch.Name, d.table.ID.Name()) {
		d.no("properties.schema.name", "properties.schema.name '%.80s' is not the table's name '%s'.", *ch.Name, d.table.ID.Name())
	}
	if ch.DisplayName != nil {
		d.table.DisplayName = *ch.DisplayName
	}
	if ch.Description != nil {
		d.table.Description = *ch.Description
	}
	d.changePlan(ch.Plan)
	if ch.Columns != nil {
		d.changeColumns(ch.Columns)
	}
	d.changeRetention(ch)
}

func (d *tableDraft) changeColumns(columns []Column) {
	const target = "properties.schema.columns"
	t := &d.table
	if t.Published != nil {
		// Clients send back what they have read; only what is added is the workspace's own.
		columns = slices.DeleteFunc(slices.Clone(columns), func(c Column) bool {
			return slices.Contains(t.Published.Columns, schema.Column{Name: c.Name, Type: c.Type})
		})
	}
	if t.Classic && !slices.EqualFunc(columns, t.Columns, func(a, b Column) bool { return a.Name == b.Name && a.Type == b.Type }) {
		d.no(target, "The table '%s' is a classic one, whose columns the Data Collector API makes. Migrate it first with POST {table}/migrate.", t.Name())
		return
	}
	d.checkColumns(columns)
	next, retired := slices.Clone(columns), []Column(nil)
	for _, old := range slices.Concat(t.Columns, t.Retired) {
		i := slices.IndexFunc(next, func(c Column) bool { return c.Name == old.Name })
		switch {
		case i < 0:
			retired = append(retired, old)
		case next[i].Type != old.Type && next[i].Type != schema.Invalid:
			d.no(target, "Column '%s' has the type %s, which can't be changed to %s; give the new one another name.", old.Name, old.Type, next[i].Type)
		}
	}
	t.Columns, t.Retired = next, retired
	if len(d.wrong) == 0 {
		if c, ok := t.Schema().Column(schema.TimeGenerated); !ok || c.Type != schema.DateTime {
			d.no(target, "The table needs a column TimeGenerated of type dateTime.")
		}
	}
}

// checkColumns checks the columns that a table is to have of its own (behaviour 23.7).
func (d *tableDraft) checkColumns(columns []Column) {
	no := func(format string, args ...any) { d.no("properties.schema.columns", format, args...) }
	theirs := []schema.Column(nil)
	if d.table.Published != nil {
		theirs = d.table.Published.Columns
	}
	if len(columns)+len(theirs) > d.limits.Columns {
		no("A table can have %d columns, not %d.", d.limits.Columns, len(columns)+len(theirs))
		return
	}
	seen := map[string]bool{}
	for _, c := range columns {
		switch folded := strings.ToLower(c.Name); {
		case !columnName().MatchString(c.Name) || len(c.Name) > d.limits.ColumnName:
			no("The column name '%.80s' isn't valid. It begins with a letter and has letters, digits and underscores, up to %d.", c.Name, d.limits.ColumnName)
		case slices.ContainsFunc(reservedColumns, func(r string) bool { return strings.EqualFold(r, c.Name) }):
			no("The column name '%s' is reserved; choose another.", c.Name)
		case d.table.Published != nil && !strings.HasSuffix(c.Name, "_CF"):
			no("The column '%s' of the Azure table '%s' must end in _CF: custom columns of Azure tables do.", c.Name, d.table.Name())
		case seen[folded]:
			no("The column '%s' is there twice; names that differ in case only are the same.", c.Name)
		case !slices.Contains(tableTypes, c.Type):
			no("The column '%s' has no valid type; use string, int, long, real, boolean, dateTime, guid or dynamic.", c.Name)
		default:
			seen[folded] = true
		}
	}
}
