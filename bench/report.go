package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// A report is all that one run has measured. Its JSON has every single time,
// in nanoseconds.
type report struct {
	When                       time.Time
	Rows                       int
	Cores                      int
	Processor                  string
	Packed, Plain              ingested // gzip as the official clients send it, and JSON as it is
	SegmentBytes, JournalBytes int64    // on the disk, of all rows
	PlainBytes                 int64    // of the queried rows in plain Parquet
	RotateFew, RotateMany      []time.Duration
	Queries                    []asked
	Revoke, Restore            []time.Duration
	Packages                   []packageLine
}

func newReport(rows int) *report {
	return &report{When: time.Now().UTC().Truncate(time.Second), Rows: rows, Cores: runtime.NumCPU(), Processor: processor()}
}

// settled notes what the packed upload has cost by now, when its rows are in
// segments.
func (r *report) settled(before, now usage) {
	r.Packed.Settled = now.cpu() - before.cpu()
	r.Packed.Memory = now
}

func (r *report) write(path string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}

// print writes the table.
func (r *report) print(to io.Writer) error {
	t := tabwriter.NewWriter(to, 0, 0, 2, ' ', tabwriter.AlignRight)
	line := func(what, ours, plain, ratio, hand, aim string) {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t\n", what, ours, plain, ratio, aim, hand)
	}
	line(fmt.Sprintf("%d rows, %d cores", r.Rows, r.Cores), "Logkeep", "plain", "ratio", "by hand", "aim")
	in := r.Packed
	line("ingest, gzip: rows/s", count(float64(in.Rows)/in.Took.Seconds()), "", "", "", "")
	line("rows per CPU-second until acknowledged", perCPU(in.Rows, in.CPU), "", "", "", "")
	line("rows per CPU-second until in segments", perCPU(in.Rows, in.Settled), "", "", "", "")
	for _, role := range []string{"serve", "worker", "vault"} {
		line("CPU until acknowledged, "+role, seconds(in.ByRole[role]), "", "", "", "")
	}
	line("CPU of the client beside it", seconds(in.Client), "", "", "", "")
	line("peak memory of all processes", megabytes(in.Memory.memory()), "", "", "", "")
	line("ingest, plain JSON: rows/s", count(float64(r.Plain.Rows)/r.Plain.Took.Seconds()), "", "", "", "")
	line("rows per CPU-second until acknowledged", perCPU(r.Plain.Rows, r.Plain.CPU), "", "", "", "")
	if r.Plain.Settled > 0 {
		line("rows per CPU-second until in segments", perCPU(r.Plain.Rows, r.Plain.Settled), "", "", "", "")
	}
	for _, role := range []string{"serve", "worker"} {
		line("CPU until acknowledged, "+role, seconds(r.Plain.ByRole[role]), "", "", "", "")
	}
	all := in.Bytes + r.Plain.Bytes
	sealed, plain := float64(r.SegmentBytes)/float64(all), float64(r.PlainBytes)/float64(in.Bytes)
	line("segments, bytes for a byte of JSON", fmt.Sprintf("%.3f", sealed), fmt.Sprintf("%.3f", plain), ratio(sealed, plain), "", "")
	line("journals beside them", megabytes(r.JournalBytes), "", "", "", "")
	for _, q := range r.Queries {
		line(q.Name+", warm", milliseconds(q.Warm), milliseconds(q.PlainWarm), ratio(float64(median(q.Warm)), float64(median(q.PlainWarm))), milliseconds(q.HandWritten), "1.50")
		line("cold", milliseconds(q.Cold), milliseconds(q.PlainCold), ratio(float64(median(q.Cold)), float64(median(q.PlainCold))), "", "")
	}
	line("key disabled → worker gone", milliseconds(r.Revoke), "", "", "", "1000 ms")
	line("key enabled → first answer", milliseconds(r.Restore), "", "", "", "")
	line("key rotated → in use, few rows", milliseconds(r.RotateFew), "", "", "", "")
	line(fmt.Sprintf("key rotated → in use, %s of JSON", megabytes(all)), milliseconds(r.RotateMany), "", "", "", "1000 ms")
	for _, p := range r.Packages {
		line(p.Package+" "+p.Name, p.Result, "", "", "", "")
	}
	return t.Flush()
}

func median(of []time.Duration) time.Duration {
	if len(of) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(of))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

func milliseconds(of []time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(median(of).Microseconds())/1000)
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

func megabytes(n int64) string { return fmt.Sprintf("%.0f MB", float64(n)/1e6) }

func perCPU(rows int, cpu time.Duration) string { return count(float64(rows) / cpu.Seconds()) }

func ratio(ours, plain float64) string {
	if plain == 0 {
		return ""
	}
	return fmt.Sprintf("%.2f", ours/plain)
}

// count writes a number with its thousands apart.
func count(n float64) string {
	s := fmt.Sprintf("%.0f", n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// processor is the machine's, as the system names it.
func processor() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
