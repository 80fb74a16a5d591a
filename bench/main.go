// Bench measures a whole server from the outside: the real binary in a folder
// of its own, rows through the ingestion API, queries through the query API, a
// key that is disabled and rotated in the vault.
//
//	bench -server bin/logkeep [-rows 500000] [-json FILE]
//
// Beside each query stands the same question, asked of the same rows in plain
// Parquet by the same engine with the same settings, in this process: what
// sealing, HTTP and processes cost together is the ratio. Everything of one
// table comes from one run, because machines differ from minute to minute;
// numbers without a ratio tell of this machine only. Times are medians.
//
// Nothing here passes or fails. docs/performance.md says how to read it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"

	"logkeep/internal/cli/walk"
)

type options struct {
	server   string
	rows     int
	repeat   int
	settle   time.Duration
	json     string
	packages bool
	ingest   bool
}

func main() {
	var o options
	flag.StringVar(&o.server, "server", "bin/logkeep", "the program to measure")
	flag.IntVar(&o.rows, "rows", 500_000, "rows to ingest; 5000000 are 2.4 GB of JSON")
	flag.IntVar(&o.repeat, "repeat", 5, "measurements of each kind; their median is shown")
	flag.DurationVar(&o.settle, "settle", 80*time.Second, "how long after the last row everything is in segments")
	flag.StringVar(&o.json, "json", "", "also write all numbers to this file")
	flag.BoolVar(&o.packages, "packages", true, "run the packages' own benchmarks as well")
	flag.BoolVar(&o.ingest, "ingest", false, "measure ingestion alone, and leave out the queries, the packages and the keys")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) (err error) {
	if flag.NArg() > 0 || o.rows < 1000 || o.repeat < 1 {
		return errors.New("no arguments, at least 1000 rows and one repetition, please")
	}
	r := newReport(o.rows)
	if o.packages && !o.ingest {
		progress("benchmarks of packages")
		if r.Packages, err = packageBenchmarks(ctx); err != nil {
			return err
		}
	}
	progress("server, key, cluster and tables")
	own, err := walk.Serve(ctx, o.server)
	if err != nil {
		return err
	}
	defer func() {
		own.Kill()
		err = errors.Join(err, own.Remove())
	}()
	s, err := open(ctx, own)
	if err != nil {
		return err
	}
	defer s.Close()
	if err := measure(ctx, s, o, r); err != nil {
		return err
	}
	if o.json != "" {
		if err := r.write(o.json); err != nil {
			return err
		}
	}
	return r.print(os.Stdout)
}

// measure fills the report. Few rows come first, so that a rotation with few
// can be put beside one with many.
func measure(ctx context.Context, s *site, o options, r *report) (err error) {
	if o.ingest {
		return measureIngest(ctx, s, o, r)
	}
	progress("rotation with few rows")
	if _, err := s.upload(ctx, s.small, newLogs(2, 1000), false); err != nil {
		return err
	}
	if r.RotateFew, err = s.rotations(ctx, o.repeat); err != nil {
		return err
	}

	progress("%d rows, as they come", o.rows/4)
	if r.Plain, err = s.ingest(ctx, s.small, newLogs(3, o.rows/4), false); err != nil {
		return err
	}
	progress("%d rows, packed", o.rows)
	before := s.used()
	if r.Packed, err = s.ingest(ctx, s.large, newLogs(1, o.rows), true); err != nil {
		return err
	}
	ready := time.Now().Add(o.settle)

	progress("the same rows in plain Parquet")
	base, err := newBaseline(ctx, newLogs(1, o.rows))
	if err != nil {
		return err
	}
	defer base.close()
	r.PlainBytes = base.bytes
	progress("until all rows are in segments")
	select {
	case <-time.After(time.Until(ready)):
	case <-ctx.Done():
		return ctx.Err()
	}
	r.settled(before, s.used())
	if r.SegmentBytes, r.JournalBytes, err = s.stored(); err != nil {
		return err
	}
	progress("rotation with all rows")
	if r.RotateMany, err = s.rotations(ctx, o.repeat); err != nil {
		return err
	}
	for _, q := range questions(newLogs(1, o.rows)) {
		progress("query: %s", q.name)
		answer, err := s.ask(ctx, base, q, o.repeat)
		if err != nil {
			return fmt.Errorf("query %q: %w", q.name, err)
		}
		r.Queries = append(r.Queries, answer)
	}
	progress("disabling the key")
	for len(s.revoked) < o.repeat {
		if err := s.restart(ctx); err != nil {
			return err
		}
	}
	r.Revoke, r.Restore = s.revoked, s.restored
	return nil
}

// measureIngest uploads all rows both ways, and waits until they are in segments.
func measureIngest(ctx context.Context, s *site, o options, r *report) (err error) {
	for _, way := range []struct {
		name   string
		packed bool
		into   *ingested
	}{{"as they come", false, &r.Plain}, {"packed", true, &r.Packed}} {
		progress("%d rows, %s", o.rows, way.name)
		before := s.used()
		if *way.into, err = s.ingest(ctx, s.large, newLogs(1, o.rows), way.packed); err != nil {
			return err
		}
		progress("until all rows are in segments")
		select {
		case <-time.After(o.settle):
		case <-ctx.Done():
			return ctx.Err()
		}
		now := s.used()
		way.into.Settled, way.into.Memory = now.cpu()-before.cpu(), now
	}
	r.SegmentBytes, r.JournalBytes, err = s.stored()
	return err
}

func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%s  %s\n", time.Now().Format(time.TimeOnly), fmt.Sprintf(format, args...))
}
