package parquet

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
)

// Bounds of counts that are read.
const (
	mostCells = 1 << 16 // of a table
	mostBytes = 1 << 22 // of the tables of a group, and of a column's values
)

// errCounts reports bytes that are no list of counts.
var errCounts = errors.New("the list of counts is not of the format this build knows")

// A CountList tells what was counted when a file's groups were written. It is not
// changed.
type CountList []countedGroup

type countedGroup struct {
	at, size int64 // of values and tables
	columns  []countedColumn
	tables   []countedTable
}

type countedColumn struct {
	column, values, cells int
	at, size, unpacked    int // of its values, in the group's bytes
}

type countedTable struct {
	a, b     int // of the group's counted columns
	at, size int
}

// ReadCounts reads the text of CountsKey, of a file with these columns and so many
// groups, whose counts end before end.
func ReadCounts(text string, columns []FooterColumn, groups int, end int64) (CountList, error) {
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, errCounts
	}
	bad := false
	next := func(most int) int { // a number of at most so much
		v, size := binary.Uvarint(b)
		if size <= 0 || v > uint64(most) {
			bad = true
			return 0
		}
		b = b[size:]
		return int(v)
	}
	list := make(CountList, groups)
	at := int64(next(int(end)))
	for g := range list {
		group := &list[g]
		group.at = at
		part := func() (begin, size int) {
			begin, size = int(group.size), next(mostBytes)
			group.size += int64(size)
			bad = bad || group.size > mostBytes || group.size > end-at
			return begin, size
		}
		n := next(len(columns))
		for range n {
			var c countedColumn
			c.column, c.values = next(len(columns)-1), next(mostCells)
			c.at, c.size = part()
			c.unpacked = next(mostBytes)
			if bad || c.values == 0 {
				return nil, errCounts
			}
			if c.cells = c.values; columns[c.column].Optional {
				c.cells++
			}
			group.columns = append(group.columns, c)
		}
		for range next(n * n) {
			t := countedTable{a: next(n - 1), b: next(n - 1)}
			t.at, t.size = part()
			if bad || t.a == t.b || group.columns[t.a].cells*group.columns[t.b].cells > min(mostCells, t.size) { // a cell takes a byte at least
				return nil, errCounts
			}
			group.tables = append(group.tables, t)
		}
		at += group.size
	}
	if bad || len(b) > 0 {
		return nil, errCounts
	}
	return list, nil
}

// Counts are how many rows of a group have which values of one or two columns.
type Counts struct {
	Columns []CountedValues // as they were asked for
	Cells   []uint32        // by both columns' codes, each times its Step; of one column by its codes
	Step    [2]int
}

// CountedValues are the values of a column that was counted: the codes below Values are
// their numbers, in the order of their bytes, and the one behind is that of no value, if
// the column may be without.
type CountedValues struct {
	Values, Codes int
	Packed        []byte // equal of columns of the same values; valid until the group's counts are let go
	size          int
}

// Has reports whether it was counted how many rows of a group have which values of these
// columns, one or two.
func (l CountList) Has(group int, columns ...int) bool {
	_, _, ok := l.find(group, columns)
	return ok
}

// find is the table to read, and whether it is the other way round.
func (l CountList) find(group int, columns []int) (t countedTable, turned, ok bool) {
	if group >= len(l) || len(columns) == 0 || len(columns) > 2 {
		return t, false, false
	}
	g := &l[group]
	for _, t := range g.tables { // the smallest first
		a, b := g.columns[t.a].column, g.columns[t.b].column
		if len(columns) == 1 && (a == columns[0] || b == columns[0]) {
			return t, b == columns[0], true
		}
		if len(columns) == 2 && (a == columns[0] && b == columns[1] || a == columns[1] && b == columns[0]) {
			return t, b == columns[0], true
		}
	}
	return t, false, false
}

