package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"logkeep/internal/catalog"
	"logkeep/internal/fault"
	"logkeep/internal/kek"
	"logkeep/internal/resource"
)

// An Operation is a long-running operation, running or over.
type Operation struct {
	ID       string
	Kind     string
	Resource resource.ID
	Location string
	Status   catalog.Status
	Fault    *fault.Error // once Failed
	Started  time.Time
	Ended    time.Time // zero while it runs
}

// Over reports whether the operation has ended.
func (o Operation) Over() bool { return !o.Ended.IsZero() }

// Deletes reports whether the resource is gone when the operation succeeded.
func (o Operation) Deletes() bool { return strings.HasSuffix(o.Kind, ".delete") }

// A job is how a kind of operation is done.
type job struct {
	// do works outside of transactions. It may be called again after a restart.
	do func(ctx context.Context, op catalog.Operation) error
	// done and failed write the outcome, in the transaction that ends the operation.
	done, failed func(ctx context.Context, tx *catalog.Tx, op catalog.Operation) error
	// after is done once that is committed; it may be left out by a crash.
	after func(ctx context.Context, op catalog.Operation)
}

// The kinds of operations. These words are on disk.
const (
	createCluster   = "cluster.create"
	updateCluster   = "cluster.update"
	deleteCluster   = "cluster.delete"
	createWorkspace = "workspace.create"
	deleteWorkspace = "workspace.delete"
	linkWorkspace   = "link.put"
	unlinkWorkspace = "link.delete"
	deleteTable     = "table.delete"
	purgeTable      = "table.purge"
)

func (s *Service) job(kind string) (job, bool) {
	switch kind {
	case createCluster:
		return job{s.makeCluster, s.clusterMade, s.clusterFailed, nil}, true
	case updateCluster:
		return job{s.changeCluster, s.clusterChanged, s.clusterFailed, s.clusterWatched}, true
	case deleteCluster:
		return job{s.unmakeCluster, s.clusterUnmade, s.clusterKept, nil}, true
	case createWorkspace:
		return job{s.makeWorkspace, s.workspaceMade, s.workspaceFailed, nil}, true
	case deleteWorkspace:
		return job{s.unmakeWorkspace, s.workspaceUnmade, s.workspaceFailed, nil}, true
	case linkWorkspace:
		return job{s.makeLink, s.linkMade, s.linkFailed, nil}, true
	case unlinkWorkspace:
		return job{s.unmakeLink, s.linkUnmade, s.unlinkFailed, nil}, true
	case deleteTable:
		return job{s.unmakeTable, s.tableUnmade, s.tableFailed, nil}, true
	case purgeTable:
		return job{s.purgeRows, s.purgeOver, s.purgeOver, nil}, true
	}
	return job{}, false
}

// begin writes a running operation; call launch when tx is committed.
func begin(ctx context.Context, tx *catalog.Tx, kind string, id resource.ID, location, caller string, wish any) (catalog.Operation, error) {
	op := catalog.Operation{ID: uuid.NewString(), Kind: kind, Resource: id.String(), Caller: caller}
	in := request{Location: location, Wish: wish}
	if t, ok := ctx.Value(traceKey{}).(*Trace); ok {
		in.Trace, t.Operation = t.Note, op.ID
	}
	var err error
	if op.Input, err = json.Marshal(in); err != nil {
		return catalog.Operation{}, err
	}
	return tx.StartOperation(ctx, op)
}

// A Trace is a note about the request that begins an operation, for whoever is
// told of the operation's end (Config.Ended). The note is kept with the operation.
type Trace struct {
	Note      json.RawMessage
	Operation string // id, once one has begun
}

type traceKey struct{}

// WithTrace returns a context in which an operation that begins takes the note.
func WithTrace(ctx context.Context, t *Trace) context.Context {
	return context.WithValue(ctx, traceKey{}, t)
}

