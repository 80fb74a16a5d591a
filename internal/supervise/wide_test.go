package supervise

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"testing/iotest"
)

// What comes in small pieces, or ends badly, goes on as it is: an end that is
// none is told as such, so that half a body is never taken for a whole one.
func TestBodiesGoInLargePieces(t *testing.T) {
	body := bytes.Repeat([]byte("rows of a client "), 40_000)
	for name, c := range map[string]struct {
		from io.Reader
		want int
		err  error
	}{
		"as a whole":   {bytes.NewReader(body), len(body), nil},
		"small pieces": {iotest.HalfReader(bytes.NewReader(body)), len(body), nil},
		"end with it":  {iotest.DataErrReader(bytes.NewReader(body)), len(body), nil},
		"small":        {io.LimitReader(bytes.NewReader(body), 1000), 1000, nil},
		"of a length":  {io.LimitReader(bytes.NewReader(body), wide+1000), wide + 1000, nil},
		"nothing":      {bytes.NewReader(nil), 0, nil},
		"cut":          {io.MultiReader(bytes.NewReader(body[:wide+5]), iotest.ErrReader(io.ErrUnexpectedEOF)), wide + 5, io.ErrUnexpectedEOF},
	} {
		t.Run(name, func(t *testing.T) {
			here, there := net.Pipe()
			got := make(chan []byte)
			largest := 0
			go func() {
				var all []byte
				b := make([]byte, 2*wide)
				for {
					n, err := there.Read(b) // of a pipe: one write at a time
					all, largest = append(all, b[:n]...), max(largest, n)
					if err != nil {
						got <- all
						return
					}
				}
			}()
			n, err := wideConn{here}.ReadFrom(c.from)
			here.Close()
			all := <-got
			if !errors.Is(err, c.err) || n != int64(c.want) || !bytes.Equal(all, body[:c.want]) {
				t.Errorf("%d bytes told, %d came, %v; want %d, %v", n, len(all), err, c.want, c.err)
			}
			if c.want >= wide && largest != wide {
				t.Errorf("pieces of %d bytes", largest)
			}
		})
	}
}
