package segment

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"

	"logkeep/internal/parquet"
	"logkeep/internal/schema"
)

// termsKey is the pair of the footer that tells of the term sets.
const termsKey = "logkeep.terms"

// A Need is a condition of which rows are wanted: one of its alternatives, all
// of whose clues hold.
type Need [][]Clue

// A Clue is that the text of a column has all the terms, which are ASCII letters
// and digits; case does not matter.
type Clue struct {
	Column string
	Terms  []string
}

// A termWriter collects the terms of each text column of each row group, while
// the columns are written.
type termWriter struct {
	columns []schema.Column
	scratch termSet
	set     termSet // of the column being written; nil if there is none
	odd     bool
	last    []byte              // text, valid until the next
	recent  [recentTerms]uint64 // terms that are in the set: most come up again and again
	sets    []byte
	index   []byte // see termIndex
}

// recentTerms is of how many terms it is known that they need not be added.
const recentTerms = 1 << 10

func newTermWriter(columns []schema.Column) *termWriter { return &termWriter{columns: columns} }

func hasTerms(t schema.Type) bool { return t == schema.String || t == schema.Dynamic }

// column begins a column of a row group, which has at most size bytes of text.
// It returns what takes each of its texts, or nil if they are of no interest.
func (w *termWriter) column(column, size int) func(text []byte) {
	w.done()
	if column >= len(w.columns) || !hasTerms(w.columns[column].Type) { // members are behind the table's columns
		return nil
	}
	w.set, w.odd, w.last = w.empty(size), false, nil
	clear(w.recent[:])
	w.recent[0] = 1 // has its place elsewhere, so nothing is taken for it
	add := w.addText
	if w.columns[column].Type == schema.Dynamic {
		add = w.addJSON
	}
	return func(text []byte) {
		if !bytes.Equal(text, w.last) {
			w.odd = add(text) || w.odd
			w.last = text
		}
	}
}

// done ends the column being written.
func (w *termWriter) done() {
	if w.set == nil {
		return
	}
	set := w.set.fold()
	if w.odd {
		set = nil
	}
	w.index = binary.LittleEndian.AppendUint16(w.index, uint16(set.blocks()))
	w.sets = set.encode(w.sets)
	w.set = nil
}

// empty is an empty set with room for the terms of size bytes of text.
func (w *termWriter) empty(size int) termSet {
	blocks := 1
	for blocks < maxBlocks && blocks*64 < size { // a term and a blank: two bytes, and two bytes of a set
		blocks *= 2
	}
	if w.scratch == nil || w.scratch.blocks() < blocks {
		w.scratch = newTermSet(blocks)
	}
	set := w.scratch[:blocks*blockWords]
	clear(set)
	return set
}

// end writes the sets of all groups to the file.
func (w *termWriter) end(f *parquet.Writer) error {
	w.done()
	at, err := f.Append(w.sets)
	if err != nil {
		return err
	}
	head := binary.LittleEndian.AppendUint64(nil, uint64(at))
	return f.Pair(termsKey, base64.StdEncoding.EncodeToString(append(head, w.index...)))
}

// A termIndex tells where the term sets of a segment are: by group and column.
// A span of size 0 is that nothing is known. A segment of an early version has
// no index.
type termIndex [][]span

// readTerms reads the index: where the first set begins (8 bytes), then for each
// group and each of its text columns the number of blocks (2 bytes).
func (s *Reader) readTerms() error {
	text := s.footer.KeyValueMetadata().FindValue(termsKey)
	if text == nil {
		return nil
	}
	b, err := base64.StdEncoding.DecodeString(*text)
	columns := 0
	for _, c := range s.Columns() {
		if hasTerms(c.Type) {
			columns++
		}
	}
	if err != nil || len(b) != 8+2*columns*len(s.groups) {
		return errDamaged
	}
	at := int64(binary.LittleEndian.Uint64(b))
	b = b[8:]
	if at < 0 || at > s.end {
		return errDamaged
	}
	s.terms = make(termIndex, len(s.groups))
	for g := range s.groups {
		s.terms[g] = make([]span, len(s.columns))
		for i, c := range s.Columns() {
			if !hasTerms(c.Type) {
				continue
			}
			blocks := int64(binary.LittleEndian.Uint16(b))
			b = b[2:]
			size := blocks * blockWords * 8
			if blocks&(blocks-1) != 0 || size > s.end-at {
				return errDamaged
			}
			s.terms[g][i] = span{at, size}
			at += size
		}
	}
	return nil
}

// Excludes reports whether no row of the group can be wanted.
func (s *Reader) Excludes(ctx context.Context, group int, needs []Need) (bool, error) {
	if s.terms == nil {
		return false, nil
	}
	for _, n := range needs {
		possible := false
		for _, all := range n {
			may, err := s.may(group, all)
			if err != nil {
				return false, damage(s.id, s.table, fmt.Errorf("read segment %s: %w", s.id, err))
			}
			if possible = may; may {
				break
			}
		}
		if !possible {
			return true, nil
		}
		if err := ctx.Err(); err != nil {
			return false, err
		}
	}
	return false, nil
}

// may reports whether a row of the group may have all that the clues say.
func (s *Reader) may(group int, all []Clue) (bool, error) {
	for _, c := range all {
		i, ok := s.index[c.Column]
		if !ok {
			return len(c.Terms) == 0, nil // the column reads as empty texts
		}
		set := s.terms[group][i]
		if set.size == 0 {
			continue
		}
		for _, term := range c.Terms {
			h := hashTerm(term)
			block, err := s.block(set, blockOf(h, int(set.size/(blockWords*8))))
			if err != nil {
				return false, err
			}
			if !inBlock(block, h) {
				return false, nil
			}
		}
	}
	return true, nil
}

func (s *Reader) block(set span, n int) ([]uint64, error) {
	var b [blockWords * 8]byte
	if _, err := s.data.ReadAt(b[:], set.off+int64(n)*int64(len(b))); err != nil {
		return nil, err
	}
	block := make([]uint64, blockWords)
	for i := range block {
		block[i] = binary.LittleEndian.Uint64(b[i*8:])
	}
	return block, nil
}

// Wanted lists the row groups that may have rows in the range of time that the
// needs allow. A bound of 0 is open.
func (s *Reader) Wanted(ctx context.Context, from, to schema.Ticks, needs []Need) ([]int, error) {
	var groups []int
	for i, g := range s.groups {
		if !Overlaps(g.MinTime, g.MaxTime, from, to) {
			continue
		}
		out, err := s.Excludes(ctx, i, needs)
		if err != nil {
			return nil, err
		}
		if !out {
			groups = append(groups, i)
		}
	}
	return slices.Clip(groups), nil
}
