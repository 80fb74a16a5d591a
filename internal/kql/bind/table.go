package bind

import (
	"slices"
	"strings"

	"logkeep/internal/kql/plan"
	"logkeep/internal/kql/syntax"
	"logkeep/internal/schema"
)

// isTable reports whether an expression means a table rather than a value.
func (b *binder) isTable(x syntax.Expr, e *env) bool {
	switch x := x.(type) {
	case *syntax.Pipe, *syntax.Source, *syntax.Datatable, *syntax.External:
		return true
	case *syntax.Paren:
		return b.isTable(x.X, e)
	case *syntax.Name:
		if f := e.find(x.Name); f != nil {
			return f.table != nil || f.fn != nil && len(f.fn.Params) == 0 && b.tabularBody(f)
		}
		return x.Name != "true" && x.Name != "false"
	case *syntax.Method:
		return isPlace(x, e)
	case *syntax.Member, *syntax.Index:
		f, _, _ := patternOf(x, e)
		return f != nil || isPlace(x, e) && !isAboutPlace(x)
	case *syntax.Call:
		if f := e.find(x.Name.Name); f != nil && f.pattern != nil {
			return true
		}
		switch x.Name.Name {
		case "materialize", "table", "workspace", "app", "resource", "database", "cluster", "external_table", "materialized_view", "view":
			return e.find(x.Name.Name) == nil
		}
		if f := b.function(x.Name.Name, e); f != nil {
			return b.tabularBody(f)
		}
	}
	return false
}

// isPlace reports whether x begins with workspace("…") or the like.
func isPlace(x syntax.Expr, e *env) bool {
	switch x := x.(type) {
	case *syntax.Name:
		f := e.find(x.Name)
		return f != nil && f.place != nil
	case *syntax.Method:
		return isPlace(x.X, e)
	case *syntax.Member:
		return isPlace(x.X, e)
	case *syntax.Call:
		return slices.Contains([]string{"workspace", "app", "resource", "database", "cluster", "adx", "arg"}, x.Name.Name)
	}
	return false
}

// tabularBody reports whether a function answers a table.
func (b *binder) tabularBody(f *binding) bool {
	if f.fn == nil || f.fn.Body == nil {
		return false
	}
	e := f.fnEnv.child()
	for _, p := range f.fn.Params {
		if p.Schema != nil {
			e.names[p.Name.Name] = &binding{table: &table{}}
		} else {
			e.names[p.Name.Name] = &binding{broken: true}
		}
	}
	answer := false
	for _, s := range f.fn.Body.Statements {
		switch s := s.(type) {
		case *syntax.Let:
			l := &binding{broken: true}
			if fn, ok := s.X.(*syntax.Func); ok {
				l = &binding{fn: fn, fnEnv: &env{up: e.up, names: copyNames(e.names)}}
			} else if b.isTable(s.X, e) {
				l = &binding{table: &table{}}
			}
			e.names[s.Name.Name] = l
		case *syntax.Tabular:
			answer = b.isTable(s.X, e)
		}
	}
	return answer
}

// table binds a table expression; nil after a mistake.
func (b *binder) table(x syntax.Expr, e *env) *table {
	if !b.grow(x.Where()) {
		return nil
	}
	if f, call, path := patternOf(x, e); f != nil {
		return b.pattern(f, call, path, e)
	}
	switch x := x.(type) {
	case *syntax.Paren:
		return b.table(x.X, e)
	case *syntax.Pipe:
		t := b.table(x.Source, e)
		return b.ops(x.Ops, t, e)
	case *syntax.Source:
		return b.operator(x.Op, nil, e)
	case *syntax.Datatable:
		return b.datatable(x, e)
	case *syntax.External:
		return b.external(x, e)
	case *syntax.Name:
		return b.named(x, e)
	case *syntax.Call:
		return b.tableCall(x, e)
	case *syntax.Method:
		if isPlace(x.X, e) {
			return b.place(x, e)
		}
	case *syntax.Member:
		if isPlace(x.X, e) {
			return b.place(x, e)
		}
	}
	b.fail(x.Where(), syntax.CodeTabular, "A table is expected here, not a value.")
	return nil
}

