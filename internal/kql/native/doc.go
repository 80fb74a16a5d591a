// Package native holds the functions that SQL can't express exactly, written
// in Go. Each takes its arguments as the engine carries them (bool, int64,
// float64, string; dynamic values as JSON text) and returns such a value or
// nil. They are pure: no clock, no files, no network. Data never goes into an
// error text.
package native
