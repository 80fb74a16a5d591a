// Package kql compiles queries of the Kusto Query Language.
//
// The phases are folders, and each takes one form and gives the next:
//
//	syntax   text → tree, with places            (parser, printer)
//	bind     tree → plan, with types and names   (uses the tables of builtin)
//	plan     plan → better plan                  (rules)
//	emit     plan → SQL for DuckDB
//
// A compiled Program knows which tables and columns it reads and within which
// bounds of time, so that its caller can prepare only those. The engine must
// have been opened with the functions of Natives.
package kql

import (
	"slices"

	"logkeep/internal/kql/bind"
	"logkeep/internal/kql/builtin"
	"logkeep/internal/kql/emit"
	"logkeep/internal/kql/machine"
	"logkeep/internal/kql/plan"
	"logkeep/internal/kql/syntax"
	"logkeep/internal/schema"
)

// A Catalog knows the tables that a query may read. If it is also a
// FunctionCatalog, queries can call saved functions; if it is a PlaceCatalog,
// they can read tables of other places.
type Catalog = bind.Catalog

// What a Catalog may be beside that.
type (
	FunctionCatalog = bind.FunctionCatalog
	PlaceCatalog    = bind.PlaceCatalog
)

// Options are what a query does not say itself.
type Options struct {
	Now      schema.Ticks // the time of the query
	From, To schema.Ticks // bounds of TimeGenerated of every stored table, To exclusive; 0 is open
	External bool         // externaldata is allowed: sources may be External
	Weights  bool         // sources may have Weights

	// Parameters are values of the text's query_parameters: literals, or the texts of values.
	Parameters map[string]string

	// Ask runs a query on whose answer the columns of the query around it
	// depend, and returns its rows; all columns are strings. Where it is nil,
	// bag_unpack and pivot know only the columns that the query names.
	Ask func(*Program) ([][]string, error)
}

// A Source is a stored table as a query reads it. Columns, and behind them
// Members, are in the order in which the relation must have them; there is always
// at least one.
type Source = emit.Source

// A Member is a key of a dynamic column that a source has as a column.
type Member = plan.Member

// Weights are what a source may have that is asked for weighted rows.
type Weights = plan.Weights

// MemberSQL writes a member in terms of the column that it is in, given as SQL.
func MemberSQL(m Member, column string) string { return emit.MemberSQL(m, column) }

// A Native is a function in Go that the engine must offer. It has the fields
// of duck.Function, to which it can be converted.
type Native = builtin.Native

// Diagnostics are the mistakes of a query; Compile's error is one.
type Diagnostics = syntax.Diagnostics

// A Newest says that the program answers no more than Rows rows, each made of
// one row of one of Relations, and that late rows are as good as, or better
// than, early ones. So if it answers Rows rows when these relations lack all
// rows before some time, that is the answer.
type Newest struct {
	Rows      int64
	Relations []string
}

// A Need is what is known of every row of a source that matters.
type Need = plan.Need

// A Clue is that the text of a column has some terms and parts.
type Clue = plan.Clue

// A Part is what a Clue's text contains.
type Part = plan.Part

// A Look is all that is asked of a column's text.
type Look = plan.Look

// An Edge says where an end of a part may be in a text.
type Edge = plan.Edge

// The edges: anywhere, not inside of a word, at the end of the text.
const (
	Open   = plan.Open
	AtWord = plan.AtWord
	AtEnd  = plan.AtEnd
)

// A Render is what the query says about drawing its answer.
type Render struct {
	Visualization string
	Properties    map[string]string
}

// A Program is a compiled query. It is immutable.
type Program struct {
	Columns []schema.Column // of the answer
	Sources []Source        // what it reads; an entry for each place where a table is read
	Render  *Render         // nil if the query does not say
	Ordered bool            // the query asked for an order of rows
	Name    string          // of the result, "" if the query gives it none
	More    []*Program      // the further results of a text with several queries, of fork and of facet
	Newest  *Newest         // nil if all rows are needed

	rel  plan.Rel
	cols []plan.Column
}

