package bucket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sort"

	"golang.org/x/sync/errgroup"

	"logkeep/internal/disk"
)

// An outFile is a file that this Folder made. Before a file of objects/ is put
// all of it is in memory; of one in journal/ what was not synced is.
type outFile struct {
	f      *Folder
	name   string
	buf    []byte
	synced int64 // bytes of a growing file that are in parts
}

var _ disk.File = (*outFile)(nil)

// Write implements disk.File.
func (o *outFile) Write(p []byte) (int, error) {
	o.buf = append(o.buf, p...)
	return len(p), nil
}

// ReadAt implements disk.File, of what is in memory.
func (o *outFile) ReadAt(p []byte, off int64) (int, error) {
	if off < o.synced {
		return 0, &fs.PathError{Op: "read", Path: o.f.name(o.name), Err: fs.ErrInvalid}
	}
	if off -= o.synced; off >= int64(len(o.buf)) {
		return 0, io.EOF
	}
	n := copy(p, o.buf[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Size implements disk.File.
func (o *outFile) Size() (int64, error) { return o.synced + int64(len(o.buf)), nil }

// Truncate implements disk.File, of what was not synced.
func (o *outFile) Truncate(size int64) error {
	if size < o.synced || size > o.synced+int64(len(o.buf)) {
		return &fs.PathError{Op: "truncate", Path: o.f.name(o.name), Err: fs.ErrInvalid}
	}
	o.buf = o.buf[:size-o.synced]
	return nil
}

// Close implements disk.File.
func (o *outFile) Close() error {
	if grows(o.name) {
		o.f.mu.Lock()
		defer o.f.mu.Unlock()
		delete(o.f.open, o.name)
	}
	return nil
}

// Sync implements disk.File. Of a growing file it puts a part, and returns nil
// only if the account was still owned afterwards: then whoever claims it later
// finds the part.
func (o *outFile) Sync() error {
	if !grows(o.name) || len(o.buf) == 0 {
		return nil
	}
	f, ctx := o.f, context.Background()
	f.turn.Lock()
	defer f.turn.Unlock()
	if err := f.writable("sync", o.name); err != nil {
		return err
	}
	if d := f.doubt; d != nil {
		if err := f.putPart(ctx, d); err != nil {
			return err
		}
	}
	if err := f.putPart(ctx, &doubtful{partName(f.name(o.name), o.synced), encodePart(o.buf)}); err != nil {
		return err
	}
	if err := f.Owned(ctx); err != nil {
		return err
	}
	o.synced += int64(len(o.buf))
	o.buf = o.buf[:0]
	return nil
}

// putPart puts a part, or finds it put. It needs turn.
func (f *Folder) putPart(ctx context.Context, d *doubtful) error {
	f.doubt = d
	err := f.b.Put(ctx, d.name, d.body)
	switch {
	case err == nil:
		f.doubt = nil
	case errors.Is(err, fs.ErrExist):
		return f.lose(fmt.Errorf("object %s is another's", d.name))
	}
	return err
}

// A whole is an object that is read.
type whole struct {
	f    *Folder
	name string
	size int64
}

var _ disk.File = (*whole)(nil)

// ReadAt implements disk.File.
func (w *whole) ReadAt(p []byte, off int64) (int, error) {
	n, err := w.f.b.ReadAt(context.Background(), w.f.name(w.name), p, off)
	if err == io.EOF && off+int64(n) < w.size {
		err = fmt.Errorf("%w: %w", damaged(w.f.name(w.name), "has %d of %d bytes", off+int64(n), w.size), io.ErrUnexpectedEOF)
	}
	return n, err
}

// Size implements disk.File.
func (w *whole) Size() (int64, error) { return w.size, nil }

// Write implements disk.File: what was put doesn't change.
func (w *whole) Write([]byte) (int, error) {
	return 0, &fs.PathError{Op: "write", Path: w.f.name(w.name), Err: fs.ErrInvalid}
}

// Truncate implements disk.File.
func (w *whole) Truncate(int64) error {
	return &fs.PathError{Op: "truncate", Path: w.f.name(w.name), Err: fs.ErrInvalid}
}

// Sync implements disk.File.
func (w *whole) Sync() error { return nil }

// Close implements disk.File.
func (w *whole) Close() error { return nil }

// A grown is a file in parts that is read, as it was when it was opened.
type grown struct {
	whole // for what it has not
	f     *Folder
	name  string
	parts []part
}

// Size implements disk.File.
func (g *grown) Size() (int64, error) {
	last := g.parts[len(g.parts)-1]
	return last.at + last.size, nil
}

// Truncate implements disk.File: no torn end is ever found, so none can be cut.
func (g *grown) Truncate(int64) error {
	return damaged(g.f.name(g.name), "ends in bytes that nobody acknowledged, which a bucket can't have")
}

// ReadAt implements disk.File.
func (g *grown) ReadAt(p []byte, off int64) (n int, err error) {
	if g.f.holes {
		return g.readHoles(p, off)
	}
	for n < len(p) {
		at := off + int64(n)
		i := sort.Search(len(g.parts), func(i int) bool { return g.parts[i].at+g.parts[i].size > at })
		if i == len(g.parts) {
			return n, io.EOF
		}
		body, err := g.f.body(g.parts[i:])
		if err != nil {
			return n, err
		}
		n += copy(p[n:], body[at-g.parts[i].at:])
	}
	return n, nil
}

// readHoles is ReadAt of a file that may lack parts.
func (g *grown) readHoles(p []byte, off int64) (n int, err error) {
	size, _ := g.Size()
	for n < len(p) {
		at := off + int64(n)
		if at >= size {
			return n, io.EOF
		}
		next := sort.Search(len(g.parts), func(i int) bool { return g.parts[i].at > at })
		end := size // of what is read now
		if next < len(g.parts) {
			end = g.parts[next].at
		}
		var body []byte
		if next > 0 {
			body, err = g.f.body(g.parts[next-1 : next])
			if err != nil && !errors.Is(err, ErrDamaged) && !Gone(err) {
				return n, err
			}
			body = body[min(int64(len(body)), at-g.parts[next-1].at):]
		}
		if len(body) > 0 {
			n += copy(p[n:], body[:min(int64(len(body)), end-at)])
			continue
		}
		hole := p[n:min(int64(len(p)), int64(n)+end-at)]
		clear(hole)
		n += len(hole)
	}
	return n, nil
}

// How much is read ahead of a file's parts, and kept.
const (
	aheadParts = 16
	aheadBytes = 16 << 20
)

// body returns the body of the first of some parts that follow one another, and
// reads the next ones with it: whoever reads one reads them all.
func (f *Folder) body(parts []part) ([]byte, error) {
	f.mu.Lock()
	b := f.kept.get(parts[0].name)
	f.mu.Unlock()
	if b != nil {
		return b, nil
	}
	n, bytes := 1, parts[0].size
	for n < len(parts) && n < aheadParts && bytes+parts[n].size <= aheadBytes {
		bytes += parts[n].size
		n++
	}
	bodies := make([][]byte, n)
	group, ctx := errgroup.WithContext(context.Background())
	for i, p := range parts[:n] {
		group.Go(func() error {
			raw := make([]byte, partHeader+p.size)
			got, err := f.b.ReadAt(ctx, p.name, raw, 0)
			if err != nil && err != io.EOF {
				return err
			}
			bodies[i], err = decodePart(p.name, raw[:got])
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, p := range parts[:n] {
		f.kept.add(p.name, bodies[i])
	}
	return bodies[0], nil
}

// A window keeps what was read last, up to twice aheadBytes.
type window struct {
	bodies map[string][]byte
	order  []string
	bytes  int
}

func (w *window) get(name string) []byte { return w.bodies[name] }

func (w *window) add(name string, b []byte) {
	if w.bodies == nil {
		w.bodies = map[string][]byte{}
	}
	if w.bodies[name] != nil {
		return
	}
	w.bodies[name], w.order, w.bytes = b, append(w.order, name), w.bytes+len(b)
	for w.bytes > 2*aheadBytes && len(w.order) > 1 {
		w.bytes -= len(w.bodies[w.order[0]])
		delete(w.bodies, w.order[0])
		w.order = w.order[1:]
	}
}
