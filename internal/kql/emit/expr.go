package emit

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"logkeep/internal/kql/native"
	"logkeep/internal/kql/plan"
	"logkeep/internal/kql/syntax"
	"logkeep/internal/schema"
)

// cond writes a condition where only true counts, as in WHERE.
func (e *emitter) cond(x plan.Expr) string {
	switch x := x.(type) {
	case *plan.Logic:
		return "(" + e.cond(x.X) + " " + strings.ToUpper(x.Op) + " " + e.cond(x.Y) + ")"
	case *plan.Compare:
		return e.compare(x, true)
	case *plan.In:
		return e.in(x)
	case *plan.Col:
		return name(x.ID)
	}
	return e.value(x)
}

// value writes a value.
func (e *emitter) value(x plan.Expr) string {
	switch x := x.(type) {
	case *plan.Col:
		return name(x.ID)
	case *plan.Const:
		return e.constant(x)
	case *plan.Call:
		return e.call(x)
	case *plan.Compare:
		return e.compare(x, false)
	case *plan.Logic:
		return "(" + e.value(x.X) + " " + strings.ToUpper(x.Op) + " " + e.value(x.Y) + ")"
	case *plan.Not:
		return "(NOT " + e.value(x.X) + ")"
	case *plan.In:
		if x.X.Type() == schema.String {
			return e.in(x)
		}
		return "coalesce(" + e.in(x) + ", false)"
	case *plan.Match:
		return e.match(x)
	case *plan.Path:
		return e.path(x, false)
	case *plan.Case:
		var b strings.Builder
		b.WriteString("(CASE")
		for _, w := range x.Whens {
			b.WriteString(" WHEN " + e.cond(w.If) + " THEN " + e.value(w.Then))
		}
		b.WriteString(" ELSE " + e.value(x.Else) + " END)")
		return b.String()
	case *plan.Scalar:
		sql := "(SELECT " + name(x.Rel.Columns()[0].ID) + " FROM " + e.apart(x.Rel) + " LIMIT 1)"
		if x.T == schema.String {
			return "coalesce(" + sql + ", '')"
		}
		return sql
	}
	return internal("value", x)
}

// apart writes a table inside of an expression: its own expressions must not
// put anything into the table around.
func (e *emitter) apart(r plan.Rel) string {
	old := e.hoists
	e.hoists = nil
	defer func() { e.hoists = old }()
	return e.select_(r)
}

func (e *emitter) constant(c *plan.Const) string {
	switch v := c.Value.(type) {
	case nil:
		if c.T == schema.String {
			return "''"
		}
		return "CAST(NULL AS " + sqlType(c.T) + ")"
	case bool:
		return strconv.FormatBool(v)
	case int64:
		return integer(v, sqlType(c.T))
	case schema.Ticks:
		return integer(int64(v), "BIGINT")
	case schema.Span:
		return integer(int64(v), "BIGINT")
	case float64:
		switch {
		case math.IsNaN(v):
			return "'nan'::DOUBLE"
		case math.IsInf(v, 1):
			return "'inf'::DOUBLE"
		case math.IsInf(v, -1):
			return "'-inf'::DOUBLE"
		}
		return "'" + strconv.FormatFloat(v, 'g', -1, 64) + "'::DOUBLE"
	case string:
		return e.text(v)
	}
	return internal("constant", c.Value)
}

func integer(v int64, t string) string {
	s := strconv.FormatInt(v, 10)
	if v < 0 {
		return "'" + s + "'::" + t
	}
	return s + "::" + t
}