// Read reads counts that there are, of a group of so many rows, into cells if there is
// room. They are valid until letGo is called.
func (l CountList) Read(d *Desk, from io.ReaderAt, group, rows int, cells []uint32, columns ...int) (c *Counts, letGo func(), err error) {
	t, turned, ok := l.find(group, columns)
	if !ok {
		return nil, nil, errors.New("internal error: counts are asked for that there are not")
	}
	g := &l[group]
	a, b := g.columns[t.a], g.columns[t.b]
	// From the first to the last of what is needed: the smallest tables are next to the values.
	begin, end := min(a.at, b.at), t.at+t.size
	raw, err := d.take(end - begin)
	if err != nil {
		return nil, nil, err
	}
	letGo = func() { d.give(raw) }
	defer func() {
		if err != nil {
			letGo()
		}
	}()
	if err := readFull(from, raw, g.at+int64(begin)); err != nil {
		return nil, nil, err
	}
	d.Read += int64(len(raw))
	values := func(c countedColumn) CountedValues {
		return CountedValues{c.values, c.cells, raw[c.at-begin:][:c.size], c.unpacked}
	}
	c = &Counts{Step: [2]int{b.cells, 1}}
	if c.Cells, err = readCells(cells, raw[t.at-begin:], a.cells*b.cells, rows); err != nil {
		return nil, nil, err
	}
	if turned {
		a, b, c.Step = b, a, [2]int{1, b.cells}
	}
	c.Columns = append(c.Columns, values(a))
	if len(columns) == 2 {
		c.Columns = append(c.Columns, values(b))
		return c, letGo, nil
	}
	sums := make([]uint32, a.cells)
	for i := range sums {
		for k := range b.cells {
			sums[i] += c.Cells[i*c.Step[0]+k*c.Step[1]]
		}
	}
	c.Cells, c.Step = sums, [2]int{1, 0}
	return c, letGo, nil
}

// readCells reads a table of so many cells, whose counts are those of so many rows.
func readCells(all []uint32, b []byte, cells, rows int) ([]uint32, error) {
	all = slices.Grow(all[:0], cells)[:cells]
	left, at := uint64(rows), 0
	for i := range all {
		if at < len(b) && b[at] < 0x80 && uint64(b[at]) <= left { // nearly all
			all[i] = uint32(b[at])
			left -= uint64(b[at])
			at++
			continue
		}
		v, size := binary.Uvarint(b[at:])
		if size <= 0 || v > left {
			return nil, ErrDamaged
		}
		all[i], left = uint32(v), left-v
		at += size
	}
	if left > 0 || at < len(b) {
		return nil, ErrDamaged
	}
	return all, nil
}

// A ValueList is values of a column, by their codes.
type ValueList struct {
	raw   []byte
	begin []int // of each value in raw, and behind the last
	text  bool
}

// Unpack reads the values of a column of a type.
func (v CountedValues) Unpack(d *Desk, kind arrow.Type) (*ValueList, error) {
	l := &ValueList{raw: make([]byte, v.size), text: kind == arrow.STRING, begin: make([]int, 0, v.Values+1)}
	if err := d.unzstd(l.raw, v.Packed); err != nil {
		return nil, ErrDamaged
	}
	width := (&Column{Place: Place{Type: kind}}).width()
	for at := 0; at < v.size; {
		end, ok := at+width/8, true
		if l.text {
			end, ok = textEnd(l.raw, at)
		}
		if !ok || end <= at || end > v.size || len(l.begin) == v.Values {
			return nil, ErrDamaged
		}
		l.begin = append(l.begin, at)
		at = end
	}
	if len(l.begin) != v.Values {
		return nil, ErrDamaged
	}
	l.begin = append(l.begin, v.size)
	return l, nil
}

// Size is how many bytes the list takes.
func (l *ValueList) Size() int64 { return int64(len(l.raw) + 8*len(l.begin)) }

// Value is what a code stands for, as Cells take it; ok is false of no value.
func (l *ValueList) Value(code int) (value []byte, ok bool) {
	if code >= len(l.begin)-1 {
		return nil, false
	}
	at := l.begin[code]
	if l.text {
		at += 4
	}
	return l.raw[at:l.begin[code+1]], true
}

// Found are the codes whose text a search finds.
func (l *ValueList) Found(s *Search) (Rows, error) {
	if !l.text {
		return nil, nil
	}
	found := NewRows(len(l.begin) - 1)
	err := s.each(l.raw, len(l.begin)-1, func() func(int) { return found.Add })
	return found, err
}
