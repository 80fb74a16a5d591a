// Bench measures a whole server from the outside: the real binary in a folder
// of its own, rows through the ingestion API, queries through the query API, a
// key that is disabled and rotated in the vault.
//
//	bench -server bin/logkeep [-unsealed FILE] [-rows 500000] [-json FILE]
//
// Beside it runs the same program, built so that it seals nothing: what sealing
// alone costs is the first ratio. Beside each query stands the same question, asked of the same rows in plain
// Parquet by the same engine with the same settings, in this process: what
// sealing, HTTP and processes cost together is the second ratio. Everything of one
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

	"logkeep/internal/cli/client"
	"logkeep/internal/cli/walk"
)

type options struct {
	server   string
	unsealed string
	rows     int
	repeat   int
	storage  string
	settle   time.Duration
	json     string
	packages bool
	clusters int
	ingest   bool
	clients  int
	crowd    bool
	grow     int
	control  bool
	plane    planeOptions
	file     string
	way      string
	perf     string
	queries  bool
	first    int
	data     string
	only     string
	pid      int
	count    bool
	segments int

	yardstick string
}

func main() {
	var o options
	flag.StringVar(&o.server, "server", "bin/logkeep", "the program to measure")
	flag.StringVar(&o.unsealed, "unsealed", "", "the same program, built with the tag unsealed, to measure beside it")
	flag.IntVar(&o.rows, "rows", 500_000, "rows to ingest; 5000000 are 2.4 GB of JSON")
	flag.IntVar(&o.repeat, "repeat", 5, "measurements of each kind; their median is shown")
	flag.StringVar(&o.storage, "storage", "", "an empty prefix of a bucket for the measured server's rows, as --storage of the server; the unsealed one is left out")
	flag.DurationVar(&o.settle, "settle", 80*time.Second, "how long after the last row everything is in segments")
	flag.StringVar(&o.json, "json", "", "also write all numbers to this file")
	flag.BoolVar(&o.packages, "packages", true, "run the packages' own benchmarks as well")
	flag.BoolVar(&o.ingest, "ingest", false, "measure ingestion alone: leave out queries, keys, leases and packages")
	flag.IntVar(&o.plane.resources, "resources", 10_000, "resources of the catalog while the control plane is measured; 0: it is not")
	flag.IntVar(&o.plane.reads, "reads", 2000, "reads of the control plane a second")
	flag.IntVar(&o.plane.writes, "writes", 200, "writes of the control plane a second")
	flag.DurationVar(&o.plane.last, "last", 20*time.Second, "how long the control plane is read and written")
	flag.BoolVar(&o.control, "control", false, "measure the control plane alone")
	flag.BoolVar(&o.queries, "queries", false, "measure queries alone, asked of new, cold and warm workers")
	flag.IntVar(&o.first, "first", 0, "measure so many first answers alone, of processes that are started for the question, with -data")
	flag.StringVar(&o.data, "data", "", "with -queries: the data directory of a server that runs already, which is filled the first time")
	flag.StringVar(&o.only, "only", "", "with -queries: ask only questions of which name and state (`count by hour, warm`) have this")
	flag.IntVar(&o.pid, "pid", 0, "with -data: the process of that server, to measure the CPU time that it and what it started use")
	flag.BoolVar(&o.count, "instructions", false, "count the instructions of the hot loops alone, with valgrind, from the repository's root: times vary with the machine, these do not")
	flag.IntVar(&o.segments, "segments", 0, "measure the start of a server with so many segments in one table (100000; 10 GB of disk for a while), and queries over one hour of them; nothing else is measured then")
	flag.IntVar(&o.clusters, "clusters", 1000, "clusters whose leases a keeper holds; 0 leaves that out")
	flag.StringVar(&o.yardstick, "yardstick", "", "with -queries or -file: a VictoriaLogs to send the same rows to and to ask the same, in turns")
	vault := flag.Int("vault", 0, "be the vault of so many clusters, for the bench that started this")
	flag.IntVar(&o.clients, "clients", 1000, "clients that send one row at a time; 0 leaves them out")
	flag.BoolVar(&o.crowd, "crowd", false, "measure these clients alone")
	flag.IntVar(&o.grow, "grow", 0, "millions of rows to stream, to see whether a row costs the same when there are many; nothing else is measured then")
	flag.StringVar(&o.file, "file", "", "stream the rows of this file of JSON lines, which have the benchmark's columns; nothing else is measured then")
	flag.StringVar(&o.way, "way", "", "with -file: only `plain` or gzip; both by default")
	flag.StringVar(&o.perf, "perf", "", "with -file or -crowd: have perf record the server's processes into files of this name")
	flag.Parse()
	if *vault > 0 {
		serveVault(*vault)
		return
	}
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
	if o.count {
		if r.Instructions, err = countInstructions(ctx); err != nil {
			return err
		}
		return errors.Join(r.printInstructions(os.Stdout), r.save(o.json))
	}
	if o.segments > 0 {
		if err := measureSegments(ctx, o, r); err != nil {
			return err
		}
		return errors.Join(r.printHeights(os.Stdout), r.save(o.json))
	}
	if o.crowd {
		if err := measureCrowd(ctx, o, r); err != nil {
			return err
		}
		return errors.Join(r.print(os.Stdout), r.save(o.json))
	}
	if o.first > 0 {
		if err := measureFirst(ctx, o, r); err != nil {
			return err
		}
		return errors.Join(r.printFirst(os.Stdout), r.save(o.json))
	}
	if o.plane.resources > 0 && !o.ingest && !o.queries && o.grow == 0 && o.file == "" {
		if r.Plane, err = measurePlane(ctx, o.server, o.plane); err != nil {
			return err
		}
	}
	if o.control {
		return errors.Join(r.printPlane(os.Stdout), r.save(o.json))
	}
	if o.queries {
		if err := measureQueries(ctx, o, r); err != nil {
			return err
		}
		return errors.Join(r.printStates(os.Stdout), r.save(o.json))
	}
	if o.packages && !o.ingest && o.grow == 0 && o.file == "" {
		progress("benchmarks of packages")
		if r.Packages, err = packageBenchmarks(ctx); err != nil {
			return err
		}
	}
	if o.clusters > 0 && !o.ingest && o.grow == 0 && o.file == "" {
		progress("leases of %d clusters", o.clusters)
		if r.Holding, err = holding(ctx, o.clusters); err != nil {
			return err
		}
	}
	if o.file != "" {
		if err := measureFile(ctx, o, r); err != nil {
			return err
		}
		return errors.Join(r.save(o.json), r.print(os.Stdout))
	}
	if o.grow > 0 {
		o.unsealed = ""
	}
	progress("server, key, cluster and tables")
	s, end, err := serve(ctx, o.server, o.flags()...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	var off *site
	if o.unsealed != "" && o.storage == "" {
		var end func() error
		if off, end, err = serve(ctx, o.unsealed); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, end()) }()
	}
	if err := measure(ctx, s, off, o, r); err != nil {
		return err
	}
	if err := r.save(o.json); err != nil {
		return err
	}
	return r.print(os.Stdout)
}

