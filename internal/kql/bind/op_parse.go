package bind

import (
	"regexp"
	"slices"
	"strings"

	"logkeep/internal/kql/native"
	"logkeep/internal/kql/plan"
	"logkeep/internal/kql/syntax"
	"logkeep/internal/schema"
)

// pieces are the patterns for columns of a type. A column that is followed by a
// constant takes as little as it can.
var pieces = map[schema.Type]string{
	schema.Long: `\s*[-+]?\d+`, schema.Int: `\s*[-+]?\d+`, schema.Real: `\s*[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?`,
	schema.Decimal: `\s*[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?`, schema.Bool: `(?i:true|false|0|1)`,
	schema.GUID: `[0-9A-Fa-f]{8}-?[0-9A-Fa-f]{4}-?[0-9A-Fa-f]{4}-?[0-9A-Fa-f]{4}-?[0-9A-Fa-f]{12}`,
}

// parse takes strings apart. The pattern becomes a regular expression; a Go
// function answers the columns' texts as an array, null if nothing matches.
func (b *binder) parse(op *syntax.ParseWith, t *table, e *env) *table {
	x := b.expr(op.X, b.scope(t, e, "parse"))
	if x == nil {
		return nil
	}
	if x = b.convert(x, schema.String, op.X.Where()); x == nil {
		return nil
	}
	kind, _ := b.param(op.Params, "kind", e)
	flags, _ := b.param(op.Params, "flags", e)
	re, cols, types := b.parsePattern(op, kind, flags)
	if re == "" {
		return nil
	}
	arr := b.column("parsed", schema.Dynamic)
	text := func(s string) plan.Expr { return &plan.Const{T: schema.String, Value: s} }
	mode := "all"
	if kind == "relaxed" {
		mode = "each"
	}
	parsed := b.builtin("__parse", x, text(re), text(strings.Join(types, ",")), text(mode))
	rel := b.add(t.rel, t.carried(), []plan.Item{{Col: arr, Value: parsed}})
	if op.Only {
		rel = &plan.Filter{In: rel, Pred: b.builtin("isnotnull", &plan.Col{Column: arr})}
	}
	return b.spread(t, rel, arr, cols)
}

// spread makes columns of the elements of an array, replacing those of the
// same names.
func (b *binder) spread(t *table, rel plan.Rel, arr plan.Column, cols []plan.Column) *table {
	out := &table{serial: t.serial, open: t.open, bag: t.bag, known: t.known, cols: slices.Clone(t.cols)}
	var items []plan.Item
	for i, c := range cols {
		x := b.convert(step(&plan.Col{Column: arr}, plan.Step{Kind: plan.Element, Index: int64(i)}), c.Type, syntax.Span{})
		items = append(items, plan.Item{Col: c, Value: x})
		if j := slices.IndexFunc(out.cols, func(o plan.Column) bool { return o.Name == c.Name }); j >= 0 {
			out.cols[j] = c
		} else {
			out.cols = append(out.cols, c)
		}
	}
	out.rel = b.add(rel, t.carried(), items)
	return out
}

// parsePattern makes the regular expression of a pattern, and its columns.
func (b *binder) parsePattern(op *syntax.ParseWith, kind, flags string) (string, []plan.Column, []string) {
	var re strings.Builder
	var cols []plan.Column
	var types []string
	switch {
	case kind != "regex":
		re.WriteString("(?s)^")
	default:
		f := "s"
		for _, c := range flags {
			if strings.ContainsRune("Uims", c) && !strings.ContainsRune(f, c) {
				f += string(c)
			}
		}
		re.WriteString("(?" + f + ")")
		if len(op.Pattern) > 0 && !op.Pattern[0].Star {
			re.WriteString("^")
		}
	}
	n := len(op.Pattern)
	for i, p := range op.Pattern {
		switch {
		case p.Star:
			switch {
			case kind == "regex" && i == 0:
			case i == n-1:
				re.WriteString(".*")
			case kind == "regex": // as long as it can be, unless flags say otherwise
				re.WriteString(".*")
			default:
				re.WriteString(".*?")
			}
		case p.Text != nil && kind == "regex":
			re.WriteString("(?:" + p.Text.Value.(string) + ")")
		case p.Text != nil:
			re.WriteString(regexp.QuoteMeta(p.Text.Value.(string)))
		default:
			typ := p.Type
			if typ == schema.Invalid {
				typ = schema.String
			}
			piece, known := pieces[typ]
			if !known {
				piece = ".*?"
				if i == n-1 || kind == "regex" {
					piece = ".*"
				}
			}
			if kind == "relaxed" && known { // what is no value of the type is passed over
				piece += "|.*?"
			}
			re.WriteString("(?P<" + native.Group(len(cols)) + ">" + piece + ")") // the pattern may have groups of its own
			cols = append(cols, b.column(p.Name.Name, typ))
			types = append(types, typ.String())
		}
	}
	if kind != "regex" || n > 0 && !op.Pattern[n-1].Star && op.Pattern[n-1].Column {
		re.WriteString("$")
	}
	if !b.checkRegex(re.String(), op.Span) {
		return "", nil, nil
	}
	if len(cols) == 0 {
		b.fail(op.Span, syntax.CodeCall, "The pattern of '%s' has no column.", keyword(op))
		return "", nil, nil
	}
	return re.String(), cols, types
}

// parseKv takes strings of keys and values apart.
func (b *binder) parseKv(op *syntax.ParseKv, t *table, e *env) *table {
	x := b.expr(op.X, b.scope(t, e, "parse-kv"))
	if x == nil {
		return nil
	}
	if x = b.convert(x, schema.String, op.X.Where()); x == nil {
		return nil
	}
	opt := map[string]string{"pair_delimiter": "", "kv_delimiter": "", "quote": "", "escape": "", "regex": "", "greedy": "false"}
	for _, p := range op.With {
		if _, known := opt[p.Name]; !known {
			b.fail(p.Span, syntax.CodeCall, "'parse-kv' has no option %s.", p.Name)
			return nil
		}
		opt[p.Name] = b.text(p.Value, e)
	}
	if opt["pair_delimiter"] != "" && opt["kv_delimiter"] == "" {
		opt["kv_delimiter"] = "="
	} else if opt["kv_delimiter"] != "" && opt["pair_delimiter"] == "" {
		opt["pair_delimiter"] = " "
	}
	var keys []string
	var cols []plan.Column
	for _, c := range op.Schema.Columns {
		keys = append(keys, syntax.JSONQuote(c.Name.Name))
		cols = append(cols, b.column(c.Name.Name, c.Type))
	}
	text := func(s string) plan.Expr { return &plan.Const{T: schema.String, Value: s} }
	parsed := b.builtin("__parse_kv", x, text(opt["pair_delimiter"]), text(opt["kv_delimiter"]), text(opt["quote"]), text(opt["escape"]), text(opt["regex"]), text(opt["greedy"]), text("["+strings.Join(keys, ",")+"]"))
	arr := b.column("parsed", schema.Dynamic)
	rel := b.add(t.rel, t.carried(), []plan.Item{{Col: arr, Value: parsed}})
	return b.spread(t, rel, arr, cols)
}
