package worker

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"

	"logkeep/internal/batch"
	"logkeep/internal/fault"
	"logkeep/internal/foreign"
	"logkeep/internal/kql"
	"logkeep/internal/segment"
	"logkeep/internal/worker/wire"
)

// maxExternal bounds what the files of a query become in memory, together.
const maxExternal = 64 << 20

// An externalReading is what one externaldata reads, as a file in memory.
type externalReading struct {
	relation string
	sql      string
	rows     *segment.Tail
}

// outside makes rows of the files that the keeper brought. If some are missing,
// the error is *wire.Wanted.
func (r *reading) outside(q wire.Query, sources []kql.Source) error {
	var wanted wire.Wanted
	for _, s := range sources {
		if s.External == nil {
			continue
		}
		for _, a := range s.External.URIs {
			if _, ok := q.Files[a]; !ok && !slices.Contains(wanted.Addresses, a) {
				wanted.Addresses = append(wanted.Addresses, a)
			}
		}
	}
	if len(wanted.Addresses) > 0 {
		return &wanted
	}
	left := int64(maxExternal)
	for _, s := range sources {
		if s.External == nil {
			continue
		}
		x, err := external(q, s, &left)
		if err != nil {
			return err
		}
		r.external = append(r.external, x)
	}
	return nil
}

// external reads the columns of a source, each as its text. left is how much the
// files may become.
func external(q wire.Query, s kql.Source, left *int64) (x externalReading, err error) {
	columns, names := make([]foreign.Column, len(s.Columns)), make([]string, max(1, len(s.Columns)))
	selected := make([]string, len(names))
	for i := range names {
		names[i] = "c" + strconv.Itoa(i)
		selected[i] = names[i]
	}
	for i, name := range s.Columns {
		for _, c := range s.External.Columns {
			if c.Name == name {
				columns[i] = foreign.Column{Ordinal: c.Ordinal, Path: c.Path}
			}
		}
		selected[i] = names[i] + " AS " + quote(name)
	}
	to, err := batch.NewTexts(names)
	if err != nil {
		return x, err
	}
	values := make([]any, len(names))
	values[0] = "" // rows are counted by something
	for _, a := range s.External.URIs {
		form := foreign.Form{Name: a, Format: s.External.Format, SkipFirst: s.External.SkipFirst, SkipLast: s.External.SkipLast, Most: *left}
		size, err := foreign.Read(q.Files[a], form, columns, func(cells []string) error {
			for i, c := range cells {
				values[i] = c
			}
			return to.Row(values)
		})
		if err != nil {
			return x, externalFault(a, err)
		}
		*left -= size
	}
	out, err := to.Done()
	if err != nil {
		return x, err
	}
	rows, err := segment.NewTail([]arrow.RecordBatch{out.Record})
	if err != nil {
		return x, err
	}
	x = externalReading{relation: s.Relation, rows: rows}
	x.sql = "(SELECT " + strings.Join(selected, ", ") + " FROM read_parquet(['" + rows.Path() + "']))"
	return x, nil
}

// externalFault says what is wrong with a file. What stands behind the path of its
// address may be a secret.
func externalFault(address string, err error) error {
	address, _, _ = strings.Cut(address, "?")
	if err == foreign.ErrLarge {
		return fault.New(fault.QueryLimitsExceeded, "The files that a query reads with externaldata have %d bytes at most once they are unpacked, together.", maxExternal)
	}
	return fault.New(fault.BadArgument, "externaldata can't read %s: the file %s.", address, fmt.Sprint(err))
}
