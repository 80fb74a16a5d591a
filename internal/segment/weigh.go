package segment

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"golang.org/x/sync/errgroup"

	"logkeep/internal/batch"
	"logkeep/internal/parquet"
	"logkeep/internal/schema"
	"logkeep/internal/template"
)

// Weights says that of rows that are equal one is enough, with how many there are.
// Times are equal that lie between the same cuts, texts of a column with looks if the
// same of them find them.
type Weights struct {
	Bins  []Bin
	Cuts  []schema.Ticks // further ones, each of which begins a cell
	Looks []Look
}

// A Look asks whether a text of a column has a part, and the pattern that By is.
type Look struct {
	Column string
	Part   parquet.Part // without a text it is none
	By     *template.Pattern
}

// A Bin has a cut at each multiple of Size, which is more than 0, from At.
type Bin struct {
	Size schema.Span
	At   schema.Ticks
}

// WeightColumn is the column, of longs, that tells how many rows one stands for. No
// table's column and no member is called so.
const WeightColumn = ".weight"

// cell is between which cuts a time lies: from first up to end, which is left out.
func (w *Weights) cell(t schema.Ticks) (first, end schema.Ticks) {
	first, end = 0, math.MaxInt64
	for _, b := range w.Bins {
		size := schema.Ticks(b.Size)
		begin := t - ((t-b.At)%size+size)%size
		if first = max(first, begin); begin < end-size {
			end = begin + size
		}
	}
	for _, c := range w.Cuts {
		if c <= t {
			first = max(first, c)
		} else {
			end = min(end, c)
		}
	}
	return first, end
}

// bins is how many bins there may be from one time to another.
func (w *Weights) bins(first, last schema.Ticks) float64 {
	n := float64(1 + len(w.Cuts))
	for _, b := range w.Bins {
		n += float64(last-first) / float64(b.Size)
	}
	return n
}

// Bounds of what is weighed.
const (
	mostWeighed  = 6       // columns beside the time
	mostCodes    = 1 << 16 // different rows that there may be, but for their times
	mostEmpty    = 1 << 10 // bytes of a column of a row group without values
	leastFolded  = 4       // rows that one stands for, all in all
	fewWeighed   = 1 << 10 // weighted rows may always be made of a row group
	mostUnfolded = 3       // row groups that turned out to have too many different rows, before the rest is not tried
)

// Weigh gives the rows of row groups as weighted ones, in files in memory that have
// WeightColumn. It leaves out rows of which it knows that the needs do not allow
// them, and tells of row groups that are better read otherwise: of columns that are
// not dictionaries, and with too many different rows. After an error there is nothing
// to close.
func (c *Cache) Weigh(ctx context.Context, wants []Want, needs []Need, by Weights) (_ *Sifted, err error) {
	s := &Sifted{cache: c}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	scale := &scale{s: s}
	var unfolded atomic.Int32
	one := func(ctx context.Context, i int) error {
		v := newWeighing(wants[i], needs, by)
		if v == nil || unfolded.Load() >= mostUnfolded {
			scale.whole(i, 0)
			return nil
		}
		read, err := s.atDesk(func(desk *parquet.Desk) (int64, error) { return 0, v.weigh(ctx, desk, scale) })
		if errors.Is(err, errDense) {
			unfolded.Add(1)
		}
		if errors.Is(err, errDense) || errors.Is(err, parquet.ErrForm) {
			scale.whole(i, read)
			return nil
		}
		return err
	}
	// A few goroutines for all: the stack of each grows once.
	work, stopped := errgroup.WithContext(ctx)
	var next atomic.Int64
	for range min(cap(c.slots), len(wants)) {
		work.Go(func() error {
			for {
				i := int(next.Add(1)) - 1
				if err := stopped.Err(); i >= len(wants) || err != nil {
					return err
				}
				if err := inTurn(stopped, c.slots, func() error { return one(stopped, i) }); err != nil {
					return err
				}
			}
		})
	}
	if err := work.Wait(); err != nil {
		return nil, err
	}
	slices.Sort(s.Whole)
	return s, scale.write()
}

// A scale gathers weighted rows of all row groups, those with the same columns together.
type scale struct {
	s       *Sifted
	mu      sync.Mutex
	tallies []*tally
	lists   map[listKey]*parquet.ValueList
}

// A tally is the weighted rows that have the same columns.
type tally struct {
	reader  *Reader // one that has the columns
	columns []int   // of it, the time if it is there as the first
	timed   bool
	values  []values
	numbers []numbers // of lists of values, as far as they are known
	at      []int32   // by a hash of their keys: numbers of rows plus one; a power of two
	rows    []weighed
	charged int64
	by      uint64 // odd and random, so that nobody can choose keys that meet
}

// values are the different values of one column.
type values struct {
	codes map[string]uint32
	looks map[uint32]uint32 // and of texts told apart by looks, by what these find
	texts []string
}

// none is the code of no value.
const none = math.MaxUint32 - 1

type tallyKey struct {
	time  schema.Ticks
	codes [mostWeighed]uint32
}

// A weighed row is values by their codes, and how many rows it stands for.
type weighed struct {
	tallyKey
	weight int64
}

// whole tells of a row group that is to be read otherwise.
func (c *scale) whole(want int, read int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.s.Whole = append(c.s.Whole, want)
	c.s.Read += read
}

// put adds the rows of a row group that was counted.
func (c *scale) put(g *count, read int64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.s.Rows += g.reader.groups[g.group].Rows
	c.s.Read += read
	if len(g.rows) == 0 {
		return nil
	}
	t := c.tally(g.weighing)
	known := make([][]uint32, len(g.sizes)) // codes plus one; 0 is not known yet
	for i, n := range g.sizes {
		if g.lists != nil {
			known[i] = t.numbered(i, g.lists[i], n)
		} else {
			known[i] = make([]uint32, n)
		}
	}
	for _, r := range g.rows {
		for i := range known {
			code := r.codes[i]
			if known[i][code] == 0 {
				known[i][code] = g.number(i, code, &t.values[i]) + 1
			}
			r.codes[i] = known[i][code] - 1
		}
		t.add(r)
	}
	return t.charge(c.s)
}

