package parquet

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/DataDog/zstd"

	"logkeep/internal/batch"
)

// CountsKey is the pair of the footer that tells where it is counted how many rows of a
// group have which values of two columns, if Options.Counts is set: so rows are counted
// by columns of few values, and by those with a filter on one of them, without reading any.
const CountsKey = "logkeep.counts"

// Bounds of what is counted when a group is written. A table of counts takes a byte for
// most cells, so that all of a group's take less than half a percent of it.
const (
	leastCounted = 1 << 11 // rows of the group
	mostCounted  = 1 << 10 // values of a column
	mostTexts    = 1 << 15 // bytes of these
	mostTables   = 16      // of a group
	cellRows     = 32      // rows of the group for each cell of a table, at least
	allRows      = 4       // and for each of all tables
)

// A counted is a column of the group being written that may be counted. Its values
// are numbered in the order of their bytes, and no value behind them: so they are the
// same bytes in all groups that have the same values.
type counted struct {
	column int
	values int
	cells  int // values, and one more if it may be without
	plain  []byte
	codes  []uint16 // by row
}

// A counter counts the rows of groups.
type counter struct {
	columns []counted // of the group
	n       int       // of them in use, the others are room
	begin   []int
	order   []int
	rank    []uint16
	cells   []uint32
	tables  []byte // of all groups
	index   []byte // see ReadCounts
}

// take makes codes of a column of which p.dictionary and p.index tell, if it has few values.
func (p *Writer) take(column int, c *cells, n int) error {
	k, plain := &p.counter, p.dictionary.plain
	if !p.o.Counts || c.rows < leastCounted || n > mostCounted || len(plain) > mostTexts {
		return nil
	}
	carrier, err := batch.Physical(p.columns[column].Type)
	if err != nil {
		return err
	}
	if k.n == len(k.columns) {
		k.columns = append(k.columns, counted{})
	}
	to := &k.columns[k.n]
	k.n++
	*to = counted{column: column, values: n, cells: n, plain: to.plain[:0], codes: slices.Grow(to.codes[:0], c.rows)}
	if c.nullable {
		to.cells++
	}
	width := (&Column{Place: Place{Type: carrier.ID()}}).width()
	k.begin, k.order = k.begin[:0], k.order[:0]
	for at := 0; at < len(plain); {
		k.begin, k.order = append(k.begin, at), append(k.order, len(k.order))
		if at += width / 8; width == 0 {
			at += 4 + int(binary.LittleEndian.Uint32(plain[at:]))
		}
	}
	k.begin = append(k.begin, len(plain))
	value := func(i int) []byte { return plain[k.begin[i]:k.begin[i+1]] }
	slices.SortFunc(k.order, func(a, b int) int { return bytes.Compare(value(a), value(b)) })
	k.rank = slices.Grow(k.rank[:0], n)[:n]
	for i, code := range k.order {
		k.rank[code] = uint16(i)
		to.plain = append(to.plain, value(code)...)
	}
	if !c.nulls {
		for _, code := range p.index {
			to.codes = append(to.codes, k.rank[code])
		}
		return nil
	}
	at := 0
	for _, r := range c.runs {
		h := &c.holes[r.record]
		for row := r.from; row < r.end; row++ {
			if !h.has(row) {
				to.codes = append(to.codes, uint16(n))
				continue
			}
			to.codes = append(to.codes, k.rank[p.index[at]])
			at++
		}
	}
	return nil
}

// end counts the rows of a group whose columns are written.
func (k *counter) end(rows int) error {
	columns := k.columns[:k.n]
	k.n = 0
	slices.SortStableFunc(columns, func(a, b counted) int { return cmp.Compare(a.cells, b.cells) })
	type pair struct{ a, b, cells int }
	var pairs []pair
	for b := range columns {
		for a := range b {
			if n := columns[a].cells * columns[b].cells; n <= rows/cellRows {
				pairs = append(pairs, pair{a, b, n})
			}
		}
	}
	slices.SortStableFunc(pairs, func(x, y pair) int { return cmp.Compare(x.cells, y.cells) })
	left := rows / allRows
	pairs = pairs[:min(len(pairs), mostTables)]
	for i, p := range pairs {
		if left -= p.cells; left < 0 {
			pairs = pairs[:i]
			break
		}
	}
	// Columns that are in no pair are left out.
	place := make([]int, len(columns))
	n := 0
	for i := range columns {
		place[i] = -1
		if slices.ContainsFunc(pairs, func(p pair) bool { return p.a == i || p.b == i }) {
			place[i] = n
			n++
		}
	}
	k.index = binary.AppendUvarint(k.index, uint64(n))
	for i, c := range columns {
		if place[i] < 0 {
			continue
		}
		packed, err := zstd.CompressLevel(nil, c.plain, level)
		if err != nil {
			return fmt.Errorf("compress values: %w", err)
		}
		for _, v := range [...]int{c.column, c.values, len(packed), len(c.plain)} {
			k.index = binary.AppendUvarint(k.index, uint64(v))
		}
		k.tables = append(k.tables, packed...)
	}
	k.index = binary.AppendUvarint(k.index, uint64(len(pairs)))
	for _, p := range pairs {
		size := len(k.tables)
		k.table(columns[p.a].codes, columns[p.b].codes, p.cells, columns[p.b].cells)
		for _, v := range [...]int{place[p.a], place[p.b], len(k.tables) - size} {
			k.index = binary.AppendUvarint(k.index, uint64(v))
		}
	}
	return nil
}

// table appends how many rows have which two codes.
func (k *counter) table(a, b []uint16, cells, size int) {
	// Two tables by turns: most rows have the same few codes, and a count that was
	// just written is slow to be read.
	k.cells = slices.Grow(k.cells[:0], 2*cells)[:2*cells]
	clear(k.cells)
	even, odd := k.cells[:cells], k.cells[cells:]
	b = b[:len(a)]
	i := 0
	for ; i+1 < len(a); i += 2 {
		even[int(a[i])*size+int(b[i])]++
		odd[int(a[i+1])*size+int(b[i+1])]++
	}
	if i < len(a) {
		even[int(a[i])*size+int(b[i])]++
	}
	for i, n := range even {
		k.tables = binary.AppendUvarint(k.tables, uint64(n+odd[i]))
	}
}

// writeCounts writes the tables of all groups, and where they are.
func (p *Writer) writeCounts() error {
	if len(p.counter.tables) == 0 {
		return nil
	}
	at, err := p.Append(p.counter.tables)
	if err != nil {
		return err
	}
	return p.Pair(CountsKey, base64.StdEncoding.EncodeToString(append(binary.AppendUvarint(nil, uint64(at)), p.counter.index...)))
}
