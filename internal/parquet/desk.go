package parquet

import (
	"errors"
	"unsafe"

	"github.com/DataDog/zstd"

	"logkeep/internal/template"
)

// A Desk has the buffers with which columns are read, one goroutine's. The zero
// value is ready.
type Desk struct {
	Read   int64             // bytes read from files, in all
	Charge func(int64) error // is asked before so many bytes more are taken; may be nil

	ctx  zstd.Ctx
	free [][]byte
	held int64

	// Of one column at a time, kept for the next.
	index   []uint32
	begin   []uint32
	deltas  []int64
	present Rows
	page    *template.Page
	dict    *template.Dictionary
}

// mostFree is how many buffers wait to be used again: of as many columns as are
// open at a time, and a few.
const mostFree = 16

// Held is how many bytes of buffers there are.
func (d *Desk) Held() int64 { return d.held }

// take returns n bytes, whatever they are.
func (d *Desk) take(n int) ([]byte, error) {
	best := -1
	for i, b := range d.free {
		if cap(b) >= n && (best < 0 || cap(b) < cap(d.free[best])) {
			best = i
		}
	}
	if best >= 0 {
		b := d.free[best]
		last := len(d.free) - 1
		d.free[best], d.free = d.free[last], d.free[:last]
		return b[:n], nil
	}
	size := max(n+n/8, 64<<10)
	if d.Charge != nil {
		if err := d.Charge(int64(size)); err != nil {
			return nil, err
		}
	}
	d.held += int64(size)
	return make([]byte, n, size), nil
}

func (d *Desk) give(b []byte) {
	if cap(b) == 0 {
		return
	}
	if len(d.free) == mostFree { // the smallest goes
		least := 0
		for i := range d.free {
			if cap(d.free[i]) < cap(d.free[least]) {
				least = i
			}
		}
		if cap(d.free[least]) < cap(b) {
			d.free[least], b = b, d.free[least]
		}
		d.held -= int64(cap(b))
		return
	}
	d.free = append(d.free, b)
}

// takePage returns a page, whatever it was.
func (d *Desk) takePage() *template.Page {
	p := d.page
	if d.page = nil; p == nil {
		p = &template.Page{}
	}
	return p
}

// room is at least n numbers for s to grow into; what s has stays.
func room[T uint32 | int64](d *Desk, s []T, n int) ([]T, error) {
	if n <= cap(s) {
		return s, nil
	}
	n += n / 8
	var one T
	more := int64(n-cap(s)) * int64(unsafe.Sizeof(one))
	if d.Charge != nil {
		if err := d.Charge(more); err != nil {
			return s, err
		}
	}
	d.held += more
	return append(make([]T, 0, n), s...), nil
}

// keep takes back numbers and keeps the longer of two.
func keep[T uint32 | int64](d *Desk, kept, s []T) []T {
	if cap(kept) > cap(s) {
		kept, s = s, kept
	}
	var one T
	d.held -= int64(cap(kept)) * int64(unsafe.Sizeof(one))
	return s[:0]
}

var errSize = errors.New("it unpacks to another size")

// unzstd unpacks into all of b.
func (d *Desk) unzstd(b, packed []byte) error {
	if len(b) == 0 || len(packed) == 0 {
		if len(b) != len(packed) && len(b) > 0 {
			return errSize
		}
		return nil
	}
	n, err := d.context().DecompressInto(b, packed)
	if err == nil && n != len(b) {
		err = errSize
	}
	return err
}

func (d *Desk) context() zstd.Ctx {
	if d.ctx == nil {
		d.ctx = zstd.NewCtx()
	}
	return d.ctx
}
