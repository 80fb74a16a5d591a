package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"logkeep/internal/cli/client"
)

// maxLine bounds a row of a file.
const maxLine = 1 << 20

// lines yields each line of a file that is not empty; none is kept. What went
// wrong is in failed when the loop has ended.
func lines(path string, failed *error) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		f, err := os.Open(path)
		if err != nil {
			*failed = err
			return
		}
		defer f.Close()
		r := bufio.NewReaderSize(f, maxLine)
		for {
			line, err := r.ReadSlice('\n')
			if n := len(line); n > 0 && line[n-1] == '\n' {
				line = line[:n-1]
			}
			if len(line) > 0 && !yield(line) {
				return
			}
			if err != nil {
				if err != io.EOF {
					*failed = fmt.Errorf("read %s: %w", path, err)
				}
				return
			}
		}
	}
}

// A stream is the rows of a file, sent in one of the two ways, and what they
// have come to when they lie in segments.
type stream struct {
	ingested
	Packed       bool
	SegmentBytes int64
	Written      written
}

// measureFile sends the rows of a file of JSON lines, whose fields are the
// benchmark's columns: each way to a server of its own, so that memory and disk
// are told apart. Bodies are packed before anything is measured.
func measureFile(ctx context.Context, o options, r *report) (err error) {
	for _, packed := range []bool{false, true} {
		if o.way != "" && packed != (o.way == "gzip") {
			continue
		}
		st, err := sendFile(ctx, o, packed)
		if err != nil {
			return err
		}
		r.Streams = append(r.Streams, st)
		progress("%s rows, packed %v: %s rows per CPU-second until acknowledged, %s until in segments", count(float64(st.Rows)), packed,
			count(float64(st.Rows)/st.CPU.Seconds()), count(float64(st.Rows)/st.Settled.Seconds()))
		if err := r.save(o.json); err != nil {
			return err
		}
	}
	if o.yardstick == "" {
		return nil
	}
	y, err := openYardstick(ctx, o.yardstick)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, y.close()) }()
	var failed error
	in, err := y.fill(ctx, lines(o.file, &failed))
	r.Yardstick = &in
	return errors.Join(err, failed)
}

func sendFile(ctx context.Context, o options, packed bool) (st stream, err error) {
	var failed error
	all := bodies(lines(o.file, &failed))
	if packed {
		progress("packing %s", o.file)
		parcel, err := pack(all)
		if err != nil {
			return st, err
		}
		defer parcel.close()
		if failed != nil {
			return st, failed
		}
		all = parcel.bodies(&failed)
	}
	progress("server, key, cluster and tables")
	s, end, err := serve(ctx, o.server)
	if err != nil {
		return st, err
	}
	defer func() {
		if failed := end(); err == nil {
			err = failed
		}
	}()
	progress("nothing, for %v", quiet)
	idle, err := idling(ctx, s)
	if err != nil {
		return st, err
	}
	way := ".plain"
	if packed {
		way = ".packed"
	}
	stop, err := profile(s, o.perf, way)
	if err != nil {
		return st, err
	}
	defer stop()
	progress("rows of %s, packed: %v", o.file, packed)
	st.Packed = packed
	before, begin := s.used(), time.Now()
	if err := s.count(&st.ingested, func() (done client.Uploaded, err error) {
		done, st.Refused, err = s.post(ctx, s.large, all)
		return done, err
	}); err != nil {
		return st, err
	}
	if failed != nil {
		return st, failed
	}
	if err := settle(ctx, o.settle); err != nil {
		return st, err
	}
	st.settled(before, s, time.Since(begin), idle[0])
	if st.Written, err = s.written(ctx); err != nil {
		return st, err
	}
	st.SegmentBytes, _, err = s.stored()
	return st, err
}

// way is how they were sent.
func (st *stream) way() string {
	if st.Packed {
		return "gzip"
	}
	return "plain JSON"
}

// print writes what the rows of a file have cost.
func (st *stream) print(line func(string, ...string)) {
	one := report{}
	one.printIngest(line, fmt.Sprintf("%s rows of a file, %s", count(float64(st.Rows)), st.way()), st.ingested, ingested{})
	line("told to come again", count(float64(st.Refused)))
	line("peak memory of all processes", megabytes(st.Memory.memory()), "", "", "1000 MB")
	line("segments on the disk", megabytes(st.SegmentBytes))
	line("write amplification of segments, in bytes", st.Written.amplification(), "", "", "1.00")
}

// Written is what the server has written into segments, by its own count.
type written struct {
	Flushed, Rewritten         float64 // sealed bytes
	FlushedRows, RewrittenRows float64
}

// amplification is how many bytes were written for one that was flushed.
func (w written) amplification() string { return ratio(w.Flushed+w.Rewritten, w.Flushed) }

// written reads the server's metrics.
func (s *site) written(ctx context.Context) (w written, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/metrics", nil)
	if err != nil {
		return w, err
	}
	answer, err := s.HTTP().Do(r)
	if err != nil {
		return w, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return w, fmt.Errorf("metrics: %s", answer.Status)
	}
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), " ")
		name, labels, _ := strings.Cut(name, "{")
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			continue // a comment
		}
		switch rewritten := strings.Contains(labels, `by="rewrite"`); {
		case name == "logkeep_segment_bytes_written_total" && rewritten:
			w.Rewritten += n
		case name == "logkeep_segment_bytes_written_total":
			w.Flushed += n
		case name == "logkeep_segment_rows_written_total" && rewritten:
			w.RewrittenRows += n
		case name == "logkeep_segment_rows_written_total":
			w.FlushedRows += n
		}
	}
	return w, nil
}

// profile has perf sample the server's processes until stop is called; without
// a file it does nothing. Workers can't be profiled from inside: they write no
// files and listen to nobody but their keeper.
func profile(s *site, file, way string) (stop func(), err error) {
	if file == "" {
		return func() {}, nil
	}
	var pids []string
	for _, pid := range s.own.Processes() {
		pids = append(pids, strconv.Itoa(pid))
	}
	cmd := exec.Command("perf", "record", "-q", "-e", "cpu-clock", "-F", "499", "-g", "-o", file+way, "-p", strings.Join(pids, ","))
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return func() {
		cmd.Process.Signal(os.Interrupt) // perf writes what it has
		cmd.Wait()
	}, nil
}
