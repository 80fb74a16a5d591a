package worker

import (
	"io"
	"sync"
)

// pieceSize is how large the pieces are that are handed on of an answer while it grows.
const pieceSize = 64 << 10

// An outlet hands on an answer in pieces, while more of it is made: bringing it to its
// client takes about as long as writing it. Who makes it never waits for who takes it, so
// that a slow client holds nothing but the bytes of his answer. What was handed on can't be
// taken back.
type outlet struct {
	to    io.Writer
	begin func()      // before the first piece
	spare chan []byte // pieces that were taken, to be used again
	ended chan struct{}
	err   error // why no more is taken; read when ended

	mu     sync.Mutex
	some   sync.Cond
	pieces [][]byte
	last   bool
}

func newOutlet(to io.Writer, begin func()) *outlet {
	o := &outlet{to: to, begin: begin, spare: make(chan []byte, 2)}
	o.some.L = &o.mu
	return o
}

// begun reports whether something was handed on.
func (o *outlet) begun() bool { return o != nil && o.ended != nil }

// put hands a piece on, which is the outlet's from now on.
func (o *outlet) put(piece []byte) {
	if o.ended == nil {
		o.ended = make(chan struct{})
		o.begin()
		go o.run()
	}
	o.mu.Lock()
	o.pieces = append(o.pieces, piece)
	o.mu.Unlock()
	o.some.Signal()
}

// room is an empty piece.
func (o *outlet) room() []byte {
	select {
	case b := <-o.spare:
		return b[:0]
	default:
		return make([]byte, 0, pieceSize+pieceSize/8)
	}
}

// close waits until all pieces were taken.
func (o *outlet) close() error {
	o.mu.Lock()
	o.last = true
	o.mu.Unlock()
	o.some.Signal()
	<-o.ended
	return o.err
}

func (o *outlet) run() {
	defer close(o.ended)
	for {
		o.mu.Lock()
		for len(o.pieces) == 0 && !o.last {
			o.some.Wait()
		}
		pieces := o.pieces
		o.pieces = nil
		o.mu.Unlock()
		if len(pieces) == 0 {
			return
		}
		for i, piece := range pieces {
			if o.err == nil {
				_, o.err = o.to.Write(piece)
			}
			pieces[i] = nil
			select {
			case o.spare <- piece:
			default:
			}
		}
	}
}
