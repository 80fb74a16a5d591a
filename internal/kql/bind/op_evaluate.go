package bind

import (
	"encoding/json"
	"slices"
	"strings"

	"logkeep/internal/kql/plan"
	"logkeep/internal/kql/syntax"
	"logkeep/internal/schema"
)

// bagUnpack makes columns of the properties of a bag. Which there are is known
// if the query says so. Else the table is open: names that it does not have
// are looked up in the bag, and what closes it (project, summarize) must come
// before the end.
func (b *binder) bagUnpack(op *syntax.Evaluate, t *table, e *env) *table {
	if len(op.Call.Args) == 0 {
		b.fail(op.Span, syntax.CodeCall, "bag_unpack() takes a column.")
		return nil
	}
	x := b.expr(op.Call.Args[0], b.scope(t, e, "evaluate"))
	if x == nil {
		return nil
	}
	bag, isCol := x.(*plan.Col)
	if !isCol || x.Type() != schema.Dynamic {
		b.fail(op.Call.Args[0].Where(), syntax.CodeCall, "bag_unpack() takes a dynamic column, not a %s.", x.Type())
		return nil
	}
	prefix, conflict, ignored := "", "", []string(nil)
	for i, a := range op.Call.Args[1:] {
		name := ""
		if as, ok := a.(*syntax.Assign); ok {
			name, a = as.Names[0].Name, as.X
		}
		c := b.constant(a, e, "An argument of bag_unpack()")
		if c == nil {
			return nil
		}
		text, _ := c.Value.(string)
		switch {
		case name == "columnsConflict" || name == "" && i == 1:
			conflict = text
		case name == "OutputColumnPrefix" || name == "" && i == 0:
			prefix = text
		case name == "ignoredProperties" || name == "" && i == 2:
			if json.Unmarshal([]byte(text), &ignored) != nil && text != "" {
				b.fail(a.Where(), syntax.CodeCall, "The properties that bag_unpack() ignores are an array of names.")
				return nil
			}
		default:
			b.fail(a.Where(), syntax.CodeCall, "bag_unpack() takes a column, OutputColumnPrefix, columnsConflict and ignoredProperties.")
			return nil
		}
	}
	out := &table{rel: t.rel, serial: t.serial}
	for _, c := range t.cols {
		if c.ID != bag.ID {
			out.cols = append(out.cols, c)
		}
	}
	if op.Schema == nil {
		return b.bagColumns(op, t, out, bag, prefix, conflict, ignored)
	}
	var items []plan.Item
	cols := []plan.Column{}
	for _, d := range op.Schema.Columns {
		name := d.Name.Name
		if old, has := find(out.cols, name); has && conflict != "replace_source" {
			cols = append(cols, old)
			continue
		}
		key := name
		if len(prefix) > 0 && len(name) >= len(prefix) && name[:len(prefix)] == prefix {
			key = name[len(prefix):]
		}
		c := b.column(name, d.Type)
		cols = append(cols, c)
		items = append(items, plan.Item{Col: c, Value: b.convert(step(bag, plan.Step{Name: key}), d.Type, d.Span)})
	}
	rel := b.add(t.rel, t.cols, items)
	if op.Schema.Star {
		rest := slices.DeleteFunc(out.cols, func(c plan.Column) bool { _, has := find(cols, c.Name); return has })
		cols = append(rest, cols...)
	}
	return &table{rel: rel, cols: cols, serial: t.serial}
}

// bagColumns makes columns of the properties that the bags have.
func (b *binder) bagColumns(op *syntax.Evaluate, t, out *table, bag *plan.Col, prefix, conflict string, ignored []string) *table {
	list, known := b.properties(t, bag)
	if !known && (prefix != "" || conflict != "") && b.asking == nil {
		b.fail(op.Span, syntax.CodeSchemaUnknown, "bag_unpack() with a prefix or a rule for conflicts needs the columns named: bag_unpack(d, 'p') : (pa:string).")
		return nil
	}
	if len(list) > mostColumns {
		b.fail(op.Span, syntax.CodeSchemaUnknown, "The bags have more than %d properties; name the columns: bag_unpack(d) : (a:string).", mostColumns)
		return nil
	}
	c := bag.Column
	out.open, out.bag, out.known = true, &c, known
	var items []plan.Item
	for _, p := range list {
		if slices.Contains(ignored, p.name) {
			continue
		}
		name := prefix + p.name
		i := slices.IndexFunc(out.cols, func(o plan.Column) bool { return o.Name == name })
		if i >= 0 && conflict == "keep_source" {
			continue
		}
		if i >= 0 && conflict != "replace_source" {
			b.fail(op.Span, syntax.CodeDuplicate, "The bags have a property '%s' and there is such a column already; say columnsConflict='replace_source' or 'keep_source', or give a prefix.", p.name)
			return nil
		}
		col := b.column(name, p.typ)
		items = append(items, plan.Item{Col: col, Value: b.convert(step(bag, plan.Step{Name: p.name}), p.typ, op.Span)})
		if i >= 0 {
			out.cols[i] = col
		} else {
			out.cols = append(out.cols, col)
		}
	}
	if len(items) > 0 {
		out.rel = b.add(t.rel, append(slices.Clone(t.cols), c), items)
	}
	return out
}

