package seal_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"logkeep/internal/seal"
)

var fuzzSizes = []int{0, 5, 16384, 20_000}

// addSeeds adds objects that open, and neighbours that don't. The salts differ
// in every process, so what may open is told by its plaintext.
func addSeeds(f *testing.F, keys map[string]seal.Keys) {
	for _, k := range keys {
		for _, n := range fuzzSizes {
			b := write(f, k, place, noise(n))
			f.Add(b)
			f.Add(b[:len(b)/2])
			f.Add(append(bytes.Clone(b), 0))
		}
	}
	f.Add([]byte(nil))
	f.Add([]byte("LK\x01\x01"))
	f.Add([]byte("LK\x01\x02"))
}

// checkFuzzed: whatever the bytes were, they are refused as tampered or are
// one of the objects that were sealed.
func checkFuzzed(t *testing.T, out []byte, err error) {
	t.Helper()
	if err != nil {
		if !errors.Is(err, seal.ErrTampered) {
			t.Fatalf("refused with %v", err)
		}
		return
	}
	for _, n := range fuzzSizes {
		if bytes.Equal(out, noise(n)) {
			return
		}
	}
	t.Fatalf("opened %d bytes that were never sealed", len(out))
}

func FuzzOpen(f *testing.F) {
	keys := layerings(f)
	addSeeds(f, keys)
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, k := range keys {
			out, err := read(k, place, b)
			if errors.Is(err, io.EOF) && len(out) == 0 {
				err = nil // an empty object
			}
			checkFuzzed(t, out, err)
		}
	})
}

func FuzzOpenMessage(f *testing.F) {
	keys := layerings(f)
	addSeeds(f, keys)
	f.Fuzz(func(t *testing.T, b []byte) {
		was := bytes.Clone(b)
		for _, k := range keys {
			out, _, err := seal.OpenMessage(k, place, b)
			checkFuzzed(t, out, err)
		}
		if !bytes.Equal(b, was) {
			t.Fatal("the sealed bytes were overwritten")
		}
	})
}
