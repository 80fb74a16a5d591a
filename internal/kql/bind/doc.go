// Package bind gives meaning to a query: it finds what names stand for, checks
// and converts types, names columns by the language's rules and makes the plan.
//
// The binder never stops at a mistake. What could not be understood becomes
// nil and is passed on silently, so that each mistake is told once.
//
// A let is bound where it stands, and its value is shared by all its uses;
// functions are bound anew at every call, with their arguments in place.
// One operator, one file, as in package syntax.
package bind
