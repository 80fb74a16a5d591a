// Package transform is the part of the query language that a data collection
// rule may use to change rows on their way in: what is computed from one row
// alone. It decides what is allowed and what comes out; the work is the
// engine's, by the same program as any query.
//
// The rows are the table source. A text reads them, or begins with print, and
// goes on with where, extend, project, project-away, project-rename and parse.
// Functions and operators are those of the documentation's list, in its
// spelling (profile.go).
package transform

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"logkeep/internal/kql"
	"logkeep/internal/kql/syntax"
	"logkeep/internal/schema"
)

// Source is the table by which a transformation knows the rows.
const Source = "source"

// Identity tells whether a transformation changes nothing: it is not given, or
// says no more than source.
func Identity(text string) bool {
	text = strings.TrimSpace(text)
	return text == "" || text == Source
}

// A Transform is a transformation that is ready to run.
type Transform struct {
	*kql.Program
	// Timed says that the text asks for the time, so that the program is good
	// for rows of about now only.
	Timed bool
}

// An Error says what is wrong with a transformation, in the words of the
// service that documents it.
type Error struct{ Reasons []string }

func (e *Error) Error() string {
	return "Error occurred while compiling query in query: " + strings.Join(e.Reasons, "; ")
}

// Compile makes a transformation of a text for rows with the given columns. The
// error is an *Error.
func Compile(text string, columns []schema.Column, now schema.Ticks) (*Transform, error) {
	tree, errs := syntax.Parse(text)
	if len(errs) > 0 {
		errs.Place(text)
		return nil, worded(errs)
	}
	p := &profile{text: text}
	p.check(tree)
	if len(p.errs) > 0 {
		p.errs.Place(text)
		return nil, worded(p.errs)
	}
	program, err := kql.Compile(text, source(columns), kql.Options{Now: now})
	if d, ok := errors.AsType[kql.Diagnostics](err); ok {
		return nil, worded(d)
	}
	if err != nil {
		return nil, err
	}
	if len(program.More) > 0 {
		return nil, &Error{[]string{"a transformation is one query"}}
	}
	return &Transform{program, p.timed}, nil
}

// worded writes mistakes as the service that is known for them does.
func worded(all syntax.Diagnostics) *Error {
	e := &Error{}
	for _, d := range all {
		kind := "SemanticError:0x00000006"
		if strings.HasPrefix(d.Code, "SYN") {
			kind = "SyntaxError:0x00000001"
		}
		e.Reasons = append(e.Reasons, fmt.Sprintf("%s at %d:%d : %s", kind, d.Line, d.Pos, strings.TrimSuffix(d.Message, ".")))
	}
	return e
}

// source is the only table that a transformation can read.
type source []schema.Column

// Table implements kql.Catalog.
func (s source) Table(name string) (schema.Table, bool) {
	return schema.Table{Name: Source, Columns: s}, name == Source
}

// Tables implements kql.Catalog.
func (s source) Tables() []string { return []string{Source} }

// A Mismatch is a column that comes out with another type than its table has.
type Mismatch struct {
	Column           string
	Produced, Output schema.Type
}

// Fit compares what comes out of a transformation with the columns of its table.
func Fit(produced, table []schema.Column) (wrong []Mismatch) {
	for _, c := range table {
		i := slices.IndexFunc(produced, func(p schema.Column) bool { return p.Name == c.Name })
		if i >= 0 && !fits(produced[i].Type, c.Type) {
			wrong = append(wrong, Mismatch{c.Name, produced[i].Type, c.Type})
		}
	}
	return wrong
}

// fits tells whether every value of a type can be stored as another one.
func fits(from, to schema.Type) bool {
	switch {
	case from == to:
		return true
	case from == schema.Int:
		return to == schema.Long || to == schema.Real
	case from == schema.Long:
		return to == schema.Real
	case from == schema.Decimal:
		return to == schema.Real
	}
	// A stream has no guids: their texts become some where a table wants them.
	return from == schema.String && to == schema.GUID || from == schema.GUID && to == schema.String
}
