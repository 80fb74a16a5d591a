package segment

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"logkeep/internal/batch"
	"logkeep/internal/parquet"
	"logkeep/internal/schema"
)

// A sieve finds the rows of a row group that the needs allow, by looking for the
// parts of their clues in the columns. Of what it can't look for it says nothing.
type sieve struct {
	reader   *Reader
	group    int
	columns  []int // to be read of the rows that stay
	from, to schema.Ticks
	stripes  Stripes
	needs    []sought
	part     int // one in so many of the row group's stripes; 0: all
}

// A sought is a need as a sieve looks for it: alternatives, all of whose looks
// are to succeed.
type sought struct {
	any  [][]look
	cost int64
}

type look struct {
	column int
	search *parquet.Search
	cost   int64 // bytes of the column
}

// Bounds of what a sieve is for.
const (
	// mostLooks is how often a need may have its columns searched. What is one of
	// many values is quicker looked up by the engine.
	mostLooks = 16

	// mostKept is the part of a row group's rows that may stay, one in so many. Of
	// more the engine makes as much work from a row group as from the rows of it.
	// Where rows are small, as numbers and texts of a dictionary are, it is quick
	// with all of them: of such, fewer.
	mostKept      = 4
	mostSmallKept = 64
	smallRow      = 24 // bytes, unpacked

	// fewKept rows may always stay.
	fewKept = 1 << 10
)

// errDense reports a row group of which too many rows stay.
var errDense = errors.New("most rows stay")

// dense reports whether too many of n rows stay.
func (v *sieve) dense(kept, n int) bool {
	one := mostKept
	var size int64
	for _, c := range v.columns {
		size += v.reader.footer.Groups[v.group].Chunks[c].Unpacked
	}
	if size < smallRow*int64(n) {
		one = mostSmallKept
	}
	return kept > max(n/one, fewKept)/max(v.part, 1)
}

// newSieve is nil if nothing of the row group can be left out.
func newSieve(w Want, needs []Need) *sieve {
	group := w.Segment.groups[w.Group]
	v := &sieve{reader: w.Segment, group: w.Group, columns: w.indexes(), from: w.From, to: w.To, stripes: w.Stripes}
	if v.stripes == 0 {
		v.stripes = stripesOf(group.Rows)
	}
	for _, n := range needs {
		if s, ok := v.sought(n); ok {
			v.needs = append(v.needs, s)
		}
	}
	if len(v.needs) == 0 && !v.cuts() && v.stripes == stripesOf(group.Rows) {
		return nil
	}
	slices.SortStableFunc(v.needs, func(a, b sought) int { return cmp.Compare(a.cost, b.cost) })
	return v
}

// leastPart is how many stripes a part of a row group has, about: of fewer the
// dictionaries that each part reads would cost more than the others save.
const leastPart = 8

// mostlySought reports whether most bytes of the wanted columns are of those in which
// rows are sought.
func (v *sieve) mostlySought() bool {
	var sought, all int64
	for _, c := range v.columns {
		size := v.reader.chunks[v.group][c].size
		if all += size; v.seeks(c) {
			sought += size
		}
	}
	return 2*sought > all
}

// parts are at most n sieves which have the stripes of v among them, about as many of
// those in its range of time each: rows are taken to come evenly.
func (v *sieve) parts(n int) []*sieve {
	group := v.reader.groups[v.group]
	stripes := float64((group.Rows + parquet.Stripe - 1) / parquet.Stripe)
	at := func(t schema.Ticks) float64 {
		return stripes * float64(t-group.MinTime) / float64(group.MaxTime-group.MinTime+1)
	}
	from, end := 0.0, stripes
	if v.from > group.MinTime {
		from = at(v.from)
	}
	if v.to != 0 && v.to < group.MaxTime {
		end = at(v.to)
	}
	n = min(n, int(end-from)/leastPart, v.stripes.Count()/leastPart)
	if n < 2 {
		return []*sieve{v}
	}
	all := make([]*sieve, n)
	for k := range all {
		part := *v
		part.part, part.stripes = n, 0
		all[k] = &part
	}
	for i := range 64 {
		if v.stripes>>i&1 != 0 {
			k := int((float64(i) + 0.5 - from) / (end - from) * float64(n))
			all[min(max(k, 0), n-1)].stripes |= 1 << i
		}
	}
	return slices.DeleteFunc(all, func(p *sieve) bool { return p.stripes == 0 })
}

// cuts reports whether the range of time leaves rows out.
func (v *sieve) cuts() bool {
	group := v.reader.groups[v.group]
	return group.MinTime < v.from || v.to != 0 && group.MaxTime > v.to
}