// ended tells of an operation's end.
func (s *Service) ended(ctx context.Context, id string) {
	if s.told == nil {
		return
	}
	op, err := s.cat.Operation(ctx, id)
	var in request
	var o Operation
	if err == nil {
		err = json.Unmarshal(op.Input, &in)
	}
	if err == nil {
		o, err = operationOf(op)
	}
	if err != nil {
		s.log.Error("the end of an operation is told to nobody", "operation", id, "cause", err)
		return
	}
	s.told(ctx, o, in.Trace)
}

// A request is an operation's input on disk.
type request struct {
	Location string          `json:"location"`
	Wish     any             `json:"wish,omitempty"`
	Trace    json.RawMessage `json:"trace,omitempty"`
}

// wishOf reads what begin was given.
func wishOf(op catalog.Operation, v any) error {
	if err := json.Unmarshal(op.Input, &request{Wish: v}); err != nil {
		return fmt.Errorf("read operation %s: %w: %w", op.ID, catalog.ErrDamaged, err)
	}
	return nil
}

// launch does the work of an operation that is in the catalog.
func (s *Service) launch(op catalog.Operation) {
	over := make(chan struct{})
	s.mu.Lock()
	s.running[op.ID] = over
	s.mu.Unlock()
	s.work.Go(func() {
		defer func() {
			s.mu.Lock()
			delete(s.running, op.ID)
			s.mu.Unlock()
			close(over)
		}()
		s.perform(op)
	})
}

// perform does the work and writes its outcome. Work that was cut off by
// Close is left running in the catalog, for the next Start.
func (s *Service) perform(op catalog.Operation) {
	j, ok := s.job(op.Kind)
	if !ok {
		panic("internal error: operation of unknown kind " + op.Kind)
	}
	ctx := context.WithoutCancel(s.ctx) // the outcome is written even if Close has begun
	err := s.persist(j, op)
	if err != nil && s.ctx.Err() != nil {
		s.log.Info("operation is left for the next start", "operation", op.ID, "kind", op.Kind, "resource", op.Resource)
		return
	}
	status, write := catalog.Succeeded, j.done
	var told json.RawMessage
	if err != nil {
		f := fault.Of(translate(err))
		s.log.Error("operation failed", "operation", op.ID, "kind", op.Kind, "resource", op.Resource, "code", f.Code, "cause", err)
		status, write = catalog.Failed, j.failed
		if told, err = json.Marshal(f); err != nil {
			told = json.RawMessage(`{"code":"InternalServerError","message":"The operation failed."}`)
		}
	}
	err = s.cat.Tx(ctx, func(tx *catalog.Tx) error {
		if err := write(ctx, tx, op); err != nil {
			return err
		}
		return tx.FinishOperation(ctx, op.ID, status, told)
	})
	if err != nil {
		s.log.Error("outcome of operation is not written; the next start does it again", "operation", op.ID, "kind", op.Kind, "resource", op.Resource, "cause", err)
		return
	}
	if j.after != nil && status == catalog.Succeeded {
		j.after(ctx, op)
	}
	s.ended(ctx, op.ID)
}

// patience is how long an operation goes on trying when a part of the service
// is away: a worker that ended is there again in seconds.
const patience = time.Minute

// persist does the work, again and again while a part of the service is away or
// the vault of a key, which answered before the operation began, does not.
func (s *Service) persist(j job, op catalog.Operation) error {
	begun := time.Now()
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 10*time.Second) {
		err := j.do(s.ctx, op)
		_, silent := errors.AsType[*kek.Silent](err)
		if away := silent || errors.Is(err, fault.ServiceUnavailable); !away || time.Since(begun) > patience {
			return err
		}
		s.log.Warn("operation is tried again", "operation", op.ID, "kind", op.Kind, "resource", op.Resource, "cause", err)
		select {
		case <-time.After(pause):
		case <-s.ctx.Done():
			return err
		}
	}
}

// Operation returns an operation of the subscription.
func (s *Service) Operation(ctx context.Context, subscription, id string) (Operation, error) {
	op, err := s.cat.Operation(ctx, id)
	if errors.Is(err, catalog.ErrNotFound) {
		return Operation{}, noOperation(id)
	}
	if err != nil {
		return Operation{}, err
	}
	o, err := operationOf(op)
	if err == nil && !strings.EqualFold(o.Resource.Subscription(), subscription) {
		return Operation{}, noOperation(id)
	}
	return o, err
}

