//go:build !amd64

package parquet

// Where there is no way to take eight values out of bits at a time, the loops behind
// do all of it.
func eights(_ []byte, _ int) int { return 0 }

func unpackEights(_ []uint32, _ []byte, _, _ int) uint32 { return 0 }

func matchEights(_, _ []byte, _, _ int, _ *[4]uint32) {}
