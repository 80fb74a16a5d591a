package segment

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"logkeep/internal/batch"
	"logkeep/internal/parquet"
	"logkeep/internal/schema"
	"logkeep/internal/seal"
)

const (
	magic    = "PAR1"
	tailSize = 8 // distance and magic
)

// errDamaged reports a segment that opens but does not hold what it should.
// Its seal is right, so this is our bug or a newer format.
var errDamaged = errors.New("the segment is not of the format this build knows")

// A Reader gives access to one segment. It is safe for concurrent use.
type Reader struct {
	id      schema.SegmentID
	table   schema.TableName
	from    io.ReaderAt // the sealed bytes
	data    *seal.Reader
	footer  *parquet.Footer
	end     int64           // where the chunks end and the footer begins
	woven   bool            // there are texts stored by templates
	columns []schema.Column // the table's, then those of members
	members []batch.Member
	index   map[string]int
	groups  []Group
	chunks  [][]span                          // by group and column
	sets    termSets                          // of earlier releases
	tables  [][]termTable                     // by group and column
	listed  func() (*parquet.PageList, error) // by group and column; nil if it is not known where they lie
	counts  func() (parquet.CountList, error) // by group; nil if nothing was counted
	firsts  func() ([][]int64, error)         // by group, of the pages of times; nil if it is not known with what they begin
}

// A Holder is an object that has to be opened to be read: Hold opens it once for
// all that is read until letGo is called. Holds of several goroutines add up.
type Holder interface {
	Hold() (letGo func())
}

// Hold holds the segment's object, if that is anything, until letGo is called.
func (s *Reader) Hold() (letGo func()) {
	if h, ok := s.from.(Holder); ok {
		return h.Hold()
	}
	return func() {}
}

// A span is a range of the Parquet file.
type span struct{ off, size int64 }

// Open opens the sealed segment of size bytes in r. Keys and place are those
// it was written with; info is what the manifest says of it. r must stay
// readable as long as the Reader is used, and may be a Holder.
func Open(r io.ReaderAt, size int64, k seal.Keys, account seal.Place, info Info) (*Reader, error) {
	s, err := open(r, size, k, account, info)
	if err != nil {
		return nil, damage(info.ID, info.Table, fmt.Errorf("open segment %s: %w", info.ID, err))
	}
	return s, nil
}

