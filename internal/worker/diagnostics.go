package worker

import (
	"strings"

	"logkeep/internal/fault"
	"logkeep/internal/kql"
)

// badQuery tells the mistakes of a query's text in the shape of the query API:
// the first one innermost, where clients look for it, and all as details.
func badQuery(d kql.Diagnostics) *fault.Error {
	kind, words := fault.SemanticError, "A semantic error occurred."
	if strings.HasPrefix(d[0].Code, "SYN") {
		kind, words = fault.SyntaxError, "A syntax error occurred."
	}
	f := fault.New(fault.BadArgument, "The request had some invalid properties").
		WithInner(fault.New(kind, "%s", words).WithInner(mistake(d, 0)))
	if len(d) > 1 {
		all := make([]*fault.Error, len(d))
		for i := range d {
			all[i] = mistake(d, i)
		}
		f = f.WithDetails(all...)
	}
	return f
}

func mistake(d kql.Diagnostics, i int) *fault.Error {
	f := fault.New(fault.Code(d[i].Code), "%s", d[i].Message)
	f.Place = &fault.Place{Line: d[i].Line, Pos: d[i].Pos - 1, Token: d[i].Token}
	return f
}
