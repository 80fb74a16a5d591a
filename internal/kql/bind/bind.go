package bind

import (
	"fmt"
	"slices"

	"logkeep/internal/kql/plan"
	"logkeep/internal/kql/syntax"
	"logkeep/internal/schema"
)

// A Catalog knows the tables that a query may read.
type Catalog interface {
	Table(name string) (schema.Table, bool)
	Tables() []string
}

// FunctionCatalog is a Catalog that also has saved functions.
type FunctionCatalog interface {
	// Function returns the text of a function: parameters in brackets and a
	// body in braces, or a query.
	Function(name string) (text string, ok bool)
}

// A PlaceCatalog is a Catalog that also knows places beside its own: what
// workspace("a"), app("a") and resource("a") mean.
type PlaceCatalog interface {
	// Place returns the tables of a place that the query may read, and by which
	// name a Scan calls it. kind is the word of the language.
	Place(kind, name string) (tables Catalog, place string, ok bool)
}

// Options are what a query does not say itself.
type Options struct {
	Now        schema.Ticks      // the time of the query
	From, To   schema.Ticks      // bounds of TimeGenerated, 0 is open; To is exclusive
	Parameters map[string]string // values of the text's query_parameters: literals, or the texts of values
	External   bool              // externaldata is allowed: sources may be External

	Ask     bool         // a Result may be an Ask; else columns that the data decide are not known
	Answers [][][]string // to the Asks so far
}

// A Result is a bound query.
type Result struct {
	Rel     plan.Rel
	Columns []plan.Column // what the answer shows, in order
	Ordered bool          // the rows are in an order that the query asked for
	Render  *syntax.Render
	Tables  []schema.TableName // that the query reads
	Name    string             // of the result, where the query gives it one
	Count   int                // how many results the query has
	Ask     *Ask               // instead of all else: what has to be answered first
}

// maxNodes bounds how large functions can make a query.
const maxNodes = 200_000

type binder struct {
	cat        Catalog
	opt        Options
	errs       syntax.Diagnostics
	absent     []plan.Column      // columns that other tables of a search have: null in those that lack them
	splits     map[plan.ID]string // the name that columns name_type of unions had
	ids        plan.ID
	shared     int
	nodes      int
	depth      int
	render     *syntax.Render
	tables     map[schema.TableName]bool
	sets       map[string]plan.Expr // what set gave, where it means something
	order      []schema.TableName
	saved      map[string]*binding
	at         *syntax.Span // of the call around a saved function's body, for its mistakes
	root       *syntax.Query
	resultName string // that as gave to the table at the end
	asking     *Ask
	asked      int      // how many Asks there were
	inside     int      // how many tables around see their rows one by one
	found      []result // of the statements of the query itself
}

// A result is one of the tables that a query answers.
type result struct {
	name  string
	table *table
}

// A table is a bound table expression.
type table struct {
	rel    plan.Rel
	cols   []plan.Column // visible, in order; a subset of rel's, perhaps under other names
	serial bool          // in a fixed order
	open   bool          // it may have more columns than are known
	bag    *plan.Column  // in which those are found
	known  bool          // the columns are those that the data have: others are empty
	more   []result      // instead of all that: the results of fork or facet
}

// carried are the columns that an operator has to pass on: those that are seen,
// and the bag of those that are not known.
func (t *table) carried() []plan.Column {
	if t.bag == nil {
		return t.cols
	}
	return append(slices.Clone(t.cols), *t.bag)
}

// env is what names mean, innermost first.
type env struct {
	up    *env
	names map[string]*binding
}

// A binding is what one name means: exactly one field is set.
type binding struct {
	scalar  plan.Expr
	table   *table // its uses go through share
	share   *plan.Shared
	fn      *syntax.Func
	pattern *syntax.Pattern
	group   []syntax.Expr // the places of an entity group
	place   syntax.Expr   // one of them, where macro-expand gave it a name
	fnEnv   *env
	broken  bool // its definition has a mistake that was told
}

