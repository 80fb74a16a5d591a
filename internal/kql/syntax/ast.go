package syntax

import "logkeep/internal/schema"

// A Node is a piece of a query with its place in the text.
type Node interface {
	Where() Span
	print(p *printer)
}

// An Expr is a value, a table or a function.
type Expr interface {
	Node
	expr()
}

// An Operator is what follows a pipe.
type Operator interface {
	Node
	operator()
}

// A Statement is what stands between semicolons.
type Statement interface {
	Node
	statement()
}

// A Query is a whole text.
type Query struct {
	Span
	Statements []Statement
}

type (
	isExpr      struct{}
	isOperator  struct{}
	isStatement struct{}
)

func (isExpr) expr()           {}
func (isOperator) operator()   {}
func (isStatement) statement() {}

// Expressions.
type (
	// A Name is an identifier, possibly with wildcards (*).
	Name struct {
		Span
		isExpr
		Name   string
		Quoted bool // written ['…']: not a keyword, no wildcards
	}
	// A Literal is a constant. Value is nil (null), bool, int64 (int, long),
	// float64, string (string, decimal, guid), schema.Ticks or schema.Span.
	Literal struct {
		Span
		isExpr
		Type  schema.Type
		Value any
	}
	// A Dynamic is a dynamic literal; JSON is its compact text, "" for null.
	Dynamic struct {
		Span
		isExpr
		JSON string
	}
	// A Star is * where columns or arguments are meant.
	Star struct {
		Span
		isExpr
	}
	// A Unary is -x or +x.
	Unary struct {
		Span
		isExpr
		Op string
		X  Expr
	}
	// A Binary is x op y, Op as it is written.
	Binary struct {
		Span
		isExpr
		Op   string
		X, Y Expr
	}
	// A List is x op (a, b, …): in, !in, in~, !in~, has_any, has_all.
	List struct {
		Span
		isExpr
		Op    string
		X     Expr
		Items []Expr
	}
	// A Between is x between (lo .. hi).
	Between struct {
		Span
		isExpr
		Not       bool
		X, Lo, Hi Expr
	}
	// A Call is f(a, b, …).
	Call struct {
		Span
		isExpr
		Name *Name
		Args []Expr
	}
	// A Member is x.name.
	Member struct {
		Span
		isExpr
		X    Expr
		Name *Name
	}
	// A Method is x.f(args): only for database("…").table("…") and the like.
	Method struct {
		Span
		isExpr
		X    Expr
		Call *Call
	}
	// An Index is x[i].
	Index struct {
		Span
		isExpr
		X, I Expr
	}
	// A Paren is (x).
	Paren struct {
		Span
		isExpr
		X Expr
	}
	// A Pipe is source | operator | ….
	Pipe struct {
		Span
		isExpr
		Source Expr // nil where the input comes from around it
		Ops    []Operator
	}
	// A Source is an operator that begins a query: print, range, union, find, ….
	Source struct {
		Span
		isExpr
		Op Operator
	}
	// An Assign is name = x or (a, b) = x.
	Assign struct {
		Span
		isExpr
		Names []*Name
		Tuple bool // names stand in brackets
		X     Expr
	}
	// A TypeOf is typeof(long) or typeof(a:long, b:string).
	TypeOf struct {
		Span
		isExpr
		Type   schema.Type // Invalid if Schema is used
		Schema *RowSchema
	}
	// A RowSchema is (a:long, b:string).
	RowSchema struct {
		Span
		Columns []ColumnDecl
		Star    bool // further columns are allowed
		Lead    bool // the star stands first
	}
	// A ColumnDecl is name:type.
	ColumnDecl struct {
		Span
		Name *Name
		Type schema.Type
	}
	// A Datatable is datatable(a:long)[1, 2].
	Datatable struct {
		Span
		isExpr
		Schema *RowSchema
		Values []Expr
	}
	// An External is externaldata(a:long)["uri"] with (…).
	External struct {
		Span
		isExpr
		Schema *RowSchema
		URIs   []Expr
		Params []Param
	}
	// A Func is (a:long, T:(*)) { body }.
	Func struct {
		Span
		isExpr
		Params []FuncParam
		Body   *Query
		View   bool
	}
	// A FuncParam is name:type = default or T:(schema).
	FuncParam struct {
		Span
		Name    *Name
		Type    schema.Type
		Schema  *RowSchema
		Default Expr
	}
	// A Param is name=value beside an operator's keyword.
	Param struct {
		Span
		Name  string
		Value Expr
	}
	// An Ordered is x asc nulls first.
	Ordered struct {
		Span
		X     Expr
		Dir   string // "", asc or desc; granny-asc and the like of project-reorder
		Nulls string // "", first or last
	}
)

// Statements.
type (
	// A Let is let name = x.
	Let struct {
		Span
		isStatement
		Name *Name
		X    Expr
	}
	// A Set is set name = value.
	Set struct {
		Span
		isStatement
		Name  *Name
		Value Expr
	}
	// A Declare is declare query_parameters(a:long = 1).
	Declare struct {
		Span
		isStatement
		Params []FuncParam
	}
	// A Pattern is declare pattern name = (…)[…] { … }.
	Pattern struct {
		Span
		isStatement
		Name  *Name
		Args  []FuncParam
		Path  *FuncParam
		Cases []PatternCase
	}
	// A PatternCase is ("a", "b").["c"] = { query }.
	PatternCase struct {
		Span
		Values []Expr
		Path   Expr
		Body   *Query
	}
	// An Alias is alias database x = ….
	Alias struct {
		Span
		isStatement
		Name *Name
		X    Expr
	}
	// A Restrict is restrict access to (…).
	Restrict struct {
		Span
		isStatement
		To []Expr
	}
	// A Tabular is the query itself.
	Tabular struct {
		Span
		isStatement
		X Expr
	}
)
