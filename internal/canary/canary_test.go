package canary_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/klauspost/compress/zstd"

	"logkeep/internal/canary"
)

const word = "canaryabcdefghijklmnopqrstuvwxyz"

func utf16Bytes(text string, big bool) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(text)) {
		if big {
			b = append(b, byte(u>>8), byte(u))
		} else {
			b = append(b, byte(u), byte(u>>8))
		}
	}
	return b
}

func packGzip(t *testing.T, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func packZstd(t *testing.T, b []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	return w.EncodeAll(b, nil)
}

func packParquet(t *testing.T, codec compress.Compression, values ...string) []byte {
	t.Helper()
	schema := arrow.NewSchema([]arrow.Field{{Name: "n", Type: arrow.PrimitiveTypes.Int64}, {Name: "Message", Type: arrow.BinaryTypes.String, Nullable: true}}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	for i, value := range values {
		b.Field(0).(*array.Int64Builder).Append(int64(i))
		b.Field(1).(*array.StringBuilder).Append(value)
		b.Field(0).(*array.Int64Builder).Append(int64(i))
		b.Field(1).AppendNull()
	}
	record := b.NewRecordBatch()
	defer record.Release()
	var out bytes.Buffer
	// Without statistics: the footer must not give the word away in the clear.
	w, err := pqarrow.NewFileWriter(schema, &out, parquet.NewWriterProperties(parquet.WithCompression(codec), parquet.WithStats(false)), pqarrow.DefaultWriterProps())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(record); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func noise(n int) []byte {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func scan(t *testing.T, dir string, words ...string) canary.Report {
	t.Helper()
	s, err := canary.NewScanner(words...)
	if err != nil {
		t.Fatal(err)
	}
	report, err := s.Tree(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func write(t *testing.T, content []byte) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), content, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestEveryDisguiseIsSeenThrough(t *testing.T) {
	longText := strings.Repeat("nothing to see here; ", 500) + word + strings.Repeat(" and nothing there", 500)
	plants := map[string][]byte{
		"utf-8":                           []byte(word),
		"utf-16le":                        utf16Bytes(word, false),
		"utf-16be":                        utf16Bytes(word, true),
		"base64+0 of utf-8":               []byte(base64.StdEncoding.EncodeToString([]byte("xyz" + word + "!"))),
		"base64+1 of utf-8":               []byte(base64.StdEncoding.EncodeToString([]byte("x" + word + "??"))),
		"base64+2 of utf-8":               []byte(base64.URLEncoding.EncodeToString([]byte("xy" + word + "???"))),
		"base64+0 of utf-16le":            []byte(base64.StdEncoding.EncodeToString(utf16Bytes(word, false))),
		"base64+1 of utf-16be":            []byte(base64.RawURLEncoding.EncodeToString(append([]byte{200}, utf16Bytes(word, true)...))),
		"gzip@0: utf-8":                   packGzip(t, []byte(longText)),
		"zstd@0: utf-8":                   packZstd(t, []byte(longText)),
		"gzip@0: utf-16be":                packGzip(t, utf16Bytes(longText, true)),
		"zstd@0: base64+1 of utf-8":       packZstd(t, []byte(base64.StdEncoding.EncodeToString([]byte("z"+longText)))),
		"zstd@0: gzip@0: utf-8":           packZstd(t, packGzip(t, []byte(longText))),
		"parquet@0: utf-8":                packParquet(t, compress.Codecs.Snappy, "a", longText, "b"),
		"gzip@0: parquet@0: utf-8":        packGzip(t, packParquet(t, compress.Codecs.Brotli, longText, longText)),
		"parquet@0: base64+2 of utf-8":    packParquet(t, compress.Codecs.Zstd, base64.StdEncoding.EncodeToString([]byte("zz"+longText))),
		"parquet@0: zstd@0: utf-16le":     packParquet(t, compress.Codecs.Snappy, string(packZstd(t, utf16Bytes(longText, false)))),
		"gzip@0: zstd@0: gzip@0: utf-8":   packGzip(t, packZstd(t, packGzip(t, []byte(longText)))),
		"parquet@0: base64+0 of utf-16be": packParquet(t, compress.Codecs.Gzip, base64.StdEncoding.EncodeToString(utf16Bytes(longText, true))),
	}
	for name, content := range plants {
		t.Run(name, func(t *testing.T) {
			if report := scan(t, write(t, content), word); !slices.ContainsFunc(report.Hits, func(h canary.Hit) bool { return string(h.Disguise) == name }) {
				t.Errorf("not found as it was planted: %v", report)
			}
			// The same in the middle of bytes that mean nothing, where no reader would look.
			if report := scan(t, write(t, slices.Concat(noise(70_001), content, noise(3_333))), word); len(report.Hits) == 0 {
				t.Error("not found inside another file")
			}
			if report := scan(t, write(t, content), canary.New()); len(report.Hits) != 0 {
				t.Errorf("found a word that is not there: %v", report.Hits)
			}
		})
	}
}

func TestAWordIsFoundOnceAtEveryOffset(t *testing.T) {
	const window = 1 << 20
	for _, at := range []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 4095, window - 40, window - 32, window - 31, window - 1, window, window + 1, 2*window - 16, 2*window - 1} {
		content := slices.Concat(noise(at), []byte(word), noise(99))
		report := scan(t, write(t, content), word)
		if len(report.Hits) != 1 || report.Hits[0].Offset != int64(at) || report.Hits[0].Disguise != canary.UTF8 {
			t.Errorf("planted at %d: %v", at, report.Hits)
		}
		if report.Files != 1 || report.Bytes != int64(len(content)) {
			t.Errorf("planted at %d: %d files, %d bytes read", at, report.Files, report.Bytes)
		}
	}
}

func TestATornStreamShowsItsBeginning(t *testing.T) {
	text := append([]byte(word), noise(300_000)...)
	for _, packed := range [][]byte{packGzip(t, text), packZstd(t, text)} {
		if report := scan(t, write(t, packed[:len(packed)/2]), word); len(report.Hits) == 0 {
			t.Error("a torn stream hid the word")
		}
	}
}

func TestFileNamesAndFoldersCount(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "x"+word+".tmp")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if report := scan(t, filepath.Dir(filepath.Dir(dir)), word); len(report.Hits) != 1 {
		t.Errorf("the name of a folder: %v", report.Hits)
	}
}

func TestSealedLookingBytesAreClean(t *testing.T) {
	content := slices.Concat(noise(3<<20), []byte("PAR1"), noise(50), []byte("PAR1"), []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3}, noise(100), []byte{0x28, 0xb5, 0x2f, 0xfd}, noise(100))
	if report := scan(t, write(t, content), word, canary.New()); len(report.Hits) != 0 {
		t.Errorf("hits in noise: %v", report.Hits)
	}
}

func TestWhatCannotBeReadIsAnError(t *testing.T) {
	s, err := canary.NewScanner(word)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Tree(t.Context(), filepath.Join(t.TempDir(), "nothing")); err == nil {
		t.Error("a missing folder counted as clean")
	}
	bomb := packZstd(t, packZstd(t, make([]byte, 1<<26+1)))
	if _, err := s.Tree(t.Context(), write(t, bomb)); err == nil {
		t.Error("a stream that was not read to its end counted as clean")
	}
	if _, err := canary.NewScanner("short"); err == nil {
		t.Error("a word too short to be found was accepted")
	}
}

func TestCanariesAreUnique(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		c := canary.New()
		if seen[c] || len(c) < 24 || strings.Trim(c, "abcdefghijklmnopqrstuvwxyz") != "" {
			t.Fatalf("canary %q", c)
		}
		seen[c] = true
	}
}