// sought is how to look for a need; ok is false if one of its alternatives can't
// be looked for.
func (v *sieve) sought(n Need) (s sought, ok bool) {
	looks := 0
	for _, all := range n {
		var is []look
		possible := true
		for _, c := range all {
			i, here := v.reader.index[c.Column]
			if !here {
				possible = possible && len(c.Parts)+len(c.Terms) == 0 // the column reads as empty texts
				continue
			}
			// Another column than those that are read anyway would cost more than it spares.
			known := len(c.Parts) > 0 || len(c.By) > 0 && v.reader.footer.Groups[v.group].Chunks[i].Templates
			if t := v.reader.columns[i].Type; !known || !hasTerms(t) || !slices.Contains(v.columns, i) {
				continue
			}
			texts := parquet.Texts{Plain: v.reader.plain(v.group, i), JSON: v.reader.columns[i].Type == schema.Dynamic}
			is = append(is, look{i, parquet.NewSearch(c.Parts, texts, c.By...), v.reader.chunks[v.group][i].size})
		}
		if !possible {
			continue
		}
		if looks += len(is); len(is) == 0 || looks > mostLooks {
			return sought{}, false
		}
		slices.SortStableFunc(is, func(a, b look) int { return cmp.Compare(a.cost, b.cost) })
		for _, l := range is {
			s.cost += l.cost
		}
		s.any = append(s.any, is)
	}
	return s, true
}

// plain reports whether no text of a column has a character that is an ASCII
// letter in another case: nothing would be known of its terms.
func (s *Reader) plain(group, column int) bool {
	return s.tables != nil && s.tables[group][column].known || s.sets != nil && s.sets[group][column].size > 0
}

// A sifting is a sieve at work.
type sifting struct {
	*sieve
	ctx  context.Context // of this one call
	desk *parquet.Desk
	open map[int]*parquet.Column
	last int // the last row that may stay
}

// A finding is the rows of a row group that stay, and their cells of the columns in
// which they were sought; those of the others are picked afterwards, one column after
// another: whoever reads a column to its end has its pages and its dictionary at hand.
type finding struct {
	*sieve
	rows  parquet.Rows
	kept  int
	cells []*parquet.Cells // by number in columns; nil: not picked yet
}

// find finds the rows that stay. The error is errDense or parquet.ErrForm if the row
// group is to be read as a whole.
func (v *sieve) find(ctx context.Context, desk *parquet.Desk) (*finding, error) {
	g := sifting{v, ctx, desk, map[int]*parquet.Column{}, 0}
	defer g.close()
	f, err := g.sift()
	return f, v.told(err)
}

// told says whose an error is, unless it is one of those that say how to go on.
func (v *sieve) told(err error) error {
	if err == nil || errors.Is(err, errDense) || errors.Is(err, parquet.ErrForm) {
		return err
	}
	return damage(v.reader.id, v.reader.table, fmt.Errorf("read segment %s: %w", v.reader.id, err))
}

func (g *sifting) close() {
	for _, c := range g.open {
		c.Close()
	}
}

// sift goes through the row group in steps of a page of the column that is most
// work to search, so that of no column more than a page is unpacked at a time.
func (g *sifting) sift() (*finding, error) {
	n := int(g.reader.groups[g.group].Rows)
	of, err := g.inTime(n)
	if err != nil {
		return nil, err
	}
	all, looked := of.Count(), 0
	f := &finding{sieve: g.sieve, rows: of, kept: all, cells: make([]*parquet.Cells, len(g.columns))}
	if len(g.needs) == 0 {
		if g.dense(all, n) {
			return nil, errDense
		}
		return f, nil
	}
	f.rows, f.kept = parquet.NewRows(n), 0
	g.last = of.Last()
	for row := of.Next(0, n); row < n; row = of.Next(row, n) {
		end, err := g.stepEnd(row)
		if err != nil {
			return nil, err
		}
		base := row &^ 63
		step := of.Range(base, end)
		step.Clear(row - base)
		stay, err := g.find(base, step)
		if err != nil {
			return nil, err
		}
		first := f.kept == 0
		looked += step.Count()
		f.kept += stay.Count()
		if g.dense(f.kept*all/looked, n) { // after the first page, and each other
			return nil, errDense
		}
		f.rows[base>>6:].Union(stay)
		if err := g.pick(base, stay, f.cells); err != nil {
			return nil, err
		}
		if first && f.kept > 0 {
			var more int64
			for _, c := range f.cells {
				if c != nil {
					more -= c.Size()
					c.Foresee(1.1 * float64(all-looked) / float64(looked))
					more += c.Size()
				}
			}
			if err := g.desk.Charge(more); err != nil {
				return nil, err
			}
		}
		row = end
	}
	return f, nil
}

