package template

// mark fills blocks of marks: of each 64 bytes of src, of which all can be read.
//
//go:noescape
func mark(to *marks, src *byte, blocks int)
