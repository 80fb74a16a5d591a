package parquet

import (
	"encoding/binary"
	"fmt"
)

// A frame is zstd's bytes of a page, of which only the first blocks are wanted. A
// block is unpacked with what the blocks before it held, so that any number of the
// first ones is a frame of its own under another header.
type frame struct {
	first int // where the first block begins; 0: it is not to be cut
	end   int // behind the last block that is known
	ends  []int
	whole bool // the last known block is the last
}

// Numbers of zstd's format (RFC 8878).
const (
	zstdMagic   = 0xfd2fb528
	zstdHeader  = 6       // of a frame that tells no size: magic, flags, window
	longest     = 18      // header
	zstdWindow  = 16 << 3 // of 64 MiB, at least mostRead
	zstdBlock   = 128 << 10
	blockHeader = 3
)

// openFrame looks at a frame's header. One with a checksum or a dictionary, which our
// writer does not make, is not to be cut, nor what is no frame.
func openFrame(b []byte) (f frame) {
	if len(b) < longest || binary.LittleEndian.Uint32(b) != zstdMagic {
		return f
	}
	flags := b[4]
	single := flags>>5&1 != 0
	if flags&0x1f != 0 { // checksum, dictionary, and what is reserved
		return f
	}
	size := [...]int{0, 2, 4, 8}[flags>>6]
	if flags>>6 == 0 && single {
		size = 1
	}
	f.first = 5 + size
	if !single {
		f.first++
	}
	f.end = f.first
	return f
}

// next learns of one block more; b is all of the frame, as far as it was read. It
// tells how many bytes it needs if b is too short.
func (f *frame) next(b []byte) (need int, err error) {
	if f.end+blockHeader > len(b) {
		return f.end + blockHeader, nil
	}
	head := int(b[f.end]) | int(b[f.end+1])<<8 | int(b[f.end+2])<<16
	size := head >> 3
	switch head >> 1 & 3 {
	case 1: // one byte again and again
		size = 1
	case 3:
		return 0, ErrDamaged
	}
	if f.whole {
		return 0, ErrDamaged
	}
	f.whole = head&1 != 0
	f.end += blockHeader + size
	f.ends = append(f.ends, f.end)
	return 0, nil
}

// unpack unpacks the known blocks into to and returns how much that is. b, which
// has them, is changed meanwhile.
func (f *frame) unpack(d *Desk, to, b []byte) (n int, err error) {
	begin := f.first
	if len(f.ends) > 1 {
		begin = f.ends[len(f.ends)-2]
	}
	from := f.first - zstdHeader
	var kept [zstdHeader]byte
	copy(kept[:], b[from:])
	last := b[begin]
	defer func() {
		copy(b[from:], kept[:])
		b[begin] = last
	}()
	binary.LittleEndian.PutUint32(b[from:], zstdMagic)
	b[from+4], b[from+5] = 0, zstdWindow
	b[begin] |= 1
	if n, err = d.context().DecompressInto(to, b[from:f.end]); err != nil {
		return 0, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return n, nil
}
