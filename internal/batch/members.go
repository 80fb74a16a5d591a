package batch

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"logkeep/internal/schema"
)

// A Member is a key of the objects in a dynamic column whose values are kept in
// a column of their own beside it: every value is an ordinary string, a whole
// number or a bool. Absent and null are null there.
type Member struct {
	Column string      `json:"column"`
	Key    string      `json:"key"`
	Type   schema.Type `json:"type"` // String, Long or Bool
}

// Name is what the column of a member is called. No table's column has a dot.
func (m Member) Name() string { return m.Column + "." + m.Key }

// Carrier is the column that carries a member: text is in one that may be null.
func (m Member) Carrier() schema.Column {
	t := m.Type
	if t == schema.String {
		t = schema.Dynamic
	}
	return schema.Column{Name: m.Name(), Type: t}
}

// Of fewer rows, members are not kept apart; of a column at most so many are.
const (
	memberRows  = 1000
	mostMembers = 8
	memberProbe = 1024 // rows that are looked at to choose members
)

// HotMembers returns for each column of records, which have the same, the keys that
// are hot among their rows: that a quarter of them have, with values of one type
// which, if they are text, repeat. There are none of few rows.
func HotMembers(recs []arrow.RecordBatch) ([][]Member, error) {
	var rows int64
	for _, rec := range recs {
		rows += rec.NumRows()
	}
	if rows < memberRows {
		return nil, nil
	}
	columns, err := Columns(recs[0].Schema())
	if err != nil {
		return nil, err
	}
	taken := map[string]bool{} // the engine does not tell names apart by case
	for _, c := range columns {
		taken[strings.ToLower(c.Name)] = true
	}
	hot := make([][]Member, len(columns))
	for i, c := range columns {
		if c.Type == schema.Dynamic {
			hot[i] = hotMembers(c.Name, textsOf(recs, i), rows, taken)
		}
	}
	return hot, nil
}

// textsOf are the cells of a column of text.
func textsOf(recs []arrow.RecordBatch, column int) []*array.String {
	from := make([]*array.String, len(recs))
	for k, rec := range recs {
		from[k] = rec.Column(column).(*array.String)
	}
	return from
}

// heat is what some rows say of a key.
type heat struct {
	n      int
	place  int  // of the key in its objects, added up
	kind   byte // of the first value: '"', '0', 't'
	mixed  bool
	values map[string]struct{}
}

// hotMembers chooses keys by some rows from all over the records, and names that
// are not taken.
func hotMembers(column string, from []*array.String, rows int64, taken map[string]bool) []Member {
	keys := map[string]*heat{}
	looked := 0
	step := max(1, int(rows)/memberProbe)
	skip := 0
	for _, a := range from {
		row := skip
		for ; row < a.Len(); row += step {
			looked++
			if a.IsNull(row) {
				continue
			}
			place := 0
			b := bytesOf(a, row)
			ok := Object(b, func(f Field) {
				place++
				key, value := b[f.Key:f.KeyEnd], b[f.Value:f.End]
				if value[0] == 'n' {
					return
				}
				h := keys[string(key)]
				if h == nil {
					h = &heat{kind: kindOf(value), values: map[string]struct{}{}}
					keys[string(key)] = h
				}
				h.n++
				h.place += place
				h.mixed = h.mixed || kindOf(value) != h.kind
				h.values[string(value)] = struct{}{}
			})
			if !ok {
				return nil
			}
		}
		skip = row - a.Len()
	}
	var hot []Member
	names := slices.SortedFunc(maps.Keys(keys), func(a, b string) int {
		return cmp.Or(cmp.Compare(keys[b].n, keys[a].n), cmp.Compare(a, b))
	})
	for _, key := range names {
		h := keys[key]
		m := Member{Column: column, Key: key}
		switch h.kind {
		case '"':
			m.Type = schema.String
		case '0':
			m.Type = schema.Long
		case 't':
			m.Type = schema.Bool
		default:
			continue
		}
		repeats := m.Type != schema.String || len(h.values)*2 <= h.n
		lower := strings.ToLower(m.Name())
		if h.mixed || !repeats || h.n*4 < looked || !schema.IsMemberKey(key) || taken[lower] {
			continue
		}
		taken[lower] = true
		if hot = append(hot, m); len(hot) == mostMembers {
			break
		}
	}
	slices.SortStableFunc(hot, func(a, b Member) int { // as objects have them
		return cmp.Compare(keys[a.Key].place*keys[b.Key].n, keys[b.Key].place*keys[a.Key].n)
	})
	return hot
}

