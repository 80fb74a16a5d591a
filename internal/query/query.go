// Package query brings a query to the process that holds the workspaces' keys.
// It reads neither the text nor the answer.
package query

import (
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"

	"logkeep/internal/activity"
	"logkeep/internal/control"
	"logkeep/internal/fault"
	"logkeep/internal/resource"
	"logkeep/internal/schema"
	"logkeep/internal/standard"
	"logkeep/internal/worker/wire"
)

// The documented limits of one answer (behaviour 24.3).
const (
	MaxRows  = 500_000
	MaxBytes = 100 << 20
)

// A Request is one query over workspaces that its caller may query.
type Request struct {
	Workspaces []control.Workspace // at least one
	Text       string
	Now        schema.Ticks
	From, To   schema.Ticks // bounds of TimeGenerated, both included; 0 is open
	Statistics bool
	Render     bool
	Form       wire.Form
	Parameters map[string]string // of the text's query_parameters

	// MayRead tells whether the caller may read a table; nil: all of them.
	MayRead func(ctx context.Context, workspace control.Workspace, table schema.TableName) (bool, error)
}

// A Plane knows the tables and the saved searches of workspaces: control.Service.
type Plane interface {
	Tables(ctx context.Context, workspace resource.ID) ([]control.Table, error)
	SealedSearches(ctx context.Context, workspace resource.ID) (places []string, sealed []control.SealedText, err error)
}

// A Holder runs a query where the keys are: domain.Domains.
type Holder interface {
	Query(ctx context.Context, workspaces []control.Workspace, q wire.Query) (io.ReadCloser, error)
}

// Outside reads the files of externaldata: outside.Reader.
type Outside interface {
	Hold(ctx context.Context) (release func(), err error)
	Fetch(ctx context.Context, addresses []string, have map[string][]byte) (map[string][]byte, error)
}

// A Service answers queries.
type Service struct {
	plane    Plane
	holder   Holder
	activity Activity
	outside  Outside
}

// Activity makes rows, in a workspace of its own, of the activity that was told
// so far: activity.Journal.
type Activity interface {
	Ready(ctx context.Context, log control.Workspace) error
}

// New returns a Service; a nil Activity is one of which there is none, and with a
// nil Outside externaldata is refused.
func New(p Plane, h Holder, a Activity, o Outside) *Service { return &Service{p, h, a, o} }

// Query returns the body of the answer, to be closed.
func (s *Service) Query(ctx context.Context, r Request) (io.ReadCloser, error) {
	q := wire.Query{
		Text: r.Text, Now: r.Now, From: r.From, To: r.To, Statistics: r.Statistics, Render: r.Render,
		Form: r.Form, Parameters: r.Parameters,
		MaxRows: MaxRows, MaxBytes: MaxBytes,
	}
	workspaces := r.Workspaces
	if s.activity != nil && strings.Contains(r.Text, activity.Table) {
		// The log of a workspace's subscription lies in an account of its own (design 0028).
		q.Tables = append(q.Tables, activityTable())
		workspaces = withActivity(workspaces)
		for _, log := range workspaces[len(r.Workspaces):] {
			if err := s.activity.Ready(ctx, log); err != nil {
				return nil, err
			}
		}
	}
	var all merging
	q.Retention = map[schema.WorkspaceID]wire.Retention{}
	for _, w := range r.Workspaces {
		found, err := s.plane.Tables(ctx, w.ID)
		if err != nil {
			return nil, err
		}
		place := wire.Place{Names: []string{w.ID.Name(), string(w.CustomerID), w.ID.String()}, Workspace: w.CustomerID}
		for _, t := range found {
			if s.activity != nil && t.Name() == activity.Table {
				continue // it is not among the workspace's own
			}
			all.add(t.Schema())
			if t.Plan == control.Basic || t.Plan == control.Auxiliary {
				q.Limited = append(q.Limited, t.Name())
			}
			if len(r.Workspaces) > 1 {
				place.Tables = append(place.Tables, control.Readable(t.Schema()))
			}
		}
		if len(r.Workspaces) > 1 && place.Tables == nil {
			place.Tables = []schema.Table{}
		}
		q.Places = append(q.Places, place)
		q.Retention[w.CustomerID] = retention(w, found, r.Now)
		functions, err := s.functions(ctx, w)
		if err != nil {
			return nil, err
		}
		if len(functions.Texts) > 0 {
			q.Functions = append(q.Functions, functions)
		}
	}
	merged, stored := all.done()
	for _, t := range merged {
		q.Tables = append(q.Tables, control.Readable(t))
	}
	q.Stored = stored
	if err := r.conceal(ctx, &q); err != nil {
		return nil, err
	}
	answer, err := s.ask(ctx, workspaces, q)
	return answer, told(err)
}