func (e *env) find(name string) *binding {
	for ; e != nil; e = e.up {
		if b := e.names[name]; b != nil {
			return b
		}
	}
	return nil
}

func (e *env) child() *env { return &env{up: e, names: map[string]*binding{}} }

// Bind gives meaning to a query. A query may have several results; which is
// the one that is wanted, from 0. The result is nil if there are diagnostics.
func Bind(q *syntax.Query, cat Catalog, opt Options, which int) (*Result, syntax.Diagnostics) {
	b := &binder{cat: cat, opt: opt, tables: map[schema.TableName]bool{}, saved: map[string]*binding{}, sets: map[string]plan.Expr{}, root: q}
	e := (*env)(nil).child()
	t, x := b.query(q, e, nil)
	if b.asking != nil {
		return &Result{Ask: b.asking}, nil
	}
	name := ""
	if len(b.found) > 0 {
		which = min(which, len(b.found)-1)
		t, name = b.found[which].table, b.found[which].name
	}
	if x != nil && t == nil { // a value alone is answered as print does
		t = b.one([]plan.Item{{Col: b.column("print_0", x.Type()), Value: x}})
	}
	if t == nil && len(b.errs) == 0 {
		b.fail(q.Span, syntax.CodeTabular, "The query has no table to answer; end it with a table or a query such as Table | take 10.")
	}
	if t != nil && t.bag != nil && !t.known {
		b.fail(q.Span, syntax.CodeSchemaUnknown, "The columns that bag_unpack gives are known only from the data; name them, as in bag_unpack(d) : (a:string, b:long), or project what is needed.")
	}
	if len(b.errs) > 0 {
		return nil, b.errs
	}
	if most := b.sets["query_take_max_records"]; most != nil {
		t.rel = &plan.Limit{In: t.rel, N: most}
	}
	return &Result{Rel: t.rel, Columns: t.cols, Ordered: t.serial, Render: b.render, Tables: b.order, Name: name, Count: max(len(b.found), 1)}, nil
}

// fail reports a mistake. Inside of a saved function it is told at the call.
func (b *binder) fail(at syntax.Span, code, format string, args ...any) {
	if b.at != nil {
		at = *b.at
	}
	for _, e := range b.errs {
		if e.Span == at && e.Code == code {
			return
		}
	}
	if len(b.errs) < 100 {
		b.errs = append(b.errs, syntax.Diagnostic{Code: code, Message: fmt.Sprintf(format, args...), Span: at})
	}
}

// grow counts nodes and reports whether the query may still grow.
func (b *binder) grow(at syntax.Span) bool {
	b.nodes++
	if b.nodes == maxNodes {
		b.fail(at, syntax.CodeTooDeep, "The query is too large after its functions are put in place.")
	}
	return b.nodes < maxNodes
}

func (b *binder) id() plan.ID {
	b.ids++
	return b.ids
}

func (b *binder) column(name string, t schema.Type) plan.Column {
	return plan.Column{ID: b.id(), Name: name, Type: t}
}

// one is a table of one row with the given columns.
func (b *binder) one(items []plan.Item) *table {
	rel := &plan.Project{In: &plan.Values{Rows: [][]plan.Expr{{}}}, Items: items}
	return &table{rel: rel, cols: rel.Columns(), serial: true}
}