// compare writes a comparison. Equality is never null: a null is equal to
// nothing. As a condition it may stay null where only true counts.
func (e *emitter) compare(c *plan.Compare, cond bool) string {
	x, y := e.value(c.X), e.value(c.Y)
	never := c.X.Type() == schema.String
	if c.X.Type() == schema.Real {
		return e.compareReal(c, x, y, cond)
	}
	switch c.Op {
	case "is":
		if never {
			return "(" + x + " = " + y + ")"
		}
		return "(" + x + " IS NOT DISTINCT FROM " + y + ")"
	case "==":
		if never || cond {
			return "(" + x + " = " + y + ")"
		}
		return "coalesce(" + x + " = " + y + ", false)"
	case "!=":
		if never {
			return "(" + x + " <> " + y + ")"
		}
		return "coalesce(" + x + " <> " + y + ", true)"
	}
	return "(" + x + " " + c.Op + " " + y + ")"
}

func (e *emitter) in(x *plan.In) string {
	l := e.value(x.X)
	if x.Fold {
		l = "lower(" + l + ")"
	}
	if x.Rel != nil {
		c := name(x.Rel.Columns()[0].ID)
		if x.Fold {
			c = "lower(" + c + ")"
		}
		return "(" + l + " IN (SELECT " + c + " FROM " + e.apart(x.Rel) + "))"
	}
	if len(x.Items) == 0 {
		return "false"
	}
	if sql, ok := e.longList(x); ok {
		return "(" + l + " IN (SELECT unnest(" + sql + ")))"
	}
	items := make([]string, len(x.Items))
	for i, it := range x.Items {
		if c, ok := it.(*plan.Const); ok && x.Fold {
			s, _ := c.Value.(string)
			items[i] = e.text(strings.ToLower(s))
		} else if items[i] = e.value(it); x.Fold {
			items[i] = "lower(" + items[i] + ")"
		}
	}
	return "(" + l + " IN (" + strings.Join(items, ", ") + "))"
}

// manyTerms is how many terms make one regular expression; a longer one takes
// the engine seconds to prepare.
const manyTerms = 64

// outside is a character that belongs to no term: ASCII, neither letter nor digit.
const outside = `[^0-9A-Za-z\x{80}-\x{10FFFF}]`

// match writes a search for text.
func (e *emitter) match(m *plan.Match) string {
	x := e.value(m.X)
	consts := make([]string, 0, len(m.Y))
	for _, y := range m.Y {
		if c, ok := y.(*plan.Const); ok {
			s, _ := c.Value.(string)
			consts = append(consts, s)
		}
	}
	if len(consts) != len(m.Y) {
		return e.matchAny(m, x)
	}
	if len(consts) > manyTerms && m.Op == plan.Has && m.Fold {
		quoted := make([]string, len(consts))
		for i, s := range consts {
			quoted[i] = syntax.JSONQuote(s)
		}
		return "coalesce(kql___has_any_of_0(" + x + ", " + e.text("["+strings.Join(quoted, ",")+"]") + "), false)"
	}
	if len(consts) > 1 {
		return e.terms(m, x, consts)
	}
	s := consts[0]
	if raw, ok := rawText(m.X, s); ok && m.Op != plan.Regex {
		plain := &plan.Match{Op: plan.Contains, X: raw, Y: m.Y, Fold: m.Fold}
		return "((" + e.match(plain) + " OR contains(" + e.value(raw) + ", '\\')) AND " + e.matchOne(m, x, s) + ")"
	}
	return e.matchOne(m, x, s)
}

// rawText is the column whose JSON has s if its text does, unless it has a
// backslash: written as text, only escaped characters and numbers change. To look
// for s there first spares most rows being written.
func rawText(x plan.Expr, s string) (*plan.Col, bool) {
	call, ok := x.(*plan.Call)
	if !ok || call.F.Names[0] != "tostring" || len(call.Args) != 1 || call.Args[0].Type() != schema.Dynamic {
		return nil, false
	}
	col, ok := call.Args[0].(*plan.Col)
	return col, ok && plan.InsideOfString(s)
}

