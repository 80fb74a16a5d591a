package worker

import (
	"slices"
	"strings"

	"logkeep/internal/fault"
	"logkeep/internal/kql"
	"logkeep/internal/kql/syntax"
	"logkeep/internal/schema"
	"logkeep/internal/worker/wire"
)

// Queries of tables with the plan Basic or Auxiliary are bound to one such
// table, which lookup and union can set beside up to five others; they have no
// join, find, search or externaldata, no user-defined functions, and one
// workspace (behaviour 24.9).

// maxBeside is how many Analytics tables such a query can read.
const maxBeside = 5

// allowed tells what of a query its tables' plans forbid. saved tells whether it
// calls saved functions.
func allowed(q wire.Query, p *kql.Program, saved bool) error {
	if len(q.Limited) == 0 {
		return nil
	}
	var limited, beside []schema.TableName
	for _, one := range append([]*kql.Program{p}, p.More...) {
		for _, s := range one.Sources {
			to := &beside
			if slices.Contains(q.Limited, s.Table) {
				to = &limited
			}
			if !slices.Contains(*to, s.Table) {
				*to = append(*to, s.Table)
			}
		}
	}
	if len(limited) == 0 {
		return nil
	}
	no := func(what string) error {
		return fault.New(fault.BadArgument, "The table '%s' has the plan Basic or Auxiliary. %s", limited[0], what)
	}
	switch {
	case len(limited) > 1:
		return no("A query reads one table with such a plan, and not '" + string(limited[1]) + "' as well.")
	case len(beside) > maxBeside:
		return no("A query can read up to five Analytics tables beside it, with lookup and union.")
	case len(q.Places) > 1:
		return no("Queries over several workspaces are not supported for it.")
	case saved:
		return no("User-defined functions are not supported in queries of it.")
	}
	tree, errs := syntax.Parse(q.Text)
	if len(errs) > 0 {
		return nil // it was compiled: this can't be
	}
	var found []string
	syntax.Walk(tree, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.Join:
			if !n.Lookup {
				found = append(found, "join")
			}
		case *syntax.Find:
			found = append(found, "find")
		case *syntax.Search:
			found = append(found, "search")
		case *syntax.External:
			found = append(found, "externaldata")
		case *syntax.Func:
			found = append(found, "a user-defined function")
		}
		return true
	})
	if len(found) > 0 {
		return no("Queries of it do not support " + strings.Join(slices.Compact(found), ", ") + ".")
	}
	return nil
}