// query binds statements. It returns the last table or value.
func (b *binder) query(q *syntax.Query, e *env, sc *scope) (t *table, x plan.Expr) {
	for i, s := range q.Statements {
		switch s := s.(type) {
		case *syntax.Let:
			b.let(s, e, sc)
		case *syntax.Tabular:
			if t != nil && q != b.root {
				b.fail(s.Span, syntax.CodeSemantic, "A function answers one table; there is more than one query in it.")
				return t, x
			}
			if !b.isTable(s.X, e) {
				x = b.expr(s.X, b.scalarScope(e, sc))
				if x != nil && q == b.root && (len(q.Statements) > i+1 || len(b.found) > 0) {
					b.found = append(b.found, result{"", b.one([]plan.Item{{Col: b.column("print_0", x.Type()), Value: x}})})
				}
				continue
			}
			t = b.forks(s.X, e, q == b.root)
			if t != nil && q == b.root {
				if t.more == nil {
					t.more = []result{{b.resultName, t}}
				}
				b.found = append(b.found, t.more...)
				t = t.more[0].table
			}
		case *syntax.Set:
			b.set(s, e)
		case *syntax.Declare:
			for _, p := range s.Params {
				b.declare(p, e)
			}
		case *syntax.Pattern:
			e.names[s.Name.Name] = &binding{pattern: s, fnEnv: &env{up: e.up, names: copyNames(e.names)}}
		case *syntax.Restrict:
			b.fail(s.Span, syntax.CodeUnsupported, "restrict access is not supported.")
		case *syntax.Alias:
			b.fail(s.Span, syntax.CodeUnsupported, "alias database is not supported.")
		}
	}
	return t, x
}

func (b *binder) scalarBinding(x plan.Expr) *binding {
	if x == nil {
		return &binding{broken: true}
	}
	return &binding{scalar: x}
}

func (b *binder) let(s *syntax.Let, e *env, sc *scope) {
	name := s.Name.Name
	switch x := s.X.(type) {
	case *syntax.Func:
		e.names[name] = &binding{fn: x, fnEnv: &env{up: e.up, names: copyNames(e.names)}}
		return
	case *syntax.EntityGroup:
		e.names[name] = &binding{group: x.Places}
		return
	}
	if b.isTable(s.X, e) {
		t := b.table(s.X, e)
		if t == nil {
			e.names[name] = &binding{broken: true}
			return
		}
		e.names[name] = b.share(name, t, isMaterialize(s.X))
		return
	}
	e.names[name] = b.scalarBinding(b.expr(s.X, b.scalarScope(e, sc)))
}

// copyNames keeps what a function sees as it is at its definition.
func copyNames(m map[string]*binding) map[string]*binding {
	out := make(map[string]*binding, len(m))
	for k, v := range m {
		out[k] = v
	}
	return out
}

func isMaterialize(x syntax.Expr) bool {
	if p, ok := x.(*syntax.Paren); ok {
		return isMaterialize(p.X)
	}
	c, ok := x.(*syntax.Call)
	return ok && c.Name.Name == "materialize"
}

// share makes a table one that can be used several times.
func (b *binder) share(name string, t *table, once bool) *binding {
	b.shared++
	t = b.exact(t)
	return &binding{table: t, share: &plan.Shared{Name: fmt.Sprintf("%s_%d", name, b.shared), In: t.rel, Once: once}}
}

// use makes a use of a shared table, with columns of its own.
func (b *binder) use(x *binding) *table {
	ref := &plan.Ref{To: x.share}
	for _, c := range x.table.cols {
		ref.Cols = append(ref.Cols, b.column(c.Name, c.Type))
		ref.From = append(ref.From, c.ID)
	}
	out := &table{rel: ref, cols: ref.Cols, serial: x.table.serial, open: x.table.open, known: x.table.known}
	if bag := x.table.bag; bag != nil {
		c := b.column(bag.Name, bag.Type)
		ref.Cols, ref.From, out.bag = append(slices.Clone(ref.Cols), c), append(ref.From, bag.ID), &c
	}
	return out
}

// exact returns t with exactly its visible columns in its plan, as a
// projection, and behind them the bag of those that are not known.
func (b *binder) exact(t *table) *table {
	p := &plan.Project{In: t.rel}
	for _, c := range t.cols {
		p.Items = append(p.Items, plan.Item{Col: b.column(c.Name, c.Type), Value: &plan.Col{Column: c}})
	}
	out := &table{rel: p, cols: p.Columns(), serial: t.serial, open: t.open, known: t.known}
	if t.bag != nil {
		c := b.column(t.bag.Name, t.bag.Type)
		p.Items, out.bag = append(p.Items, plan.Item{Col: c, Value: &plan.Col{Column: *t.bag}}), &c
	}
	return out
}