// kindOf tells the kinds of values apart that a member may have; 0 is any other.
func kindOf(value []byte) byte {
	switch c := value[0]; {
	case c == '"':
		return '"'
	case c == 't', c == 'f':
		return 't'
	case c == '-', c >= '0' && c <= '9':
		return '0'
	}
	return 0
}

// A memberColumn is a member and its cells of one record.
type memberColumn struct {
	Member
	cells
	quoted  string // the key as objects have it: quotes and colon
	carrier schema.Type
	dropped bool
}

// begin makes room for the cells of so many rows, but for their text.
func (c *memberColumn) begin(rows int) {
	c.cells = cells{}
	switch c.carrier {
	case schema.Bool:
		c.bits = make([]byte, 0, (rows+7)/8)
	case schema.Long:
		c.i64 = make([]int64, 0, rows)
	default:
		c.ends = make([]int32, 0, rows+1)
	}
}

// foresee makes room for the text of so many rows, as if all were like those so far.
func (c *memberColumn) foresee(rows int) {
	if !c.dropped && c.n > 0 {
		c.text = slices.Grow(c.text, len(c.text)*(rows-c.n)/c.n*11/10)
	}
}

// Extract makes columns of members of a column of records: for each member those of
// all records. A member that some value does not fit is left out.
func Extract(members []Member, recs []arrow.RecordBatch, column int) (kept []Member, made [][]arrow.Array, err error) {
	if len(members) == 0 {
		return nil, nil, nil
	}
	from := textsOf(recs, column)
	cols := make([]memberColumn, len(members))
	arrays := make([][]arrow.Array, len(members))
	for i, m := range members {
		cols[i] = memberColumn{Member: m, quoted: `"` + m.Key + `":`, carrier: m.Carrier().Type}
	}
	for _, a := range from {
		for i := range cols {
			cols[i].begin(a.Len())
		}
		for row := range a.Len() {
			if a.IsValid(row) && !extractRow(cols, bytesOf(a, row), row) {
				return nil, nil, nil
			}
			for i := range cols {
				if c := &cols[i]; c.n == row {
					c.putNull(c.carrier)
				}
			}
			if row == foreseen {
				for i := range cols {
					cols[i].foresee(a.Len())
				}
			}
		}
		for i := range cols {
			if cols[i].dropped {
				continue
			}
			made, err := cols[i].array(cols[i].carrier)
			if err != nil {
				return nil, nil, err
			}
			arrays[i] = append(arrays[i], made)
		}
	}
	for i := range cols {
		if !cols[i].dropped {
			kept, made = append(kept, members[i]), append(made, arrays[i])
		}
	}
	return kept, made, nil
}

// extractRow puts the members of one value into their columns. It reports false
// if a key is spelt in an odd way.
func extractRow(cols []memberColumn, b []byte, row int) bool {
	if len(b) < 2 || b[0] != '{' || b[1] == '}' {
		return true
	}
	next := 0 // objects have their keys mostly in one order
	for i := 1; i < len(b); i++ {
		at := -1
		if quoted := cols[next].quoted; len(b)-i > len(quoted) && string(b[i:i+len(quoted)]) == quoted {
			at, i = next, i+len(quoted)
			if c := &cols[at]; !c.dropped && c.n == row {
				if end := c.putPlain(b, i); end >= 0 {
					if next++; next == len(cols) {
						next = 0
					}
					i = end
					continue
				}
			}
		} else {
			end, escaped := stringEnd(b, i+1)
			if end < 0 || escaped {
				return false
			}
			for k := range cols {
				if cols[k].Key == string(b[i+1:end]) {
					at = k
					break
				}
			}
			i = end + 2
		}
		end := valueEnd(b, i)
		if end < 0 {
			return false
		}
		if at >= 0 {
			if next = at + 1; next == len(cols) {
				next = 0
			}
			if c := &cols[at]; !c.dropped && c.n == row { // the first of a name counts
				c.dropped = !c.putMember(c.Type, c.carrier, b[i:end])
			}
		}
		i = end // the comma, or the end of the object
	}
	return true
}

