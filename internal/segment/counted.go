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
	counts, letGo, err := list.Read(desk, s.data, g.group, int(group.Rows), g.n, g.columns...)
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
	var codes [2][]uint32
	for i := range codes {
		if codes[i] = []uint32{0}; i < len(g.sizes) {
			codes[i] = g.allowed(i)
		}
	}
	r := weighed{tallyKey: tallyKey{time: first}}
	for _, code := range codes[0] {
		for _, other := range codes[1] {
			if n := counts.Cells[int(code)*counts.Step[0]+int(other)*counts.Step[1]]; n > 0 {
				r.weight, r.codes[0], r.codes[1] = int64(n), code, other
				g.rows = append(g.rows, r)
			}
		}
	}
	if len(g.sizes) == 2 {
		g.n = counts.Cells
	}
	return true, desk.Charge(int64(len(g.rows)) * 40)
}

// allowed are the codes of a column that the needs allow.
func (g *count) allowed(i int) (codes []uint32) {
	for code := range g.sizes[i] {
		if g.may[i] == nil || g.may[i].Has(code) {
			codes = append(codes, uint32(code))
		}
	}
	return codes
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