// matchOne writes a search of x for one constant.
func (e *emitter) matchOne(m *plan.Match, x, s string) string {
	consts := []string{s}
	fold := func(v string) string {
		if m.Fold {
			return "lower(" + v + ")"
		}
		return v
	}
	low := s
	if m.Fold {
		low = strings.ToLower(s)
	}
	switch m.Op {
	case plan.Equals:
		return "(" + fold(x) + " = " + e.text(low) + ")"
	case plan.Contains:
		if s == "" {
			return "true"
		}
		if m.Fold {
			return "kql___has_fold_0(" + x + ", " + e.text(low) + ", false, false)"
		}
		return "contains(" + x + ", " + e.text(low) + ")"
	case plan.StartsWith: // only as much of the text need be in lower case
		return "starts_with(" + fold(e.end("left", x, low, m.Fold)) + ", " + e.text(low) + ")"
	case plan.EndsWith:
		return "ends_with(" + fold(e.end("right", x, low, m.Fold)) + ", " + e.text(low) + ")"
	case plan.Regex:
		p := native.Pattern(s)
		_, isCol := m.X.(*plan.Col)
		matches := "regexp_matches(" + x + ", " + e.text(p) + ")"
		if narrow := native.PatternASCII(s); isCol && narrow != p { // most texts are ASCII, for which a smaller program does
			matches = "(CASE WHEN strlen(" + x + ") = length(" + x + ") THEN regexp_matches(" + x + ", " + e.text(narrow) + ") ELSE " + matches + " END)"
		}
		if known := longest(native.Literals(p)); isCol && len(known) >= worthLooking { // cheaper than to begin a match in every row
			return "(contains(" + x + ", " + e.text(known) + ") AND " + matches + ")"
		}
		return matches
	}
	return e.terms(m, x, consts)
}

// worthLooking is how long a text must be that a regular expression is known to
// match, so that it tells many rows apart.
const worthLooking = 3

func longest(texts []string) (most string) {
	for _, t := range texts {
		if len(t) > len(most) {
			most = t
		}
	}
	return most
}

// end is the left or right end of a text, as long as what is looked for there; all
// of it where case matters, since then nothing is made of it.
func (e *emitter) end(side, x, wanted string, fold bool) string {
	if !fold {
		return x
	}
	return side + "(" + x + ", " + strconv.Itoa(utf8.RuneCountInString(wanted)) + ")"
}

// terms writes the search for one of several terms: a regular expression. For one
// term it is a search that leaves texts where they are, before which the engine's
// own goes where case matters: a regular expression takes several times as long.
func (e *emitter) terms(m *plan.Match, x string, terms []string) string {
	if len(terms) == 1 {
		if terms[0] == "" {
			return "true"
		}
		left, right := m.Op != plan.HasSuffix, m.Op != plan.HasPrefix
		if m.Fold {
			return fmt.Sprintf("kql___has_fold_0(%s, %s, %t, %t)", x, e.text(strings.ToLower(terms[0])), left, right)
		}
		return fmt.Sprintf("(contains(%[1]s, %[2]s) AND kql___has_0(%[1]s, %[2]s, %[3]t, %[4]t))", x, e.text(terms[0]), left, right)
	}
	var alt []string
	for _, s := range terms {
		if s == "" {
			return "true"
		}
		p := regexp.QuoteMeta(s)
		if m.Op != plan.HasSuffix && native.WordByte(s[0]) {
			p = "(?:^|" + outside + ")" + p
		}
		if m.Op != plan.HasPrefix && native.WordByte(s[len(s)-1]) {
			p += "(?:$|" + outside + ")"
		}
		alt = append(alt, p)
	}
	flags := "(?s)"
	if m.Fold {
		flags = "(?is)"
	}
	return "regexp_matches(" + x + ", " + e.text(flags+strings.Join(alt, "|")) + ")"
}

