package segment

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"logkeep/internal/parquet"
	"logkeep/internal/schema"
)

// A stretch is rows that follow one another, of which the times lie between the same
// cuts, the first of which is time. It ends before row end.
type stretch struct {
	end  int
	time schema.Ticks
	left bool // out
}

// A count is a weighing at work.
type count struct {
	*weighing
	ctx   context.Context // of this one call
	open  []*parquet.Column
	sizes []int                // how many codes each has
	may   []parquet.Rows       // which of them the needs allow; nil: all
	lists []*parquet.ValueList // in place of open: what the codes are of, where rows were counted when they were written
	told  [][][]byte           // of a column with looks, by its codes: a text that they are of; nil: none was met

	chosen *parquet.Choice // codes of column choice, that the needs allow, if most rows have others
	choice int
	bits   []*parquet.Bits
	few    bool       // the stretches are short: which are counted is kept in seen
	pages  [][]uint32 // codes by column, from a row on
	*room
}

// A room is what a row group is counted in, used again for the next: memory that is new
// to a process takes longer than counting.
type room struct {
	n    []uint32 // rows by all their codes
	at   []uint32 // rows that have a chosen code
	seen []uint32
	keys []uint32
	rows []weighed
}

var rooms = sync.Pool{New: func() any { return new(room) }}

func (v *weighing) weigh(ctx context.Context, desk *parquet.Desk, to *scale) error {
	defer v.reader.Hold()()
	g := &count{weighing: v, ctx: ctx, pages: make([][]uint32, len(v.columns)), bits: make([]*parquet.Bits, len(v.columns)), room: rooms.Get().(*room)}
	g.seen, g.rows = g.seen[:0], g.rows[:0]
	defer func() {
		rooms.Put(g.room)
		for _, c := range g.open {
			c.Close()
		}
	}()
	done, err := g.counted(desk, to)
	if err == nil && !done {
		err = g.weigh(desk)
	}
	if err == nil {
		err = to.put(g, desk.Read)
	}
	if err != nil && !errors.Is(err, errDense) && !errors.Is(err, parquet.ErrForm) {
		err = damage(v.reader.id, v.reader.table, fmt.Errorf("read segment %s: %w", v.reader.id, err))
	}
	return err
}

func (g *count) weigh(desk *parquet.Desk) error {
	codes := 1
	g.told = make([][][]byte, len(g.columns))
	for at, i := range g.columns {
		place, err := g.reader.placeOf(g.group, i)
		if err != nil {
			return err
		}
		c := desk.Column(place)
		g.open = append(g.open, c)
		n, err := 0, error(nil)
		if looks := g.looks[at]; looks == nil {
			n, err = c.Coded()
		} else if n, err = c.Looks(looks); errors.Is(err, parquet.ErrForm) {
			err = errDense // and so it is in the other row groups, most likely
		}
		if err != nil {
			return err
		}
		if g.looks[at] != nil {
			g.told[at] = make([][]byte, n)
		}
		if codes *= n; codes > min(mostCodes, g.most()) {
			return errDense
		}
		g.sizes = append(g.sizes, n)
	}
	if none, err := g.allow(); none || err != nil {
		return err
	}
	g.choice = -1
	for i, may := range g.may {
		if may != nil && (g.choice < 0 || g.sizes[i] < g.sizes[g.choice]) {
			g.choice = i
		}
	}
	if g.choice >= 0 && !slices.ContainsFunc(g.looks, func(s []*parquet.Search) bool { return s != nil }) {
		g.chosen = parquet.NewChoice(g.may[g.choice])
	}
	all, err := g.stretches(desk)
	if err != nil {
		return err
	}
	if err := desk.Charge(int64(4 * codes)); err != nil {
		return err
	}
	g.n, g.few = slices.Grow(g.n[:0], codes)[:codes], len(all)*codes > int(g.reader.groups[g.group].Rows)
	clear(g.n)
	row := 0
	for _, s := range all {
		if !s.left {
			if err := g.count(row, s.end); err != nil {
				return err
			}
			if g.take(s.time); len(g.rows) > g.most() {
				return errDense
			}
		}
		row = s.end
	}
	return desk.Charge(int64(len(g.rows)) * 40)
}