// flags are what the measured server is told beside what every one is.
func (o options) flags() []string {
	if o.storage == "" {
		return nil
	}
	return []string{"--storage", o.storage}
}

// serve starts a program as a server with a key, a cluster and tables. end
// stops it and removes all of it.
func serve(ctx context.Context, program string, flags ...string) (s *site, end func() error, err error) {
	own, err := walk.Serve(ctx, program, flags...)
	if err != nil {
		return nil, nil, err
	}
	if s, err = open(ctx, client.Where{URL: own.URL, DataDir: own.DataDir}, nil); err != nil {
		own.Kill()
		return nil, nil, errors.Join(err, own.Remove())
	}
	s.own = own
	return s, func() error {
		s.Close()
		own.Kill()
		return own.Remove()
	}, nil
}

// measureQueries asks a server of its own, or the one that o names.
func measureQueries(ctx context.Context, o options, r *report) (err error) {
	var y *yardstick
	if o.yardstick != "" {
		if y, err = openYardstick(ctx, o.yardstick); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, y.close()) }()
		in, err := y.fill(ctx, newLogs(1, o.rows).rows())
		if err != nil {
			return err
		}
		r.Yardstick = &in
	}
	if o.data != "" {
		s, err := attach(ctx, o)
		if err != nil {
			return err
		}
		defer s.Close()
		if o.pid > 0 {
			s.processes = func() []int { return walk.Processes(o.pid) }
		}
		r.States, err = measureStates(ctx, s, y, o)
		return err
	}
	s, end, err := serve(ctx, o.server)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	if err := s.fill(ctx, o); err != nil {
		return err
	}
	s.processes = s.own.Processes
	r.States, err = measureStates(ctx, s, y, o)
	return err
}

