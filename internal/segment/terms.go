package segment

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"

	"logkeep/internal/parquet"
	"logkeep/internal/schema"
	"logkeep/internal/template"
)

// tablesKey is the pair of the footer that tells of the term tables.
const tablesKey = "logkeep.stripes"

// A Need is a condition of which rows are wanted: one of its alternatives, all
// of whose clues hold.
type Need [][]Clue

// A Clue is that the text of a column has all the terms, which are ASCII letters
// and digits, and all the parts, where case does not matter, and all the patterns.
// Row groups are known by terms, rows by parts, and by patterns where texts are stored
// by templates: of a clue without parts nothing is known of others. Patterns are shared
// by all row groups.
type Clue struct {
	Column string
	Terms  []string
	Parts  []parquet.Part
	By     []*template.Pattern
}

// A termWriter collects the terms of each text column of each row group, while
// the columns are written.
type termWriter struct {
	columns []schema.Column
	open    bool // a column is being written
	early   bool // columns are stored ahead of their turn
	odd     bool // nothing is to be said of it
	dynamic bool

	stripe   int
	low      uint32 // the stripe, of an item
	anywhere bool   // stripes are not known
	last     []byte // text, valid until the next
	items    []uint32
	spare    []uint32
	literals literals            // of templates
	recent   [recentTerms]uint64 // terms that are in the stripe's items: most come up again and again

	tables []byte
	index  []byte  // see readTables
	aside  []aside // in the order in which columns have their turn
}

// An aside is the table of a column that was stored ahead of its turn.
type aside struct {
	column        int
	tables, index []byte
}

// recentTerms is of how many terms it is known that they need not be added.
const recentTerms = 1 << 10

func newTermWriter(columns []schema.Column) *termWriter { return &termWriter{columns: columns} }

func hasTerms(t schema.Type) bool { return t == schema.String || t == schema.Dynamic }

// column begins a column of a row group. It returns what takes each of its texts,
// or nil if they are of no interest.
func (w *termWriter) column(column int) func(text []byte, stripe int) {
	w.done()
	if len(w.aside) > 0 && w.aside[0].column == column && !w.early {
		w.tables, w.index = append(w.tables, w.aside[0].tables...), append(w.index, w.aside[0].index...)
		w.aside = w.aside[1:]
		return nil
	}
	if column >= len(w.columns) || !hasTerms(w.columns[column].Type) { // members are behind the table's columns
		return nil
	}
	w.open, w.odd, w.dynamic = true, false, w.columns[column].Type == schema.Dynamic
	w.stripe, w.anywhere, w.items = -2, false, w.items[:0]
	w.literals.reset()
	return w.text
}

func (w *termWriter) text(text []byte, stripe int) {
	if w.odd {
		return
	}
	if stripe != w.stripe {
		w.next(stripe)
	} else if bytes.Equal(text, w.last) {
		return
	}
	w.last = text
	if w.dynamic {
		w.odd = w.addJSON(text)
	} else {
		w.odd = w.addText(text)
	}
	w.bound()
}

// bound keeps the items few.
func (w *termWriter) bound() {
	if len(w.items) > mostItems {
		w.compact(hashBits)
		w.odd = w.odd || len(w.items) > mostItems/2
	}
}

// next begins a stripe.
func (w *termWriter) next(stripe int) {
	w.stripe, w.low = stripe, uint32(stripe)
	if stripe == parquet.AnyStripe {
		w.low, w.anywhere = everywhere, true
	}
	w.last = nil
	clear(w.recent[:])
	w.recent[0] = 1 // has its place elsewhere, so nothing is taken for it
}

// done ends the column being written.
func (w *termWriter) done() {
	if !w.open {
		return
	}
	w.open = false
	if w.odd || !w.table() {
		w.index = append(w.index, 0)
	}
}

// setAside ends a column that was stored ahead of its turn, before the first that is
// stored in its turn. Nothing is known of it if it was not stored.
func (w *termWriter) setAside(column int, stored bool) {
	if !stored {
		w.open = false
		return
	}
	w.done()
	w.aside = append(w.aside, aside{column, bytes.Clone(w.tables), bytes.Clone(w.index)})
	w.tables, w.index = w.tables[:0], w.index[:0]
}

// end writes the tables of all groups to the file.
func (w *termWriter) end(f *parquet.Writer) error {
	w.done()
	at, err := f.Append(w.tables)
	if err != nil {
		return err
	}
	head := binary.AppendUvarint(nil, uint64(at))
	return f.Pair(tablesKey, base64.StdEncoding.EncodeToString(append(head, w.index...)))
}

// A termTable is where the term table of a column of a group lies.
type termTable struct {
	known    bool
	anywhere bool // stripes are not told
	blocks   int  // the logarithm of their number
	leaves   []int64
}

// textColumns counts the columns that have terms.
func (s *Reader) textColumns() (n int) {
	for _, c := range s.Columns() {
		if hasTerms(c.Type) {
			n++
		}
	}
	return n
}