// putPlain appends the value at i and returns where it ends, if the value is of the
// plainest form that the member's type has. Else it returns -1, and nothing has
// changed.
func (c *memberColumn) putPlain(b []byte, i int) int {
	switch {
	case c.Type == schema.String && b[i] == '"':
		// What follows the value in memory is other rows' text: to be read, and no more.
		at := len(c.text)
		end := c.copyPlain(b[:cap(b)], i+1)
		if end < 0 || end >= len(b) || c.endText() != nil {
			c.text = c.text[:at]
			return -1
		}
		return end + 1
	case c.Type == schema.Long:
		n, end := wholeAt(b, i)
		if end < 0 || n == 0 && b[i] == '-' {
			return -1
		}
		c.putLong(n)
		return end
	}
	return -1
}

// bytesOf is a cell without a copy, to be read only.
func bytesOf(a *array.String, row int) []byte {
	ends := a.ValueOffsets()
	return a.Data().Buffers()[2].Bytes()[ends[row]:ends[row+1]]
}

// putMember appends a JSON value, if it is an ordinary one of the type: one that
// can be told back as it was written.
func (c *cells) putMember(t, carrier schema.Type, v []byte) bool {
	switch {
	case v[0] == 'n':
		c.putNull(carrier)
		return true
	case t == schema.String:
		if v[0] != '"' || bytes.IndexByte(v, '\\') >= 0 {
			return false
		}
		c.text = append(c.text, v[1:len(v)-1]...)
		return c.endText() == nil
	case t == schema.Bool:
		if v[0] != 't' && v[0] != 'f' {
			return false
		}
		c.putBool(v[0] == 't')
		return true
	}
	n, ok := WholeNumber(v)
	if ok {
		c.putLong(n)
	}
	return ok
}

// WholeNumber reads a JSON number without fraction or exponent, of at most 18
// digits. It does not take -0. No other number is a value of a member.
func WholeNumber(v []byte) (n int64, ok bool) {
	digits := v
	if v[0] == '-' {
		digits = v[1:]
	}
	if len(digits) == 0 || len(digits) > 18 || digits[0] == '0' && len(v) > 1 {
		return 0, false
	}
	for _, d := range digits {
		if d < '0' || d > '9' {
			return 0, false
		}
		n = n*10 + int64(d-'0')
	}
	if v[0] == '-' {
		n = -n
	}
	return n, true
}

// A Field is where a key of an object stands, without its quotes, and its value.
type Field struct{ Key, KeyEnd, Value, End int }

// Object calls f with each field of a JSON object without blanks, which is known to
// be valid. Of any other value it calls nothing. It reports false if a key is spelt in
// an odd way.
func Object(b []byte, f func(Field)) bool {
	if len(b) < 2 || b[0] != '{' || b[1] == '}' {
		return true
	}
	for i := 1; i < len(b); i++ {
		n := bytes.IndexByte(b[i+1:], '"')
		if n < 0 {
			return false
		}
		key := i + 1
		if bytes.IndexByte(b[key:key+n], '\\') >= 0 {
			return false
		}
		i += n + 3 // quotes and colon
		end := valueEnd(b, i)
		if end < 0 || b[i-1] != ':' {
			return false
		}
		f(Field{key, key + n, i, end})
		i = end // the comma, or the end of the object
	}
	return true
}

// valueEnd returns where the valid value at i ends, or -1.
func valueEnd(b []byte, i int) int {
	if i >= len(b) {
		return -1
	}
	switch b[i] {
	case '"':
		if end, _ := stringEnd(b, i+1); end >= 0 {
			return end + 1
		}
		return -1
	case '{', '[':
		return nestedEnd(b, i)
	}
	for ; i < len(b); i++ {
		if c := b[i]; c == ',' || c == '}' {
			return i
		}
	}
	return -1
}

// nestedEnd returns where the valid object or array at i ends, or -1.
func nestedEnd(b []byte, i int) int {
	for depth := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			if i, _ = stringEnd(b, i+1); i < 0 {
				return -1
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return -1
}
