package store_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path"
	"strconv"
	"strings"
	"sync"
	"testing"

	"logkeep/internal/disk/disktest"
	"logkeep/internal/store"
)

const waitingDir = "accounts/c-0/spool"

// files is a Waiting whose files hold, in plain text, the ids of rows, one batch
// a line.
type files struct {
	fs   *disktest.Memory
	fail error // of Next
	stay error // of Done
}

var _ store.Waiting = (*files)(nil)

func (f *files) Own(batch [16]byte) bool { return string(batch[:4]) == "spl:" }

func (f *files) first() (string, error) {
	list, err := f.fs.List(waitingDir)
	if err != nil || len(list) == 0 {
		return "", err
	}
	return list[0].Name, nil
}

func (f *files) Next(context.Context) (all []store.Rows, ok bool, err error) {
	name, err := f.first()
	if f.fail != nil {
		err = f.fail
	}
	if err != nil || name == "" {
		return nil, false, err
	}
	h, err := f.fs.Open(path.Join(waitingDir, name))
	if err != nil {
		return nil, false, err
	}
	defer h.Close()
	size, err := h.Size()
	if err != nil {
		return nil, false, err
	}
	text := make([]byte, size)
	if _, err := io.ReadFull(io.NewSectionReader(h, 0, size), text); err != nil {
		return nil, false, err
	}
	for i, line := range strings.Fields(string(text)) {
		id, err := strconv.Atoi(line)
		if err != nil {
			return nil, false, err
		}
		r := rows(narrow, id)
		copy(r.Batch[:], fmt.Sprintf("spl:%s-%d", name, i))
		all = append(all, r)
	}
	return all, true, nil
}

func (f *files) Done(context.Context) error {
	if f.stay != nil {
		return f.stay
	}
	name, err := f.first()
	if err != nil {
		return err
	}
	if err := f.fs.Remove(path.Join(waitingDir, name)); err != nil {
		return err
	}
	return f.fs.SyncDir(waitingDir)
}

// put writes a file with rows of the model.
func (f *files) put(t *testing.T, m *model, name string, n int) {
	t.Helper()
	if err := f.fs.MkdirAll(waitingDir); err != nil {
		t.Fatal(err)
	}
	h, err := f.fs.Create(path.Join(waitingDir, name))
	if err != nil {
		t.Fatal(err)
	}
	for range n {
		fmt.Fprintln(h, m.next)
		m.acknowledged[m.next] = true
		m.next++
	}
	if err := errors.Join(h.Sync(), h.Close(), f.fs.SyncDir(waitingDir)); err != nil {
		t.Fatal(err)
	}
}

// What waits is there exactly once, whenever the machine crashes, and however
// often that is while it is taken over.
func TestWaitingRowsAreTakenOverOnceWhateverCrashes(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 7))
		c := &catalog{}
		fs := disktest.New()
		m := &model{acknowledged: map[int]bool{}}
		for n := range 3 {
			(&files{fs: fs}).put(t, m, fmt.Sprint(n), 1+r.IntN(5))
		}
		for range 5 {
			var after *disktest.Memory
			var mu sync.Mutex
			countdown := r.IntN(60)
			step := func() error {
				mu.Lock()
				defer mu.Unlock()
				if countdown--; countdown >= 0 && after == nil {
					return nil
				}
				if after == nil {
					after = fs.Crash(r)
				}
				return errDown
			}
			fs.OnOp(func(disktest.Op) error { return step() })
			c.around = func(commit func() error) error {
				if err := step(); err != nil {
					return err
				}
				return commit()
			}
			cfg := config(t, fs, c)
			cfg.Waiting, cfg.FlushBytes = &files{fs: fs}, 1 // flushes after every file
			if s, err := store.Open(t.Context(), cfg); err == nil {
				s.Flush(t.Context())
				s.Close()
			}
			mu.Lock()
			if after == nil {
				after = fs.Crash(r)
			}
			fs = after
			mu.Unlock()
		}
		c.around = nil
		cfg := config(t, fs, c)
		cfg.Waiting = &files{fs: fs}
		s := open(t, cfg)
		m.check(t, whole(t, s))
		flush(t, s)
		m.check(t, whole(t, s))
		if left, _ := fs.List(waitingDir); len(left) > 0 {
			t.Errorf("%d files still wait", len(left))
		}
		s.Close()
		m.check(t, whole(t, open(t, config(t, fs, c))))
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// What can't be read now waits and keeps nothing else from working.
func TestWaitingRowsThatCantBeReadHoldNothingUp(t *testing.T) {
	fs, c := disktest.New(), &catalog{}
	m := &model{acknowledged: map[int]bool{}}
	f := &files{fs: fs, fail: errors.New("the key is not here")}
	f.put(t, m, "1", 3)
	cfg := config(t, fs, c)
	cfg.Waiting = f
	s := open(t, cfg)
	appendRows(t, s, rows(narrow, m.next))
	flush(t, s)
	if got := whole(t, s); len(got) != 1 || got[m.next] != 1 {
		t.Fatalf("rows %v", got)
	}
	m.acknowledged[m.next] = true
	f.fail = nil
	flush(t, s)
	m.check(t, whole(t, s))
}

// While a file can't be removed its rows stay in the journal, which tells that
// they were taken over.
func TestRowsOfAFileThatStaysAreNotFlushed(t *testing.T) {
	fs, c := disktest.New(), &catalog{}
	m := &model{acknowledged: map[int]bool{}}
	f := &files{fs: fs, stay: errors.New("the disk can't be written")}
	f.put(t, m, "1", 3)
	cfg := config(t, fs, c)
	cfg.Waiting = f
	s := open(t, cfg)
	m.check(t, whole(t, s))
	for range 2 { // a second time takes nothing over again
		if err := s.Flush(t.Context()); !errors.Is(err, f.stay) {
			t.Fatalf("flush: %v", err)
		}
		m.check(t, whole(t, s))
	}
	fs = fs.Crash(rand.New(rand.NewPCG(1, 1)))
	s.Close()
	cfg = config(t, fs, c)
	cfg.Waiting = &files{fs: fs}
	s = open(t, cfg)
	m.check(t, whole(t, s))
	flush(t, s)
	m.check(t, whole(t, s))
}
