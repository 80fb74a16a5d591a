// Package drill tries on a running server what a customer trusts it to do: that
// a disabled key makes everything unreadable at once, that an enabled one brings
// everything back, and that a rotated one loses nothing; all of it under load.
//
// It touches neither the customer's key nor his data. Beside his cluster it makes
// another with the same settings and, in the same vault, a key of its own, which
// only the new cluster's identity may use; a workspace, a table, and a load that
// sends and asks for rows all the time. What it measures takes the same path as
// the customer's: the same keeper, the same vault, the same kind of key. At the
// end, however it ends, it takes all of it away again.
//
// Everything goes through the public APIs with the official SDK clients, retries
// off: a request that is sent again would hide what the first one met. Only the
// worker's process is looked at from behind, where it runs on this machine.
package drill

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"logkeep/internal/cli/client"
	"logkeep/internal/report"
	"logkeep/internal/schema"
)

// Config says what to drill, and how.
type Config struct {
	Server   *client.Server
	Subject  client.Cluster // whose settings and vault are taken; it is not touched
	Steady   time.Duration  // how long each state is held under load
	NewVault bool           // make a vault for the drill, and do not use the cluster's
	Show     func(took time.Duration, format string, args ...any)
}

// The load. It is to be seen, and not to be in the way of other work.
const (
	writers        = 2
	readers        = 2
	rowsPerRequest = 20
	writerPause    = 20 * time.Millisecond
	readerPause    = 10 * time.Millisecond
)

// A driller is a drill on its way.
type driller struct {
	Config
	site
	load     *load
	measured report.Measured
	table    schema.Table
	version  string // of the key, in use
}

// A Broken drill is one that had begun and could not be brought to its end.
type Broken struct{ error }

// Unwrap returns the cause.
func (b Broken) Unwrap() error { return b.error }

// Run drills, and returns the signed report. Whatever it made is gone when it
// returns, or the error says what is left.
func Run(ctx context.Context, c Config) (signed []byte, err error) {
	d := &driller{Config: c}
	d.site = site{name: prefix + strings.ToLower(rand.Text()[:8]), folder: client.Folder{Location: c.Subject.Location}}
	d.folder.Group = d.name
	d.table = schema.Table{Name: "DrillLogs_CL", Columns: []schema.Column{
		{Name: schema.TimeGenerated, Type: schema.DateTime}, {Name: "Number", Type: schema.Long}, {Name: "Text", Type: schema.String},
	}}
	d.measured = report.Measured{Program: report.Build(), Subject: c.Subject.ID, Began: time.Now().UTC()}
	defer func() {
		start := time.Now()
		if failed := Clean(ctx, c.Server, d.site); failed != nil {
			err = errors.Join(err, fmt.Errorf("not all that the drill made could be removed; run `logkeep key drill --clean` later: %w", failed))
			return
		}
		c.Show(time.Since(start), "removed: cluster, workspace, collection and rights of %s; the key %s is deleted, its vault keeps it until it may be purged", d.name, d.name)
	}()
	if err := d.make(ctx); err != nil {
		return nil, err
	}
	d.load = startLoad(ctx, d.Server, d.target, d.workspace.CustomerID, d.table)
	defer d.load.stop()
	for _, step := range []func(context.Context) error{d.warmUp, d.revokeFirst, d.rotate, d.revokeWithoutOld} {
		if err := step(ctx); err != nil {
			return nil, Broken{err}
		}
	}
	d.load.stop()
	if d.measured.Rows, err = d.rows(ctx); err != nil {
		return nil, Broken{err}
	}
	d.measured.Load = d.load.summary()
	d.measured.Ended = time.Now().UTC()
	body, err := json.Marshal(d.measured)
	if err != nil {
		return nil, err
	}
	return d.Server.SignDrill(ctx, d.cluster.ID, body)
}

// step times do and shows one line.
func (d *driller) step(ctx context.Context, what string, do func(context.Context) (string, error)) error {
	ctx, cancel := context.WithTimeout(ctx, stepLimit)
	defer cancel()
	start := time.Now()
	text, err := do(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	d.Show(time.Since(start), "%s: %s", what, text)
	return nil
}

// stepLimit is the longest that a step may take: the longest bounds that a
// cluster can have, and room for a slow machine.
const stepLimit = 5 * time.Minute

// hold waits while the load goes on.
func (d *driller) hold(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d.Steady):
		return nil
	}
}

func (d *driller) warmUp(ctx context.Context) error {
	return d.step(ctx, "load", func(ctx context.Context) (string, error) {
		if err := d.load.until(ctx, func(r request) bool { return r.err != nil || r.query && r.rows > 0 }); err != nil {
			return "", err
		}
		if err := errors.Join(d.load.broken(), d.hold(ctx)); err != nil {
			return "", err
		}
		s := d.load.summary()
		return fmt.Sprintf("%d writers and %d readers; %d ingestions and %d queries so far", s.Writers, s.Readers, s.Ingestions, s.Queries), d.load.broken()
	})
}

// rows compares what was acknowledged until now with what a query finds.
func (d *driller) rows(ctx context.Context) (report.Rows, error) {
	acknowledged := d.load.acknowledged()
	found, err := d.Server.Numbers(ctx, d.workspace.CustomerID, string(d.table.Name)+" | project Number")
	if err != nil {
		return report.Rows{}, fmt.Errorf("ask for every row: %w", err)
	}
	times := make(map[int]int, len(found))
	for _, n := range found {
		times[n]++
	}
	r := report.Rows{Acknowledged: len(acknowledged), Found: len(found)}
	for n := range acknowledged {
		if times[n] == 0 {
			r.Missing++
		}
	}
	after := d.load.acknowledged() // what was sent meanwhile may be there, too
	for n, count := range times {
		if count > 1 {
			r.Twice++
		}
		if !after[n] {
			r.Unanswered++
		}
	}
	return r, nil
}
