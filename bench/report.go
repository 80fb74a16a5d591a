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
	Packed, Plain              ingested                         // gzip as the official clients send it, and JSON as it is
	Unsealed                   struct{ Packed, Plain ingested } // the same, by a program that seals nothing
	SegmentBytes, JournalBytes int64                            // on the disk, of all rows
	Written                    written
	Streams                    []stream
	Yardstick                  *kept `json:",omitempty"`
	PlainBytes                 int64 // of the queried rows in plain Parquet
	RotateFew, RotateMany      []time.Duration
	Queries                    []asked
	States                     []timed `json:",omitempty"`
	First                      []First
	Heights                    []height `json:",omitempty"`
	Revoke, Restore            []time.Duration
	Holding                    held
	Crowd                      crowd
	Crowds                     []crowd `json:",omitempty"`
	Growth                     []step
	Packages                   []packageLine
	Plane                      plane
	Instructions               []counted `json:",omitempty"`
}

func newReport(rows int) *report {
	return &report{When: time.Now().UTC().Truncate(time.Second), Rows: rows, Cores: runtime.NumCPU(), Processor: processor()}
}

// settled notes what an upload has cost by now, when its rows are in segments.
// What the processes would have used in that wait without any rows is left out.
func (in *ingested) settled(before usage, s *site, waited time.Duration, idle float64) {
	now := s.used()
	in.Settled, in.Memory = now.cpu()-before.cpu()-time.Duration(idle*float64(waited)), now
	in.Idle = idle
}