func open(r io.ReaderAt, size int64, k seal.Keys, account seal.Place, info Info) (*Reader, error) {
	s := &Reader{id: info.ID, table: info.Table, from: r}
	var b []byte
	err := seal.OpenEnd(r, size, k, place(account, info.Workspace, info.Table, info.ID), func(data *seal.Reader, end []byte) (err error) {
		s.data = data
		b, err = s.findFooter(end)
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := s.readFooter(b); err != nil {
		return nil, err
	}
	if err := s.readGroups(); err != nil {
		return nil, err
	}
	if err := s.readTerms(); err != nil {
		return nil, err
	}
	s.listed, s.firsts, s.counts = sync.OnceValues(s.readPages), sync.OnceValues(s.readFirsts), sync.OnceValues(s.readCounts)
	return s, nil
}

// findFooter returns the bytes of the footer. Most lie, as a whole or with their larger
// part, in the last chunk, which is open already.
func (s *Reader) findFooter(end []byte) ([]byte, error) {
	size := s.data.Size()
	if size < int64(len(magic))+tailSize {
		return nil, errDamaged
	}
	tail := end
	if len(tail) < tailSize {
		tail = make([]byte, tailSize)
		if _, err := s.data.ReadAt(tail, size-tailSize); err != nil {
			return nil, err
		}
	}
	have := int64(len(tail) - tailSize) // of the footer's last bytes, and what is before them
	last := tail[have:]
	length := int64(binary.LittleEndian.Uint32(last))
	if s.end = size - tailSize - length; string(last[4:]) != magic || s.end < int64(len(magic)) {
		return nil, errDamaged
	}
	all := make([]byte, length) // a copy, for it is kept
	if have >= length {
		copy(all, tail[have-length:])
		return all, nil
	}
	copy(all[length-have:], tail)
	_, err := s.data.ReadAt(all[:length-have], s.end)
	return all, err
}

func (s *Reader) readFooter(b []byte) (err error) {
	if s.footer, err = parquet.ParseFooter(b); err != nil {
		return fmt.Errorf("%w: %w", errDamaged, err)
	}
	text, ok := s.footer.Pairs[columnsKey]
	if !ok {
		text, s.woven = s.footer.Pairs[wovenKey]
	}
	if !ok && !s.woven {
		return errDamaged
	}
	if s.columns, err = decodeColumns(text); err != nil {
		return fmt.Errorf("%w: %w", errDamaged, err)
	}
	if text, ok := s.footer.Pairs[membersKey]; ok {
		if s.members, err = decodeMembers(text); err != nil {
			return fmt.Errorf("%w: %w", errDamaged, err)
		}
		for _, m := range s.members {
			s.columns = append(s.columns, m.Carrier())
		}
	}
	if len(s.columns) != len(s.footer.Columns) {
		return errDamaged
	}
	s.index = make(map[string]int, len(s.columns))
	for i, c := range s.columns {
		if s.footer.Columns[i].Name != c.Name {
			return errDamaged
		}
		if i < len(s.Columns()) {
			s.index[c.Name] = i
		}
	}
	return nil
}

// mostPlain bounds the bytes of a column of a row group that is made plain.
const mostPlain = 1 << 40

func (s *Reader) readGroups() error {
	time, ok := s.index[schema.TimeGenerated]
	if !ok {
		return errDamaged
	}
	s.groups = make([]Group, len(s.footer.Groups))
	s.chunks = make([][]span, len(s.groups))
	for g, meta := range s.footer.Groups {
		s.chunks[g] = make([]span, len(s.columns))
		for c := range s.columns {
			at := span{meta.Chunks[c].Offset, meta.Chunks[c].Size}
			if at.off < int64(len(magic)) || at.size < 0 || at.off > s.end-at.size {
				return errDamaged
			}
			s.chunks[g][c] = at
			if meta.Chunks[c].Templates && (!s.woven || meta.Chunks[c].Unpacked < 0 || meta.Chunks[c].Unpacked > mostPlain) {
				return errDamaged
			}
		}
		first, last := meta.Chunks[time].Min, meta.Chunks[time].Max
		if len(first) != 8 || len(last) != 8 {
			return errDamaged
		}
		s.groups[g] = Group{Rows: meta.Rows, MinTime: schema.Ticks(binary.LittleEndian.Uint64(first)), MaxTime: schema.Ticks(binary.LittleEndian.Uint64(last))}
	}
	return nil
}

// readTerms reads where the terms of texts are, if they are somewhere.
func (s *Reader) readTerms() error {
	if text, ok := s.footer.Pairs[tablesKey]; ok {
		return s.readTables(text)
	}
	if text, ok := s.footer.Pairs[setsKey]; ok {
		return s.readSets(text)
	}
	return nil
}

// readPages reads where pages lie, when it is first asked for: who reads columns
// as a whole does without.
func (s *Reader) readPages() (*parquet.PageList, error) {
	text, ok := s.footer.Pairs[parquet.PagesKey]
	if !ok {
		return nil, nil
	}
	list, err := parquet.ReadPages(text, len(s.groups)*len(s.columns))
	return list, s.damaged(err)
}

// damaged says that what the footer says can't be right.
func (s *Reader) damaged(err error) error {
	if err == nil {
		return nil
	}
	return damage(s.id, s.table, fmt.Errorf("read segment %s: %w: %w", s.id, errDamaged, err))
}

// extent is where a column of a group lies.
func (s *Reader) extent(group, column int) parquet.Extent {
	at := s.chunks[group][column]
	return parquet.Extent{Offset: at.off, Size: at.size, Rows: int(s.groups[group].Rows)}
}

// pages are those of a column of a group; nil if it is not known where they lie.
func (s *Reader) pages(group, column int) (parquet.Pages, error) {
	list, err := s.listed()
	if list == nil || err != nil {
		return nil, err
	}
	pages, err := list.Chunk(group*len(s.columns)+column, s.extent(group, column))
	return pages, s.damaged(err)
}

// readFirsts reads with which times pages begin, when it is first asked for.
func (s *Reader) readFirsts() ([][]int64, error) {
	text, ok := s.footer.Pairs[parquet.FirstsKey]
	if !ok {
		return nil, nil
	}
	firsts, err := parquet.DecodeFirsts(text, len(s.groups))
	return firsts, s.damaged(err)
}

// Pages returns where the pages of a column of a group lie in the Parquet file,
// or nil if that is not known or there is no such column. The caller must not
// change them.
func (s *Reader) Pages(group int, column string) (parquet.Pages, error) {
	i, ok := s.index[column]
	if !ok {
		return nil, nil
	}
	return s.pages(group, i)
}

// Columns returns the segment's columns. The caller must not change them.
func (s *Reader) Columns() []schema.Column {
	n := len(s.columns) - len(s.members)
	return s.columns[:n:n]
}

// member returns the column of a key of a dynamic column, if it has one.
func (s *Reader) member(column, key string) (at int, ok bool) {
	for i, m := range s.members {
		if m.Column == column && m.Key == key {
			return len(s.columns) - len(s.members) + i, true
		}
	}
	return 0, false
}

// Groups returns the segment's row groups, in order of time. The caller must
// not change them.
func (s *Reader) Groups() []Group { return s.groups }

// Records reads all rows, as package batch made them. It is for rewriting a
// segment; queries use images.
func (s *Reader) Records(ctx context.Context) ([]arrow.RecordBatch, error) {
	recs, err := s.records(ctx)
	if err != nil {
		return nil, damage(s.id, s.table, fmt.Errorf("read segment %s: %w", s.id, err))
	}
	return recs, nil
}

func (s *Reader) records(ctx context.Context) ([]arrow.RecordBatch, error) {
	sc, err := batch.Schema(s.Columns())
	if err != nil {
		return nil, err
	}
	if s.woven {
		return s.picked(ctx, sc)
	}
	f, err := file.NewParquetReader(io.NewSectionReader(s.data, 0, s.data.Size()))
	if err != nil {
		return nil, err
	}
	r, err := pqarrow.NewFileReader(f, pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
	if err != nil {
		return nil, err
	}
	columns, groups := make([]int, sc.NumFields()), make([]int, len(s.groups)) // all but members
	for i := range columns {
		columns[i] = i
	}
	for i := range groups {
		groups[i] = i
	}
	t, err := r.ReadRowGroups(ctx, columns, groups)
	if err != nil {
		return nil, err
	}
	var recs []arrow.RecordBatch
	all := array.NewTableReader(t, 0)
	for all.Next() {
		rec := all.RecordBatch()
		recs = append(recs, array.NewRecordBatch(sc, rec.Columns(), rec.NumRows()))
	}
	return recs, all.Err()
}

// picked reads all rows of a segment with templates, a record for each row group.
func (s *Reader) picked(ctx context.Context, sc *arrow.Schema) (recs []arrow.RecordBatch, err error) {
	desk := &parquet.Desk{}
	for g, group := range s.groups {
		all := parquet.NewRows(int(group.Rows))
		all.AddRange(0, int(group.Rows))
		arrays := make([]arrow.Array, sc.NumFields())
		for i := range arrays {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			at, err := s.placeOf(g, i)
			if err != nil {
				return nil, err
			}
			c := desk.Column(at)
			cells := c.NewCells(int(group.Rows))
			err = c.Pick(0, all, cells)
			c.Close()
			if err != nil {
				return nil, err
			}
			arrays[i] = cells.Array()
		}
		recs = append(recs, array.NewRecordBatch(sc, arrays, group.Rows))
	}
	return recs, nil
}
