package segment

import (
	"slices"

	"logkeep/internal/batch"
	"logkeep/internal/parquet"
	"logkeep/internal/schema"
)

// readCounts reads what was counted when the segment was written, when it is first
// asked for.
func (s *Reader) readCounts() (parquet.CountList, error) {
	text, ok := s.footer.Pairs[parquet.CountsKey]
	if !ok {
		return nil, nil
	}
	list, err := parquet.ReadCounts(text, s.footer.Columns, len(s.groups), s.end)
	return list, s.damaged(err)
}

// counted makes weighted rows of what was counted when the segment was written, if the
// row group's times are all the same to the query and there are counts of the columns.
// It may count rows in stripes that the needs rule out: these have other values.
func (g *count) counted(desk *parquet.Desk, to *scale) (done bool, err error) {
	s, group := g.reader, g.reader.groups[g.group]
	first, end := g.by.cell(group.MinTime)
	if end <= group.MaxTime || group.MinTime < g.from || g.to != 0 && group.MaxTime > g.to {
		return false, nil
	}
	if slices.ContainsFunc(g.looks, func(looks []*parquet.Search) bool { return looks != nil }) {
		return false, nil
	}
	list, err := s.counts()
	if err != nil || !list.Has(g.group, g.columns...) {
		return false, err
	}
	counts, letGo, err := list.Read(desk, s.data, g.group, int(group.Rows), g.columns...)
	if err != nil {
		return false, err
	}
	defer letGo()
	g.lists = make([]*parquet.ValueList, len(g.columns))
	for i, c := range counts.Columns {
		if g.lists[i], err = to.list(desk, s.columns[g.columns[i]].Type, c); err != nil {
			return false, err
		}
		g.sizes = append(g.sizes, c.Codes)
	}
	if none, err := g.allow(); none || err != nil {
		return true, err
	}
	r := weighed{tallyKey: tallyKey{time: first}}
	for i, n := range counts.Cells {
		if n == 0 {
			continue
		}
		if r.weight, r.codes[0] = int64(n), uint32(i); len(g.sizes) == 2 {
			r.codes[0], r.codes[1] = uint32(i/g.sizes[1]), uint32(i%g.sizes[1])
		}
		g.row(&r)
	}
	return true, desk.Charge(int64(len(g.rows)) * 40)
}

// A listKey is values of a type, packed.
type listKey struct {
	kind   schema.Type
	packed string
}

// list are values of a column that was counted. Most row groups of a table have the
// same, and then the same list.
func (c *scale) list(desk *parquet.Desk, kind schema.Type, v parquet.CountedValues) (*parquet.ValueList, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if known := c.lists[listKey{kind, string(v.Packed)}]; known != nil {
		return known, nil
	}
	carrier, err := batch.Physical(kind)
	if err != nil {
		return nil, err
	}
	list, err := v.Unpack(desk, carrier.ID())
	if err != nil {
		return nil, err
	}
	if err := c.s.charge(list.Size() + int64(len(v.Packed))); err != nil {
		return nil, err
	}
	if c.lists == nil {
		c.lists = map[listKey]*parquet.ValueList{}
	}
	c.lists[listKey{kind, string(v.Packed)}] = list
	return list, nil
}

// numbered are the codes of a list of values of column i by their number among all, plus
// one; 0 is not known yet.
func (t *tally) numbered(i int, list *parquet.ValueList, codes int) []uint32 {
	for _, n := range t.numbers {
		if n.column == i && n.list == list && len(n.known) >= codes {
			return n.known
		}
	}
	known := make([]uint32, codes)
	if len(t.numbers) < mostLists {
		t.numbers = append(t.numbers, numbers{i, list, known})
	}
	return known
}

// mostLists is of how many lists of values it is remembered which codes they have.
const mostLists = 64

// numbers are the codes of a list of values.
type numbers struct {
	column int
	list   *parquet.ValueList
	known  []uint32
}