// deletion sets a deletion going that was begun in the catalog with the outcome
// err. found is false if err says that the thing, or what it is in, is not there.
func (s *Service) deletion(op catalog.Operation, err error, absent ...fault.Code) (o Operation, found bool, _ error) {
	for _, code := range absent {
		if errors.Is(err, code) {
			return Operation{}, false, nil
		}
	}
	if err != nil {
		return Operation{}, true, err
	}
	s.launch(op)
	o, err = operationOf(op)
	return o, true, err
}

func noOperation(id string) error {
	return fault.New(fault.OperationNotFound, "There is no operation '%.60s'. Operations can be read for 30 days after their end.", id)
}

func operationOf(op catalog.Operation) (Operation, error) {
	id, err := resource.Parse(op.Resource)
	if err != nil {
		return Operation{}, fmt.Errorf("operation %s: %w: %w", op.ID, catalog.ErrDamaged, err)
	}
	var in request
	if err := json.Unmarshal(op.Input, &in); err != nil {
		return Operation{}, fmt.Errorf("operation %s: %w: %w", op.ID, catalog.ErrDamaged, err)
	}
	o := Operation{ID: op.ID, Kind: op.Kind, Resource: id, Location: in.Location, Status: op.Status, Started: op.Started, Ended: op.Ended}
	if len(op.Error) > 0 {
		o.Fault = new(fault.Error)
		if err := json.Unmarshal(op.Error, o.Fault); err != nil {
			return Operation{}, fmt.Errorf("operation %s: %w: %w", op.ID, catalog.ErrDamaged, err)
		}
	}
	return o, nil
}

// Await waits until the operation is over, at most for the given time, and
// returns it as it then is.
func (s *Service) Await(ctx context.Context, o Operation, most time.Duration) (Operation, error) {
	s.mu.Lock()
	over := s.running[o.ID]
	s.mu.Unlock()
	if over != nil {
		timer := time.NewTimer(most)
		defer timer.Stop()
		select {
		case <-over:
		case <-timer.C:
		case <-ctx.Done():
			return o, ctx.Err()
		}
	}
	return s.Operation(ctx, o.Resource.Subscription(), o.ID)
}

// sweeping removes what has outlived its reservation, once an hour.
func (s *Service) sweeping() {
	tick := time.NewTicker(time.Hour)
	defer tick.Stop()
	for {
		if err := s.Sweep(s.ctx); err != nil && s.ctx.Err() == nil {
			s.log.Error("sweep of deleted resources", "cause", err)
		}
		select {
		case <-tick.C:
		case <-s.ctx.Done():
			return
		}
	}
}

// Sweep removes workspaces whose time for recovery is over, names that are
// free again, operations nobody will ask for, and rows that are older than their
// tables keep.
func (s *Service) Sweep(ctx context.Context) error {
	return errors.Join(s.sweep(ctx), s.retain(ctx))
}

func (s *Service) sweep(ctx context.Context) error {
	now := time.Now()
	gone, err := s.cat.ListDeleted(ctx, "/", string(resource.Workspace))
	if err != nil {
		return err
	}
	for _, res := range gone {
		if now.Sub(res.Deleted) < s.limits.SoftDelete {
			continue
		}
		w, err := workspaceOf(res)
		if err != nil {
			return err
		}
		if err := s.erase(ctx, w); err != nil {
			return err
		}
	}
	gone, err = s.cat.ListDeleted(ctx, "/", string(resource.Cluster))
	if err != nil {
		return err
	}
	for _, res := range gone {
		if now.Sub(res.Deleted) >= s.limits.NameReserved {
			if err := s.cat.Delete(ctx, res.ID, catalog.Always()); err != nil {
				return err
			}
		}
	}
	return s.cat.ForgetOperations(ctx, now.Add(-s.limits.KeepOperations))
}
