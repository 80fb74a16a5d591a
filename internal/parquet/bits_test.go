package parquet

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// slowly reads a number bit by bit.
func slowly(b []byte, bit, width int) (v uint64) {
	for i := range width {
		v |= uint64(b[(bit+i)>>3]>>((bit+i)&7)&1) << i
	}
	return v
}

func TestBitsAreUnpackedOfEveryWidth(t *testing.T) {
	r := rand.New(rand.NewPCG(53, 3))
	for width := range 65 {
		for range 20 {
			n := r.IntN(100)
			b := make([]byte, (n*width+7)/8+r.IntN(3))
			for i := range b {
				b[i] = byte(r.Uint32())
			}
			if width <= 32 {
				to, want := make([]uint32, n), uint32(0)
				most := unpackBits(to, b, width)
				for i, v := range to {
					if uint64(v) != slowly(b, i*width, width) {
						t.Fatalf("value %d of %d, %d bits: %d, not %d", i, n, width, v, slowly(b, i*width, width))
					}
					want = max(want, v)
				}
				if most != want {
					t.Fatalf("%d is the largest of %v", most, to)
				}
			}
			to, last, least := make([]int64, n), int64(r.Uint64()), int64(r.Uint64())
			end := addUp(to, b, width, last, least)
			for i, v := range to {
				if last += least + int64(slowly(b, i*width, width)); v != last {
					t.Fatalf("sum %d of %d, %d bits: %d, not %d", i, n, width, v, last)
				}
			}
			if end != last {
				t.Fatalf("the last is %d, not %d", end, last)
			}
		}
	}
}

// Eights of values are those that are read one by one, of every width that there are
// eights of, and no byte behind b is touched.
func TestEightsAreWhatTheBitsAre(t *testing.T) {
	r := rand.New(rand.NewPCG(56, 4))
	for width := range 33 {
		for range 50 {
			b := make([]byte, r.IntN(200))
			for i := range b {
				b[i] = byte(r.Uint32() & r.Uint32())
			}
			b = slices.Clip(b)
			n := eights(b, width)
			if n*width > len(b) {
				t.Fatalf("%d eights of %d bits in %d bytes", n, width, len(b))
			}
			to, found := make([]uint32, 8*n+1), make([]byte, n+1)
			to[8*n], found[n] = 77, 77
			unpackEights(to, b, width, n)
			of := [4]uint32{0, uint32(r.IntN(4)), 1<<width - 1, uint32(r.Uint64() >> (64 - width))}
			matchEights(found, b, width, n, &of)
			for i, v := range to[:8*n] {
				if want := uint32(slowly(b, i*width, width)); v != want || slices.Contains(of[:], v) != (found[i/8]>>(i%8)&1 != 0) {
					t.Fatalf("value %d of %d bits: %d, not %d; %v are in %b", i, width, v, want, of, found[i/8])
				}
			}
			if to[8*n] != 77 || found[n] != 77 {
				t.Fatal("it wrote too far")
			}
		}
	}
}

func BenchmarkUnpackBits(b *testing.B) {
	packed := make([]byte, 16384*20/8)
	for i := range packed {
		packed[i] = byte(i * 7)
	}
	to := make([]uint32, 16384)
	for _, width := range []int{3, 9, 14, 20} {
		b.Run(string(rune('0'+width/10))+string(rune('0'+width%10)), func(b *testing.B) {
			for range b.N {
				unpackBits(to, packed, width)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/16384, "ns/value")
		})
	}
	wide := make([]int64, 16384)
	b.Run("deltas", func(b *testing.B) {
		for range b.N {
			for i := 0; i < len(wide); i += 32 {
				addUp(wide[i:i+32], packed[i/32*80:][:80], 20, 0, 5)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/16384, "ns/value")
	})
}
