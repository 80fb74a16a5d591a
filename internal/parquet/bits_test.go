package parquet

import (
	"math/rand/v2"
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
