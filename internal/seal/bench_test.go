package seal_test

import (
	"bytes"
	"fmt"
	"testing"

	"logkeep/internal/seal"
)

type discard struct{}

func (discard) WriteSealed(seal.Sealed) error { return nil }

func BenchmarkSeal(b *testing.B) {
	plain := noise(8 << 20)
	for name, k := range layerings(b) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(plain)))
			b.ReportAllocs()
			for b.Loop() {
				w, err := seal.NewWriter(discard{}, k, place)
				if err != nil {
					b.Fatal(err)
				}
				w.Write(plain)
				if err := w.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkOpen(b *testing.B) {
	plain := noise(8 << 20)
	for name, k := range layerings(b) {
		b.Run(name, func(b *testing.B) {
			sealed := write(b, k, place, plain)
			r, err := seal.Open(bytes.NewReader(sealed), int64(len(sealed)), k, place)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(plain)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.ReadAt(plain, 0); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkSealMessage(b *testing.B) {
	k := layerings(b)["one"]
	for _, n := range []int{256, 64 << 10} {
		plain := noise(n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := seal.SealMessage(k, place, plain); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
