package segment

import (
	"bufio"
	"context"
	"errors"
	"os"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/apache/arrow-go/v18/arrow"
	"golang.org/x/sync/errgroup"

	"logkeep/internal/batch"
	"logkeep/internal/parquet"
	"logkeep/internal/schema"
)

// Sifted is the rows of row groups that were worth sifting, or weighing, in files in
// memory for the engine. It is to be closed.
type Sifted struct {
	Files []*Rows
	Whole []int // numbers of the wants that are better read as a whole
	Rows  int64 // of the row groups that were sifted, or weighed
	Kept  int64 // that are in the files
	Read  int64 // bytes of segments that were opened, for all wants

	cache *Cache
	bytes int64
}

// Rows are rows of row groups with the same columns, as a Parquet file in memory
// without compression.
type Rows struct {
	Weighed bool // there is WeightColumn

	file    *os.File
	path    string
	columns []schema.Column
	members []batch.Member
	rows    int64

	to      *bufio.Writer
	writer  *parquet.Writer
	pending []arrow.RecordBatch
	waiting int64 // rows of them
}

// Path returns the name by which the engine in this process opens the file.
func (r *Rows) Path() string { return r.path }

// Columns returns the table's columns that the file has. The caller must not change them.
func (r *Rows) Columns() []schema.Column { return r.columns }

// Members returns the members that the file has in columns of their own.
func (r *Rows) Members() []batch.Member { return r.members }

// Rows returns the number of rows.
func (r *Rows) Rows() int64 { return r.rows }

// fullGroup is how many rows a row group of a file of sifted rows has at least,
// but the last: the engine reads row groups side by side.
const fullGroup = 16 << 10

// Sift finds in the wanted row groups the rows that the needs allow. Rows of
// which it knows too little stay, and row groups of which many would are told as
// to be read whole. After an error there is nothing to close. A query that holds
// what it can't have gets a LimitError.
func (c *Cache) Sift(ctx context.Context, wants []Want, needs []Need) (_ *Sifted, err error) {
	s := &Sifted{cache: c}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	l := line{s: s, done: make([]*outcome, len(wants))}
	work, stopped := errgroup.WithContext(ctx)
	work.SetLimit(cap(c.slots))
	// Of few row groups one may be left when the others are done: they are sifted in parts.
	parts, few := 1, len(wants) < eachSlot*cap(c.slots)
	if few {
		parts = (eachSlot*cap(c.slots) + len(wants) - 1) / max(len(wants), 1)
	}
	for i, w := range wants {
		v := newSieve(w, needs)
		if v == nil {
			if err := l.put(i, outcome{whole: true}); err != nil {
				return nil, errors.Join(err, work.Wait())
			}
			continue
		}
		in := &inParts{}
		some := []*sieve{v}
		if v.mostlySought() {
			some = v.parts(parts)
		}
		in.left, in.of = len(some), make([]outcome, len(some))
		for k, part := range some {
			work.Go(func() error {
				o := outcome{sieve: part, whole: true}
				if !in.whole.Load() {
					var err error
					if o, err = s.sift(stopped, part, few && len(some) == 1); err != nil {
						return err
					}
				}
				if all, done := in.put(s, k, o); done {
					return l.put(i, all)
				}
				return nil
			})
		}
	}
	if err := work.Wait(); err != nil {
		return nil, err
	}
	return s, l.end()
}

// An outcome is what came of sifting a row group, or a part of it.
type outcome struct {
	sieve *sieve
	whole bool
	kept  []arrow.RecordBatch
	bytes int64 // of kept
	read  int64
}

// eachSlot is how many parts there are to sift for each goroutine that does, at least.
const eachSlot = 2

// inParts is a row group that is sifted in parts, at the same time.
type inParts struct {
	whole atomic.Bool // it will be read as a whole: what parts find is not wanted

	mu   sync.Mutex
	of   []outcome
	left int
}

// put takes the outcome of a part. After the last it returns that of all: if one part
// is better read as a whole, all are.
func (p *inParts) put(s *Sifted, part int, o outcome) (all outcome, done bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if o.whole {
		p.whole.Store(true)
	}
	p.of[part] = o
	if p.left--; p.left > 0 {
		return all, false
	}
	all.sieve, all.whole = o.sieve, p.whole.Load()
	for _, o := range p.of {
		all.read += o.read
		if all.whole {
			s.discharge(o.bytes)
			continue
		}
		all.kept = append(all.kept, o.kept...)
		all.bytes += o.bytes
	}
	return all, true
}

// sift sifts one row group, or a part of it, all at one desk or its columns at several.
func (s *Sifted) sift(ctx context.Context, v *sieve, shared bool) (o outcome, err error) {
	defer v.reader.Hold()()
	o.sieve = v
	var f *finding
	err = inTurn(ctx, s.cache.slots, func() (err error) {
		o.read, err = s.atDesk(func(desk *parquet.Desk) (stays int64, err error) {
			if f, err = v.find(ctx, desk); f == nil {
				return 0, err
			}
			if !shared {
				err = f.pickLeft(ctx, desk)
			}
			return f.size(), err
		})
		return err
	})
	if err == nil && shared {
		var read int64
		read, err = s.share(ctx, f)
		o.read += read
	}
	if errors.Is(err, errDense) || errors.Is(err, parquet.ErrForm) {
		if o.whole, err = true, nil; f != nil {
			s.discharge(f.size())
		}
		return o, nil
	}
	if err != nil {
		return o, err
	}
	o.bytes = f.size()
	kept, err := f.record()
	if kept != nil {
		o.kept = []arrow.RecordBatch{kept}
	}
	return o, err
}

