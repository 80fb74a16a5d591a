package seal

import (
	"errors"
	"fmt"
	"io"
	"sync"
)

// A Reader gives random access to the plaintext of a sealed object. Any number
// of goroutines may use it at once.
type Reader struct {
	r      io.ReaderAt
	o      *opener
	lay    layout
	base   int64 // offset of the message in r
	sealed int64 // size of the message
	size   int64 // of the plaintext
	last   int64 // number of the last chunk
}

// A scratch is what one ReadAt needs. Between two there is nothing in it but ciphertext.
type scratch struct {
	nonce   [nonceSize]byte
	records []byte // at most batch of them
	chunk   []byte
}

// scratches are for whatever is read next: a query reads a little of each of many
// objects, and memory that is new to a process takes longer than opening what is in it.
var scratches = sync.Pool{New: func() any { return &scratch{chunk: make([]byte, 0, chunkSize)} }}

func getScratch() *scratch { return scratches.Get().(*scratch) }

func (s *scratch) put() {
	clear(s.chunk[:cap(s.chunk)]) // plaintext
	scratches.Put(s)
}

// Open opens the object of size bytes that r holds, if it was sealed with k at
// p. It reads and checks the head and the last chunk, and with it the length.
// r must stay readable as long as the Reader is used.
func Open(r io.ReaderAt, size int64, k Keys, p Place) (*Reader, error) {
	var rd *Reader
	err := OpenEnd(r, size, k, p, func(opened *Reader, _ []byte) error {
		rd = opened
		return nil
	})
	return rd, err
}

// OpenEnd is Open for who reads the end first: use is given the plaintext of the last
// chunk too, which is opened anyway. It may be empty, and is valid until use returns.
func OpenEnd(r io.ReaderAt, size int64, k Keys, p Place, use func(rd *Reader, end []byte) error) error {
	s := getScratch()
	defer s.put()
	rd, end, err := open(s, r, size, k, p)
	if err != nil {
		return fmt.Errorf("open %s %s: %w", p.Kind, p.Object, err)
	}
	return use(rd, end)
}

func open(s *scratch, r io.ReaderAt, size int64, k Keys, p Place) (rd *Reader, end []byte, err error) {
	layers := k.layers()
	inner, outer, err := contexts(k, p)
	if err != nil {
		return nil, nil, err
	}
	if size < prefixSize {
		return nil, nil, tampered("%d bytes are too few", size)
	}
	// Prefix and head in one go.
	rd = &Reader{r: r, base: prefixSize, sealed: size - prefixSize, lay: layoutOf(layers)}
	b := make([]byte, min(prefixSize+rd.lay.head, size))
	if err := readFull(r, b, 0); err != nil {
		return nil, nil, err
	}
	if err := checkPrefix(b, layers); err != nil {
		return nil, nil, err
	}
	end, err = rd.begin(s, b[prefixSize:], k, inner, outer)
	return rd, end, err
}

// begin opens a message by its head, or as much of that as there is, and returns the
// plaintext of the last chunk, which lies in s.
func (r *Reader) begin(s *scratch, head []byte, k Keys, inner, outer []byte) (end []byte, err error) {
	if r.size, r.last, err = r.lay.plain(r.sealed); err != nil {
		return nil, err
	}
	if r.o, err = newOpener(head, k, inner, outer); err != nil {
		return nil, err
	}
	// The last chunk opens only if it is the last: its number is in its nonce
	// and it alone is short. So the length is now known to be right.
	err = r.each(s, r.last, r.last, func(i int64, record []byte) (err error) {
		end, err = r.o.open(s.chunk[:0], &s.nonce, i, record)
		return err
	})
	return end, err
}

// Size returns the length of the plaintext.
func (r *Reader) Size() int64 { return r.size }

// Commitment returns the object's commitment, as its Writer did.
func (r *Reader) Commitment() Commitment { return r.o.commitment }

// ReadAt implements io.ReaderAt. After an error the first n bytes of p are
// right and the rest of p holds nothing that was not checked.
func (r *Reader) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, errors.New("internal error: read before the start of a sealed object")
	}
	if len(p) == 0 {
		return 0, nil
	}
	if off >= r.size {
		return 0, io.EOF
	}
	want := min(int64(len(p)), r.size-off)
	s := getScratch()
	defer s.put()
	err = r.each(s, off/chunkSize, (off+want-1)/chunkSize, func(i int64, record []byte) error {
		size := len(record) - int(r.lay.tags)
		skip := int(off + int64(n) - i*chunkSize) // not 0 in the first chunk only
		rest := p[n:want]
		if skip == 0 && len(rest) >= size {
			// A whole chunk goes straight where it is wanted. A chunk that
			// doesn't open leaves zeros there.
			if _, err := r.o.open(rest[:0:size], &s.nonce, i, record); err != nil {
				return err
			}
			n += size
			return nil
		}
		chunk, err := r.o.open(s.chunk[:0], &s.nonce, i, record)
		if err != nil {
			return err
		}
		n += copy(rest, chunk[skip:])
		return nil
	})
	if err == nil && n < len(p) {
		err = io.EOF
	}
	return n, err
}

// each reads the records first to last, many at a time, and calls f for each.
func (r *Reader) each(s *scratch, first, last int64, f func(i int64, record []byte) error) error {
	for first <= last {
		count := min(last-first+1, batch)
		off := r.lay.head + first*r.lay.record
		size := min(count*r.lay.record, r.sealed-off)
		if int64(cap(s.records)) < size {
			s.records = make([]byte, size)
		}
		b := s.records[:size]
		if err := readFull(r.r, b, r.base+off); err != nil {
			return err
		}
		for ; len(b) > 0; first++ {
			m := min(int64(len(b)), r.lay.record)
			if err := f(first, b[:m:m]); err != nil {
				return err
			}
			b = b[m:]
		}
	}
	return nil
}

// readFull fills b from off. An object that ends early was cut.
func readFull(r io.ReaderAt, b []byte, off int64) error {
	n, err := r.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return tampered("it ends at byte %d", off+int64(n))
	}
	return err
}