// place binds workspace("…").Table and the like: a table of a place that the
// request names.
func (b *binder) place(x syntax.Expr, e *env) *table {
	var at, name syntax.Expr
	switch x := x.(type) {
	case *syntax.Member:
		at, name = x.X, &syntax.Literal{Span: x.Name.Span, Type: schema.String, Value: x.Name.Name}
	case *syntax.Method:
		if x.Call.Name.Name == "table" && len(x.Call.Args) > 0 {
			at, name = x.X, x.Call.Args[0]
		}
	}
	if n, isName := at.(*syntax.Name); isName {
		at = e.find(n.Name).place
	}
	call, isCall := at.(*syntax.Call)
	if !isCall || !slices.Contains([]string{"workspace", "app", "resource"}, call.Name.Name) {
		b.fail(x.Where(), syntax.CodeUnsupported, "Reading from another place is supported as workspace('…').Table, app('…').Table and resource('…').Table only.")
		return nil
	}
	if len(call.Args) != 1 {
		b.fail(call.Span, syntax.CodeCall, "%s() takes a name or an id.", call.Name.Name)
		return nil
	}
	where, table := b.constant(call.Args[0], e, "The argument of "+call.Name.Name+"()"), b.constant(name, e, "The name of a table")
	if where == nil || table == nil {
		return nil
	}
	cat, known := b.cat.(PlaceCatalog)
	var tables Catalog
	var place string
	if known {
		tables, place, known = cat.Place(call.Name.Name, asText(where))
	}
	if !known {
		b.fail(call.Span, syntax.CodeSemantic, "%s('%s') is not among the workspaces that this request may read; name it in the request's workspaces.", call.Name.Name, asText(where))
		return nil
	}
	t, ok := tables.Table(asText(table))
	if !ok {
		msg := "Failed to resolve table expression named '" + asText(table) + "' in " + call.Name.Name + "('" + asText(where) + "')."
		if s := syntax.Suggest(asText(table), tables.Tables()); s != "" {
			msg += " Did you mean '" + s + "'?"
		}
		b.fail(name.Where(), syntax.CodeSemantic, "%s", msg)
		return nil
	}
	return b.scanAt(t, place)
}

func asText(c *plan.Const) string {
	s, _ := c.Value.(string)
	return s
}

func (b *binder) ops(ops []syntax.Operator, t *table, e *env) *table {
	failed := false // the operators behind a mistake are bound to find more of them
	for i, op := range ops {
		if t == nil {
			return nil
		}
		if failed && !goesOn(op) {
			switch op.(type) {
			case *syntax.Summarize, *syntax.Project, *syntax.Distinct: // the last that is looked at
				b.operator(op, t, e)
			}
			return nil
		}
		if r, ok := op.(*syntax.Render); ok {
			b.render = r
			continue
		}
		if as, ok := op.(*syntax.As); ok {
			e = e.child() // the name is known to the operators behind it
			e.names[as.Name.Name] = b.share(as.Name.Name, t, false)
			t = b.use(e.names[as.Name.Name])
			continue
		}
		if b.render != nil && i > 0 {
			if _, was := ops[i-1].(*syntax.Render); was {
				b.fail(op.Where(), syntax.CodeSyntax, "render must be the last operator.")
			}
		}
		next := b.operator(op, t, e)
		if next == nil && goesOn(op) {
			next, e, failed = t, b.broken(op, e), true
		}
		t = next
	}
	if failed {
		return nil
	}
	return t
}

// goesOn reports whether the columns behind an operator are known although
// there is a mistake in it or before it.
func goesOn(op syntax.Operator) bool {
	switch op.(type) {
	case *syntax.Filter, *syntax.Sort, *syntax.Take, *syntax.Top, *syntax.Extend:
		return true
	}
	return false
}

// broken is what names mean behind an operator with a mistake: of those that
// it makes nothing is known, and no mistake is told.
func (b *binder) broken(op syntax.Operator, e *env) *env {
	x, ok := op.(*syntax.Extend)
	if !ok {
		return e
	}
	e = e.child()
	for _, it := range x.Items {
		if a, ok := it.(*syntax.Assign); ok {
			for _, n := range a.Names {
				e.names[n.Name] = &binding{broken: true}
			}
		} else if n := b.nameOf(it); n != "" {
			e.names[n] = &binding{broken: true}
		} else {
			e.names[numbered(nil)] = &binding{broken: true}
		}
	}
	return e
}

// named binds a name that stands for a table.
func (b *binder) named(x *syntax.Name, e *env) *table {
	if f := e.find(x.Name); f != nil {
		switch {
		case f.broken:
			return nil
		case f.table != nil:
			return b.use(f)
		case f.fn != nil:
			return b.callTable(f, nil, x.Span, e)
		}
		b.fail(x.Span, syntax.CodeTabular, "%s is a value, not a table.", x.Name)
		return nil
	}
	if t, ok := b.cat.Table(x.Name); ok {
		return b.scan(t)
	}
	if f := b.function(x.Name, e); f != nil {
		return b.callTable(f, nil, x.Span, e)
	}
	msg := "Failed to resolve table or column expression named '" + x.Name + "'."
	if s := syntax.Suggest(x.Name, b.cat.Tables()); s != "" {
		msg += " Did you mean '" + s + "'?"
	}
	b.fail(x.Span, syntax.CodeSemantic, "%s", msg)
	return nil
}

// scan reads a stored table within the bounds of the request.
func (b *binder) scan(t schema.Table) *table { return b.scanAt(t, "") }

