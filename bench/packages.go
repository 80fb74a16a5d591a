package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
)

// measured are the packages on the way of every row, with benchmarks of their own.
var measured = []string{"seal", "batch", "journal", "segment", "store"}

// A packageLine is one benchmark of a package, in its own words.
type packageLine struct{ Package, Name, Result string }

// packageBenchmarks runs them, one package at a time. Without a Go tool there
// are none.
func packageBenchmarks(ctx context.Context) ([]packageLine, error) {
	tool, err := exec.LookPath("go")
	if errors.Is(err, exec.ErrNotFound) {
		return nil, nil
	}
	var all []packageLine
	for _, p := range measured {
		cmd := exec.CommandContext(ctx, tool, "test", "-run", "^$", "-bench", ".", "-benchtime", "300ms", "./internal/"+p)
		out, err := cmd.CombinedOutput()
		if err != nil {
			return nil, fmt.Errorf("benchmarks of %s: %w\n%s", p, err, out)
		}
		for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
			// BenchmarkName-2   100   1234 ns/op   56.78 MB/s …
			fields := strings.Fields(lines.Text())
			if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
				continue
			}
			title, _, _ := strings.Cut(strings.TrimPrefix(fields[0], "Benchmark"), "-")
			all = append(all, packageLine{p, title, best(fields[2:])})
		}
	}
	return all, nil
}

// best picks of a benchmark's numbers the one that tells most.
func best(numbers []string) string {
	for _, unit := range []string{"rows/s", "MB/s", "ns/op"} {
		for i := 1; i < len(numbers); i += 2 {
			if numbers[i] == unit {
				return numbers[i-1] + " " + unit
			}
		}
	}
	return strings.Join(numbers, " ")
}
