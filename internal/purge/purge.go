// Package purge tells which rows a data purge removes: those that all of its
// filters match (behaviour 17.7, WorkspacePurge of the swagger).
//
// A filter compares a column with values as the query language would:
//
//	== in            all types; text to the letter
//	=~ in~           text and guid, without regard to case
//	> >= < <=        int long real decimal datetime timespan
//	between          the same; two values, both included
//
// A dynamic column needs a key: the value under it is compared as text, or as a
// number where the filter gives a number. Null matches nothing; text that is
// absent is the empty text. Keeper and worker both use the package: the one
// refuses what can't be meant, the other applies it to stored rows.
package purge

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"logkeep/internal/schema"
)

// A Filter is one of a request's, in the words of the wire.
type Filter struct {
	Column   string          `json:"column"`
	Operator string          `json:"operator"`
	Value    json.RawMessage `json:"value"`
	Key      string          `json:"key,omitempty"`
}

// Limits of a request.
const (
	MaxFilters = 100
	MaxValues  = 10_000
)

// A ValueError reports a filter that can't be meant. Field is its place in the
// request.
type ValueError struct{ Field, Text string }

func (e *ValueError) Error() string { return e.Text }

// A Matcher is filters, checked against a table.
type Matcher struct{ tests []test }

// A test is one filter, ready to be applied.
type test struct {
	column schema.Column
	key    string
	op     string
	values []value
}

// A value is a filter's in the form of its column: text and guid as text,
// numbers, times and spans as exact numbers.
type value struct {
	text   string
	number *big.Rat // nil: text
}

var operators = []string{"==", "=~", "in", "in~", ">", ">=", "<", "<=", "between"}

// New checks filters. The error is a *ValueError.
func New(table schema.Table, filters []Filter) (*Matcher, error) {
	if len(filters) == 0 || len(filters) > MaxFilters {
		return nil, &ValueError{"filters", fmt.Sprintf("A purge needs from 1 to %d filters.", MaxFilters)}
	}
	m := &Matcher{}
	for i, f := range filters {
		at := fmt.Sprintf("filters[%d]", i)
		c, ok := table.Column(f.Column)
		if !ok {
			return nil, &ValueError{at + ".column", fmt.Sprintf("The table '%s' has no column '%.80s'.", table.Name, f.Column)}
		}
		op := strings.ToLower(strings.TrimSpace(f.Operator))
		if !slices.Contains(operators, op) {
			return nil, &ValueError{at + ".operator", fmt.Sprintf("'%.20s' is no operator of a purge; use one of %s.", f.Operator, strings.Join(operators, ", "))}
		}
		t, err := newTest(c, f.Key, op, f.Value)
		if err != nil {
			return nil, &ValueError{at, fmt.Sprintf("The filter of column '%s' can't be used: %v.", c.Name, err)}
		}
		m.tests = append(m.tests, t)
	}
	return m, nil
}

func newTest(c schema.Column, key, op string, raw json.RawMessage) (test, error) {
	t := test{column: c, key: key, op: op}
	switch {
	case c.Type == schema.Dynamic && key == "":
		return t, fmt.Errorf("it is dynamic; name the value that is meant with key")
	case c.Type != schema.Dynamic && key != "":
		return t, fmt.Errorf("it has type %s and no keys", c.Type)
	case (op == "=~" || op == "in~") && !isText(c.Type):
		return t, fmt.Errorf("%s compares text, and it has type %s", op, c.Type)
	case (strings.ContainsAny(op, "<>") || op == "between") && !isOrdered(c.Type):
		return t, fmt.Errorf("%s does not compare values of type %s", op, c.Type)
	}
	var all []json.RawMessage
	if trimmed := bytes.TrimSpace(raw); len(trimmed) > 0 && trimmed[0] == '[' {
		if err := json.Unmarshal(trimmed, &all); err != nil {
			return t, fmt.Errorf("its values can't be read")
		}
	} else {
		all = []json.RawMessage{raw}
	}
	switch list := op == "in" || op == "in~"; {
	case op == "between" && len(all) != 2:
		return t, fmt.Errorf("between needs two values")
	case list && (len(all) == 0 || len(all) > MaxValues):
		return t, fmt.Errorf("%s needs from 1 to %d values", op, MaxValues)
	case !list && op != "between" && len(all) != 1:
		return t, fmt.Errorf("%s needs one value", op)
	}
	for _, r := range all {
		v, err := parse(c.Type, r)
		if err != nil {
			return t, err
		}
		t.values = append(t.values, v)
	}
	return t, nil
}

func isText(t schema.Type) bool {
	return t == schema.String || t == schema.GUID || t == schema.Dynamic
}

func isOrdered(t schema.Type) bool {
	switch t {
	case schema.Int, schema.Long, schema.Real, schema.Decimal, schema.DateTime, schema.TimeSpan, schema.Dynamic:
		return true
	}
	return false
}

// parse reads a value of a filter for a column of the type.
func parse(t schema.Type, raw json.RawMessage) (value, error) {
	raw = bytes.TrimSpace(raw)
	var text string
	quoted := len(raw) > 0 && raw[0] == '"'
	switch {
	case quoted:
		if err := json.Unmarshal(raw, &text); err != nil {
			return value{}, fmt.Errorf("a value can't be read")
		}
	case len(raw) == 0 || string(raw) == "null" || raw[0] == '{' || raw[0] == '[':
		return value{}, fmt.Errorf("a value must be a text, a number or a bool")
	default:
		text = string(raw)
	}
	switch t {
	case schema.String:
		return value{text: text}, nil
	case schema.GUID:
		return value{text: strings.ToLower(strings.Trim(text, "{}"))}, nil
	case schema.Bool:
		if text = strings.ToLower(text); text != "true" && text != "false" {
			return value{}, fmt.Errorf("'%.40s' is no bool", text)
		}
		return value{text: text}, nil
	case schema.DateTime:
		at, err := schema.ParseTicks(text)
		if err != nil {
			return value{}, fmt.Errorf("'%.40s' is no time", text)
		}
		return value{number: new(big.Rat).SetInt64(int64(at))}, nil
	case schema.TimeSpan:
		d, err := schema.ParseSpan(text)
		if err != nil {
			return value{}, fmt.Errorf("'%.40s' is no timespan", text)
		}
		return value{number: new(big.Rat).SetInt64(int64(d))}, nil
	case schema.Dynamic:
		if quoted {
			return value{text: text}, nil
		}
		if n, ok := number(text); ok {
			return value{number: n}, nil
		}
		return value{text: text}, nil // true and false
	}
	n, ok := number(text)
	if !ok {
		return value{}, fmt.Errorf("'%.40s' is no number", text)
	}
	return value{number: n}, nil
}

// number reads a decimal number. Those with huge exponents, whose exact form would fill the
// memory, are none.
func number(text string) (*big.Rat, bool) {
	if len(text) > 400 || strings.ContainsAny(text, "/_xXpPbBoO") {
		return nil, false
	}
	if at := strings.IndexAny(text, "eE"); at >= 0 && len(strings.TrimLeft(text[at+1:], "+-0")) > 3 {
		return nil, false
	}
	return new(big.Rat).SetString(text)
}