// Compile makes a program of a query. The error is Diagnostics, or that of
// opt.Ask.
func Compile(text string, cat Catalog, opt Options) (*Program, error) {
	return compile(text, cat, opt, true)
}

// compilation is a query on its way.
type compilation struct {
	text     string
	tree     *syntax.Query
	cat      Catalog
	opt      bind.Options
	ask      func(*Program) ([][]string, error)
	optimize bool
	weigh    bool
}

func compile(text string, cat Catalog, opt Options, optimize bool) (*Program, error) {
	tree, errs := syntax.Parse(text)
	if len(errs) > 0 {
		return nil, errs
	}
	c := &compilation{text, tree, cat, bind.Options{Now: opt.Now, From: opt.From, To: opt.To, External: opt.External, Parameters: opt.Parameters, Ask: opt.Ask != nil}, opt.Ask, optimize, optimize && opt.Weights}
	first, results, err := c.result(0)
	for i := 1; i < results && err == nil; i++ {
		var next *Program
		next, _, err = c.result(i)
		first.More = append(first.More, next)
	}
	if err != nil {
		return nil, err
	}
	return first, nil
}

// result compiles one result of a query, and says how many there are. Each has
// a plan of its own, because the rules change plans in place. The query is
// bound anew with each answer that it needs.
func (c *compilation) result(which int) (*Program, int, error) {
	for {
		bound, errs := bind.Bind(c.tree, c.cat, c.opt, which)
		if len(errs) > 0 {
			slices.SortStableFunc(errs, func(a, b syntax.Diagnostic) int { return a.Span.Start - b.Span.Start })
			errs.Place(c.text)
			return nil, 0, errs
		}
		if bound.Ask != nil {
			rows, err := c.ask(c.program(bound.Ask.Rel, bound.Ask.Columns))
			if err != nil {
				return nil, 0, err
			}
			c.opt.Answers = append(c.opt.Answers, rows)
			continue
		}
		p := c.program(bound.Rel, bound.Columns)
		p.Ordered, p.Render, p.Name = bound.Ordered, render(bound.Render), bound.Name
		return p, bound.Count, nil
	}
}

func (c *compilation) program(rel plan.Rel, cols []plan.Column) *Program {
	if c.optimize {
		rel = plan.Optimize(rel, cols)
	}
	if c.weigh {
		rel = plan.Weigh(rel)
	}
	p := &Program{rel: rel, cols: cols}
	for _, col := range cols {
		p.Columns = append(p.Columns, schema.Column{Name: col.Name, Type: col.Type})
	}
	p.Sources = emit.Sources(rel)
	if scans, rows, ok := plan.Newest(rel); ok && c.optimize {
		p.Newest = &Newest{Rows: rows, Relations: emit.Relations(rel, scans)}
	}
	return p
}

// Statement writes the program as SQL. rel gives the SQL of a source: a SELECT
// in brackets whose columns are those of the source in their order, carried as
// package schema says. The statement may be written several times.
func (p *Program) Statement(rel func(Source) string) (sql string, args []any) {
	return emit.SQL(p.rel, p.cols, rel)
}

// Plan shows the plan to people.
func (p *Program) Plan() string { return plan.Text(p.rel) }

// Natives lists the functions that the engine must offer.
func Natives() []Native {
	return slices.Concat(builtin.Functions().Natives(), builtin.Operators().Natives(), builtin.Aggregates().Natives(), machine.Natives())
}

// Format writes a query in the usual form.
func Format(text string) (string, error) {
	tree, errs := syntax.Parse(text)
	if len(errs) > 0 {
		return "", errs
	}
	return syntax.Text(tree), nil
}

func render(r *syntax.Render) *Render {
	if r == nil {
		return nil
	}
	out := &Render{Visualization: r.Kind.Name, Properties: map[string]string{}}
	for _, p := range r.Props {
		switch v := p.Value.(type) {
		case *syntax.Name:
			out.Properties[p.Name] = v.Name
		case *syntax.Literal:
			if s, ok := v.Value.(string); ok {
				out.Properties[p.Name] = s
			} else {
				out.Properties[p.Name] = syntax.Text(v)
			}
		}
	}
	return out
}
