package sample

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"logkeep/internal/schema"
)

// A Shape is the table that rows need, learnt by showing it the rows.
type Shape struct {
	columns []schema.Column
	index   map[string]int    // field name → position in columns
	names   map[string]string // field name → column name, where they differ
	taken   map[string]bool   // column names in lower case: a table tells no others apart
}

// reserved are names that a custom table cannot have: the service fills them.
var reserved = []string{"_ResourceId", "id", "_SubscriptionId", "TenantId", "Type", "UniqueId", "Title"}

const (
	longestName   = 45
	timeGenerated = "timegenerated"
)

// Add learns from one row. An error means that row is no JSON object.
func (s *Shape) Add(row []byte) error {
	if s.index == nil {
		s.index, s.names, s.taken = map[string]int{}, map[string]string{}, map[string]bool{}
	}
	return fields(row, func(name string, value jsontext.Value) error {
		t := typeOf(value)
		i, known := s.index[name]
		if !known {
			i = len(s.columns)
			column := s.columnName(name)
			if column != name {
				s.names[name] = column
			}
			s.taken[strings.ToLower(column)] = true
			s.index[name] = i
			s.columns = append(s.columns, schema.Column{Name: column})
		}
		s.columns[i].Type = wider(s.columns[i].Type, t)
		return nil
	})
}

// Columns is the shape so far. TimeGenerated is always there and always a
// datetime: if the rows have none that can be read, the store fills it.
func (s *Shape) Columns() []schema.Column {
	columns := slices.Clone(s.columns)
	for i := range columns {
		switch {
		case columns[i].Name == schema.TimeGenerated:
			columns[i].Type = schema.DateTime
		case columns[i].Type == schema.Invalid: // always null
			columns[i].Type = schema.String
		}
	}
	if !s.taken[timeGenerated] {
		columns = slices.Insert(columns, 0, schema.Column{Name: schema.TimeGenerated, Type: schema.DateTime})
	}
	return columns
}

// Fit rewrites a row that Add has seen for the table: names changed where they
// had to be, and a TimeGenerated left out that is no time in ISO 8601.
func (s *Shape) Fit(row []byte) ([]byte, error) {
	if i, ok := s.index[schema.TimeGenerated]; len(s.names) == 0 && (!ok || s.columns[i].Type == schema.DateTime) {
		return row, nil
	}
	out := append(make([]byte, 0, len(row)+16), '{')
	err := fields(row, func(name string, value jsontext.Value) error {
		column := name
		if renamed, ok := s.names[name]; ok {
			column = renamed
		}
		if column == schema.TimeGenerated && typeOf(value) != schema.DateTime {
			return nil
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(appendString(out, column), ':')
		out = append(out, value...)
		return nil
	})
	return append(out, '}'), err
}

func fields(row []byte, visit func(name string, value jsontext.Value) error) error {
	d := jsontext.NewDecoder(bytes.NewReader(row), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if start, err := d.ReadToken(); err != nil || start.Kind() != '{' {
		return fmt.Errorf("a row must be a JSON object, not %.40q", row)
	}
	for d.PeekKind() == '"' {
		name, err := d.ReadToken()
		if err != nil {
			return err
		}
		field := name.String()
		value, err := d.ReadValue()
		if err != nil {
			return err
		}
		if err := visit(field, value); err != nil {
			return err
		}
	}
	_, err := d.ReadToken()
	return err
}

// columnName makes a legal name that no other field has.
func (s *Shape) columnName(field string) string {
	var b strings.Builder
	for _, r := range field {
		if r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			b.WriteRune(r)
		} else if b.Len() > 0 {
			b.WriteByte('_')
		}
	}
	name := strings.TrimLeft(b.String(), "_0123456789")
	switch {
	case field == "_ResourceId", field == "_SubscriptionId":
		name = "Source" + name
	case name == "":
		name = "Field"
	case strings.HasPrefix(name, schema.TimeGenerated+"_") && !s.taken[timeGenerated]:
		name = schema.TimeGenerated // "TimeGenerated [UTC]": the column's name as exported by a portal
	case slices.ContainsFunc(reserved, func(r string) bool { return strings.EqualFold(r, name) }):
		name += "_s"
	}
	base := name[:min(len(name), longestName-3)]
	if len(name) > longestName {
		name = base
	}
	for i := 2; s.taken[strings.ToLower(name)]; i++ {
		name = fmt.Sprintf("%s_%d", base, i)
	}
	return name
}

func typeOf(value jsontext.Value) schema.Type {
	switch value.Kind() {
	case 't', 'f':
		return schema.Bool
	case '0':
		if bytes.ContainsAny(value, ".eE") || len(bytes.TrimPrefix(value, []byte("-"))) > 18 {
			return schema.Real
		}
		return schema.Long
	case '"':
		text, err := jsontext.AppendUnquote(nil, value)
		if err == nil && len(text) >= len("2006-01-02T15:04:05") && text[4] == '-' {
			if _, err := schema.ParseTicks(string(text)); err == nil {
				return schema.DateTime
			}
		}
		return schema.String
	case '{', '[':
		return schema.Dynamic
	}
	return schema.Invalid // null says nothing
}

// wider is the type that holds values of both.
func wider(a, b schema.Type) schema.Type {
	switch {
	case a == schema.Invalid || a == b:
		return b
	case b == schema.Invalid:
		return a
	}
	pair := func(x, y schema.Type) bool { return a == x && b == y || a == y && b == x }
	switch {
	case pair(schema.Long, schema.Real):
		return schema.Real
	case pair(schema.DateTime, schema.String):
		return schema.String
	}
	return schema.Dynamic
}
