// Package plan is the relational form of a query: what the binder makes, what
// the rules improve and what the emitter turns into SQL.
//
// A Rel is a table, an Expr a value. Columns have numbers that are unique in a
// query, so names play no part here: two columns may have the same name, or
// names that differ only in case, and nothing has to be renamed.
//
// Rules are rows in rules.go: a name, a line that says what it does and a
// function. Each must leave the answer as it is; a differential test runs
// queries with and without them.
package plan
