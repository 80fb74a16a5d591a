package journal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
)

// A request is an Append that waits.
type request struct {
	entries []Entry
	size    int
	seq     uint64
	err     error
	done    chan struct{} // closed when seq and err are set
}

func (r *request) finish(seq uint64, err error) {
	r.seq, r.err = seq, err
	close(r.done)
}

// Append makes entries durable as one unit and returns its number. The entries
// must not change until it returns. If ctx ends while the unit waits, it is
// withdrawn; once its write has begun, Append waits for the outcome.
func (j *Journal) Append(ctx context.Context, entries ...Entry) (uint64, error) {
	if len(entries) == 0 {
		return 0, errors.New("internal error: nothing to append")
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	r := &request{entries: entries, size: unitSize(entries), done: make(chan struct{})}
	if r.size > maxAppend {
		return 0, ErrTooLarge
	}
	j.mu.Lock()
	if j.closed {
		j.mu.Unlock()
		return 0, ErrClosed
	}
	j.queue = append(j.queue, r)
	j.mu.Unlock()

	if err := j.turn.Wait(ctx, r.done, j.commit, func() bool { return j.withdraw(r) }); err != nil {
		return 0, err
	}
	return r.seq, r.err
}

// withdraw takes r out of the queue, if it is still there.
func (j *Journal) withdraw(r *request) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	i := slices.Index(j.queue, r)
	if i < 0 {
		return false
	}
	j.queue = slices.Delete(j.queue, i, i+1)
	return true
}

// commit writes the units that wait, as many as fit a group. It runs with the turn.
func (j *Journal) commit() {
	j.mu.Lock()
	n, size := 0, 0
	for n < len(j.queue) && (n == 0 || size+j.queue[n].size <= maxGroup) {
		size += j.queue[n].size
		n++
	}
	group := slices.Clone(j.queue[:n])
	j.queue = slices.Delete(j.queue, 0, n)
	roll := j.roll
	j.roll = false
	j.mu.Unlock()
	if n == 0 {
		return
	}

	if roll || j.w.size >= j.cfg.FileSize {
		j.w.leave() // all it holds is synced
	}
	first := j.w.next
	begun, err := j.w.write(group)
	if err != nil {
		err = fmt.Errorf("journal %s: append: %w", j.cfg.Dir, err)
	} else {
		j.mu.Lock()
		j.last, j.head = j.w.next-1, j.w.previous
		if begun != "" {
			j.files = append(j.files, fileInfo{begun, first})
		}
		j.mu.Unlock()
	}
	for i, r := range group {
		if err != nil {
			r.finish(0, err)
		} else {
			r.finish(first+uint64(i), nil)
		}
	}
}

// remove removes a file that holds nothing wanted.
func (j *Journal) remove(f fileInfo) error {
	if err := j.cfg.FS.Remove(path.Join(j.cfg.Dir, f.name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.files = slices.DeleteFunc(j.files, func(g fileInfo) bool { return g == f })
	return nil
}
