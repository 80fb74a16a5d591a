package ingest

import (
	"bytes"
	"context"
	"errors"
	"time"

	"logkeep/internal/control"
	"logkeep/internal/fault"
	"logkeep/internal/schema"
	"logkeep/internal/worker/wire"
)

// MaxCollected is the largest body of the older collector API.
const MaxCollected = 30 << 20

// maxName is how long a column's name can be.
const maxName = 45

// A Collection is rows whose table and columns are made as they come.
type Collection struct {
	Workspace control.Workspace
	Table     schema.TableName
	TimeField string // property with the row's time; "" none
	Resource  string // id of the resource that the rows are about; "" none
	Body      []byte // cleared
}

// Collect returns when every row is durable, or with a fault; then none is. A
// table or column that the rows need is made first.
func (s *Service) Collect(ctx context.Context, c Collection) error {
	defer clear(c.Body)
	id := c.Workspace.ID.Child("tables", string(c.Table))
	t, err := s.plane.Table(ctx, id)
	if err != nil && !errors.Is(err, fault.TableNotFound) {
		return err
	}
	sh := newShaper(t.Schema(), c.TimeField, c.Resource, maxName, time.Now())
	rows, err := sh.shape(c.Body)
	defer clear(rows)
	if err != nil {
		return err
	}
	if len(sh.need) > 0 {
		if t, err = s.plane.GrowTable(ctx, id, sh.need); err != nil {
			return err
		}
	}
	// A row grows by its time, its resource and a suffix for each property.
	done, err := s.holder.Append(ctx, c.Workspace, wire.Append{Table: t.Schema(), MaxBytes: int64(len(rows)), Length: int64(len(rows))}, bytes.NewReader(rows))
	if err != nil && s.dropped(ctx, c.Workspace, err) {
		return nil
	}
	if err == nil {
		done.Cut, done.CutIn = done.Cut+sh.cut, append(done.CutIn, sh.cutIn...)
	}
	s.notices.add(cause{workspace: c.Workspace.CustomerID, table: c.Table}, c.Workspace, maxValue, done)
	return err
}
