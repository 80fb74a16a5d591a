// Package score measures how much of the language is here: it runs folders of
// queries with known answers and prints one line a file.
//
// A case passes, is refused (the query or its run ended with an error) or is
// wrong (an answer that is not the known one). Cases that can't be judged are
// excluded and counted apart.
package score

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A verdict on one case.
type verdict uint8

const (
	pass verdict = iota
	refused
	wrong
	excluded
)

// judges says how each file is judged, in the order of the report.
func judges() []struct {
	file  string
	judge func(context.Context, *runner, record) (verdict, string)
} {
	return []struct {
		file  string
		judge func(context.Context, *runner, record) (verdict, string)
	}{
		{"emulator_cases", judgeEmulator},
		{"engine_fuzz", judgeFuzz},
		{"docs_examples", judgeDocs},
		{"docs_examples_historic", judgeDocs},
		{"kustoloco_cases", judgeLoco},
		{"binder_expect", judgeBinder},
		{"sentinel_rules", judgeRuns},
		{"sentinel_parsers", judgeParser},
		{"community_queries", judgeRuns},
	}
}

// Run scores every known file of the folder. With verbose each difference is
// printed. The error is about reading files, not about scores.
func Run(ctx context.Context, dir string, out io.Writer, verbose bool) error {
	return run(ctx, dir, out, verbose, nil)
}

// Only scores some files.
func Only(ctx context.Context, dir string, out io.Writer, verbose bool, files ...string) error {
	return run(ctx, dir, out, verbose, files)
}

func run(ctx context.Context, dir string, out io.Writer, verbose bool, files []string) error {
	r, err := newRunner(dir)
	if err != nil {
		return err
	}
	defer r.close()
	for _, j := range judges() {
		path := filepath.Join(dir, j.file+".jsonl")
		if _, err := os.Stat(path); err != nil || files != nil && !slices.Contains(files, j.file) {
			continue
		}
		var n [4]int
		err := each(path, func(c record) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			v, why := j.judge(ctx, r, c)
			n[v]++
			if verbose && (v == refused || v == wrong) {
				fmt.Fprintf(out, "--- %s %s\n%s\n%s\n", [...]string{"", "refused", "wrong"}[v], c.text("id"), strings.TrimSpace(c.text("query")), why)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("score %s: %w", j.file, err)
		}
		cases := n[pass] + n[refused] + n[wrong]
		rate := 0.0
		if cases > 0 {
			rate = float64(n[pass]) / float64(cases)
		}
		fmt.Fprintf(out, "%s cases %d pass %d refused %d wrong %d rate %.3f excluded %d\n", j.file, cases, n[pass], n[refused], n[wrong], rate, n[excluded])
	}
	return nil
}
