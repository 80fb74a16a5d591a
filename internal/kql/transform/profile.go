package transform

import (
	"fmt"
	"slices"
	"strings"

	"logkeep/internal/kql/syntax"
)

// What a transformation may use: the documentation's list of supported features
// of the query language, of January 2026, in its spelling. Anything else that
// the language has is refused by name.
var (
	functions = words(`
		binary_and binary_or binary_not binary_shift_left binary_shift_right binary_xor
		tobool todatetime todouble toreal toguid toint tolong tostring totimespan
		ago datetime_add datetime_diff datetime_part dayofmonth dayofweek dayofyear endofday endofmonth endofweek endofyear
		getmonth monthofyear getyear hourofday make_datetime make_timespan now startofday startofmonth startofweek startofyear weekofyear
		array_concat array_length pack pack_array parse_json parse_xml zip
		abs bin floor ceiling exp exp10 exp2 isfinite isinf isnan log log10 log2 pow round sign
		case iif iff max_of min_of not columnifexists
		base64_encodestring base64_decodestring countof extract extract_all indexof isempty isnotempty replace split
		strcat strcat_delim strlen substring tolower toupper hash_sha256
		gettype isnotnull isnull
		parse_cef_dictionary`)
	binaries = words(`+ - * / % < > <= >= == != =~ !~ and or
		contains !contains contains_cs !contains_cs has !has has_cs !has_cs
		startswith !startswith startswith_cs !startswith_cs endswith !endswith endswith_cs !endswith_cs`)
	lists = words(`in !in`)
)

func words(text string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(text) {
		m[w] = true
	}
	return m
}

// maxParsed is how many columns one parse may make.
const maxParsed = 10

// A profile looks for what is not allowed.
type profile struct {
	text  string
	own   []string // functions that let defines
	timed bool
	errs  syntax.Diagnostics
}

func (p *profile) no(n syntax.Node, format string, args ...any) {
	p.errs = append(p.errs, syntax.Diagnostic{Code: syntax.CodeUnsupported, Span: n.Where(), Message: fmt.Sprintf(format, args...)})
}

func (p *profile) check(q *syntax.Query) {
	tabular := 0
	for _, s := range q.Statements {
		switch s := s.(type) {
		case *syntax.Let:
			if f, ok := s.X.(*syntax.Func); ok {
				p.own = append(p.own, s.Name.Name)
				if slices.ContainsFunc(f.Params, func(a syntax.FuncParam) bool { return a.Schema != nil }) {
					p.no(s, "Only user-defined functions with scalar arguments are supported in transformations.")
				}
			}
		case *syntax.Tabular:
			if tabular++; tabular > 1 {
				p.no(s, "A transformation is one query; the text has several.")
			}
		default:
			p.no(s, "Of the statements only let is supported in transformations.")
			return
		}
	}
	syntax.Walk(q, p.node)
}

func (p *profile) node(n syntax.Node) bool {
	switch n := n.(type) {
	case *syntax.Filter, *syntax.Extend, *syntax.Project, *syntax.ProjectAway, *syntax.ProjectRename, *syntax.Print:
	case *syntax.ParseWith:
		made := 0
		for _, part := range n.Pattern {
			if part.Column {
				made++
			}
		}
		switch {
		case n.Only:
			p.no(n, "The operator parse-where is not supported in transformations.")
		case made > maxParsed:
			p.no(n, "parse can make %d columns in a transformation, not %d; use several.", maxParsed, made)
		}
	case syntax.Operator:
		p.no(n, "The operator %s is not supported in transformations.", p.word(n))
		return false
	case *syntax.Call:
		name := n.Name.Name
		p.timed = p.timed || name == "now" || name == "ago"
		switch {
		case functions[name] || slices.Contains(p.own, name):
		case name == "geo_location":
			p.no(n.Name, "The function geo_location is not supported: it asks a service outside of this server.")
		default:
			p.no(n.Name, "The function %s is not supported in transformations.", name)
		}
	case *syntax.Binary:
		if !binaries[n.Op] && n.Op != "matches regex" {
			p.no(n, "The operator %s is not supported in transformations.", n.Op)
		}
	case *syntax.List:
		if !lists[n.Op] {
			p.no(n, "The operator %s is not supported in transformations.", n.Op)
		}
	case *syntax.Between:
		p.no(n, "The operator between is not supported in transformations; compare with >= and <=.")
	case *syntax.Dynamic:
		p.no(n, "Dynamic literals are not supported in transformations; use parse_json().")
	case *syntax.External, *syntax.Method:
		p.no(n, "A transformation reads the table source and nothing else.")
	}
	return true
}

// word is how a node begins in the text.
func (p *profile) word(n syntax.Node) string {
	at := n.Where()
	text := p.text[at.Start:at.End]
	if end := strings.IndexAny(text, " \t\r\n("); end > 0 {
		text = text[:end]
	}
	return text
}