// matchAny is a search for text that is known only when the query runs.
func (e *emitter) matchAny(m *plan.Match, x string) string {
	parts := make([]string, len(m.Y))
	for i, y := range m.Y {
		v := e.value(y)
		l := x
		if m.Fold && m.Op != plan.Regex {
			l, v = "lower("+x+")", "lower("+v+")"
		}
		switch m.Op {
		case plan.Equals:
			parts[i] = "(" + l + " = " + v + ")"
		case plan.Contains:
			parts[i] = "contains(" + l + ", " + v + ")"
		case plan.StartsWith:
			parts[i] = "starts_with(" + l + ", " + v + ")"
		case plan.EndsWith:
			parts[i] = "ends_with(" + l + ", " + v + ")"
		case plan.Regex:
			parts[i] = "kql___matches_0(" + x + ", " + v + ")"
		case plan.Has:
			parts[i] = "kql___has_0(" + l + ", " + v + ", true, true)"
		case plan.HasPrefix:
			parts[i] = "kql___has_0(" + l + ", " + v + ", true, false)"
		case plan.HasSuffix:
			parts[i] = "kql___has_0(" + l + ", " + v + ", false, true)"
		}
	}
	return "(" + strings.Join(parts, " OR ") + ")"
}

// path writes a member of a dynamic value as JSON, or as text.
func (e *emitter) path(p *plan.Path, text bool) string {
	x := e.value(p.X)
	var b strings.Builder
	b.WriteByte('$')
	flush := func() {
		if b.Len() > 1 {
			x = "json_extract(" + x + ", " + e.text(b.String()) + ")"
			b.Reset()
			b.WriteByte('$')
		}
	}
	for _, s := range p.Steps {
		switch {
		case s.Kind == plan.Property && !strings.ContainsAny(s.Name, "\"\\") && s.Name != "":
			b.WriteString(`."` + s.Name + `"`)
		case s.Kind == plan.Element && s.Index >= 0:
			b.WriteString("[" + strconv.FormatInt(s.Index, 10) + "]")
		case s.Kind == plan.Element:
			b.WriteString("[#" + strconv.FormatInt(s.Index, 10) + "]")
		default:
			flush()
			key := ""
			if s.Kind == plan.Computed {
				key = e.value(s.X)
			} else {
				key = e.text(strconv.Quote(s.Name))
			}
			x = "kql___element_0(CAST(" + x + " AS VARCHAR), " + key + ")"
		}
	}
	if b.Len() == 1 {
		if text {
			return "coalesce(json_extract_string(" + x + ", '$'), '')"
		}
		return "nullif(" + x + ", 'null')"
	}
	if text {
		return "coalesce(json_extract_string(" + x + ", " + e.text(b.String()) + "), '')"
	}
	return "nullif(CAST(json_extract(" + x + ", " + e.text(b.String()) + ") AS VARCHAR), 'null')"
}

// compareReal compares reals: no number is neither equal to anything, nor less,
// nor greater, where the engine puts it above all others.
func (e *emitter) compareReal(c *plan.Compare, x, y string, cond bool) string {
	number := func(v plan.Expr, sql string) string {
		if k, ok := v.(*plan.Const); ok {
			if f, isReal := k.Value.(float64); isReal && !math.IsNaN(f) {
				return ""
			}
		}
		return " AND NOT isnan(" + sql + ")"
	}
	switch c.Op {
	case "is":
		return "(" + x + " IS NOT DISTINCT FROM " + y + ")"
	case "==":
		check := number(c.X, x)
		if number(c.Y, y) == "" {
			check = ""
		}
		if cond {
			return "(" + x + " = " + y + check + ")"
		}
		return "coalesce(" + x + " = " + y + check + ", false)"
	case "!=":
		return "coalesce(" + x + " <> " + y + " OR isnan(" + x + "), true)"
	case "<", "<=":
		return "(" + x + " " + c.Op + " " + y + number(c.Y, y) + ")"
	}
	return "(" + x + " " + c.Op + " " + y + number(c.X, x) + ")"
}
