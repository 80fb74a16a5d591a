package purge

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"logkeep/internal/batch"
	"logkeep/internal/schema"
)

// Rows tells for each row of a record, as package batch makes them, whether all
// filters match it. A column that the record lacks is absent in all of its rows.
func (m *Matcher) Rows(rec arrow.RecordBatch) ([]bool, error) {
	columns, err := batch.Columns(rec.Schema())
	if err != nil {
		return nil, err
	}
	out := slices.Repeat([]bool{true}, int(rec.NumRows()))
	for _, t := range m.tests {
		at := slices.Index(columns, t.column)
		if at < 0 {
			if t.column.Type != schema.String || !t.texts("") {
				clear(out)
			}
			continue
		}
		cells := rec.Column(at)
		for row := range out {
			if !out[row] {
				continue
			}
			if out[row], err = t.cell(cells, row); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// cell tests one cell.
func (t test) cell(cells arrow.Array, row int) (bool, error) {
	if cells.IsNull(row) {
		return false, nil
	}
	switch c := cells.(type) {
	case *array.String:
		text := c.Value(row)
		switch t.column.Type {
		case schema.Decimal:
			n, ok := number(text)
			return ok && t.numbers(n), nil
		case schema.Dynamic:
			return t.dynamic(text), nil
		}
		return t.texts(text), nil
	case *array.Boolean:
		if c.Value(row) {
			return t.texts("true"), nil
		}
		return t.texts("false"), nil
	case *array.Int32:
		return t.numbers(new(big.Rat).SetInt64(int64(c.Value(row)))), nil
	case *array.Int64:
		return t.numbers(new(big.Rat).SetInt64(c.Value(row))), nil
	case *array.Float64:
		v := c.Value(row)
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return false, nil
		}
		return t.numbers(new(big.Rat).SetFloat64(v)), nil
	}
	return false, fmt.Errorf("internal error: a purge of a column carried by %s", cells.DataType())
}

// texts tests text, which is not null.
func (t test) texts(text string) bool {
	for _, v := range t.values {
		if v.number != nil {
			continue
		}
		switch t.op {
		case "==", "in":
			if text == v.text || t.column.Type == schema.GUID && strings.EqualFold(text, v.text) {
				return true
			}
		case "=~", "in~":
			if strings.EqualFold(text, v.text) {
				return true
			}
		}
	}
	return false
}

// numbers tests a number, a time or a timespan.
func (t test) numbers(n *big.Rat) bool {
	for i, v := range t.values {
		if v.number == nil {
			continue
		}
		c := n.Cmp(v.number)
		switch t.op {
		case "==", "in":
			if c == 0 {
				return true
			}
		case ">":
			return c > 0
		case ">=":
			return c >= 0
		case "<":
			return c < 0
		case "<=":
			return c <= 0
		case "between":
			if i == 0 && c < 0 || i == 1 && c > 0 {
				return false
			}
			if i == 1 {
				return true
			}
		}
	}
	return false
}

// dynamic tests what a dynamic value has under the key.
func (t test) dynamic(text string) bool {
	var bag map[string]json.RawMessage
	if json.Unmarshal([]byte(text), &bag) != nil {
		return false
	}
	raw, ok := bag[t.key]
	if !ok || string(raw) == "null" {
		return false
	}
	plain := string(raw)
	if len(raw) > 0 && raw[0] == '"' && json.Unmarshal(raw, &plain) != nil {
		return false
	}
	if t.texts(plain) {
		return true
	}
	n, isNumber := number(plain)
	return isNumber && t.numbers(n)
}