// allow finds the codes that the needs allow, of needs of which every alternative is
// about one column and nothing else. none is that a column has none.
func (g *count) allow() (none bool, err error) {
	g.may = make([]parquet.Rows, len(g.columns))
	for _, n := range g.needs {
		if len(n.any) == 0 {
			return true, nil
		}
		of := -1
		for _, all := range n.any {
			at := slices.Index(g.columns, all[0].column)
			if len(all) != 1 || of >= 0 && at != of || at >= 0 && g.looks[at] != nil {
				at = -1
			}
			if of = at; of < 0 {
				break
			}
		}
		if of < 0 {
			continue
		}
		found := parquet.NewRows(g.sizes[of])
		for _, all := range n.any {
			codes, err := g.found(of, all[0].search)
			if err != nil {
				return false, err
			}
			found.Union(codes)
		}
		if before := g.may[of]; before != nil {
			for i := range found {
				found[i] &= before[i]
			}
		}
		if g.may[of] = found; found.Count() == 0 {
			return true, nil
		}
	}
	return false, nil
}

// found are the codes of a column whose text a search finds.
func (g *count) found(i int, s *parquet.Search) (parquet.Rows, error) {
	if g.lists != nil {
		return g.lists[i].Found(s)
	}
	return g.open[i].Found(s)
}

// value is what a code of a column stands for; ok is false of no value.
func (g *count) value(i, code int) (value []byte, ok bool) {
	if g.lists != nil {
		return g.lists[i].Value(code)
	}
	return g.open[i].Value(code)
}

// stretches parts the row group at the cuts.
func (g *count) stretches(desk *parquet.Desk) (all []stretch, err error) {
	group := g.reader.groups[g.group]
	n := int(group.Rows)
	var times *parquet.Column
	defer func() {
		if times != nil {
			times.Close()
		}
	}()
	for row, t := 0, group.MinTime; ; {
		if err := g.ctx.Err(); err != nil {
			return nil, err
		}
		first, end := g.by.cell(t)
		s := stretch{n, first, t < g.from || g.to != 0 && t > g.to}
		if end > group.MaxTime {
			return append(all, s), nil
		}
		if times == nil {
			place, err := g.reader.placeOf(g.group, g.reader.index[schema.TimeGenerated])
			if err != nil {
				return nil, err
			}
			times = desk.Column(place)
		}
		next, value, err := times.Since(int64(end), int64(group.MinTime), int64(group.MaxTime))
		if err != nil {
			return nil, err
		}
		if next <= row || schema.Ticks(value) < end {
			return nil, parquet.ErrDamaged
		}
		s.end, row, t = next, next, schema.Ticks(value)
		if all = append(all, s); len(all) > g.most() {
			return nil, errDense
		}
	}
}

// count counts the rows from row up to end.
func (g *count) count(row, end int) error {
	whole := g.stripes == stripesOf(g.reader.groups[g.group].Rows)
	for row < end {
		to := end
		if !whole {
			to = min(end, row-row%parquet.Stripe+parquet.Stripe)
			if !g.stripes.Has(int64(row)) {
				row = to
				continue
			}
		}
		if err := g.ctx.Err(); err != nil {
			return err
		}
		if g.chosen != nil {
			next, err := g.choose(row, to)
			if err != nil {
				return err
			}
			if next > row {
				row = next
				continue
			}
		}
		for i, c := range g.open {
			first, codes, err := g.codes(i, c, row)
			if err != nil {
				return err
			}
			g.pages[i] = codes[row-first:]
			to = min(to, first+len(codes))
		}
		g.add(g.pages, to-row)
		row = to
	}
	return nil
}

// leastChosen is of how many rows one may have a chosen code, that the others' are
// left packed.
const leastChosen = 3

