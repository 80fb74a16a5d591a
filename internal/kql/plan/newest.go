package plan

import (
	"slices"

	"logkeep/internal/schema"
)

// Newest finds out whether a plan answers no more than n rows, each made of one
// row of one of the scans, any rows or those with the latest TimeGenerated. Then
// its answer over the rows not older than some time is the answer, if it has n
// rows. Other tables of the plan must be whole.
func Newest(r Rel) (scans []*Scan, n int64, ok bool) {
	for {
		switch x := r.(type) {
		case *Project:
			r = x.In
			continue
		case *Sort:
			// An order of the answer; one that chooses the rows is below a limit.
			r = x.In
			continue
		case *Limit:
			c, isConst := x.N.(*Const)
			if !isConst {
				return nil, 0, false
			}
			if n, ok = c.Value.(int64); !ok || n <= 0 {
				return nil, 0, false
			}
			if s, sorted := x.In.(*Sort); sorted {
				by := s.By[0]
				c, isCol := by.Value.(*Col)
				if !isCol || !by.Desc {
					return nil, 0, false
				}
				scans, ok = rowByRow(s.In, c.ID)
				return scans, n, ok
			}
			scans, ok = rowByRow(x.In, -1)
			return scans, n, ok
		}
		return nil, 0, false
	}
}

// rowByRow lists the scans of r if each of its rows is made of one of theirs,
// whatever else they hold. A time that is not negative must be TimeGenerated.
func rowByRow(r Rel, time ID) ([]*Scan, bool) {
	switch r := r.(type) {
	case *Scan:
		i := slices.IndexFunc(r.Cols, func(c Column) bool { return c.ID == time && c.Name == schema.TimeGenerated })
		return []*Scan{r}, r.External == nil && (time < 0 || i >= 0)
	case *Filter:
		return rowByRow(r.In, time)
	case *Project:
		for _, it := range r.Items {
			if it.Col.ID == time {
				c, ok := it.Value.(*Col)
				if !ok {
					return nil, false
				}
				return rowByRow(r.In, c.ID)
			}
		}
		return rowByRow(r.In, time)
	case *Union:
		var all []*Scan
		for i, in := range r.In {
			id := time
			for _, it := range r.Items(i) {
				if it.Col.ID == time {
					id = it.Value.(*Col).ID
				}
			}
			scans, ok := rowByRow(in, id)
			if !ok {
				return nil, false
			}
			all = append(all, scans...)
		}
		return all, len(all) > 0
	}
	return nil, false
}
