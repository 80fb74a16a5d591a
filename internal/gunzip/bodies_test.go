package gunzip

import (
	"bytes"
	"io"
	"os"
	"syscall"
	"testing"
	"time"

	other "github.com/klauspost/compress/gzip"
)

// bodies are rows as clients send them: of the file that LOGKEEP_ROWS names, if
// it is set, else made up ones, packed in the way of our own client and at the
// level that most others have.
func bodies(b *testing.B, level int) (packed [][]byte, size int64) {
	text := bytes.Repeat(texts()[5], 4)
	if path := os.Getenv("LOGKEEP_ROWS"); path != "" {
		f, err := os.Open(path)
		if err != nil {
			b.Fatal(err)
		}
		defer f.Close()
		text = make([]byte, 8<<20)
		if _, err := io.ReadFull(f, text); err != nil {
			b.Fatal(err)
		}
	}
	for len(text) > 0 {
		n := min(len(text), 950_000)
		var p bytes.Buffer
		w, err := other.NewWriterLevel(&p, level)
		if err != nil {
			b.Fatal(err)
		}
		w.Write(text[:n]) // to memory
		w.Close()
		packed, size, text = append(packed, p.Bytes()), size+int64(n), text[n:]
	}
	return packed, size
}

// BenchmarkBodies unpacks bodies.
func BenchmarkBodies(b *testing.B) {
	for name, level := range map[string]int{"fastest": other.BestSpeed, "usual": 6} {
		b.Run(name, func(b *testing.B) {
			packed, size := bodies(b, level)
			b.SetBytes(size)
			var dst []byte
			var err error
			begin := used()
			for b.Loop() {
				for _, p := range packed {
					if dst, err = Append(dst[:0], p, 10<<20); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64((used()-begin).Nanoseconds())/float64(b.N)/float64(size)*1000, "cpu-ns/KB")
		})
	}
}

// used is the processor time that this process has used.
func used() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u) // fails for no process that asks for itself
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
