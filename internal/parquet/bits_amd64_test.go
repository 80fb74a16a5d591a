package parquet

import "testing"

// A processor without AVX2 takes the same values out of bits.
func TestBitsWithoutVectors(t *testing.T) {
	defer func(before bool) { eightsHere = before }(eightsHere)
	eightsHere = false
	t.Run("bits", TestBitsAreUnpackedOfEveryWidth)
	t.Run("codes", TestCodesAreFoundWhereTheyLie)
}
