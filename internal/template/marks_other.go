//go:build !amd64

package template

import "unsafe"

// mark fills blocks of marks: of each 64 bytes of src, of which all can be read.
func mark(to *marks, src *byte, blocks int) {
	markSlowly(unsafe.Slice(to, blocks), unsafe.Slice(src, 64*blocks))
}