// inTime is the rows of the sieve's stripes and range of time.
func (g *sifting) inTime(n int) (parquet.Rows, error) {
	of, from, end := parquet.NewRows(n), 0, n
	group := g.reader.groups[g.group]
	first := func(t schema.Ticks) (int, error) { // that is not before t
		if t <= group.MinTime {
			return 0, nil
		}
		if t > group.MaxTime {
			return n, nil
		}
		c, err := g.column(g.reader.index[schema.TimeGenerated])
		if err != nil {
			return 0, err
		}
		row, _, err := c.Since(int64(t), int64(group.MinTime), int64(group.MaxTime))
		return row, err
	}
	var err error
	if from, err = first(g.from); err == nil && g.to != 0 {
		end, err = first(max(g.to+1, g.from))
	}
	if err != nil {
		return nil, err
	}
	for row := from; row < end; {
		next := min(row-row%parquet.Stripe+parquet.Stripe, end)
		if g.stripes.Has(int64(row)) {
			of.AddRange(row, next)
		}
		row = next
	}
	return of, nil
}

// stepEnd is where the page ends that has a row, in the column that is most work
// to search, or the row's stripe if there is none.
func (g *sifting) stepEnd(row int) (int, error) {
	dearest := look{}
	for _, s := range g.needs {
		for _, all := range s.any {
			for _, l := range all {
				if l.cost > dearest.cost {
					dearest = l
				}
			}
		}
	}
	if dearest.search == nil {
		return min(row-row%parquet.Stripe+parquet.Stripe, int(g.reader.groups[g.group].Rows)), nil
	}
	c, err := g.column(dearest.column)
	if err != nil {
		return 0, err
	}
	return c.PageEnd(row)
}

// find returns the rows among of, numbered from base, for which every need has
// an alternative.
func (g *sifting) find(base int, of parquet.Rows) (parquet.Rows, error) {
	for _, s := range g.needs {
		left, found := slices.Clone(of), make(parquet.Rows, len(of))
		for _, all := range s.any {
			with := left
			for _, l := range all {
				c, err := g.column(l.column)
				if err != nil {
					return nil, err
				}
				next := make(parquet.Rows, len(of))
				if err := c.Find(l.search, base, with, next); err != nil {
					return nil, err
				}
				with = next
			}
			found.Union(with)
			left.Without(with)
		}
		of = found
	}
	return of, nil
}

// pick reads of the rows that stay the columns in which they were sought, of which
// the pages are open.
func (g *sifting) pick(base int, stay parquet.Rows, cells []*parquet.Cells) error {
	n := stay.Count()
	if n == 0 {
		return nil
	}
	for i, at := range g.columns {
		c := g.open[at]
		if c == nil || !g.seeks(at) {
			continue
		}
		if cells[i] == nil {
			cells[i] = c.NewCells(n)
		}
		before := cells[i].Size()
		if err := c.Pick(base, stay, cells[i]); err != nil {
			return err
		}
		if err := g.desk.Charge(cells[i].Size() - before); err != nil {
			return err
		}
	}
	return nil
}

// seeks reports whether rows are sought in a column.
func (v *sieve) seeks(column int) bool {
	for _, s := range v.needs {
		for _, all := range s.any {
			for _, l := range all {
				if l.column == column {
					return true
				}
			}
		}
	}
	return false
}

// column opens a column of the row group, once.
func (g *sifting) column(at int) (*parquet.Column, error) {
	if err := g.ctx.Err(); err != nil {
		return nil, err
	}
	if c := g.open[at]; c != nil {
		return c, nil
	}
	chunk, err := g.reader.placeOf(g.group, at)
	if err != nil {
		return nil, err
	}
	c := g.desk.Column(chunk)
	c.Until(g.last)
	g.open[at] = c
	return c, nil
}

// placeOf is where a column of a row group lies, as it is read here.
func (s *Reader) placeOf(group, column int) (parquet.Place, error) {
	carrier, err := batch.Physical(s.columns[column].Type)
	if err != nil {
		return parquet.Place{}, err
	}
	codec := s.footer.Groups[group].Chunks[column].Codec
	if codec != parquet.CodecZstd && codec != parquet.CodecNone {
		return parquet.Place{}, parquet.ErrForm
	}
	p := parquet.Place{
		Extent: s.extent(group, column),
		From:   s.data, Type: carrier.ID(), Nullable: s.footer.Columns[column].Optional, Packed: codec == parquet.CodecZstd,
		Woven: s.footer.Groups[group].Chunks[column].Templates,
	}
	if p.Pages, err = s.pages(group, column); err == nil && s.columns[column].Name == schema.TimeGenerated && !s.isMember(column) {
		var firsts [][]int64
		if firsts, err = s.firsts(); firsts != nil {
			p.Firsts = firsts[group]
		}
	}
	return p, err
}