// atDesk has work done at a desk whose buffers count against the limit, and gives back
// what was charged but for what stays. It tells how many bytes were read.
func (s *Sifted) atDesk(work func(*parquet.Desk) (stays int64, err error)) (read int64, err error) {
	desk := s.cache.desk()
	had := desk.Held() // is counted already, and stays so
	charged := int64(0)
	desk.Read, desk.Charge = 0, func(n int64) error {
		err := s.charge(n)
		if err == nil {
			charged += n
		}
		return err
	}
	stays, err := work(desk)
	read, desk.Charge = desk.Read, nil
	s.leave(charged-stays, desk.Held()-had)
	s.cache.giveDesk(desk)
	return read, err
}

// sizeOf is how much memory the cells of a record take.
func sizeOf(rec arrow.RecordBatch) (n int64) {
	for _, a := range rec.Columns() {
		n += int64(a.Data().SizeInBytes())
	}
	return n
}

func (s *Sifted) charge(n int64) error {
	c := s.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	c.shrink(n)
	if c.used+n > c.limit {
		return &LimitError{Need: s.bytes + n, Limit: c.limit}
	}
	c.used += n
	s.bytes += n
	return nil
}

func (s *Sifted) discharge(n int64) {
	s.cache.mu.Lock()
	defer s.cache.mu.Unlock()
	s.cache.used -= n
	s.bytes -= n
}

// leave gives back n bytes, but for those that the cache goes on to count.
func (s *Sifted) leave(n, counted int64) {
	s.cache.mu.Lock()
	defer s.cache.mu.Unlock()
	s.cache.used -= n - counted
	s.bytes -= n
}

// A line takes outcomes as they come and puts the rows into files in the order of
// the wants.
type line struct {
	s    *Sifted
	mu   sync.Mutex
	done []*outcome // nil: not yet, or written
	next int
}

func (l *line) put(i int, o outcome) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.done[i] = &o
	for l.next < len(l.done) && l.done[l.next] != nil {
		o := l.done[l.next]
		l.s.Read += o.read
		if o.whole {
			l.s.Whole = append(l.s.Whole, l.next)
		} else if err := l.s.take(o); err != nil {
			return err
		}
		l.done[l.next] = &outcome{}
		l.next++
	}
	return nil
}

// end writes what is left.
func (l *line) end() error {
	for _, r := range l.s.Files {
		if err := r.finish(l.s); err != nil {
			return err
		}
	}
	return nil
}

// finish writes what is pending and the end of the file.
func (r *Rows) finish(s *Sifted) error {
	if err := r.flush(s); err != nil {
		return err
	}
	if err := errors.Join(r.writer.Close(), r.to.Flush()); err != nil {
		return err
	}
	r.writer, r.to = nil, nil
	return nil
}

// take adds an outcome's rows to the file of their columns.
func (s *Sifted) take(o *outcome) error {
	s.Rows += o.sieve.reader.groups[o.sieve.group].Rows
	if len(o.kept) == 0 {
		return nil
	}
	var columns []schema.Column
	var members []batch.Member
	for _, i := range o.sieve.columns {
		if n := len(o.sieve.reader.Columns()); i < n {
			columns = append(columns, o.sieve.reader.columns[i])
		} else {
			members = append(members, o.sieve.reader.members[i-n])
		}
	}
	at := slices.IndexFunc(s.Files, func(r *Rows) bool { return slices.Equal(r.columns, columns) && slices.Equal(r.members, members) })
	if at < 0 {
		r, err := newRows(o.kept[0].Schema(), columns, members)
		if err != nil {
			return err
		}
		at, s.Files = len(s.Files), append(s.Files, r)
	}
	r := s.Files[at]
	for _, rec := range o.kept {
		r.pending = append(r.pending, rec)
		s.Kept += rec.NumRows()
		r.rows += rec.NumRows()
		r.waiting += rec.NumRows()
	}
	if r.waiting < fullGroup {
		return nil
	}
	return r.flush(s)
}

func newRows(sc *arrow.Schema, columns []schema.Column, members []batch.Member) (*Rows, error) {
	f, err := newMemfd("logkeep-rows")
	if err != nil {
		return nil, err
	}
	r := &Rows{file: f, path: path(f), columns: columns, members: members, to: bufio.NewWriterSize(f, 256<<10)}
	if r.writer, err = parquet.NewWriter(r.to, sc, parquet.Options{}); err != nil {
		f.Close()
		return nil, err
	}
	return r, nil
}

// flush writes what is pending as a row group. The rows are charged for once
// more while they are both here and there.
func (r *Rows) flush(s *Sifted) error {
	if r.waiting == 0 {
		return nil
	}
	var held int64
	for _, rec := range r.pending {
		held += sizeOf(rec)
	}
	if err := s.charge(held); err != nil {
		return err
	}
	before := r.writer.Size()
	if err := r.writer.Rows(r.pending); err != nil {
		return err
	}
	s.discharge(2*held - (r.writer.Size() - before))
	r.pending, r.waiting = nil, 0
	return nil
}

// Close gives the files' memory back once the engine has closed them too.
func (s *Sifted) Close() {
	for _, r := range s.Files {
		r.file.Close()
	}
	s.Files = nil
	s.discharge(s.bytes)
}
