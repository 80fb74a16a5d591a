// Package builtin is the table of the language's functions.
//
// A function is a row: its names, its signature, what computes it and a line
// for the reader. What computes it is either SQL with {0}, {1}, … for the
// arguments, or a Go function (see package native) that the engine calls, or a
// rule by name that the binder knows because the function is not an ordinary
// one (iff evaluates one of its branches, now is fixed for a whole query).
// Rows of one name are overloads and are tried in their order.
//
// A signature reads like "(text:string, start:long, length:long?) string":
//
//	string long …      exactly that type, or what converts to it by itself
//	number integer     int, long, real, decimal · int, long
//	summable scalar    number, datetime, timespan · anything
//	orderable          number, datetime, timespan, string
//	array bag          dynamic
//	astext             anything; given to the function as string
//	text               string or dynamic; given to the function as string
//	x?                 may be left out
//	x...               once or more often, must be last
//
// and the result is a type, or same (the first argument's), same1 (the
// second's), common (the type that holds all arguments), promoted (int becomes
// long), literal (the type that the last argument, typeof(…), names).
//
// How to add one is described in docs/kql-recipes.md.
package builtin
