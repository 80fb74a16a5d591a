package parquet

import (
	"bytes"
	"errors"
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

// wordy is n bytes that pack as logs do, or not at all, or to nothing.
func wordy(r *rand.Rand, n int) []byte {
	var b bytes.Buffer
	for kind := r.IntN(4); b.Len() < n; {
		switch kind {
		case 0:
			fmt.Fprintf(&b, "request %d took %dms; ", r.IntN(1e6), r.IntN(100))
		case 1:
			b.WriteByte(byte(r.Uint32()))
		case 2:
			b.WriteByte(0)
		default: // now this, now that
			b.Write(bytes.Repeat([]byte{byte(r.IntN(3))}, r.IntN(1000)))
			fmt.Fprintf(&b, "%x", r.Uint64())
		}
	}
	return b.Bytes()[:n]
}

// The first blocks of a frame unpack to the beginning of what it holds, and the
// frame is afterwards as it was.
func TestTheFirstBlocksOfAFrameAreItsBeginning(t *testing.T) {
	r := rand.New(rand.NewPCG(52, 1))
	cut := 0
	for level, frames := range map[int]int{1: 20, 3: 12, 9: 3, 19: 3} { // high ones take long and are like these
		for range frames {
			all := wordy(r, 1+r.IntN(600<<10))
			packed, err := zstd.CompressLevel(nil, all, level)
			if err != nil {
				t.Fatal(err)
			}
			before := bytes.Clone(packed)
			f := openFrame(packed)
			if len(packed) >= longest && f.first == 0 {
				t.Fatal("a frame of zstd's own is none")
			}
			for f.first > 0 && !f.whole {
				if need, err := f.next(packed); need > 0 || err != nil {
					t.Fatalf("%d bytes more, %v", need, err)
				}
				to := make([]byte, len(all))
				n, err := f.unpack(&Desk{}, to, packed)
				if err != nil || !bytes.Equal(to[:n], all[:n]) || f.whole != (n == len(all)) {
					t.Fatalf("level %d: %d of %d bytes, %v", level, n, len(all), err)
				}
				if !f.whole {
					cut++
				}
			}
			if !bytes.Equal(before, packed) {
				t.Fatal("the frame is not what it was")
			}
		}
	}
	if cut < 50 {
		t.Errorf("%d frames were cut: this test tests nothing", cut)
	}
}

// names are n rows of one text each out of many, of which few come often.
func names(t testing.TB, r *rand.Rand, n, different, long int) arrow.RecordBatch {
	sc, err := batch.Schema([]schema.Column{{Name: schema.TimeGenerated, Type: schema.DateTime}, {Name: "Name", Type: schema.String}})
	if err != nil {
		t.Fatal(err)
	}
	often := rand.NewZipf(r, 1.1, 10, uint64(different-1))
	b := array.NewRecordBuilder(memory.DefaultAllocator, sc)
	for i := range n {
		b.Field(0).(*array.Int64Builder).Append(int64(i))
		k := often.Uint64()
		if i%3 == 0 {
			k = uint64(i/3) % uint64(different)
		}
		b.Field(1).(*array.StringBuilder).Append(fmt.Sprintf("%0*d", 1+int(k)%long, k))
	}
	return b.NewRecordBatch()
}

// Of a dictionary no more is read and unpacked than the wanted texts need, and the
// texts are those that were written.
func TestOfADictionaryItsBeginningMayDo(t *testing.T) {
	r := rand.New(rand.NewPCG(52, 2))
	const n = 60_000
	rec := names(t, r, n, 20_000, 80)
	texts := rec.Column(1).(*array.String)
	for number, file := range written(t, []arrow.RecordBatch{rec}, 1<<20) {
		place := places(t, file)[1]
		var desk Desk
		least := place.Size
		for try := range 200 {
			of := NewRows(n)
			for range 1 + r.IntN(3+try*try/1000) {
				of.Add(r.IntN(n))
			}
			desk.Read = 0
			c := desk.Column(place)
			p := c.NewCells(1)
			for part := range 2 { // the second time what is unpacked goes further
				of.Add(r.IntN(n))
				if err := c.Pick(0, of, p); err != nil {
					t.Fatalf("file %d, part %d: %v", number, part, err)
				}
			}
			got := p.Array().(*array.String)
			want := 0
			for row := of.Next(0, n); row < n; row = of.Next(row+1, n) {
				if at := got.Len() - of.Count() + want; got.Value(at) != texts.Value(row) {
					t.Fatalf("file %d: row %d is %q and not %q", number, row, got.Value(at), texts.Value(row))
				}
				want++
			}
			c.Close()
			least = min(least, desk.Read)
		}
		if desk.Held() > 8<<20 {
			t.Errorf("file %d: %d bytes held", number, desk.Held())
		}
		if number == 2 && least > place.Size/2 {
			t.Errorf("file %d: at least %d of %d bytes read", number, least, place.Size)
		}
	}
}

// A dictionary that is not what its header says is damaged, wherever that shows.
func TestADamagedDictionary(t *testing.T) {
	r := rand.New(rand.NewPCG(52, 3))
	const n = 60_000
	good := written(t, []arrow.RecordBatch{people(t, r, n)}, 1<<20)[2]
	place := places(t, good)[1]
	all := NewRows(n)
	all.AddRange(0, n)
	found := 0
	for range 60 {
		bad := bytes.Clone(good)
		at := place.Pages[0].Offset + r.Int64N(place.Pages[0].Size)
		bad[at] ^= 1 << r.IntN(8)
		c := (&Desk{}).Column(place)
		c.From = bytes.NewReader(bad)
		p := c.NewCells(n)
		switch err := c.Pick(0, all, p); {
		case errors.Is(err, ErrDamaged) || errors.Is(err, ErrForm):
			found++
		case err != nil:
			t.Fatal(err)
		case p.Array().Len() != n:
			t.Fatal("rows are missing")
		}
		c.Close()
	}
	if found == 0 {
		t.Error("nothing was found damaged: this test tests nothing")
	}
}
