package bind

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"logkeep/internal/kql/plan"
	"logkeep/internal/kql/syntax"
	"logkeep/internal/schema"
)

// externalFormats are the forms of files that externaldata reads, true if their
// cells have names and not places.
var externalFormats = map[string]bool{
	"": false, "csv": false, "tsv": false, "tsve": false, "psv": false, "scsv": false, "sohsv": false, "txt": false, "raw": false,
	"json": true, "multijson": true, "singlejson": true,
}

// external reads from outside, where that is allowed. Every cell of a file is a
// text to begin with; the language's own conversions make values of them.
func (b *binder) external(x *syntax.External, e *env) *table {
	if !b.opt.External {
		b.fail(x.Span, syntax.CodeUnsupported, "externaldata is not supported here: the operator of this server has allowed no host (--externaldata-host).")
		return nil
	}
	from := &plan.External{}
	for _, u := range x.URIs {
		c := b.constant(u, e, "The address of externaldata")
		if c == nil {
			return nil
		}
		text, ok := c.Value.(string)
		if !ok {
			b.fail(u.Where(), syntax.CodeCall, "The address of externaldata is a text.")
			return nil
		}
		from.URIs = append(from.URIs, text)
	}
	for i, c := range x.Schema.Columns {
		from.Columns = append(from.Columns, plan.ExternalColumn{Name: c.Name.Name, Ordinal: i, Path: []string{c.Name.Name}})
	}
	for _, p := range x.Params {
		if !b.externalProperty(p, from, e) {
			return nil
		}
	}
	scan := &plan.Scan{External: from}
	out := &plan.Project{In: scan}
	t := &table{rel: out}
	for _, c := range x.Schema.Columns {
		text := b.column(c.Name.Name, schema.String)
		scan.Cols = append(scan.Cols, text)
		var value plan.Expr = &plan.Col{Column: text}
		if c.Type == schema.Dynamic {
			value = b.builtin("parse_json", value)
		} else {
			value = b.convert(value, c.Type, x.Span)
		}
		if value == nil {
			return nil
		}
		col := b.column(c.Name.Name, c.Type)
		out.Items = append(out.Items, plan.Item{Col: col, Value: value})
		t.cols = append(t.cols, col)
	}
	return t
}

// externalProperty takes one property of with (…). Those that say how a client
// sends data are known and mean nothing here.
func (b *binder) externalProperty(p syntax.Param, from *plan.External, e *env) bool {
	text := b.text(p.Value, e)
	switch strings.ToLower(p.Name) {
	case "format":
		from.Format = strings.ToLower(text)
		if _, ok := externalFormats[from.Format]; !ok {
			b.fail(p.Span, syntax.CodeUnsupported, "externaldata does not read the format '%s'. It reads csv, tsv, tsve, psv, scsv, sohsv, txt, raw, json, multijson and singlejson.", text)
			return false
		}
	case "ignorefirstrecord":
		from.SkipFirst = strings.EqualFold(text, "true")
	case "ignorelastrecord":
		from.SkipLast = strings.EqualFold(text, "true")
	case "ingestionmapping":
		if wrong := mapColumns(text, from.Columns); wrong != "" {
			b.fail(p.Span, syntax.CodeCall, "The ingestionMapping of externaldata %s.", wrong)
			return false
		}
	case "recreate_schema", "validationpolicy", "encoding", "zippattern", "creationtime", "ingestionmappingtype":
	default:
		b.fail(p.Span, syntax.CodeUnsupported, "externaldata has no property '%s' here. It has format, ignoreFirstRecord, ignoreLastRecord and ingestionMapping.", p.Name)
		return false
	}
	return true
}

// mapColumns goes by a mapping: a list of columns, each with a path or an ordinal.
func mapColumns(text string, columns []plan.ExternalColumn) (wrong string) {
	type source struct{ Path, Ordinal any }
	var list []struct {
		Column, Name  string
		Path, Ordinal any
		Properties    source
	}
	if json.Unmarshal([]byte(text), &list) != nil {
		return "is no JSON array of objects"
	}
	for _, m := range list {
		name := m.Column + m.Name
		i := slices.IndexFunc(columns, func(c plan.ExternalColumn) bool { return strings.EqualFold(c.Name, name) })
		if i < 0 {
			return "names the column '" + name + "', which is not there"
		}
		path, ordinal := m.Properties.Path, m.Properties.Ordinal
		if path == nil && ordinal == nil {
			path, ordinal = m.Path, m.Ordinal
		}
		switch v := ordinal.(type) {
		case float64:
			columns[i].Ordinal = int(v)
		case string:
			n, err := strconv.Atoi(v)
			if err != nil {
				return "has an Ordinal that is no number"
			}
			columns[i].Ordinal = n
		}
		if columns[i].Ordinal < 0 {
			return "has an Ordinal below 0"
		}
		if p, ok := path.(string); ok {
			steps, ok := jsonPath(p)
			if !ok {
				return "has a Path that can't be read: '" + p + "'; it is like $.a.b, $['a'] or $.a[0]"
			}
			columns[i].Path = steps
		}
	}
	return ""
}

// jsonPath reads $.a['b'][0]; an index keeps its bracket.
func jsonPath(p string) (steps []string, ok bool) {
	p, ok = strings.CutPrefix(p, "$")
	for ok && p != "" {
		var step string
		switch {
		case strings.HasPrefix(p, "['"):
			step, p, ok = strings.Cut(p[2:], "']")
		case strings.HasPrefix(p, `["`):
			step, p, ok = strings.Cut(p[2:], `"]`)
		case p[0] == '[':
			step, p, ok = strings.Cut(p, "]")
			if _, err := strconv.ParseUint(step[1:], 10, 31); err != nil {
				return nil, false
			}
		case p[0] == '.':
			end := strings.IndexAny(p[1:], ".[") + 1
			if end == 0 {
				end = len(p)
			}
			step, p = p[1:end], p[end:]
			ok = step != ""
		default:
			return nil, false
		}
		steps = append(steps, step)
	}
	return steps, ok
}