// code numbers a value.
func (v *values) code(value []byte) uint32 {
	n, known := v.codes[string(value)]
	if !known {
		n = uint32(len(v.texts))
		text := string(value)
		v.codes[text], v.texts = n, append(v.texts, text)
	}
	return n
}

// look numbers texts of which the same looks hold, of which text is one. In another row
// group they have the same number.
func (v *values) look(found uint32, text []byte) uint32 {
	n, known := v.looks[found]
	if !known {
		n = uint32(len(v.texts))
		v.looks[found], v.texts = n, append(v.texts, string(text))
	}
	return n
}

func (t *tally) add(r weighed) {
	if 2*len(t.rows) >= len(t.at) {
		t.grow()
	}
	at := t.find(&r.tallyKey)
	if n := t.at[at]; n > 0 {
		t.rows[n-1].weight += r.weight
		return
	}
	t.rows = append(t.rows, r)
	t.at[at] = int32(len(t.rows))
}

// find is where a key is, or would be.
func (t *tally) find(k *tallyKey) uint64 {
	h := uint64(k.time) * t.by
	for _, code := range k.codes[:len(t.columns)] {
		h = (h ^ h>>32 ^ uint64(code)) * t.by
	}
	mask := uint64(len(t.at) - 1)
	for at := h >> 32 & mask; ; at = (at + 1) & mask {
		if n := t.at[at]; n == 0 || t.rows[n-1].tallyKey == *k {
			return at
		}
	}
}

func (t *tally) grow() {
	t.at = make([]int32, max(1<<10, 2*len(t.at)))
	for i := range t.rows {
		t.at[t.find(&t.rows[i].tallyKey)] = int32(i + 1)
	}
}

// charge counts what the tally takes, about.
func (t *tally) charge(s *Sifted) error {
	const row, value = 192, 128
	n := int64(len(t.rows)) * row
	for _, v := range t.values {
		n += int64(len(v.texts)) * value
	}
	if n <= t.charged {
		return nil
	}
	n -= t.charged
	t.charged += n
	return s.charge(n)
}

// tally is that of the row group's columns.
func (c *scale) tally(v *weighing) *tally {
	of := v.reader.columns
	for _, t := range c.tallies {
		if t.timed == v.timed && slices.EqualFunc(t.columns, v.columns, func(a, b int) bool {
			return t.reader.columns[a] == of[b] && t.reader.isMember(a) == v.reader.isMember(b)
		}) {
			return t
		}
	}
	t := &tally{reader: v.reader, columns: v.columns, timed: v.timed, values: make([]values, len(v.columns)), by: rand.Uint64() | 1}
	for i := range t.values {
		t.values[i] = values{codes: map[string]uint32{}, looks: map[uint32]uint32{}}
	}
	c.tallies = append(c.tallies, t)
	return t
}

// isMember reports whether a column has a member's values.
func (s *Reader) isMember(column int) bool { return column >= len(s.Columns()) }

// write makes a file of each tally.
func (c *scale) write() error {
	for _, t := range c.tallies {
		if err := t.write(c.s); err != nil {
			return err
		}
	}
	return nil
}

func (t *tally) write(s *Sifted) error {
	var columns []schema.Column
	var members []batch.Member
	all := make([]schema.Column, 0, len(t.columns)+2)
	if t.timed {
		columns = append(columns, schema.Column{Name: schema.TimeGenerated, Type: schema.DateTime})
		all = append(all, columns[0])
	}
	for _, i := range t.columns {
		if all = append(all, t.reader.columns[i]); t.reader.isMember(i) {
			members = append(members, t.reader.members[i-len(t.reader.Columns())])
		} else {
			columns = append(columns, t.reader.columns[i])
		}
	}
	all = append(all, schema.Column{Name: WeightColumn, Type: schema.Long})
	rec, err := t.record(all)
	if err != nil {
		return err
	}
	if err := s.charge(sizeOf(rec)); err != nil {
		return err
	}
	r, err := newRows(rec.Schema(), columns, members)
	if err != nil {
		return err
	}
	s.Files = append(s.Files, r)
	s.Kept += rec.NumRows()
	r.Weighed, r.rows = true, rec.NumRows()
	r.pending, r.waiting = append(r.pending, rec), rec.NumRows()
	return r.finish(s)
}

// record is the weighted rows as arrays of these columns.
func (t *tally) record(all []schema.Column) (arrow.RecordBatch, error) {
	sc, err := batch.Schema(all)
	if err != nil {
		return nil, err
	}
	cells := make([]*parquet.Cells, len(all))
	for i, f := range sc.Fields() {
		cells[i] = parquet.NewCells(f.Type.ID(), f.Nullable, len(t.rows))
	}
	of := cells[:len(cells)-1]
	if t.timed {
		of = of[1:]
	}
	for _, r := range t.rows {
		if t.timed {
			cells[0].PutWide(int64(r.time))
		}
		for i, c := range of {
			if code := r.codes[i]; code == none {
				c.Put("", false)
			} else {
				c.Put(t.values[i].texts[code], true)
			}
		}
		cells[len(cells)-1].PutWide(r.weight)
	}
	arrays := make([]arrow.Array, len(cells))
	for i, c := range cells {
		arrays[i] = c.Array()
	}
	return array.NewRecordBatch(sc, arrays, int64(len(t.rows))), nil
}
