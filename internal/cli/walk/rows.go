package walk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"time"

	"logkeep/internal/sample"
	"logkeep/internal/schema"
)

// canaryColumn holds the canary in every row of the walk.
const canaryColumn = "WalkCanary"

// Rows are what the walk ingests.
type Rows struct {
	Columns []schema.Column
	Total   int
	From    string // where they come from, for a line of text
	each    func() iter.Seq2[[]byte, error]
}

// marked gives the rows with the canary in each.
func (r Rows) marked(word string) iter.Seq2[[]byte, error] {
	field := []byte(`"` + canaryColumn + `":"` + word + `"}`)
	return func(yield func([]byte, error) bool) {
		for row, err := range r.each() {
			if err == nil {
				body := bytes.TrimRight(row[:len(row)-1], " \t\r\n")
				if len(body) > 1 {
					body = append(slices.Clip(body), ',')
				}
				row = append(slices.Clip(body), field...)
			}
			if !yield(row, err) {
				return
			}
		}
	}
}

// Limits of what is taken from this machine.
const (
	linesPerLog = 20_000
	linesOfAll  = 100_000
)

// Sampled takes what this machine has logged, under root (/var/log), and adds
// generated rows.
func Sampled(ctx context.Context, root string, generated int) Rows {
	logs := sample.Logs(ctx, root)
	var rows [][]byte
	for row := range sample.Machine(ctx, logs, linesPerLog) {
		if rows = append(rows, row); len(rows) == linesOfAll {
			break
		}
	}
	real := len(rows)
	rows = slices.AppendSeq(rows, sample.Generated(uint64(time.Now().UnixNano()), generated, time.Now()))
	var names []string
	for _, l := range logs {
		names = append(names, l.Path)
	}
	from := fmt.Sprintf("%d real lines of %s and %d generated", real, strings.Join(names, ", "), generated)
	if len(names) > 4 {
		from = fmt.Sprintf("%d real lines of %s and %d more logs, and %d generated", real, strings.Join(names[:3], ", "), len(names)-3, generated)
	}
	if real == 0 {
		from = fmt.Sprintf("%d generated: no log of this machine may be read", generated)
	}
	return Rows{Columns: sample.Columns(), Total: len(rows), From: from, each: func() iter.Seq2[[]byte, error] {
		return func(yield func([]byte, error) bool) {
			for _, row := range rows {
				if !yield(row, nil) {
					return
				}
			}
		}
	}}
}

// Given reads files of rows: once here for the table they need, and again when
// they are sent.
func Given(paths []string) (Rows, error) {
	var shape sample.Shape
	total := 0
	for _, path := range paths {
		if path == "-" {
			return Rows{}, errors.New("standard input can be read only once; the walk needs files")
		}
		for row, err := range sample.File(path, nil) {
			if err == nil {
				err = shape.Add(row)
			}
			if err != nil {
				return Rows{}, err
			}
			total++
		}
	}
	if total == 0 {
		return Rows{}, fmt.Errorf("no rows in %s: %w", strings.Join(paths, ", "), io.ErrUnexpectedEOF)
	}
	return Rows{Columns: shape.Columns(), Total: total, From: strings.Join(paths, ", "), each: func() iter.Seq2[[]byte, error] {
		return func(yield func([]byte, error) bool) {
			for _, path := range paths {
				for row, err := range sample.File(path, nil) {
					if err == nil {
						row, err = shape.Fit(row)
					}
					if !yield(row, err) || err != nil {
						return
					}
				}
			}
		}
	}}, nil
}