// narrow makes a row of each cell.
func (b *binder) narrow(op *syntax.Evaluate, t *table) *table {
	n := b.column("row", schema.Long)
	u := &plan.Union{Cols: []plan.Column{b.column("Row", schema.Long), b.column("Column", schema.String), b.column("Value", schema.String)}}
	in := b.exact(t)
	shared := &plan.Shared{Name: "narrow", In: &plan.Number{In: in.rel, Col: n}, Once: true}
	for _, c := range in.cols {
		row, val := b.column("row", schema.Long), b.column(c.Name, c.Type)
		ref := &plan.Ref{To: shared, Cols: []plan.Column{row, val}, From: []plan.ID{n.ID, c.ID}}
		u.In = append(u.In, &plan.Project{In: ref, Items: []plan.Item{
			{Col: b.column("Row", schema.Long), Value: b.arithmetic("-", op.Span, &plan.Col{Column: row}, &plan.Const{T: schema.Long, Value: int64(1)})},
			{Col: b.column("Column", schema.String), Value: &plan.Const{T: schema.String, Value: c.Name}},
			{Col: b.column("Value", schema.String), Value: b.convert(&plan.Col{Column: val}, schema.String, op.Span)},
		}})
	}
	return &table{rel: u, cols: u.Cols}
}

// ipLookup pairs rows with the networks of a table in which their address lies.
func (b *binder) ipLookup(op *syntax.Evaluate, t *table, e *env) *table {
	args := op.Call.Args
	unmatched := false
	if n := len(args); n > 0 {
		last := args[n-1]
		if as, ok := last.(*syntax.Assign); ok {
			last = as.X
		}
		if l, ok := last.(*syntax.Literal); ok && l.Type == schema.Bool {
			unmatched, args = l.Value == true, args[:n-1]
		}
	}
	if len(args) < 3 {
		b.fail(op.Span, syntax.CodeCall, "%s() takes a table, a column with addresses and the table's column with networks.", op.Call.Name.Name)
		return nil
	}
	lookup := b.table(args[0], e)
	if lookup == nil {
		return nil
	}
	left, right := b.exact(t), b.exact(lookup)
	ip := b.expr(args[1], b.scope(left, e, "evaluate"))
	network := b.expr(args[2], b.scope(right, e, "evaluate"))
	if ip == nil || network == nil {
		return nil
	}
	if ip.Type() != schema.String || network.Type() != schema.String {
		b.fail(op.Span, syntax.CodeCall, "%s() needs addresses and networks as text.", op.Call.Name.Name)
		return nil
	}
	kind := plan.Inner
	if unmatched {
		kind = plan.LeftOuter
	}
	version := strings.TrimSuffix(op.Call.Name.Name, "_lookup")
	first, last := "__"+version+"_first", "__"+version+"_last"
	j := &plan.Join{Kind: kind, Left: left.rel, Right: right.rel, On: []plan.Expr{ // both orders: so the engine sorts, and compares few pairs
		&plan.Compare{Op: "<=", X: b.builtin(first, ip), Y: b.builtin(last, network)},
		&plan.Compare{Op: ">=", X: b.builtin(last, ip), Y: b.builtin(first, network)},
	}}
	keys := map[plan.ID]bool{}
	for i := 3; i < len(args); i++ { // further columns that must be equal; the answer has them once
		n, ok := args[i].(*syntax.Name)
		if !ok {
			b.fail(args[i].Where(), syntax.CodeCall, "Further keys of %s() are names of columns.", op.Call.Name.Name)
			return nil
		}
		l, r := b.name(n, b.scope(left, e, "evaluate")), b.name(n, b.scope(right, e, "evaluate"))
		if l == nil || r == nil || !b.joinKey(j, l, r, n.Span) {
			return nil
		}
		keys[r.(*plan.Col).ID] = true
	}
	these, those := left.cols, slices.DeleteFunc(slices.Clone(right.cols), func(c plan.Column) bool { return keys[c.ID] })
	if version == "ipv6" { // as in the engine of the language, the networks' columns stand first
		these, those = those, these
	}
	out := &table{rel: j, cols: slices.Clone(these)}
	for _, c := range those {
		c.Name = unique(out.cols, c.Name)
		out.cols = append(out.cols, c)
	}
	return out
}
