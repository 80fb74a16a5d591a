package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
)

// A hotLoop is a benchmark of what is done to every row or byte.
type hotLoop struct {
	pkg, benchmark string
	what           string
}

// hotLoops are in the order in which a row meets them.
var hotLoops = []hotLoop{
	{"gunzip", "Append", "unpack gzip"},
	{"batch", "Parse", "JSON to columns"},
	{"batch", "Encode", "columns to the journal's encoding"},
	{"seal", "Seal/two", "seal, two layers"},
	{"seal", "Open/two", "open, two layers"},
	{"batch", "ByTime", "the order of rows"},
	{"batch", "Members", "hot keys of objects into columns"},
	{"segment", "Terms/Message", "terms of a text"},
	{"segment", "Terms/Properties", "terms of an object"},
	{"segment", "Words/Message", "terms of a text with a template"},
	{"segment", "Words/Properties", "terms of an object with a template"},
	{"parquet", "Group", "pages"},
	{"segment", "Flush", "a flush as a whole"},
}

// A counted is how many instructions a hot loop takes for each of its units.
type counted struct {
	What, Unit   string
	Instructions float64
}

// countInstructions runs each hot loop twice in valgrind's cachegrind, once
// around and three times around: what is more is two rounds, without whatever a
// program does before and after. Unlike times, that is the same on a machine that
// is busy. Valgrind's processor is one of 2013, so a loop that makes use of more
// is counted dearer than it is.
func countInstructions(ctx context.Context) (all []counted, err error) {
	if _, err := exec.LookPath("valgrind"); err != nil {
		return nil, errors.New("valgrind counts the instructions and is not installed; install it (apt-get install valgrind)")
	}
	folder, err := os.MkdirTemp("", "instructions")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	for _, l := range hotLoops {
		program := filepath.Join(folder, l.pkg+".test")
		if _, err := os.Stat(program); err != nil {
			progress("building the benchmarks of %s", l.pkg)
			if out, err := exec.CommandContext(ctx, "go", "test", "-c", "-o", program, "./internal/"+l.pkg).CombinedOutput(); err != nil {
				return nil, fmt.Errorf("build the benchmarks of %s: %w\n%s", l.pkg, err, out)
			}
		}
		progress("counting: %s", l.what)
		once, _, _, err := l.count(ctx, program, 1)
		if err != nil {
			return nil, err
		}
		thrice, units, unit, err := l.count(ctx, program, 3)
		if err != nil {
			return nil, err
		}
		all = append(all, counted{l.what, unit, float64(thrice-once) / 2 / units})
	}
	return all, nil
}

// count runs a loop so many times around. It returns the instructions of the
// whole program, and of how many units of what a round is.
func (l hotLoop) count(ctx context.Context, program string, times int) (instructions int64, units float64, unit string, err error) {
	cmd := exec.CommandContext(ctx, "valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null", program,
		"-test.run", "^$", "-test.bench", "^Benchmark"+strings.ReplaceAll(l.benchmark, "/", "$/^")+"$", "-test.cpu", "1", "-test.benchtime", fmt.Sprintf("%dx", times))
	cmd.Dir = filepath.Join("internal", l.pkg)
	// One thread at a time, no collector beside it, no signals to share a processor.
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1", "GOGC=off", "GODEBUG=asyncpreemptoff=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return 0, 0, "", fmt.Errorf("count the instructions of %s %s: %w\n%s", l.pkg, l.benchmark, err, out)
	}
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		switch {
		case len(fields) > 3 && strings.HasPrefix(fields[0], "Benchmark"):
			units, unit = unitsOf(fields[2:])
		case len(fields) == 4 && fields[1] == "I" && fields[2] == "refs:":
			if instructions, err = strconv.ParseInt(strings.ReplaceAll(fields[3], ",", ""), 10, 64); err != nil {
				return 0, 0, "", err
			}
		}
	}
	if instructions == 0 || units == 0 {
		return 0, 0, "", fmt.Errorf("the benchmark %s of %s told no number of rows or bytes:\n%s", l.benchmark, l.pkg, out)
	}
	return instructions, units, unit, nil
}

// unitsOf tells from a benchmark's numbers how many rows or bytes a round has.
func unitsOf(numbers []string) (units float64, unit string) {
	of := map[string]float64{}
	for i := 1; i < len(numbers); i += 2 {
		of[numbers[i]], _ = strconv.ParseFloat(numbers[i-1], 64)
	}
	if rows := of["rows/op"]; rows > 0 {
		return rows, "row"
	}
	return of["MB/s"] * of["ns/op"] / 1e3, "byte"
}

func (r *report) printInstructions(to io.Writer) error {
	t := tabwriter.NewWriter(to, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "instructions\tfor a\t\t\n")
	for _, c := range r.Instructions {
		fmt.Fprintf(t, "%s\t%s\t%.*f\t\n", c.What, c.Unit, map[bool]int{true: 2, false: 0}[c.Unit == "byte"], c.Instructions)
	}
	return t.Flush()
}
