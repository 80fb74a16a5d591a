package parquet

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/DataDog/zstd"
	"github.com/apache/arrow-go/v18/arrow/array"

	"logkeep/internal/batch"
	"logkeep/internal/schema"
	"logkeep/internal/template"
)

// BenchmarkTexts stores the texts of a row group in pages of a stripe, and reads
// them again: packed with zstd, and by templates. They are those of the first
// 131,072 rows of the file of JSON lines that LOGKEEP_ROWS names.
func BenchmarkTexts(b *testing.B) {
	name := os.Getenv("LOGKEEP_ROWS")
	if name == "" {
		b.Skip("LOGKEEP_ROWS names no file of rows")
	}
	text, err := os.ReadFile(name)
	if err != nil {
		b.Fatal(err)
	}
	for _, of := range []schema.Column{{Name: "Message", Type: schema.String}, {Name: "Properties", Type: schema.Dynamic}, {Name: "SourceIP", Type: schema.String}, {Name: "UserPrincipalName", Type: schema.String}} {
		var texts [][]byte
		t := schema.Table{Name: "Bench_CL", Columns: []schema.Column{{Name: "TimeGenerated", Type: schema.DateTime}, of}}
		for rest := text; len(rest) > 0 && len(texts) < 128<<10; {
			end := 0
			for n := 0; n < 2000; n++ {
				i := bytes.IndexByte(rest[end:], '\n')
				if i < 0 {
					break
				}
				end += i + 1
			}
			p, err := batch.Parse(bytes.NewBuffer(rest[:end]), t, 0)
			if err != nil {
				b.Fatal(err)
			}
			rest = rest[end:]
			a := newTextArray(p.Record.Column(p.Record.Schema().FieldIndices(of.Name)[0]).(*array.String))
			for row := range p.Record.NumRows() {
				texts = append(texts, a.at(int32(row)))
			}
		}
		var pages [][][]byte
		for ; len(texts) >= Stripe; texts = texts[Stripe:] {
			pages = append(pages, texts[:Stripe])
		}
		b.Run(of.Name, func(b *testing.B) { benchTexts(b, pages) })
	}
}

// BenchmarkPods is BenchmarkTexts of texts with names of pods in them, as Kubernetes makes
// them: five letters and digits behind ten, of an alphabet without vowels. So many pods
// there are in a row group.
func BenchmarkPods(b *testing.B) {
	const alphabet = "bcdfghjklmnpqrstvwxz2456789"
	for _, pods := range []int{50, 2000, 100_000} {
		b.Run(fmt.Sprint(pods), func(b *testing.B) {
			r := rand.New(rand.NewPCG(58, uint64(pods)))
			some := func(n int) string {
				b := make([]byte, n)
				for i := range b {
					b[i] = alphabet[r.IntN(len(alphabet))]
				}
				return string(b)
			}
			names := make([]string, pods)
			for i := range names {
				names[i] = []string{"web", "checkout-api", "invoice-worker"}[r.IntN(3)] + "-" + some(9+r.IntN(2)) + "-" + some(5)
			}
			var pages [][][]byte
			for range 64 {
				var texts [][]byte
				for range Stripe {
					pod := names[r.IntN(pods)]
					texts = append(texts, append(make([]byte, 0, 200), []string{
						fmt.Sprintf("Started container app of pod %s in namespace shop after %dms", pod, r.IntN(9000)),
						fmt.Sprintf("Readiness probe of %s failed: Get http://10.4.%d.%d:8080/healthz: i/o timeout", pod, r.IntN(256), r.IntN(256)),
						fmt.Sprintf("Scaled up %s, %d MiB of memory are left on the node", pod, r.IntN(64_000)),
					}[r.IntN(3)]...))
				}
				pages = append(pages, texts)
			}
			benchTexts(b, pages)
		})
	}
}

func benchTexts(b *testing.B, pages [][][]byte) {
	rows := float64(len(pages) * Stripe)
	measure := func(name string, do func() int) {
		b.Run(name, func(b *testing.B) {
			begin, size := used(), 0
			for b.Loop() {
				size = do()
			}
			b.ReportMetric(float64((used()-begin).Nanoseconds())/float64(b.N)/rows, "cpu-ns/row")
			b.ReportMetric(float64(size)/rows, "B/row")
		})
	}
	var packed, stored [][]byte
	var dictionary []byte
	page := make([]byte, 0, 4<<20)
	measure("zstd/pack", func() (size int) {
		packed = packed[:0]
		buffer := make([]byte, 4<<20)
		for _, texts := range pages {
			page = page[:0]
			for _, s := range texts {
				page = append(binary.LittleEndian.AppendUint32(page, uint32(len(s))), s...)
			}
			out, err := zstd.CompressLevel(buffer, page, level)
			if err != nil {
				b.Fatal(err)
			}
			packed = append(packed, bytes.Clone(out))
			size += len(out)
		}
		return size
	})
	measure("zstd/unpack", func() (size int) {
		var d Desk
		for _, p := range packed {
			n := 0
			for i := range pages[0] {
				n += 4 + len(pages[0][i])
			}
			out, err := zstd.Decompress(page[:cap(page)], p)
			if err != nil {
				b.Fatal(err)
			}
			size += len(out)
		}
		_ = d
		return size
	})
	var c template.Coder
	measure("templates/pack", func() (size int) {
		stored = stored[:0]
		c.Reset()
		for _, texts := range pages {
			for _, s := range texts {
				c.Add(s)
			}
			page = c.Page(page[:0])
			stored = append(stored, bytes.Clone(page))
			size += len(page)
		}
		var err error
		if dictionary, err = zstd.CompressLevel(nil, c.Dictionary(nil), level); err != nil {
			b.Fatal(err)
		}
		return size + len(dictionary)
	})
	plain, err := zstd.Decompress(nil, dictionary)
	if err != nil {
		b.Fatal(err)
	}
	d, err := template.Parse(plain)
	if err != nil {
		b.Fatal(err)
	}
	var p template.Page
	measure("templates/unpack", func() (size int) {
		for i, s := range stored {
			if err := p.Open(d, s, len(pages[i])); err != nil {
				b.Fatal(err)
			}
			out, err := p.Plain(page[:p.Room()])
			if err != nil {
				b.Fatal(err)
			}
			size += len(out)
		}
		return size
	})
	repacked := 0
	for _, s := range stored {
		out, err := zstd.CompressLevel(nil, s, level)
		if err != nil {
			b.Fatal(err)
		}
		repacked += len(out)
	}
	b.Logf("%d templates, %d odd, dictionary %d B, packed once more %.1f B/row", c.Templates(), c.Odd(), len(dictionary), float64(repacked)/rows)
}
