// Package ingest decides where rows go: to which tables of which workspaces,
// and what happens to them while a key is away. It reads no row; the worker
// that holds the table's key does.
package ingest

import (
	"bytes"
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
	ClusterByID(ctx context.Context, id schema.ClusterID) (control.Cluster, error)
	// GrowTable makes sure that a table has columns, and makes it if there is none.
	GrowTable(ctx context.Context, id resource.ID, columns []schema.Column) (control.Table, error)
}

// A Holder brings rows to the process that holds a table's key: domain.Domains.
type Holder interface {
	Append(ctx context.Context, w control.Workspace, r wire.Append, body io.Reader) (wire.Appended, error)
}

// A Service takes rows in.
type Service struct {
	plane   Plane
	holder  Holder
	notices notices

	log  *slog.Logger // these three: once it was started
	stop context.CancelFunc
	over sync.WaitGroup
}

// New returns a Service. It tells nobody what became of rows until Start.
func New(p Plane, h Holder) *Service { return &Service{plane: p, holder: h} }

// Ingest returns when every row is durable, or with a fault; then none is
// stored in the table that failed, nor in those after it.
func (s *Service) Ingest(ctx context.Context, r Request) error {
	_, columns, _ := r.Rule.Stream(r.Stream)
	routes := r.Rule.Routes(r.Stream)
	switch len(routes) {
	case 0:
		return fault.New(fault.StreamNotFound, "No data flow of the rule takes the stream '%s' anywhere. Add one to properties.dataFlows.", r.Stream)
	case 1:
		return s.append(ctx, r, routes[0], columns, r.Length, r.Body)
	}
	// The body is read once for each table.
	whole, err := io.ReadAll(io.LimitReader(r.Body, MaxBytes+1))
	defer clear(whole)
	if err != nil {
		return fault.New(fault.MalformedJSON, "The body could not be read to its end.").Because(err)
	}
	if len(whole) > MaxBytes {
		return fault.New(fault.ContentLengthLimit, "The request body is larger than %d bytes. Send fewer rows at a time.", MaxBytes)
	}
	for _, route := range routes {
		if err := s.append(ctx, r, route, columns, int64(len(whole)), bytes.NewReader(whole)); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) append(ctx context.Context, q Request, route control.Route, stream []schema.Column, length int64, body io.Reader) error {
	w, err := s.plane.Workspace(ctx, route.Workspace)
	if err != nil {
		return err
	}
	t, err := s.known(ctx, route.Workspace.Child("tables", string(route.Table)))
	if err != nil {
		return err
	}
	r := wire.Append{Table: t.Writable(), Stream: stream, Transform: route.Transform, Encoding: q.Encoding, MaxBytes: MaxBytes, Length: length}
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
