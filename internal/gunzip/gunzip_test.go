package gunzip

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	other "github.com/klauspost/compress/gzip"
)

const most = 1 << 20

// texts are of several kinds: nothing, one byte, what repeats, what doesn't,
// what looks like rows.
func texts() [][]byte {
	r := rand.New(rand.NewPCG(1, 1))
	noise := make([]byte, 70_000)
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	var rows bytes.Buffer
	for i := range 3000 {
		fmt.Fprintf(&rows, `{"TimeGenerated":"2026-01-02T03:04:%02dZ","Computer":"web-%03d","Message":"GET /api/%x done in %dms"}`, i%60, r.IntN(500), r.Uint64(), r.IntN(900))
	}
	var few bytes.Buffer
	for range 50_000 {
		few.WriteByte("ab"[r.IntN(2)])
	}
	return [][]byte{nil, {7}, bytes.Repeat([]byte("a"), 100_000), []byte(strings.Repeat("abc", 5000) + strings.Repeat("0123456", 3000)), noise, rows.Bytes(), few.Bytes()}
}

func packed(t testing.TB, text []byte, level int) []byte {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, level)
	if err == nil {
		_, err = w.Write(text)
	}
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestEveryLevelIsUnpacked(t *testing.T) {
	for n, text := range texts() {
		for level := gzip.HuffmanOnly; level <= gzip.BestCompression; level++ {
			got, err := Append(nil, packed(t, text, level), most)
			if err != nil || !bytes.Equal(got, text) {
				t.Errorf("text %d, level %d: %d bytes of %d, %v", n, level, len(got), len(text), err)
			}
		}
	}
}

func TestMembersFollowOneAnother(t *testing.T) {
	all := append(packed(t, []byte("one "), 9), packed(t, []byte("two"), 0)...)
	if got, err := Append([]byte("> "), all, most); err != nil || string(got) != "> one two" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestHeadersAreRead(t *testing.T) {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Name, w.Comment, w.Extra = "rows.json", "made up", []byte("extra")
	io.WriteString(w, "text")
	w.Close()
	if got, err := Append(nil, b.Bytes(), most); err != nil || string(got) != "text" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestWhatIsWrongIsRefused(t *testing.T) {
	whole := packed(t, texts()[5], 6)
	for n := 0; n < len(whole); n++ {
		if _, err := Append(nil, whole[:n], most); !errors.Is(err, ErrShort) {
			t.Fatalf("%d bytes of %d: %v", n, len(whole), err)
		}
		if n > 300 && n < len(whole)-550 {
			n += 500
		}
	}
	sum := bytes.Clone(whole)
	sum[len(sum)-6] ^= 1
	garbage := append(bytes.Clone(whole), "something else"...)
	for name, c := range map[string]struct {
		b    []byte
		want error
	}{"checksum": {sum, ErrChecksum}, "behind it": {garbage, ErrHeader}, "no gzip": {[]byte("{\"not\":\"gzip\"}"), ErrHeader}} {
		if _, err := Append(nil, c.b, most); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A small body that holds much makes no more memory than was allowed.
func TestBombsEnd(t *testing.T) {
	bomb := packed(t, make([]byte, 50<<20), 9)
	for _, most := range []int{0, 1, 100, 1 << 20} {
		got, err := Append(nil, bomb, most)
		if !errors.Is(err, ErrTooLarge) || cap(got) > most+4096 {
			t.Errorf("%d allowed: %d bytes, %v", most, cap(got), err)
		}
	}
	text := make([]byte, 5000)
	if got, err := Append(nil, packed(t, text, 9), len(text)); err != nil || len(got) != len(text) {
		t.Errorf("as much as is allowed: %d bytes, %v", len(got), err)
	}
	if _, err := Append(nil, packed(t, text, 0), len(text)-1); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
}

// FuzzAppend holds this package to the standard library: the same is taken,
// with the same text.
func FuzzAppend(f *testing.F) {
	for _, text := range texts() {
		for _, level := range []int{gzip.HuffmanOnly, 0, 1, 6} {
			f.Add(packed(f, text[:min(len(text), 3000)], level))
		}
	}
	f.Add(append(packed(f, []byte("one"), 1), packed(f, []byte("two"), 1)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := Append(nil, b, most)
		var want []byte
		r, failed := gzip.NewReader(bytes.NewReader(b))
		if failed == nil {
			want, failed = io.ReadAll(io.LimitReader(r, most+1))
		}
		switch {
		case len(want) > most:
			if !errors.Is(err, ErrTooLarge) && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrShort) {
				t.Fatalf("more than allowed: %v", err)
			}
		case (err == nil) != (failed == nil):
			t.Fatalf("%v; the standard library: %v", err, failed)
		case err == nil && !bytes.Equal(got, want):
			t.Fatalf("%d bytes, want %d", len(got), len(want))
		}
	})
}

// Blocks with the checksum taken away reach deeper into the decoder.
func FuzzInflate(f *testing.F) {
	for _, text := range texts() {
		for _, level := range []int{gzip.HuffmanOnly, 0, 1, 6} {
			b := packed(f, text[:min(len(text), 3000)], level)
			f.Add(b[headerSize : len(b)-trailerSize])
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var i inflater
		got, n, err := i.member(nil, b, 0, most)
		again, m, second := i.member([]byte("before"), append(bytes.Clone(b), "behind"...), 0, most)
		if err == nil && (second != nil || n != m || !bytes.Equal(again[6:], got)) {
			t.Fatalf("%d bytes to %d, and %d to %d, %v", n, len(got), m, len(again), second)
		}
		same(t, b, got, err)
	})
}

// BenchmarkAppend unpacks rows; BenchmarkOther lets another package do it.
func BenchmarkAppend(b *testing.B) {
	text := bytes.Repeat(texts()[5], 4)
	p := packed(b, text, 6)
	b.SetBytes(int64(len(text)))
	var dst []byte
	var err error
	for b.Loop() {
		if dst, err = Append(dst[:0], p, 10<<20); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOther(b *testing.B) {
	text := bytes.Repeat(texts()[5], 4)
	p := packed(b, text, 6)
	b.SetBytes(int64(len(text)))
	var dst bytes.Buffer
	for b.Loop() {
		dst.Reset()
		r, err := other.NewReader(bytes.NewReader(p))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := dst.ReadFrom(r); err != nil {
			b.Fatal(err)
		}
	}
}
