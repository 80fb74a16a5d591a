// Package machine computes what the engine can't: the operator scan, whose
// steps look at values that earlier rows left behind.
//
// The binder takes a scan apart. What an expression computes from its row alone
// stays with the engine and reaches the machine as a cell; what looks at the
// state of steps becomes a Node, a small tree of its own. The program of a scan
// travels as JSON text beside the rows, because the engine's functions have no
// other way to be told anything, and is run by one function over all rows of a
// partition in their order.
package machine
