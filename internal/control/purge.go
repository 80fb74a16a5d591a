package control

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"logkeep/internal/catalog"
	"logkeep/internal/fault"
	"logkeep/internal/purge"
	"logkeep/internal/resource"
	"logkeep/internal/schema"
)

// A purgeWish is what an operation keeps of a purge. Filters may name people, so
// they are sealed.
type purgeWish struct {
	Table   schema.TableName `json:"table"`
	Filters SealedText       `json:"filters"`
	Place   string           `json:"place"` // that they are sealed to
}

// BeginPurge begins to remove the rows of a table that all filters match. The
// operation is over when they are on no disk any more; while the key is away it
// waits. But one that is asked for while it is away is refused (decision 6).
func (s *Service) BeginPurge(ctx context.Context, id resource.ID, caller, table string, filters []purge.Filter) (o Operation, err error) {
	w, err := s.Workspace(ctx, id)
	if err != nil {
		return o, err
	}
	if table == "" {
		return o, fault.New(fault.InvalidParameter, "A purge needs table, the name of one table, and filters.").WithTarget("table")
	}
	t, err := s.purgeable(ctx, id, table)
	if err != nil {
		return o, err
	}
	if _, err := purge.New(t.Schema(), filters); err != nil {
		if wrong, ok := errors.AsType[*purge.ValueError](err); ok {
			return o, fault.New(fault.InvalidParameter, "%s", wrong.Text).WithTarget(wrong.Field)
		}
		return o, err
	}
	if err := s.domains.Readable(ctx, w); err != nil {
		return o, err
	}
	text, err := json.Marshal(filters)
	if err != nil {
		return o, err
	}
	wish := purgeWish{Table: t.Name(), Place: "purge/" + strings.ToLower(string(t.Name()))}
	if wish.Filters, err = s.texts.SealText(ctx, w, wish.Place, text); err != nil {
		return o, err
	}
	var op catalog.Operation
	err = s.cat.Tx(ctx, func(tx *catalog.Tx) error {
		if err := s.purgesLeft(ctx, tx, id); err != nil {
			return err
		}
		op, err = begin(ctx, tx, purgeTable, id, w.Location, caller, wish)
		return err
	})
	if err != nil {
		return o, err
	}
	s.launch(op)
	return operationOf(op)
}

// purgeable is the table of that name, if it is none that is being deleted.
func (s *Service) purgeable(ctx context.Context, workspace resource.ID, name string) (Table, error) {
	t, err := s.Table(ctx, workspace.Child("tables", name))
	if err == nil && t.State == resource.Deleting {
		err = fault.New(fault.Conflict, "The table '%s' is being deleted, with all of its rows.", name)
	}
	return t, err
}

// purgesLeft refuses a purge if there were too many in the last hour.
func (s *Service) purgesLeft(ctx context.Context, tx *catalog.Tx, workspace resource.ID) error {
	all, err := tx.OperationsOf(ctx, workspace.String())
	if err != nil {
		return err
	}
	n, first := 0, time.Time{}
	for _, op := range all { // newest first
		if op.Kind == purgeTable && time.Since(op.Started) < time.Hour {
			n, first = n+1, op.Started
		}
	}
	if n < s.limits.PurgesPerHour {
		return nil
	}
	wait := int(time.Until(first.Add(time.Hour))/time.Second) + 1
	return fault.New(fault.TooManyRequests, "A workspace takes %d purge requests an hour. Put more values into one request, with the operator in, or try again later.", s.limits.PurgesPerHour).WithRetryAfter(wait)
}

// PurgeStatus returns a purge of the workspace.
func (s *Service) PurgeStatus(ctx context.Context, workspace resource.ID, id string) (Operation, error) {
	if _, err := s.Workspace(ctx, workspace); err != nil {
		return Operation{}, err
	}
	o, err := s.Operation(ctx, workspace.Subscription(), id)
	if err == nil && (o.Kind != purgeTable || !o.Resource.Equal(workspace)) {
		err = noOperation(id)
	}
	return o, err
}

// purgeRetry is how long a purge waits that can't go on, for lack of the key or
// of a disk.
const purgeRetry = 5 * time.Second

// purgeRows does the work of purgeTable: it does not give up.
func (s *Service) purgeRows(ctx context.Context, op catalog.Operation) error {
	for told := false; ; told = true {
		err := s.tryPurge(ctx, op)
		if err == nil || errors.Is(err, fault.WorkspaceNotFound) || errors.Is(err, fault.TableNotFound) || errors.Is(err, catalog.ErrDamaged) {
			return err
		}
		if !told {
			s.log.Warn("a purge waits", "operation", op.ID, "resource", op.Resource, "cause", err)
		}
		select {
		case <-time.After(purgeRetry):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *Service) tryPurge(ctx context.Context, op catalog.Operation) error {
	var wish purgeWish
	if err := wishOf(op, &wish); err != nil {
		return err
	}
	w, err := s.workspaceOf(ctx, op)
	if err != nil {
		return err
	}
	t, err := s.Table(ctx, w.ID.Child("tables", string(wish.Table)))
	if err != nil {
		return err
	}
	texts, err := s.texts.OpenTexts(ctx, w, []string{wish.Place}, []SealedText{wish.Filters})
	if err != nil {
		return err
	}
	defer clear(texts[0])
	var filters []purge.Filter
	if err := json.Unmarshal(texts[0], &filters); err != nil {
		return errors.New("internal error: a purge's filters can't be read")
	}
	rows, err := s.domains.Purge(ctx, w, op.ID, columnsFor(t, filters), filters)
	if err != nil {
		return err
	}
	s.log.Info("rows were purged", "operation", op.ID, "table", wish.Table, "rows", rows)
	return nil
}

// columnsFor is the table's schema with the columns that filters name, also
// those that it has lost since the purge began: old rows have them still.
func columnsFor(t Table, filters []purge.Filter) schema.Table {
	out := t.Schema()
	for _, f := range filters {
		if _, ok := out.Column(f.Column); ok {
			continue
		}
		for _, c := range t.Retired {
			if c.Name == f.Column {
				out.Columns = append(out.Columns, schema.Column{Name: c.Name, Type: c.Type})
			}
		}
	}
	return out
}

func (s *Service) purgeOver(context.Context, *catalog.Tx, catalog.Operation) error { return nil }