// save writes the JSON file, if there is to be one.
func (r *report) save(path string) error {
	if path == "" {
		return nil
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}

// print writes the table.
func (r *report) print(to io.Writer) error {
	t := tabwriter.NewWriter(to, 0, 0, 2, ' ', tabwriter.AlignRight)
	line := func(what string, cells ...string) {
		fmt.Fprintf(t, "%s\t%s%s\n", what, strings.Join(cells, "\t"), strings.Repeat("\t", 8-len(cells)))
	}
	line(fmt.Sprintf("%d rows, %d cores", r.Rows, r.Cores), "Logkeep", "unsealed", "ratio", "aim", "plain", "ratio", "by hand")
	if len(r.Growth) > 0 {
		r.printGrowth(line)
		return t.Flush()
	}
	if len(r.Streams) > 0 {
		for _, st := range r.Streams {
			st.print(line)
		}
		if r.Yardstick != nil {
			r.Yardstick.print(line, r.Streams)
		}
		return t.Flush()
	}
	if len(r.Crowds) > 0 {
		for i := range r.Crowds {
			r.Crowds[i].print(line)
		}
		return t.Flush()
	}
	r.printIngest(line, "gzip", r.Packed, r.Unsealed.Packed)
	r.printIngest(line, "plain JSON", r.Plain, r.Unsealed.Plain)
	if c := r.Crowd; c.Clients > 0 {
		c.print(line)
	}
	all := r.Packed.Bytes + r.Plain.Bytes
	line("peak memory of all processes", megabytes(r.Packed.Memory.memory()), "", "", "1000 MB")
	sealed := float64(r.SegmentBytes) / float64(all)
	if r.PlainBytes > 0 {
		plain := float64(r.PlainBytes) / float64(r.Packed.Bytes)
		line("segments, bytes for a byte of JSON", fmt.Sprintf("%.3f", sealed), "", "", "", fmt.Sprintf("%.3f", plain), ratio(sealed, plain))
	} else {
		line("segments, bytes for a byte of JSON", fmt.Sprintf("%.3f", sealed))
	}
	line("journals beside them", megabytes(r.JournalBytes))
	line("write amplification of segments, in bytes", r.Written.amplification(), "", "", "1.00")
	r.printQueries(line)
	if len(r.Revoke) > 0 {
		line("key disabled → worker gone", milliseconds(r.Revoke), "", "", "1000 ms")
		line("key enabled → first answer", milliseconds(r.Restore))
		line("key rotated → in use, few rows", milliseconds(r.RotateFew))
		line(fmt.Sprintf("key rotated → in use, %s of JSON", megabytes(all)), milliseconds(r.RotateMany), "", "", "1000 ms")
	}
	if h := r.Holding; h.Clusters > 0 {
		line(fmt.Sprintf("leases of %d clusters held: CPU of one core", h.Clusters), fmt.Sprintf("%.1f %%", 100*h.share()), "", "", "10 %")
		line("questions to the vault in a second", fmt.Sprintf("%.0f", 2*float64(h.Probes)/h.Took.Seconds()))
		line("leases that were missed", fmt.Sprint(h.Missed), "", "", "0")
	}
	r.Plane.print(line)
	for _, p := range r.Packages {
		line(p.Package+" "+p.Name, p.Result)
	}
	return t.Flush()
}

// printIngest writes what one way of ingestion costs. The ratio is of work for
// a row, so that 1 is as good as without the seal, and less is worse.
func (r *report) printIngest(line func(string, ...string), way string, in, off ingested) {
	beside := func(f func(ingested) float64) string {
		if off.Rows == 0 {
			return ""
		}
		return count(f(off))
	}
	against := func(f func(ingested) float64) string {
		if off.Rows == 0 {
			return ""
		}
		return ratio(f(in), f(off))
	}
	until := func(in ingested) float64 { return float64(in.Rows) / in.CPU.Seconds() }
	whole := func(in ingested) float64 { return float64(in.Rows) / in.Settled.Seconds() }
	speed := func(in ingested) float64 { return float64(in.Rows) / in.Took.Seconds() }
	line("ingest, "+way+": rows/s", count(speed(in)), beside(speed), against(speed))
	line("rows per CPU-second until acknowledged", count(until(in)), beside(until), against(until), "275,000")
	line("rows per CPU-second until in segments", count(whole(in)), beside(whole), against(whole), "0.90")
	for _, role := range []string{"serve", "worker", "vault"} {
		other := ""
		if off.Rows > 0 {
			other = seconds(off.ByRole[role])
		}
		line("CPU until acknowledged, "+role, seconds(in.ByRole[role]), other)
	}
	line("CPU of the client beside it", seconds(in.Client))
	line("CPU of one core while nothing comes", percent(in.Idle), percent(off.Idle))
}

// printGrowth writes what each million rows cost. Flat is what it should be.
func (r *report) printGrowth(line func(string, ...string)) {
	first := r.Growth[0]
	for _, st := range r.Growth {
		what := fmt.Sprintf("million %d", st.Rows/growStep)
		speed := growStep / st.CPU.Seconds()
		line(what+": rows per CPU-second", count(speed), "", ratio(speed, growStep/first.CPU.Seconds()), "1.00")
		line("a query over one hour", milliseconds([]time.Duration{st.Hour}), "", ratio(float64(st.Hour), float64(first.Hour)), "1.00")
		line("peak memory; files, threads", megabytes(usage{Memory: st.Memory}.memory()), count(float64(st.Files)), "", "", count(float64(st.Threads)))
	}
}

func (r *report) printQueries(line func(string, ...string)) {
	var all []float64
	for _, q := range r.Queries {
		aim, warm, cold := "1.20", "", ""
		if q.Narrow {
			aim = "1.60"
		}
		if len(q.UnsealedWarm) > 0 {
			warm, cold = milliseconds(q.UnsealedWarm), milliseconds(q.UnsealedCold)
			all = append(all, float64(median(q.Warm))/float64(median(q.UnsealedWarm)))
		}
		line(q.Name+", warm", milliseconds(q.Warm), warm, ratio(float64(median(q.Warm)), float64(median(q.UnsealedWarm))), aim,
			milliseconds(q.PlainWarm), ratio(float64(median(q.Warm)), float64(median(q.PlainWarm))), milliseconds(q.HandWritten))
		line("cold", milliseconds(q.Cold), cold, ratio(float64(median(q.Cold)), float64(median(q.UnsealedCold))), "",
			milliseconds(q.PlainCold), ratio(float64(median(q.Cold)), float64(median(q.PlainCold))))
	}
	if len(all) > 0 {
		slices.Sort(all)
		line("median of the seven, warm", "", "", fmt.Sprintf("%.2f", all[len(all)/2]), "1.20")
	}
}

func median(of []time.Duration) time.Duration {
	if len(of) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(of))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

// milliseconds is the median, or nothing of nothing.
func milliseconds(of []time.Duration) string {
	if len(of) == 0 {
		return ""
	}
	return fmt.Sprintf("%.1f ms", float64(median(of).Microseconds())/1000)
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

func percent(share float64) string { return fmt.Sprintf("%.1f %%", 100*share) }

func megabytes(n int64) string { return fmt.Sprintf("%.0f MB", float64(n)/1e6) }

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
