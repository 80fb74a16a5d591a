package batch

import (
	"bytes"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// Encode writes a record as an Arrow IPC stream of one batch: what the journal
// keeps of accepted rows.
func Encode(rec arrow.RecordBatch) ([]byte, error) {
	var b bytes.Buffer
	if err := EncodeTo(&b, rec); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// EncodeTo is Encode into a buffer, behind what is in it.
func EncodeTo(b *bytes.Buffer, rec arrow.RecordBatch) error {
	size := 4 << 10 // about what the stream has beside the cells
	for _, c := range rec.Columns() {
		size += 256
		for _, buffer := range c.Data().Buffers() {
			if buffer != nil {
				size += buffer.Len() + 64
			}
		}
	}
	b.Grow(size)
	return encode(b, rec)
}

// Encoded is what Encode returns, in parts that lie one behind the other: the
// cells where they are, in the record, and the rest in b, behind what is in it.
// The parts are valid as long as b is not changed.
func Encoded(b *bytes.Buffer, rec arrow.RecordBatch) ([][]byte, error) {
	p := pieces{rest: b, begin: b.Len()}
	if err := encode(&p, rec); err != nil {
		return nil, err
	}
	return p.end(), nil
}

func encode(to io.Writer, rec arrow.RecordBatch) error {
	w := ipc.NewWriter(to, ipc.WithSchema(rec.Schema()))
	if err := w.Write(rec); err != nil {
		return fmt.Errorf("encode rows: %w", err)
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("encode rows: %w", err)
	}
	return nil
}

// leastPiece is from how many bytes on cells are not copied. What the Arrow
// writer hands on in one piece and is so large is the memory of a column; nobody
// changes that.
const leastPiece = 4 << 10

// pieces collects what is written to it.
type pieces struct {
	rest  *bytes.Buffer
	begin int // of what is in rest and in no part yet
	cuts  []cut
}

// A cut is where in rest a large piece belongs.
type cut struct {
	at    int
	piece []byte
}

func (p *pieces) Write(b []byte) (int, error) {
	if len(b) < leastPiece {
		return p.rest.Write(b)
	}
	p.cuts = append(p.cuts, cut{p.rest.Len(), b})
	return len(b), nil
}

// end returns the parts: rest does not move any more.
func (p *pieces) end() [][]byte {
	rest, from := p.rest.Bytes(), p.begin
	parts := make([][]byte, 0, 2*len(p.cuts)+1)
	for _, c := range p.cuts {
		parts = append(parts, rest[from:c.at], c.piece)
		from = c.at
	}
	return append(parts, rest[from:])
}

// Decode reads what Encode wrote. The bytes may be hostile: whatever they
// claim, it allocates no more than a small multiple of their length, and every
// cell of the record it returns can be read.
func Decode(payload []byte) (rec arrow.RecordBatch, err error) {
	// The Arrow readers panic on some malformed input, and so does purse.
	defer func() {
		if r := recover(); r != nil {
			rec, err = nil, fmt.Errorf("decode rows: malformed Arrow stream")
		}
	}()
	if err := claims(payload); err != nil {
		return nil, fmt.Errorf("decode rows: %w", err)
	}
	r, err := ipc.NewReader(bytes.NewReader(payload), ipc.WithAllocator(&purse{left: 2*len(payload) + 64<<10}))
	if err != nil {
		return nil, fmt.Errorf("decode rows: %w", err)
	}
	defer r.Release()
	if rec, err = r.Read(); err != nil {
		return nil, fmt.Errorf("decode rows: %w", err)
	}
	rec.Retain()
	if err := check(rec); err != nil {
		return nil, fmt.Errorf("decode rows: %w", err)
	}
	if _, err := r.Read(); err != io.EOF {
		return nil, fmt.Errorf("decode rows: more than one batch")
	}
	return rec, nil
}

// pendingKey names, in a record's metadata, what is still to be done with it.
const pendingKey = "logkeep.pending"

// WithPending marks rows that are not what will be stored: what says what is
// still to be done with them.
func WithPending(rec arrow.RecordBatch, what string) arrow.RecordBatch {
	meta := arrow.NewMetadata([]string{pendingKey}, []string{what})
	return array.NewRecordBatch(arrow.NewSchema(rec.Schema().Fields(), &meta), rec.Columns(), rec.NumRows())
}

// Pending returns what WithPending said of a record.
func Pending(rec arrow.RecordBatch) (what string, ok bool) {
	return rec.Schema().Metadata().GetValue(pendingKey)
}

// check holds a decoded record to what Parse would have made.
func check(rec arrow.RecordBatch) error {
	columns, err := Columns(rec.Schema())
	if err != nil {
		return err
	}
	if _, pending := Pending(rec); !pending {
		if _, err := Times(rec); err != nil {
			return err
		}
	}
	rows := int(rec.NumRows())
	for i, c := range columns {
		a := rec.Column(i)
		data := a.Data()
		if a.Len() != rows || data.Offset() != 0 || data.NullN() < 0 || data.NullN() > rows {
			return fmt.Errorf("column %d does not have one cell for each row", i)
		}
		nulls := 0
		if bitmap := a.NullBitmapBytes(); len(bitmap) > 0 {
			if len(bitmap)*8 < rows {
				return fmt.Errorf("column %d has too short a null bitmap", i)
			}
			nulls = rows - bitutil.CountSetBits(bitmap, 0, rows)
		}
		if a.NullN() != nulls || nulls > 0 && !Nullable(c) {
			return fmt.Errorf("column %d has nulls that it can't have", i)
		}
		if err := checkCells(a, rows); err != nil {
			return fmt.Errorf("column %d: %w", i, err)
		}
	}
	return nil
}

// checkCells makes sure that the buffers hold as many values as are claimed.
func checkCells(a arrow.Array, rows int) error {
	if rows == 0 {
		return checkNone(a) // the buffers may be missing
	}
	held := rows
	switch a := a.(type) {
	case *array.Boolean:
		held = len(a.Data().Buffers()[1].Bytes()) * 8
	case *array.Int32:
		held = len(a.Int32Values())
	case *array.Int64:
		held = len(a.Int64Values())
	case *array.Float64:
		held = len(a.Float64Values())
	case *array.String:
		return checkText(a, rows)
	}
	if held < rows {
		return fmt.Errorf("%d values for %d rows", held, rows)
	}
	return nil
}

// checkNone looks at a column without cells: who writes it again goes by the one
// offset that a column of texts may have.
func checkNone(a arrow.Array) error {
	if _, text := a.(*array.String); !text {
		return nil
	}
	buffers := a.Data().Buffers()
	if buffers[1] == nil || buffers[1].Len() == 0 {
		return nil
	}
	if ends := arrow.Int32Traits.CastFromBytes(buffers[1].Bytes()); len(ends) != 1 || ends[0] != 0 {
		return fmt.Errorf("text offsets of no rows")
	}
	return nil
}

func checkText(a *array.String, rows int) error {
	ends, text := a.ValueOffsets(), a.ValueBytes()
	if len(ends) != rows+1 {
		return fmt.Errorf("%d offsets for %d rows", len(ends), rows)
	}
	whole := a.Data().Buffers()[2].Bytes()
	for i, end := range ends {
		if end < 0 || int(end) > len(whole) || i > 0 && end < ends[i-1] {
			return fmt.Errorf("text offsets out of order")
		}
	}
	if !utf8.Valid(text) {
		return fmt.Errorf("text is not UTF-8")
	}
	for _, end := range ends {
		if int(end) < len(whole) && !utf8.RuneStart(whole[end]) {
			return fmt.Errorf("text is cut inside a character")
		}
	}
	return nil
}

// A purse is an allocator that gives only so many bytes, so that a length in
// hostile input costs no memory.
type purse struct {
	memory.GoAllocator
	left int
}

func (p *purse) Allocate(n int) []byte {
	p.pay(n)
	return p.GoAllocator.Allocate(n)
}

func (p *purse) Reallocate(n int, b []byte) []byte {
	p.pay(n)
	return p.GoAllocator.Reallocate(n, b)
}

func (p *purse) pay(n int) {
	if n < 0 || n > p.left {
		panic("hostile length") // recovered in Decode
	}
	p.left -= n
}