// readTables reads where the tables are: where the first begins, then for each
// group and each of its text columns what it is like and the sizes of its leaves.
func (s *Reader) readTables(text string) error {
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return errDamaged
	}
	next := func() (v uint64) {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			err = errDamaged
			return 0
		}
		b = b[n:]
		return v
	}
	begin := next()
	if err != nil || begin > uint64(s.end) {
		return errDamaged
	}
	at := int64(begin)
	s.tables = make([][]termTable, len(s.groups))
	for g := range s.groups {
		if s.groups[g].Rows > GroupRows {
			return errDamaged
		}
		s.tables[g] = make([]termTable, len(s.columns))
		for i, c := range s.Columns() {
			if !hasTerms(c.Type) {
				continue
			}
			kind := next()
			if err != nil || kind == 0 {
				continue
			}
			t := termTable{known: true, anywhere: kind&2 != 0, blocks: int(kind >> 2)}
			if kind&1 == 0 || kind>>2 > hashBits-valueBits {
				return errDamaged
			}
			leaves := (1<<t.blocks + perLeaf - 1) / perLeaf
			if leaves > len(b) { // a size has a byte at least
				return errDamaged
			}
			t.leaves = append(make([]int64, 0, leaves+1), at)
			for range leaves {
				size := next()
				if err != nil || size > uint64(s.end-at) || size > maxLeaf {
					return errDamaged
				}
				at += int64(size)
				t.leaves = append(t.leaves, at)
			}
			s.tables[g][i] = t
		}
	}
	if err != nil || len(b) > 0 {
		return errDamaged
	}
	return nil
}

// maxLeaf bounds the bytes of a leaf.
const maxLeaf = perLeaf * (2 + 0xffff)

// lookUp tells in which stripes a term may be.
func (s *Reader) lookUp(t termTable, h uint64) (Stripes, error) {
	hash := uint32(h >> (64 - hashBits))
	block := int(hash >> (hashBits - t.blocks))
	from := t.leaves[block/perLeaf]
	leaf := make([]byte, t.leaves[block/perLeaf+1]-from)
	if _, err := s.data.ReadAt(leaf, from); err != nil {
		return 0, err
	}
	n := min(perLeaf, 1<<t.blocks)
	if len(leaf) < 2*n {
		return 0, errDamaged
	}
	at := 2 * n
	for i := range block % perLeaf {
		at += int(binary.LittleEndian.Uint16(leaf[2*i:]))
	}
	size := int(binary.LittleEndian.Uint16(leaf[2*(block%perLeaf):]))
	if size > len(leaf)-at {
		return 0, errDamaged
	}
	value := hash >> (hashBits - valueBits - t.blocks) & (1<<valueBits - 1)
	return stripesIn(leaf[at:at+size], t.anywhere, value), nil
}

// Candidates tells which stripes of a group may have rows that are wanted. It may
// tell of some that have none; all others have none.
func (s *Reader) Candidates(ctx context.Context, group int, needs []Need) (Stripes, error) {
	left := stripesOf(s.groups[group].Rows)
	if s.sets == nil && s.tables == nil {
		return left, nil
	}
	for _, n := range needs {
		possible := Stripes(0)
		for _, all := range n {
			may, err := s.may(group, all, left)
			if err != nil {
				return 0, damage(s.id, s.table, fmt.Errorf("read segment %s: %w", s.id, err))
			}
			if possible |= may; possible == left {
				break
			}
		}
		if left = possible; left == 0 {
			return 0, nil
		}
		if err := ctx.Err(); err != nil {
			return 0, err
		}
	}
	return left, nil
}

// Excludes reports whether no row of the group can be wanted.
func (s *Reader) Excludes(ctx context.Context, group int, needs []Need) (bool, error) {
	left, err := s.Candidates(ctx, group, needs)
	return left == 0, err
}

// may tells which of the stripes may have rows of which all clues are true.
func (s *Reader) may(group int, all []Clue, left Stripes) (Stripes, error) {
	for _, c := range all {
		i, ok := s.index[c.Column]
		if !ok {
			if len(c.Terms) > 0 {
				return 0, nil // the column reads as empty texts
			}
			continue
		}
		for _, term := range c.Terms {
			h := hashTerm(term)
			if s.sets != nil {
				may, err := s.inSet(s.sets[group][i], h)
				if !may || err != nil {
					return 0, err
				}
				continue
			}
			t := s.tables[group][i]
			if !t.known {
				continue
			}
			may, err := s.lookUp(t, h)
			if left &= may; left == 0 || err != nil {
				return 0, err
			}
		}
	}
	return left, nil
}

// Wanted lists the row groups that may have rows in the range of time that the
// needs allow, and in which of their stripes. A bound of 0 is open.
func (s *Reader) Wanted(ctx context.Context, from, to schema.Ticks, needs []Need) (groups []int, in []Stripes, err error) {
	if len(needs) > 0 {
		defer s.Hold()()
	}
	for i, g := range s.groups {
		if !Overlaps(g.MinTime, g.MaxTime, from, to) {
			continue
		}
		stripes, err := s.Candidates(ctx, i, needs)
		if err != nil {
			return nil, nil, err
		}
		if stripes != 0 {
			groups, in = append(groups, i), append(in, stripes)
		}
	}
	return groups, in, nil
}
