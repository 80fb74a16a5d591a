// Package syntax reads and prints KQL text.
//
// Parse returns the tree of a query and every mistake in it, each once, with
// the place where it is. The parser never gives up: after a mistake it goes on
// at the next pipe or semicolon, so that one look shows all mistakes.
//
// Every node knows its place in the text (Span) and prints back (Text) to text
// that parses to the same tree: Text(Parse(Text(n))) == Text(n), which a fuzz
// test holds it to.
//
// One operator, one file: op_join.go holds the node of join, how it is read and
// how it is printed. A new operator is such a file and a row in operators.go.
package syntax
