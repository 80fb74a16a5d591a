package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"logkeep/internal/cli/client"
)

// A state is what a query finds when it comes.
type state struct {
	name      string
	prepare   func(context.Context, *site) error
	yardstick func(context.Context, *yardstick) error // nil: it has no such state
}

// states of a worker, from the one that has most to do for a query.
//
//   - new: the key was away, so no process of the cluster runs, neither the one
//     that writes nor one that reads;
//   - cold: the process that answers runs and has the keys of the table's account, and
//     nothing of the table was read;
//   - warm: the same query was asked before.
func states() []state {
	return []state{
		{"new", func(ctx context.Context, s *site) error { return s.rekey(ctx) }, nil},
		{"cold", func(ctx context.Context, s *site) error {
			if err := s.rekey(ctx); err != nil {
				return err
			}
			_, _, err := s.query(ctx, large+" | where TimeGenerated < datetime(1990-01-01) | take 1")
			return err
		}, func(ctx context.Context, y *yardstick) error {
			if err := y.restart(ctx); err != nil {
				return err
			}
			_, _, err := y.ask(ctx, `_time:[1989-01-01Z,1990-01-01Z) | limit 1`)
			return err
		}},
		{"warm", func(context.Context, *site) error { return nil }, func(context.Context, *yardstick) error { return nil }},
	}
}

// A timed is one question's times in one state.
type timed struct {
	Question, State string
	Aim             time.Duration // for five million rows; 0: none
	Took            []time.Duration
	CPU             []time.Duration // of all of the server's processes, if they are known
	Storage         string          // what the last one read
	Yardstick       []time.Duration `json:",omitempty"` // the same of it, in turns
}

// aims are half of what an unsealed store took for the same questions of five
// million rows on such a machine, its process just started.
var aims = []time.Duration{37, 213, 16, 37, 149, 324, 231, 20}

// measureStates asks every question repeat times in each state.
// y is asked the same, in turns, if there is one: just started in place of cold.
func measureStates(ctx context.Context, s *site, y *yardstick, o options) (all []timed, err error) {
	asked := append(questions(newLogs(1, o.rows)), question{name: "needle by a rare word", kql: large + ` | where Message has "` + needle + `"`, narrow: true, logsql: `_msg:"` + needle + `"`})
	for i, q := range asked {
		for _, st := range states() {
			if !strings.Contains(q.name+", "+st.name, o.only) {
				continue
			}
			one := timed{Question: q.name, State: st.name, Aim: aims[i] * time.Millisecond}
			progress("%s, %s", q.name, st.name)
			for range o.repeat {
				if err := st.prepare(ctx, s); err != nil {
					return nil, fmt.Errorf("%s: %w", st.name, err)
				}
				before := s.ran()
				took, body, err := s.query(ctx, q.kql)
				if err != nil {
					return nil, fmt.Errorf("%s: %w", q.name, err)
				}
				one.Took = append(one.Took, took)
				if s.processes != nil {
					one.CPU = append(one.CPU, s.ran()-before)
				}
				if y != nil && st.yardstick != nil {
					if took, err = y.compared(ctx, st, q, body); err != nil {
						return nil, fmt.Errorf("%s: %w", q.name, err)
					}
					one.Yardstick = append(one.Yardstick, took)
				}
			}
			_, spent, err := s.Explain(ctx, s.workspace.CustomerID, q.kql, "")
			if err != nil {
				return nil, err
			}
			one.Storage = fmt.Sprintf("%d of %d row groups, %s of %s", spent.Storage.RowGroupsRead, spent.Storage.RowGroups,
				megabytes(spent.Storage.OpenedBytes), megabytes(spent.Storage.SealedBytes))
			all = append(all, one)
		}
	}
	return all, nil
}

// printStates writes the medians, and the fastest beside them: on a machine that
// others use too, it says more.
func (r *report) printStates(to io.Writer) error {
	t := tabwriter.NewWriter(to, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "%d rows, %d cores\tnew\tcold\tfastest\twarm\tfastest\taim, cold\tCPU, cold\twarm\t  read\n", r.Rows, r.Cores)
	for i, one := range r.States {
		if i > 0 && r.States[i-1].Question == one.Question {
			continue
		}
		in := func(state string) timed { return r.state(one.Question, state) }
		fresh, cold, warm := in("new"), in("cold"), in("warm")
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t  %s\n", one.Question, milliseconds(fresh.Took), milliseconds(cold.Took), fastest(cold.Took),
			milliseconds(warm.Took), fastest(warm.Took), milliseconds([]time.Duration{one.Aim}), milliseconds(cold.CPU), milliseconds(warm.CPU), one.Storage)
	}
	if err := t.Flush(); err != nil || r.Yardstick == nil {
		return err
	}
	return r.printYardstick(to)
}

// state is what was measured of a question in one state.
func (r *report) state(question, state string) (of timed) {
	for _, t := range r.States {
		if t.Question == question && t.State == state {
			of = t
		}
	}
	return of
}

func fastest(of []time.Duration) string {
	if len(of) == 0 {
		return ""
	}
	return milliseconds([]time.Duration{slices.Min(of)})
}

// rekey disables the key until no process of the cluster is left, and enables it
// again; none is started.
func (s *site) rekey(ctx context.Context) error {
	for _, enabled := range []bool{false, true} {
		if _, err := s.enable(ctx, enabled); err != nil {
			return err
		}
		want := map[bool]string{false: "Revoked", true: "Active"}[enabled]
		if err := until(ctx, func() (bool, error) {
			c, err := s.Cluster(ctx, s.cluster)
			return c.Logkeep.KeyState.State == want, err
		}); err != nil {
			return fmt.Errorf("wait for the key to be %s: %w", want, err)
		}
	}
	return nil
}

// attach measures a server that runs already, on a data directory of this
// machine. The first time it makes the tables and fills them.
func attach(ctx context.Context, o options) (s *site, err error) {
	s = &site{folder: client.Folder{Group: name, Location: "westeurope"}}
	if s.Server, err = client.Open(ctx, client.Where{DataDir: o.data}, client.Options{Retries: true}); err != nil {
		return nil, err
	}
	if s.workspace, err = s.FindWorkspace(ctx, name); errors.Is(err, client.ErrNotFound) {
		if s, err = open(ctx, client.Where{DataDir: o.data}, nil); err != nil {
			return nil, err
		}
		return s, s.fill(ctx, o)
	} else if err != nil {
		return nil, err
	}
	all, err := s.Clusters(ctx)
	if err != nil || len(all) != 1 {
		return nil, fmt.Errorf("%d clusters where this bench makes one: %w", len(all), errors.Join(err, errNotOurs))
	}
	c := all[0]
	s.cluster, s.version = c.ID, c.Logkeep.KeyState.KeyVersion
	s.keys, err = s.Keys(c.VaultURI)
	return s, err
}

var errNotOurs = errors.New("the server's data are not this bench's")

// fill uploads the rows that are asked about and waits until they are in segments.
func (s *site) fill(ctx context.Context, o options) error {
	progress("%d rows", o.rows)
	if _, err := s.upload(ctx, s.small, newLogs(2, 1000).rows(), false); err != nil {
		return err
	}
	if _, err := s.upload(ctx, s.large, newLogs(1, o.rows).rows(), false); err != nil {
		return err
	}
	return settle(ctx, o.settle)
}

// settle waits until the rows that were sent are in segments.
func settle(ctx context.Context, long time.Duration) error {
	progress("until all rows are in segments")
	select {
	case <-time.After(long):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
