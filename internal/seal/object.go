package seal

import (
	"errors"
	"fmt"
	"io"
)

const prefixSize = 4

var magic = [2]byte{'L', 'K'}

// ErrTampered reports sealed bytes that were changed, cut, lengthened, moved
// from their place, or sealed with another key.
var ErrTampered = errors.New("the sealed bytes were changed, belong elsewhere, or need another key")

func tampered(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrTampered, fmt.Sprintf(format, args...))
}

// Sealed is ciphertext. Only this package makes it, so that a file layer that
// takes Sealed can't be handed plaintext.
type Sealed struct{ b []byte }

// Len returns the number of bytes.
func (s Sealed) Len() int { return len(s.b) }

// WriteTo writes the bytes to w.
func (s Sealed) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(s.b)
	return int64(n), err
}

// AppendTo appends a copy of the bytes to dst.
func (s Sealed) AppendTo(dst []byte) []byte { return append(dst, s.b...) }

// A layout is where things are in a message without its prefix.
type layout struct {
	head   int64 // bytes before the first record
	record int64 // bytes of a full record
	tags   int64 // bytes by which a record is longer than its chunk
}

func layoutOf(layers byte) layout {
	if layers == 2 {
		return layout{head: headSize + headSize + tagSize, record: chunkSize + 2*tagSize, tags: 2 * tagSize}
	}
	return layout{head: headSize, record: chunkSize + tagSize, tags: tagSize}
}

// plain returns the plaintext size of a message of size bytes and the number
// of its last chunk. Not every size is one that sealing gives.
func (l layout) plain(size int64) (n, last int64, err error) {
	body := size - l.head
	if body < l.tags {
		return 0, 0, tampered("%d bytes are too few", size)
	}
	last = body / l.record
	rest := body % l.record
	if rest < l.tags || last >= maxChunks {
		return 0, 0, tampered("no sealed object is %d bytes long", size)
	}
	return last*chunkSize + rest - l.tags, last, nil
}

// sealed returns the size of a message whose plaintext has n bytes.
func (l layout) sealed(n int64) int64 {
	return l.head + n/chunkSize*l.record + n%chunkSize + l.tags
}

// checkPrefix refuses an object that is not of this format or not of the
// number of layers that its keys demand.
func checkPrefix(p []byte, layers byte) error {
	switch {
	case p[0] != magic[0] || p[1] != magic[1]:
		return tampered("it does not begin as a sealed object does")
	case p[2] != version:
		return tampered("its format version is %d, this build knows %d; a newer release may have written it", p[2], version)
	case p[3] != layers:
		return tampered("it has %d layers, its keys are for %d", p[3], layers)
	}
	return nil
}
