package plan

import (
	"logkeep/internal/kql/builtin"
	"logkeep/internal/schema"
)

// An Expr is a value of a type.
type Expr interface {
	Type() schema.Type
	args() []*Expr
}

// Exprs.
type (
	// A Col is the value of a column.
	Col struct{ Column }
	// A Const is a constant; Value as in syntax.Literal, JSON text for dynamic.
	Const struct {
		T     schema.Type
		Value any
	}
	// A Call is a function of the table.
	Call struct {
		F    *builtin.Form
		Args []Expr
		T    schema.Type
	}
	// A Compare is one of == != < <= > >= on operands of one type.
	// == and != are never null: null equals nothing but is not equal to all else.
	Compare struct {
		Op   string
		X, Y Expr
	}
	// A Logic is and, or.
	Logic struct {
		Op   string
		X, Y Expr
	}
	// A Not is not(x).
	Not struct{ X Expr }
	// A Path is a member of a dynamic value, of type dynamic.
	Path struct {
		X     Expr
		Steps []Step
	}
	// A Case is the first value whose condition is true.
	Case struct {
		Whens []When
		Else  Expr
		T     schema.Type
	}
	// An In is membership in a list of constants or in a table's only column.
	In struct {
		X     Expr
		Items []Expr
		Rel   Rel  // instead of Items
		Fold  bool // without regard to case
	}
	// A Match looks for text in text. With several patterns one has to match.
	Match struct {
		Op   MatchOp
		X    Expr
		Y    []Expr
		Fold bool // without regard to case
	}
	// A Scalar is the first value of a table, null if there is none.
	Scalar struct {
		Rel Rel
		T   schema.Type
	}
	// An Agg is an aggregate, only inside an Aggregate.
	Agg struct {
		F      *builtin.Form
		Args   []Expr
		T      schema.Type
		Filter Expr // only rows for which it is true
		Order  Expr // make_list: in this order; nil is any
		Flat   bool // make_list, make_set: arrays stand for their elements
	}
	// A WindowCall looks at other rows, only inside a Window.
	WindowCall struct {
		F    string // lag, lead, sum, number, …
		Args []Expr
		T    schema.Type
		// Restart begins anew where it is true.
		Restart Expr
		By      ID // the column that numbers the rows
	}
)

// A Step is one step of a Path: a property by name or by a computed value, or an element.
type Step struct {
	Name  string
	Index int64
	Kind  StepKind
	X     Expr // for Computed
}

// A StepKind says what a Step does.
type StepKind uint8

// The kinds of steps.
const (
	Property StepKind = iota
	Element
	Computed
)

// A MatchOp is a way to look for text.
type MatchOp string

// The ways. Has looks for whole terms, HasPrefix and HasSuffix for their
// beginnings and ends.
const (
	Equals     MatchOp = "equals"
	Contains   MatchOp = "contains"
	StartsWith MatchOp = "startswith"
	EndsWith   MatchOp = "endswith"
	Has        MatchOp = "has"
	HasPrefix  MatchOp = "hasprefix"
	HasSuffix  MatchOp = "hassuffix"
	Regex      MatchOp = "regex"
)

// A When is a branch of a Case.
type When struct{ If, Then Expr }

func (e *Col) Type() schema.Type        { return e.Column.Type }
func (e *Const) Type() schema.Type      { return e.T }
func (e *Call) Type() schema.Type       { return e.T }
func (e *Compare) Type() schema.Type    { return schema.Bool }
func (e *Logic) Type() schema.Type      { return schema.Bool }
func (e *Not) Type() schema.Type        { return schema.Bool }
func (e *In) Type() schema.Type         { return schema.Bool }
func (e *Match) Type() schema.Type      { return schema.Bool }
func (e *Path) Type() schema.Type       { return schema.Dynamic }
func (e *Case) Type() schema.Type       { return e.T }
func (e *Scalar) Type() schema.Type     { return e.T }
func (e *Agg) Type() schema.Type        { return e.T }
func (e *WindowCall) Type() schema.Type { return e.T }

func refs(list []Expr) []*Expr {
	out := make([]*Expr, len(list))
	for i := range list {
		out[i] = &list[i]
	}
	return out
}

