package template

import "golang.org/x/sys/cpu"

var by32 = cpu.X86.HasAVX2

// mark fills blocks of marks: of each 64 bytes of src, of which all can be read.
func mark(to *marks, src *byte, blocks int) {
	if by32 {
		mark32(to, src, blocks)
	} else {
		mark16(to, src, blocks)
	}
}

// mark16 is mark for every amd64 processor.
//
//go:noescape
func mark16(to *marks, src *byte, blocks int)

// mark32 is mark for those with AVX2.
//
//go:noescape
func mark32(to *marks, src *byte, blocks int)
