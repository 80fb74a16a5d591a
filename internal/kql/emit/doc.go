// Package emit writes a plan as SQL for DuckDB.
//
// No text of a query ever becomes SQL text: columns are called c1, c2, … by
// their numbers, strings are parameters, and numbers and times are written from
// typed values. The only names of others that occur are those of stored tables'
// columns, and they are given to the caller as data: see Source.
//
// Types are carried as package schema says: datetime and timespan as ticks in a
// BIGINT, dynamic as JSON text, string never null. Whatever could make a null of
// a string (an outer join, a function in Go) is wrapped here.
package emit