// scanAt reads a table of one place; "" is all that the request reads.
func (b *binder) scanAt(t schema.Table, place string) *table {
	s := &plan.Scan{Table: t.Name, Place: place, From: b.opt.From, To: b.opt.To}
	var timed *plan.Column
	for _, c := range t.Columns {
		s.Cols = append(s.Cols, b.column(c.Name, c.Type))
		if c.Name == schema.TimeGenerated && c.Type == schema.DateTime {
			timed = &s.Cols[len(s.Cols)-1]
		}
	}
	if !b.tables[t.Name] {
		b.tables[t.Name] = true
		b.order = append(b.order, t.Name)
	}
	out := &table{rel: s, cols: slices.Clone(s.Cols)}
	if timed == nil {
		s.From, s.To = 0, 0
		return out
	}
	// The bounds of a scan only say what need not be read; the filter decides.
	bound := func(op string, v schema.Ticks) {
		if v != 0 {
			out.rel = &plan.Filter{In: out.rel, Pred: &plan.Compare{Op: op, X: &plan.Col{Column: *timed}, Y: &plan.Const{T: schema.DateTime, Value: v}}}
		}
	}
	bound(">=", b.opt.From)
	bound("<", b.opt.To)
	return out
}

func (b *binder) tableCall(x *syntax.Call, e *env) *table {
	name := x.Name.Name
	if f := b.function(name, e); f != nil {
		return b.callTable(f, x, x.Span, e)
	}
	switch name {
	case "materialize":
		if len(x.Args) != 1 {
			b.fail(x.Span, syntax.CodeCall, "materialize() takes one query.")
			return nil
		}
		t := b.table(x.Args[0], e)
		if t == nil {
			return nil
		}
		return b.use(b.share("materialize", t, true))
	case "table", "materialized_view":
		if len(x.Args) > 0 {
			if c, ok := b.expr(x.Args[0], &scope{env: e}).(*plan.Const); ok && c.T == schema.String {
				return b.named(&syntax.Name{Span: x.Span, Name: c.Value.(string), Quoted: true}, e)
			}
		}
		b.fail(x.Span, syntax.CodeConstant, "table() takes a constant name.")
		return nil
	case "workspace", "app", "resource", "database", "cluster", "external_table", "view", "adx", "arg":
		return b.place(x, e)
	}
	if b.isScalarFunction(name) {
		b.fail(x.Span, syntax.CodeTabular, "%s() gives a value, not a table.", name)
		return nil
	}
	b.unknownFunction(x)
	return nil
}

func (b *binder) datatable(x *syntax.Datatable, e *env) *table {
	v := &plan.Values{}
	var seen []plan.Column
	for _, c := range x.Schema.Columns {
		col := b.column(c.Name.Name, c.Type)
		v.Cols = append(v.Cols, col)
		if _, twice := find(seen, col.Name); !twice {
			seen = append(seen, col)
		} else if b.at == nil { // parsers that many have saved name a column twice; of those the first is seen
			b.fail(c.Span, syntax.CodeDuplicate, "There are two columns named '%s'.", c.Name.Name)
			return nil
		}
	}
	n := len(v.Cols)
	if n == 0 || len(x.Values)%n != 0 {
		b.fail(x.Span, syntax.CodeCall, "The number of values, %d, is no multiple of the number of columns, %d.", len(x.Values), n)
		return nil
	}
	ok := true
	for i := 0; i < len(x.Values); i += n {
		row := make([]plan.Expr, n)
		for j := range row {
			at := x.Values[i+j]
			y := b.expr(at, &scope{env: e})
			if y == nil {
				ok = false
				continue
			}
			c, isConst := b.literal(y, v.Cols[j].Type, at.Where()).(*plan.Const)
			if !isConst {
				b.fail(at.Where(), syntax.CodeConstant, "A datatable holds constants; this is none.")
				ok = false
				continue
			}
			row[j] = c
		}
		v.Rows = append(v.Rows, row)
	}
	if !ok {
		return nil
	}
	return &table{rel: v, cols: seen}
}

// literal converts a constant to the type of a column, as datatable does.
func (b *binder) literal(x plan.Expr, t schema.Type, at syntax.Span) plan.Expr {
	if c, ok := x.(*plan.Const); ok && c.T == schema.String && t != schema.String && t != schema.Dynamic && c.Value == "" {
		return &plan.Const{T: t}
	}
	return b.convert(x, t, at)
}

// function finds a function of the query or a saved one.
func (b *binder) function(name string, e *env) *binding {
	if f := e.find(name); f != nil {
		if f.fn != nil {
			return f
		}
		return nil
	}
	if f, ok := b.saved[name]; ok {
		return f
	}
	cat, ok := b.cat.(FunctionCatalog)
	if !ok {
		return nil
	}
	text, ok := cat.Function(name)
	if !ok {
		text, ok = b.wellKnown(name)
	}
	if !ok {
		return nil
	}
	if !strings.HasPrefix(strings.TrimSpace(text), "(") {
		text = "(){" + text + "\n}"
	}
	q, errs := syntax.Parse("let f = " + text)
	b.saved[name] = nil // a function that calls itself does not find itself
	if len(errs) > 0 {
		b.fail(syntax.Span{}, syntax.CodeSyntax, "The saved function '%s' can't be read: %s", name, errs[0].Message)
		return nil
	}
	if len(q.Statements) != 1 {
		return nil
	}
	let, _ := q.Statements[0].(*syntax.Let)
	if let == nil {
		return nil
	}
	fn, ok := let.X.(*syntax.Func)
	if !ok {
		return nil
	}
	b.saved[name] = &binding{fn: fn, fnEnv: (*env)(nil).child()}
	return b.saved[name]
}
