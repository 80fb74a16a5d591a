// Package ingest decides where rows go: to which tables of which workspaces,
// and what happens to them while a key is away. It reads no row; the worker
// that holds the table's key does.
package ingest

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"sync"

	"logkeep/internal/control"
	"logkeep/internal/fault"
	"logkeep/internal/resource"
	"logkeep/internal/schema"
	"logkeep/internal/worker/wire"
)

// MaxBytes is the largest body, as sent and as unpacked. Azure documents 1 MB;
// its own clients send up to half as much again (decisions 10).
const MaxBytes = 2 << 20

// MaxValue is the longest text that is kept of a value; what is longer is cut.
const MaxValue = 64 << 10

// A Request brings rows of a stream that the rule declares.
type Request struct {
	Rule     control.Rule
	Stream   string
	Encoding string // "" or "gzip"
	Length   int64  // of Body; 0 if it is not known
	Body     io.Reader
}

// A Plane knows tables and workspaces: control.Service.
type Plane interface {
	Workspace(ctx context.Context, id resource.ID) (control.Workspace, error)
	Table(ctx context.Context, id resource.ID) (control.Table, error)
	// End is both; they are shared and must not be changed.
	End(ctx context.Context, workspace resource.ID, table schema.TableName) (control.Workspace, control.Table, error)
	ClusterByID(ctx context.Context, id schema.ClusterID) (control.Cluster, error)
	// GrowTable makes sure that a table has columns, and makes it if there is none.
	GrowTable(ctx context.Context, id resource.ID, columns []schema.Column) (control.Table, error)
}

// A Holder brings rows to the process that holds a table's key: domain.Domains.
type Holder interface {
	Append(ctx context.Context, w control.Workspace, r wire.Append, body io.Reader) (wire.Appended, error)
	// Ready is nil if rows of a workspace can be appended now, or the fault that Append would return.
	Ready(ctx context.Context, w control.Workspace) error
}

// A Service takes rows in.
type Service struct {
	plane   Plane
	holder  Holder
	notices notices
	half    halves

	log  *slog.Logger // these three: once it was started
	stop context.CancelFunc
	over sync.WaitGroup
}

// New returns a Service. It tells nobody what became of rows until Start.
func New(p Plane, h Holder) *Service { return &Service{plane: p, holder: h} }

// Ingest returns when every row is durable in every table, or with a fault. Then
// none is stored, or, of several tables, the fault says in which, and the same
// request sent again goes to the others only.
func (s *Service) Ingest(ctx context.Context, r Request) error {
	_, columns, _ := r.Rule.Stream(r.Stream)
	routes := r.Rule.Routes(r.Stream)
	switch len(routes) {
	case 0:
		return fault.New(fault.StreamNotFound, "No data flow of the rule takes the stream '%s' anywhere. Add one to properties.dataFlows.", r.Stream)
	case 1:
		return s.append(ctx, r, routes[0], columns, r.Length, r.Body)
	}
	return s.several(ctx, r, routes, columns)
}

func (s *Service) append(ctx context.Context, q Request, route control.Route, stream []schema.Column, length int64, body io.Reader) error {
	w, err := s.end(ctx, route)
	if err != nil {
		return err
	}
	return s.store(ctx, q, w, stream, length, body)
}

// store has rows kept at the end of a way.
func (s *Service) store(ctx context.Context, q Request, to way, stream []schema.Column, length int64, body io.Reader) error {
	w, t := to.workspace, to.table
	r := wire.Append{Table: t.Writable(), Stream: stream, Transform: to.Transform, Encoding: q.Encoding, MaxBytes: MaxBytes, Length: length}
	if t.Published != nil && r.Transform == "" {
		r.Table = named(r.Table, stream)
	}
	done, err := s.holder.Append(ctx, w, r, body)
	if err != nil && s.dropped(ctx, w, err) {
		return nil
	}
	s.notices.add(cause{w.CustomerID, t.Name(), q.Rule.ID.String(), q.Stream}, w, MaxValue, done)
	return err
}

// known is a table, of which there is a record: it is about to have rows.
func (s *Service) known(ctx context.Context, id resource.ID) (control.Table, error) {
	t, err := s.plane.Table(ctx, id)
	if err == nil && t.Published != nil && !t.Known() {
		t, err = s.plane.GrowTable(ctx, t.ID, nil)
	}
	return t, err
}

// named is a table with the columns that a stream gives, and its time: published
// tables have many of which a stream has few.
func named(t schema.Table, stream []schema.Column) schema.Table {
	t.Columns = slices.DeleteFunc(t.Columns, func(c schema.Column) bool {
		return c.Name != schema.TimeGenerated && !slices.ContainsFunc(stream, func(s schema.Column) bool { return s.Name == c.Name })
	})
	return t
}

// dropped tells whether the owner of the workspace's cluster wants rows that
// come while the key is away to be accepted and lost, as Azure documents it
// (decisions 4).
func (s *Service) dropped(ctx context.Context, w control.Workspace, err error) bool {
	away := errors.Is(err, fault.CustomerManagedKeyRevoked) || errors.Is(err, fault.CustomerManagedKeyUnreachable) || errors.Is(err, fault.CustomerManagedKeyDamaged)
	if !away || w.Link == nil {
		return false
	}
	c, err := s.plane.ClusterByID(ctx, w.Link.ClusterID)
	return err == nil && c.Settings.IngestionWhenRevoked == control.Drop
}
