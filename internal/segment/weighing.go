package segment

import (
	"slices"

	"logkeep/internal/parquet"
	"logkeep/internal/schema"
	"logkeep/internal/template"
)

// A weighing makes weighted rows of a row group: it counts the codes that its rows
// have in all columns, from one cut of the times to the next. Pages of times in
// which there is no cut are not even decrypted.
type weighing struct {
	reader   *Reader
	group    int
	columns  []int               // but for the time
	looks    [][]*parquet.Search // by column: what its texts are told apart by; nil: by themselves
	timed    bool                // the time is wanted
	by       Weights
	from, to schema.Ticks // rows outside are left out; 0 is open
	stripes  Stripes      // and those of others
	needs    []sought
}

// newWeighing is nil if the row group can't be weighed, as far as its footer tells.
func newWeighing(w Want, needs []Need, by Weights) *weighing {
	s := w.Segment
	v := &weighing{reader: s, group: w.Group, from: w.From, to: w.To, stripes: w.Stripes}
	if v.stripes == 0 {
		v.stripes = stripesOf(s.groups[w.Group].Rows)
	}
	for _, i := range w.indexes() {
		switch {
		case s.columns[i].Name == schema.TimeGenerated:
			v.timed = slices.Contains(w.Columns, schema.TimeGenerated)
		case s.hasCodes(w.Group, i):
			v.columns, v.looks = append(v.columns, i), append(v.looks, nil)
		default:
			looks := v.looksAt(i, by.Looks)
			if len(looks) == 0 {
				return nil
			}
			v.columns, v.looks = append(v.columns, i), append(v.looks, looks)
		}
	}
	if v.by.Cuts = v.cuts(); v.timed {
		v.by.Bins, v.by.Cuts = by.Bins, append(v.by.Cuts, by.Cuts...)
	}
	group := s.groups[w.Group]
	if len(v.columns) > mostWeighed || v.by.bins(group.MinTime, group.MaxTime) > float64(v.most()) {
		return nil
	}
	sieve := newSieve(w, needs)
	if sieve != nil {
		v.needs = sieve.needs
	}
	return v
}

// hasCodes reports whether the values of a column may be few: it has a dictionary, or
// bits, or is so small that it may have no value at all.
func (s *Reader) hasCodes(group, column int) bool {
	chunk := s.footer.Groups[group].Chunks[column]
	return chunk.Dictionary || s.columns[column].Type == schema.Bool || s.footer.Columns[column].Optional && chunk.Size < mostEmpty
}

// looksAt are those at a column of texts that are stored by templates, which tell of
// most texts what there is to be found.
func (v *weighing) looksAt(column int, all []Look) (looks []*parquet.Search) {
	s := v.reader
	if !s.footer.Groups[v.group].Chunks[column].Templates || s.columns[column].Type != schema.String {
		return nil
	}
	for _, l := range all {
		if l.Column == s.columns[column].Name && !s.isMember(column) {
			var parts []parquet.Part
			if l.Part.Text != "" {
				parts = append(parts, l.Part)
			}
			var by []*template.Pattern
			if l.By != nil {
				by = append(by, l.By)
			}
			looks = append(looks, parquet.NewSearch(parts, parquet.Texts{Plain: s.plain(v.group, column)}, by...))
		}
	}
	return looks
}

// most is how many weighted rows may be made of the row group.
func (v *weighing) most() int {
	return int(max(v.reader.groups[v.group].Rows/leastFolded, fewWeighed))
}

// cuts are the ends of the range of time, where rows of the group lie outside.
func (v *weighing) cuts() (at []schema.Ticks) {
	group := v.reader.groups[v.group]
	if group.MinTime < v.from {
		at = append(at, v.from)
	}
	if v.to != 0 && group.MaxTime > v.to {
		at = append(at, v.to+1)
	}
	return at
}