// measure fills the report. Few rows come first, so that a rotation with few
// can be put beside one with many.
func measure(ctx context.Context, s, off *site, o options, r *report) (err error) {
	if o.grow > 0 {
		progress("%d million rows, streamed", o.grow)
		r.Growth, err = s.grow(ctx, o.grow, o.repeat, o.settle)
		return err
	}
	if !o.ingest {
		progress("rotation with few rows")
		if _, err := s.upload(ctx, s.small, newLogs(2, 1000).rows(), false); err != nil {
			return err
		}
		if r.RotateFew, err = s.rotations(ctx, o.repeat); err != nil {
			return err
		}
	}
	if err := ingestAll(ctx, s, off, o, r); err != nil {
		return err
	}
	if o.clients > 0 {
		progress("%d clients, one row at a time", o.clients)
		if r.Crowd, err = s.crowd(ctx, s.small, o.clients); err != nil {
			return err
		}
	}
	if o.ingest {
		return nil
	}
	progress("the same rows in plain Parquet")
	base, err := newBaseline(ctx, newLogs(1, o.rows))
	if err != nil {
		return err
	}
	defer base.close()
	r.PlainBytes = base.bytes
	progress("rotation with all rows")
	if r.RotateMany, err = s.rotations(ctx, o.repeat); err != nil {
		return err
	}
	for _, q := range questions(newLogs(1, o.rows)) {
		progress("query: %s", q.name)
		answer, err := ask(ctx, s, off, base, q, o.repeat)
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

// shares is into how many parts rows are cut, so that the two servers that are
// compared take turns on a machine that others use too.
const shares = 4

// quiet is how long it is looked at what servers use that nobody asks.
const quiet = 20 * time.Second

// idling is what the servers use, as shares of one core, while nothing comes.
func idling(ctx context.Context, sites ...*site) (idle []float64, err error) {
	before := make([]usage, len(sites))
	for i, at := range sites {
		if at != nil {
			before[i] = at.used()
		}
	}
	select {
	case <-time.After(quiet):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	idle = make([]float64, len(sites))
	for i, at := range sites {
		if at != nil {
			idle[i] = (at.used().cpu() - before[i].cpu()).Seconds() / quiet.Seconds()
		}
	}
	return idle, nil
}

// ingestAll uploads rows in both ways and waits until they are in segments.
func ingestAll(ctx context.Context, s, off *site, o options, r *report) (err error) {
	progress("nothing, for %v", quiet)
	idle, err := idling(ctx, s, off)
	if err != nil {
		return err
	}
	for _, way := range []struct {
		what     string
		packed   bool
		rows     int
		into     *ingested
		unsealed *ingested
	}{
		{"as they come", false, o.rows / 2, &r.Plain, &r.Unsealed.Plain},
		{"packed", true, o.rows, &r.Packed, &r.Unsealed.Packed},
	} {
		progress("%d rows, %s", way.rows, way.what)
		l := newLogs(1, way.rows)
		var before [2]usage
		for i, at := range []*site{s, off} {
			if at != nil {
				before[i] = at.used()
			}
		}
		for n := range shares {
			rows := l.share((way.rows*(n+1))/shares - way.rows*n/shares)
			for i, at := range []*site{s, off} {
				if at == nil {
					continue
				}
				into, to := []*ingested{way.into, way.unsealed}[i], at.small
				if way.packed {
					to = at.large
				}
				if err := at.ingest(ctx, into, to, rows, way.packed); err != nil {
					return err
				}
			}
		}
		if way.into.Rows != way.rows {
			return fmt.Errorf("%d rows acknowledged of %d", way.into.Rows, way.rows)
		}
		if err := settle(ctx, o.settle); err != nil {
			return err
		}
		way.into.settled(before[0], s, o.settle, idle[0])
		if off != nil {
			way.unsealed.settled(before[1], off, o.settle, idle[1])
		}
	}
	if r.Written, err = s.written(ctx); err != nil {
		return err
	}
	r.SegmentBytes, r.JournalBytes, err = s.stored()
	return err
}

func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%s  %s\n", time.Now().Format(time.TimeOnly), fmt.Sprintf(format, args...))
}
