package native

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// mostPatterns bounds the search for frequent combinations.
const mostPatterns = 20_000

// A combination is some columns with one value each, and the rows that have them.
type combination struct {
	values []int   // by column: the number of the value, -1 is any
	weight float64 // of its rows
	rows   []int32
}

// dimensions counts the columns that a combination fixes.
func (c *combination) dimensions() (n int) {
	for _, v := range c.values {
		if v >= 0 {
			n++
		}
	}
	return n
}

// itemset is a table of categories.
type itemset struct {
	cells  [][]int // by row and column: the number of the value
	values [][]Value
	weight []float64
	total  float64
}

// newItemset takes rows of [weight, value…].
func newItemset(rows []Value, skip int) *itemset {
	s := &itemset{}
	var known []map[string]int
	for _, r := range rows {
		w, _ := r.Items[0].number()
		s.weight = append(s.weight, w)
		s.total += w
		vals := r.Items[skip:]
		if known == nil {
			known, s.values = make([]map[string]int, len(vals)), make([][]Value, len(vals))
			for i := range known {
				known[i] = map[string]int{}
			}
		}
		cells := make([]int, len(vals))
		for i, v := range vals {
			key := v.Text()
			n, ok := known[i][key]
			if !ok {
				n = len(s.values[i])
				known[i][key] = n
				s.values[i] = append(s.values[i], v)
			}
			cells[i] = n
		}
		s.cells = append(s.cells, cells)
	}
	return s
}

func (s *itemset) weigh(rows []int32) (w float64) {
	for _, r := range rows {
		w += s.weight[r]
	}
	return w
}

// frequent finds the combinations of at most most columns whose rows weigh at
// least least, each with all the values that its rows have in common.
func (s *itemset) frequent(least float64, most int) []*combination {
	if len(s.cells) == 0 {
		return nil
	}
	all := make([]int32, len(s.cells))
	for i := range all {
		all[i] = int32(i)
	}
	any := make([]int, len(s.values))
	for i := range any {
		any[i] = -1
	}
	var out []*combination
	seen := map[string]bool{}
	var grow func(c *combination, from int)
	grow = func(c *combination, from int) {
		if c.dimensions() >= most {
			return
		}
		for col := from; col < len(s.values) && len(out) < mostPatterns; col++ {
			if c.values[col] >= 0 {
				continue
			}
			byValue := map[int][]int32{}
			for _, r := range c.rows {
				v := s.cells[r][col]
				byValue[v] = append(byValue[v], r)
			}
			var nums []int
			for v := range byValue {
				nums = append(nums, v)
			}
			slices.Sort(nums)
			for _, v := range nums {
				rows := byValue[v]
				w := s.weigh(rows)
				if w < least || s.values[col][v].Kind == Null {
					continue
				}
				next := &combination{values: slices.Clone(c.values), weight: w, rows: rows}
				next.values[col] = v
				s.close(next, most)
				if key := next.key(); !seen[key] {
					seen[key] = true
					out = append(out, next)
					grow(next, col+1)
				}
			}
		}
	}
	grow(&combination{values: any, rows: all}, 0)
	slices.SortStableFunc(out, func(a, b *combination) int {
		if c := cmp.Compare(b.weight, a.weight); c != 0 {
			return c
		}
		return cmp.Compare(b.dimensions(), a.dimensions())
	})
	return out
}

// close adds the values that all rows of a combination share.
func (s *itemset) close(c *combination, most int) {
	n := c.dimensions()
	for col := range c.values {
		if c.values[col] >= 0 || n >= most {
			continue
		}
		v := s.cells[c.rows[0]][col]
		same := s.values[col][v].Kind != Null
		for _, r := range c.rows[1:] {
			if !same || s.cells[r][col] != v {
				same = false
				break
			}
		}
		if same {
			c.values[col] = v
			n++
		}
	}
}

func (c *combination) key() string {
	var b strings.Builder
	for _, v := range c.values {
		b.WriteString(strconv.Itoa(v))
		b.WriteByte(',')
	}
	return b.String()
}

// row lays a combination out behind its numbers; a column with any value is null.
func (s *itemset) row(c *combination, numbers ...Value) Value {
	out := slices.Clone(numbers)
	for col, v := range c.values {
		if v < 0 {
			out = append(out, Value{})
		} else {
			out = append(out, s.values[col][v])
		}
	}
	return array(out)
}
