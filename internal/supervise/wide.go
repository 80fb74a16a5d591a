package supervise

import (
	"io"
	"net"
	"sync"
)

// wide is how much of a body goes to a worker at a time: less than its socket
// takes (208 KiB, if the system was left as it is), so that no piece waits for
// the worker in its middle. Each piece costs two system calls, a wake of the
// worker, and toward a client of HTTP/2 two notes that it may send more.
const wide = 128 << 10

var pieces = sync.Pool{New: func() any { return new([wide]byte) }}

// A wideConn is a connection to a worker, to which bodies go in large pieces.
type wideConn struct{ net.Conn }

// ReadFrom implements io.ReaderFrom, which is what an http.Transport calls with
// a body. One that is known to be smaller than a piece goes as it would without:
// very many of them may be on their way, and what is let in counts their bytes.
func (c wideConn) ReadFrom(r io.Reader) (n int64, err error) {
	if l, ok := r.(*io.LimitedReader); ok && l.N < wide {
		return io.Copy(struct{ io.Writer }{c.Conn}, r)
	}
	piece := pieces.Get().(*[wide]byte)
	defer pieces.Put(piece)
	for {
		filled := 0
		var failed error
		for filled < wide && failed == nil {
			var more int
			more, failed = r.Read(piece[filled:])
			filled += more
		}
		if filled > 0 {
			wrote, err := c.Conn.Write(piece[:filled])
			if n += int64(wrote); err != nil {
				return n, err
			}
		}
		if failed == io.EOF {
			return n, nil
		}
		if failed != nil {
			return n, failed
		}
	}
}
