package journal_test

import (
	"fmt"
	"testing"

	"logkeep/internal/disk"
)

// BenchmarkAppend appends 16 KiB units from many goroutines to a real disk:
// the cost of a unit falls with the number that share a sync.
func BenchmarkAppend(b *testing.B) {
	for _, writers := range []int{2, 16, 128} {
		b.Run(fmt.Sprint("writers", writers), func(b *testing.B) {
			folder, err := disk.OpenFolder(b.TempDir())
			if err != nil {
				b.Fatal(err)
			}
			defer folder.Close()
			j, _ := open(b, folder, newRing(b, 1))
			defer j.Close()
			e := entry(string(make([]byte, 16<<10)))
			b.SetBytes(16 << 10)
			b.ReportAllocs()
			b.SetParallelism(max(1, writers/2))
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := j.Append(b.Context(), e); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}