func (e *Col) args() []*Expr     { return nil }
func (e *Const) args() []*Expr   { return nil }
func (e *Scalar) args() []*Expr  { return nil }
func (e *Call) args() []*Expr    { return refs(e.Args) }
func (e *Compare) args() []*Expr { return []*Expr{&e.X, &e.Y} }
func (e *Logic) args() []*Expr   { return []*Expr{&e.X, &e.Y} }
func (e *Not) args() []*Expr     { return []*Expr{&e.X} }
func (e *Match) args() []*Expr   { return append([]*Expr{&e.X}, refs(e.Y)...) }
func (e *In) args() []*Expr      { return append([]*Expr{&e.X}, refs(e.Items)...) }
func (e *Path) args() []*Expr {
	out := []*Expr{&e.X}
	for i := range e.Steps {
		if e.Steps[i].Kind == Computed {
			out = append(out, &e.Steps[i].X)
		}
	}
	return out
}
func (e *Case) args() (out []*Expr) {
	for i := range e.Whens {
		out = append(out, &e.Whens[i].If, &e.Whens[i].Then)
	}
	if e.Else != nil {
		out = append(out, &e.Else)
	}
	return out
}
func (e *Agg) args() []*Expr {
	out := refs(e.Args)
	if e.Filter != nil {
		out = append(out, &e.Filter)
	}
	if e.Order != nil {
		out = append(out, &e.Order)
	}
	return out
}
func (e *WindowCall) args() []*Expr {
	out := refs(e.Args)
	if e.Restart != nil {
		out = append(out, &e.Restart)
	}
	return out
}

// Walk calls f for e and everything below it, also inside of scalar tables.
func Walk(e Expr, f func(Expr)) {
	f(e)
	for _, a := range e.args() {
		Walk(*a, f)
	}
	switch e := e.(type) {
	case *Scalar:
		WalkRel(e.Rel, func(r Rel) {}, f)
	case *In:
		if e.Rel != nil {
			WalkRel(e.Rel, func(r Rel) {}, f)
		}
	}
}

// WalkRel calls f for r and all tables below it, and g for all their values.
func WalkRel(r Rel, f func(Rel), g func(Expr)) {
	f(r)
	for _, e := range exprs(r) {
		Walk(*e, g)
	}
	for _, in := range r.inputs() {
		WalkRel(*in, f, g)
	}
	if ref, ok := r.(*Ref); ok {
		WalkRel(ref.To.In, f, g)
	}
}

// Correlated reports whether a table reads columns that neither it nor a table
// below it has: those of the row beside which it stands in an Apply.
func Correlated(r Rel) bool {
	has, reads := map[ID]bool{}, map[ID]bool{}
	visit := func(r Rel) {
		for _, c := range r.Columns() {
			has[c.ID] = true
		}
	}
	WalkRel(r, visit, func(x Expr) {
		switch x := x.(type) {
		case *Col:
			reads[x.Column.ID] = true
		case *Scalar:
			WalkRel(x.Rel, visit, func(Expr) {})
		case *In:
			if x.Rel != nil {
				WalkRel(x.Rel, visit, func(Expr) {})
			}
		}
	})
	for id := range reads {
		if !has[id] {
			return true
		}
	}
	return false
}

// exprs returns the values that a table computes itself.
func exprs(r Rel) (out []*Expr) {
	items := func(list []Item) {
		for i := range list {
			out = append(out, &list[i].Value)
		}
	}
	switch r := r.(type) {
	case *Values:
		for _, row := range r.Rows {
			out = append(out, refs(row)...)
		}
	case *Filter:
		out = append(out, &r.Pred)
	case *Project:
		items(r.Items)
	case *Aggregate:
		items(r.Keys)
		items(r.Aggs)
	case *Sort:
		for i := range r.By {
			out = append(out, &r.By[i].Value)
		}
	case *Rank:
		out = append(append(out, refs(r.Within)...), &r.By.Value)
	case *Limit:
		out = append(out, &r.N)
	case *Sample:
		out = append(out, &r.N)
	case *Join:
		out = append(out, refs(r.On)...)
	case *Unnest:
		for i := range r.Lists {
			out = append(out, &r.Lists[i].Value)
		}
		if r.Limit != nil {
			out = append(out, &r.Limit)
		}
	case *Window:
		items(r.Items)
	case *Sequence:
		out = append(out, &r.From, &r.To, &r.Step)
	}
	return out
}
