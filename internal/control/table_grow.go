package control

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"sync"

	"logkeep/internal/catalog"
	"logkeep/internal/fault"
	"logkeep/internal/resource"
	"logkeep/internal/schema"
)

// collected is what the older collector API may call a table.
var collected = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,99}_CL$`) })

// GrowTable makes sure that a table has columns, and makes the table if there
// is none. It is for rows that bring their columns: what it adds is not what a
// client may name, such as columns that begin with an underscore. A column that
// is there with another type is left as it is. Without columns it makes sure that
// there is a record of a published table: it is about to have rows.
func (s *Service) GrowTable(ctx context.Context, id resource.ID, columns []schema.Column) (t Table, err error) {
	err = s.cat.Tx(ctx, func(tx *catalog.Tx) error {
		if _, err := s.workspace(ctx, tx.Records, id.Parent()); err != nil {
			return err
		}
		t, err = s.table(ctx, tx.Records, id)
		if errors.Is(err, fault.TableNotFound) {
			if !collected().MatchString(id.Name()) {
				return fault.New(fault.InvalidLogType, "The log type '%.120s' can't name a table.", strings.TrimSuffix(id.Name(), "_CL"))
			}
			if t, err = s.emptyTable(ctx, tx, id); err != nil {
				return err
			}
			t.Classic = true
		} else if err != nil {
			return err
		}
		if t.State == resource.Deleting {
			return fault.New(fault.Conflict, "The table '%s' is being deleted. Wait for that to complete and try again.", id.Name())
		}
		for _, c := range columns {
			same := func(have Column) bool { return strings.EqualFold(have.Name, c.Name) }
			if slices.ContainsFunc(t.Columns, same) || t.Published != nil {
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
