package parquet

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/DataDog/zstd"
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"logkeep/internal/batch"
	"logkeep/internal/schema"
)

// What is stored in a frame as it is, zstd reads, and so do we without zstd; frames
// that zstd made are not taken for such, unless they are.
func TestStoredFrames(t *testing.T) {
	r := rand.New(rand.NewPCG(56, 1))
	for _, n := range []int{0, 1, 7, 255, 256, 4608, 65535, 256 + 1<<16 - 1, 256 + 1<<16, zstdBlock} {
		body := make([]byte, n)
		for i := range body {
			body[i] = byte(r.Uint32())
		}
		frame := appendStored([]byte("before")[:0], body)
		if got, err := zstd.Decompress(nil, frame); err != nil || !bytes.Equal(got, body) {
			t.Errorf("%d bytes: zstd reads %d, %v", n, len(got), err)
		}
		if got, ok := stored(frame, n); ok != (len(frame) >= longest) || ok && !bytes.Equal(got, body) {
			t.Errorf("%d bytes: %d are found, %v", n, len(got), ok)
		}
		for _, size := range []int{n - 1, n + 1} {
			if _, ok := stored(frame, size); ok {
				t.Errorf("%d bytes are found of %d", size, n)
			}
		}
		if _, ok := stored(append(frame, 0), n); ok {
			t.Errorf("%d bytes are found with one behind them", n)
		}
		packed, err := zstd.CompressLevel(nil, bytes.Repeat([]byte{7}, n), level)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := stored(packed, n); ok && n > 0 {
			t.Errorf("%d bytes that are packed are taken for themselves", n)
		}
	}
}

// Pages of codes are packed where that halves them, and stored where it does not,
// also behind some that are of the other kind.
func TestCodesArePackedWhereThatHalvesThem(t *testing.T) {
	r := rand.New(rand.NewPCG(56, 2))
	sc, err := batch.Schema([]schema.Column{columns[0], {Name: "S", Type: schema.String}})
	if err != nil {
		t.Fatal(err)
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, sc)
	for i := range 4 * tryAgain * numberRows {
		value := i % 200 // again and again, which packs well
		if page := i / numberRows; page < tryAgain || page >= 3*tryAgain {
			value = r.IntN(200)
		}
		b.Field(0).(*array.Int64Builder).Append(int64(i))
		b.Field(1).(*array.StringBuilder).Append(fmt.Sprint("value ", value))
	}
	at := places(t, written(t, []arrow.RecordBatch{b.NewRecordBatch()}, 1<<20)[2])[1]
	var desk Desk
	c := desk.Column(at)
	defer c.Close()
	if _, err := c.Coded(); err != nil {
		t.Fatal(err)
	}
	kinds := ""
	for number, p := range c.pages {
		h, body, err := c.page(p, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, bare := c.bare(h, body); bare {
			kinds += "s"
		} else {
			kinds += "p"
		}
		if _, codes, err := c.Codes(number * numberRows); err != nil || len(codes) != numberRows {
			t.Fatal(err)
		}
	}
	if want := "ssssssss" + "pppppppp" + "pppppppp" + "ssssssss"; kinds != want {
		t.Errorf("pages are %s, not %s", kinds, want)
	}
}