// choose counts the rows from row up to end that have a chosen code, as far as pages
// go, and returns how far. If this is not the way to count them it returns row.
func (g *count) choose(row, end int) (next int, err error) {
	bits := g.bits
	for i, c := range g.open {
		if bits[i], err = c.Bits(row); bits[i] == nil || err != nil {
			g.chosen = nil
			return row, err
		}
		end = min(end, bits[i].First+bits[i].Rows)
	}
	g.at = bits[g.choice].Find(g.at[:0], row, end, g.chosen)
	if len(g.at)*leastChosen > end-row && end-row > parquet.Stripe/2 {
		g.chosen = nil // nor in the pages behind it, most likely
		return row, nil
	}
	g.keys = slices.Grow(g.keys[:0], len(g.at))
	for i, may := range g.may {
		if may == nil || i == g.choice {
			continue
		}
		codes := g.keys[:len(g.at)]
		if err := bits[i].Add(codes, g.at, 0); err != nil {
			return 0, err
		}
		kept := g.at[:0]
		for k, code := range codes {
			if may.Has(int(code)) {
				kept = append(kept, g.at[k])
			}
		}
		g.at = kept
	}
	keys := g.keys[:len(g.at)]
	for i, size := range g.sizes {
		if i == 0 {
			size = 0 // there is no key yet
		}
		if code, one := g.chosen.One(); one && i == g.choice {
			for k := range keys {
				keys[k] = keys[k]*uint32(size) + code
			}
			continue
		}
		if err := bits[i].Add(keys, g.at, uint32(size)); err != nil {
			return 0, err
		}
	}
	g.tally(keys)
	return end, nil
}

// codes are those of a page's rows.
func (g *count) codes(i int, c *parquet.Column, row int) (first int, codes []uint32, err error) {
	if g.looks[i] == nil {
		return c.Codes(row)
	}
	if first, codes, err = c.Looked(row, g.looks[i]); err != nil {
		if errors.Is(err, parquet.ErrForm) {
			err = errDense
		}
		return 0, nil, err
	}
	told := g.told[i]
	for at, code := range codes {
		if told[code] != nil {
			continue
		}
		if told[code], err = c.Text(first + at); err != nil {
			return 0, nil, err
		}
		if told[code] == nil {
			told[code] = []byte{} // of no value, or an empty text
		}
	}
	return first, codes, nil
}

// number is that of what a code of a column stands for, among the values of all row
// groups.
func (g *count) number(i int, code uint32, all *values) uint32 {
	if g.looks[i] != nil {
		if code == 1<<len(g.looks[i]) {
			return none
		}
		return all.look(code, g.told[i][code])
	}
	value, ok := g.value(i, int(code))
	if !ok {
		return none
	}
	return all.code(value)
}

// add counts n rows that have these codes.
func (g *count) add(pages [][]uint32, n int) {
	if len(pages) == 0 {
		g.n[0] += uint32(n)
		return
	}
	keys := pages[0][:n]
	if len(pages) > 1 {
		g.keys = slices.Grow(g.keys[:0], n)[:n]
		size := uint32(g.sizes[1])
		for i, code := range pages[1][:n] {
			g.keys[i] = keys[i]*size + code
		}
		for p := 2; p < len(pages); p++ {
			size := uint32(g.sizes[p])
			for i, code := range pages[p][:n] {
				g.keys[i] = g.keys[i]*size + code
			}
		}
		keys = g.keys
	}
	g.tally(keys)
}

// tally counts rows by all their codes.
func (g *count) tally(keys []uint32) {
	if !g.few {
		for _, k := range keys {
			g.n[k]++
		}
		return
	}
	for _, k := range keys {
		if g.n[k] == 0 {
			g.seen = append(g.seen, k)
		}
		g.n[k]++
	}
}

// take makes rows of what was counted, and begins anew.
func (g *count) take(time schema.Ticks) {
	if len(g.open) == 0 {
		if g.n[0] > 0 {
			g.rows = append(g.rows, weighed{tallyKey{time: time}, int64(g.n[0])})
		}
		g.n[0] = 0
		return
	}
	if g.few {
		for _, k := range g.seen {
			r := weighed{tallyKey{time: time}, int64(g.n[k])}
			g.n[k] = 0
			for i := len(g.sizes) - 1; i >= 0; i-- {
				size := uint32(g.sizes[i])
				k, r.codes[i] = k/size, k%size
			}
			g.row(&r)
		}
		g.seen = g.seen[:0]
		return
	}
	r := weighed{tallyKey: tallyKey{time: time}}
	last := len(g.sizes) - 1
	for k, n := range g.n {
		if n > 0 {
			g.n[k], r.weight = 0, int64(n)
			g.row(&r)
		}
		i := last // count on, the last code fastest
		for r.codes[i]++; i > 0 && int(r.codes[i]) == g.sizes[i]; r.codes[i]++ {
			r.codes[i] = 0
			i--
		}
	}
}

// row keeps a row, if the needs allow it.
func (g *count) row(r *weighed) {
	for i, may := range g.may {
		if may != nil && !may.Has(int(r.codes[i])) {
			return
		}
	}
	g.rows = append(g.rows, *r)
}
