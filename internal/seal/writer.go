package seal

import (
	"crypto/rand"
	"errors"
	"fmt"
)

// A Sink receives sealed bytes in order. It must not keep them after it returns.
type Sink interface {
	WriteSealed(Sealed) error
}

var errTooLong = errors.New("an object can't be longer than 4 PiB")

// A sealer makes one message, record after record.
type sealer struct {
	inner, outer box
	two          bool
	next         int64 // number of the next chunk
	commitment   Commitment
	nonce        [nonceSize]byte
}

// newSealer derives the keys of a new message and appends its head to dst.
// inner and outer are the contexts of the layers.
func newSealer(dst []byte, k Keys, inner, outer []byte) (*sealer, []byte, error) {
	s := &sealer{two: k.Outer != nil}
	var salts [2 * saltSize]byte
	rand.Read(salts[:]) // crypto/rand never fails

	var head [headSize]byte
	copy(head[:], salts[:saltSize])
	var err error
	if s.inner, s.commitment, err = derive(k.Inner, labelInner, head[:saltSize], inner); err != nil {
		return nil, nil, err
	}
	copy(head[saltSize:], s.commitment[:])
	if !s.two {
		return s, append(dst, head[:]...), nil
	}

	salt := salts[saltSize:]
	var c Commitment
	if s.outer, c, err = derive(k.Outer, labelOuter, salt, outer); err != nil {
		return nil, nil, err
	}
	dst = append(dst, salt...)
	dst = append(dst, c[:]...)
	return s, s.outer.seal(dst, &s.nonce, 0, head[:]), nil
}

// seal appends the record of the next chunk to dst. Only the last chunk of a
// message is shorter than chunkSize, and it always is: that is how a reader
// knows the end.
func (s *sealer) seal(dst, chunk []byte) ([]byte, error) {
	if s.next >= maxChunks {
		return nil, errTooLong
	}
	start := len(dst)
	dst = s.inner.seal(dst, &s.nonce, s.next, chunk)
	if s.two {
		// In place: the outer record begins where the inner one did. Outer
		// record 0 is the inner head.
		dst = s.outer.seal(dst[:start], &s.nonce, s.next+1, dst[start:])
	}
	s.next++
	return dst, nil
}

// batch is how many records a Writer gathers before it calls its Sink.
const batch = 16

// A Writer seals one object. It is not safe for concurrent use.
type Writer struct {
	dst    Sink
	s      *sealer
	out    []byte // sealed, not yet handed on
	in     []byte // plaintext of the chunk that is not full yet
	size   int64  // sealed bytes handed on
	err    error
	closed bool
}

// NewWriter begins an object at p. The object is whole only when Close has
// returned nil; until then what dst received opens nowhere.
func NewWriter(dst Sink, k Keys, p Place) (*Writer, error) {
	w := &Writer{dst: dst}
	l := layoutOf(k.layers())
	w.out = make([]byte, 0, prefixSize+l.head+batch*l.record)
	w.in = make([]byte, 0, chunkSize)
	var err error
	if w.s, w.out, err = begin(w.out, k, p); err != nil {
		return nil, fmt.Errorf("seal %s %s: %w", p.Kind, p.Object, err)
	}
	return w, nil
}

// begin appends prefix and head of a new object at p to dst.
func begin(dst []byte, k Keys, p Place) (*sealer, []byte, error) {
	inner, outer, err := contexts(k, p)
	if err != nil {
		return nil, nil, err
	}
	return newSealer(append(dst, magic[0], magic[1], version, k.layers()), k, inner, outer)
}

// Write seals p.
func (w *Writer) Write(p []byte) (int, error) {
	if w.closed && w.err == nil {
		w.err = errors.New("internal error: write to a sealed object after Close")
	}
	n := 0
	for w.err == nil && n < len(p) {
		if rest := p[n:]; len(w.in) == 0 && len(rest) >= chunkSize {
			w.chunk(rest[:chunkSize]) // straight from the caller's buffer
			n += chunkSize
			continue
		}
		m := min(chunkSize-len(w.in), len(p)-n)
		w.in = append(w.in, p[n:n+m]...)
		n += m
		if len(w.in) == chunkSize {
			w.chunk(w.in)
			w.in = w.in[:0]
		}
	}
	return n, w.err
}

func (w *Writer) chunk(plaintext []byte) {
	if cap(w.out)-len(w.out) < chunkSize+2*tagSize {
		w.flush()
	}
	if w.err != nil {
		return
	}
	w.out, w.err = w.s.seal(w.out, plaintext)
}

func (w *Writer) flush() {
	if w.err != nil || len(w.out) == 0 {
		return
	}
	w.err = w.dst.WriteSealed(Sealed{w.out})
	w.size += int64(len(w.out))
	w.out = w.out[:0]
}

// Close seals the last chunk and hands everything to the Sink, which stays
// open. It must be called once; after an error the object is worthless.
func (w *Writer) Close() error {
	if w.closed {
		return w.err
	}
	w.closed = true
	if w.err == nil {
		w.chunk(w.in)
		w.flush()
	}
	clear(w.in[:cap(w.in)])
	return w.err
}

// Size returns the number of sealed bytes that the Sink has received.
func (w *Writer) Size() int64 { return w.size }

// Commitment returns the object's commitment, by which it can be named.
func (w *Writer) Commitment() Commitment { return w.s.commitment }
