package batch

// copyUntil copies bytes while they are ASCII characters that stand for themselves
// inside of a JSON string, and returns how many it has found to be such. It goes by
// sixteen: it stops at the first that is none, or where fewer than sixteen of n are
// left. dst and src have n bytes each; of dst any of them may be written.
//
//go:noescape
func copyUntil(dst, src *byte, n int) int

// until is copyUntil without the copy.
//
//go:noescape
func until(src *byte, n int) int
