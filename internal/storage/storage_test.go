package storage

import "testing"

// Sealing gives these lengths for these plaintexts; docs/format/sealed.md has why.
func TestLengthsThatSealingGives(t *testing.T) {
	const chunk = 16384
	for _, plain := range []int64{0, 1, 100, chunk - 1, chunk, chunk + 1, 2 * chunk, 10*chunk + 7} {
		chunks := plain/chunk + 1 // the last one is always shorter than a full one
		one := 4 + 56 + plain + 16*chunks
		two := 4 + 56 + 72 + plain + 32*chunks
		if !fits(1, one) {
			t.Errorf("%d bytes of plaintext: %d are refused", plain, one)
		}
		if !fits(2, two) {
			t.Errorf("%d bytes of plaintext, sealed twice: %d are refused", plain, two)
		}
	}
	for _, size := range []int64{0, 4, 60, 75, 4 + 56 + 16400, 4 + 56 + 16400 + 15} {
		if fits(1, size) {
			t.Errorf("%d bytes are taken", size)
		}
	}
	for _, size := range []int64{0, 132, 163, 132 + 16416, 132 + 16416 + 31} {
		if fits(2, size) {
			t.Errorf("%d bytes, sealed twice, are taken", size)
		}
	}
}