// ask brings the query to its holder, again with files from elsewhere if it turns
// out to read some: only the holder reads the text.
func (s *Service) ask(ctx context.Context, workspaces []control.Workspace, q wire.Query) (io.ReadCloser, error) {
	q.External = s.outside != nil
	answer, err := s.holder.Query(ctx, workspaces, q)
	wanted, ok := errors.AsType[*wire.Wanted](err)
	if !ok || !q.External {
		return answer, err
	}
	release, err := s.outside.Hold(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	q.Files = map[string][]byte{}
	for { // a column that depends on data may name more of them; their number is bounded
		files, err := s.outside.Fetch(ctx, wanted.Addresses, q.Files)
		if err != nil {
			return nil, err
		}
		maps.Copy(q.Files, files)
		answer, err := s.holder.Query(ctx, workspaces, q)
		if wanted, ok = errors.AsType[*wire.Wanted](err); !ok {
			return answer, err
		}
	}
}

// retention is how far back the tables of a workspace are answered now: what is
// older is kept for other uses, or about to go.
func retention(w control.Workspace, tables []control.Table, now schema.Ticks) wire.Retention {
	edge := func(days int) schema.Ticks { return max(0, now-schema.Ticks(days)*schema.TicksPerDay) }
	out := wire.Retention{Default: edge(w.Retention)}
	for _, t := range tables {
		if days := t.Keeping(w, now.Time()).Interactive; days != w.Retention {
			if out.Tables == nil {
				out.Tables = map[schema.TableName]schema.Ticks{}
			}
			out.Tables[t.Name()] = edge(days)
		}
	}
	return out
}

// functions are a workspace's saved searches, which stay sealed up to the worker.
func (s *Service) functions(ctx context.Context, w control.Workspace) (wire.OpenTexts, error) {
	places, sealed, err := s.plane.SealedSearches(ctx, w.ID)
	out := wire.OpenTexts{Workspace: w.CustomerID}
	for i, t := range sealed {
		out.Texts = append(out.Texts, wire.PlacedText{SealedText: wire.SealedText(t), Place: places[i]})
	}
	return out, err
}

// conceal takes out tables that the caller may not read in one of the
// workspaces: to his query they do not exist. A name stands for the tables of all
// workspaces together, so that one that is denied somewhere is not read at all.
func (r Request) conceal(ctx context.Context, q *wire.Query) (err error) {
	if r.MayRead == nil {
		return nil
	}
	hidden := func(w control.Workspace) func(schema.Table) bool {
		return func(t schema.Table) bool {
			var may bool
			if err == nil {
				may, err = r.MayRead(ctx, w, t.Name)
			}
			return !may
		}
	}
	for i, w := range r.Workspaces {
		q.Tables = slices.DeleteFunc(q.Tables, func(t schema.Table) bool {
			gone := hidden(w)(t)
			if gone && standard.Is(string(t.Name)) {
				q.Hidden = append(q.Hidden, t.Name)
			}
			return gone
		})
		q.Places[i].Tables = slices.DeleteFunc(q.Places[i].Tables, hidden(w))
	}
	return err
}

// activityTable is the published table of activity, with all that is stored of it.
func activityTable() schema.Table {
	t := activity.Schema()
	if p, ok := standard.Lookup(activity.Table); ok {
		for _, c := range p.Columns {
			if _, there := t.Column(c.Name); !there {
				t.Columns = append(t.Columns, c)
			}
		}
	}
	return t
}

// withActivity adds to workspaces the activity of their subscriptions.
func withActivity(workspaces []control.Workspace) []control.Workspace {
	all, seen := slices.Clone(workspaces), map[schema.WorkspaceID]bool{}
	for _, w := range workspaces {
		log := activity.Workspace(w.Tenant, strings.ToLower(w.ID.Subscription()))
		if !seen[log.CustomerID] {
			seen[log.CustomerID] = true
			all = append(all, log)
		}
	}
	return all
}

// told puts what a key's fault says inside the query API's own (decisions 2):
// the innermost code is the one that says what to do.
func told(err error) error {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || f.Code != fault.CustomerManagedKeyRevoked {
		return err
	}
	return fault.New(fault.InsufficientAccess, "The workspace can't be read: its customer-managed key is revoked.").WithInner(f)
}
