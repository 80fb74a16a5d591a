package journal_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"logkeep/internal/disk"
	"logkeep/internal/disk/disktest"
	"logkeep/internal/journal"
	"logkeep/internal/schema"
	"logkeep/internal/seal"
)

// ring gives keys by generation.
type ring map[uint32]seal.Keys

func newRing(t testing.TB, generations int) ring {
	r := ring{}
	for g := range uint32(generations) {
		b := bytes.Repeat([]byte{byte(g + 1)}, seal.KeySize)
		k, err := seal.ImportKey(b)
		if err != nil {
			t.Fatal(err)
		}
		r[g+1] = seal.Keys{Inner: k, Generation: g + 1}
	}
	return r
}

func (r ring) keys(generation uint32) (seal.Keys, error) {
	if k, ok := r[generation]; ok {
		return k, nil
	}
	return seal.Keys{}, fmt.Errorf("no generation %d", generation)
}

// A tape records what is replayed.
type tape struct {
	seqs    []uint64
	entries []journal.Entry
	cuts    []journal.Cut
}

func (p *tape) payloads() []string {
	var out []string
	for _, e := range p.entries {
		out = append(out, string(e.Payload))
	}
	return out
}

const dir = "accounts/a/journal"

func config(d disk.FS, r ring, p *tape) journal.Config {
	return journal.Config{
		FS: d, Dir: dir, Keys: r.keys, Current: 1,
		Place: seal.Place{Tenant: "t", Cluster: "c", Object: "a"},
		Replay: func(seq uint64, e journal.Entry) error {
			p.seqs = append(p.seqs, seq)
			p.entries = append(p.entries, e)
			return nil
		},
		Report: func(c journal.Cut) { p.cuts = append(p.cuts, c) },
	}
}

func open(t testing.TB, d disk.FS, r ring) (*journal.Journal, *tape) {
	t.Helper()
	p := &tape{}
	j, err := journal.Open(config(d, r, p))
	if err != nil {
		t.Fatal(err)
	}
	return j, p
}

func entry(payload string) journal.Entry {
	return journal.Entry{Workspace: "w", Table: "T_CL", Batch: [16]byte{1, 2, 3}, Payload: []byte(payload)}
}

func add(t testing.TB, j *journal.Journal, payloads ...string) {
	t.Helper()
	for _, p := range payloads {
		if _, err := j.Append(t.Context(), entry(p)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAppendAndReplay(t *testing.T) {
	folder, err := disk.OpenFolder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	for kind, d := range map[string]disk.FS{"folder": folder, "memory": disktest.New()} {
		t.Run(kind, func(t *testing.T) {
			r := newRing(t, 1)
			j, _ := open(t, d, r)
			if j.Last() != 0 {
				t.Errorf("Last of an empty journal is %d", j.Last())
			}
			first := journal.Entry{Workspace: "w1", Table: "A", Batch: [16]byte{15: 9}, Payload: []byte("first")}
			second := journal.Entry{Workspace: "w2", Table: "B_CL", Payload: bytes.Repeat([]byte("x"), 100_000)}
			if seq, err := j.Append(t.Context(), first, second); seq != 1 || err != nil {
				t.Fatalf("Append = %d, %v", seq, err)
			}
			if seq, err := j.Append(t.Context(), second); seq != 2 || err != nil {
				t.Fatalf("Append = %d, %v", seq, err)
			}
			if j.Last() != 2 {
				t.Errorf("Last is %d", j.Last())
			}
			if err := j.Close(); err != nil {
				t.Fatal(err)
			}
			for range 3 { // opening changes nothing
				j, p := open(t, d, r)
				if !slices.Equal(p.seqs, []uint64{1, 1, 2}) || fmt.Sprint(p.entries) != fmt.Sprint([]journal.Entry{first, second, second}) {
					t.Errorf("replayed %v", p.seqs)
				}
				if len(p.cuts) > 0 || j.Last() != 2 {
					t.Errorf("cuts %v, Last %d", p.cuts, j.Last())
				}
				j.Close()
			}
		})
	}
}

func TestNoPlaintextOnDisk(t *testing.T) {
	m := disktest.New()
	j, _ := open(t, m, newRing(t, 1))
	add(t, j, "canary-in-a-row")
	for _, name := range m.Names() {
		for _, s := range []string{"canary", "T_CL"} {
			if bytes.Contains(m.Bytes(name), []byte(s)) {
				t.Errorf("%s holds %q", name, s)
			}
		}
	}
}

func TestGenerations(t *testing.T) {
	m, r := disktest.New(), newRing(t, 3)
	j, _ := open(t, m, r)
	add(t, j, "a", "b")
	for _, g := range []uint32{1, 2} {
		if err := j.Use(g); err != nil {
			t.Fatal(err)
		}
	}
	add(t, j, "c")
	if err := j.Use(9); err == nil {
		t.Error("a generation without keys is used")
	}
	if err := j.Use(1); err == nil {
		t.Error("an older generation is used")
	}
	add(t, j, "d")
	j.Close()
	if len(m.Names()) != 2 {
		t.Errorf("files %q", m.Names())
	}

	p := &tape{}
	cfg := config(m, r, p)
	if _, err := journal.Open(cfg); err == nil {
		t.Error("opened with a current generation below the newest file's")
	}
	*p = tape{}
	cfg.Current = 3
	j, err := journal.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	if !slices.Equal(p.payloads(), []string{"a", "b", "c", "d"}) {
		t.Errorf("replayed %q", p.payloads())
	}
}

// TestMissingKeys: without keys, or with wrong ones, nothing opens and nothing
// is cut.
func TestMissingKeys(t *testing.T) {
	m, r := disktest.New(), newRing(t, 2)
	j, _ := open(t, m, r)
	add(t, j, "a")
	j.Close()
	name := m.Names()[0]
	was := bytes.Clone(m.Bytes(name))

	gone, err := seal.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	gone.Destroy()
	wrong := r[2]
	wrong.Generation = 1
	for what, keys := range map[string]ring{
		"no keys": {}, "other keys": {1: wrong}, "destroyed keys": {1: {Inner: gone, Generation: 1}}, "keys of another generation": {1: r[2]},
	} {
		p := &tape{}
		if _, err := journal.Open(config(m, keys, p)); err == nil {
			t.Errorf("%s: opened", what)
		}
		if len(p.entries)+len(p.cuts) > 0 || !bytes.Equal(m.Bytes(name), was) {
			t.Errorf("%s: replayed %v, cut %v", what, p.entries, p.cuts)
		}
	}
}

func TestRelease(t *testing.T) {
	m, r := disktest.New(), newRing(t, 1)
	cfg := config(m, r, &tape{})
	cfg.FileSize = 1 // every append begins a file
	j, err := journal.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	add(t, j, "1", "2", "3", "4", "5")
	if err := j.Release(4); err != nil {
		t.Fatal(err)
	}
	if n := len(m.Names()); n != 2 {
		t.Errorf("%d files after Release(4), want those of 4 and 5", n)
	}
	j.Close()

	p := &tape{}
	cfg = config(m, r, p)
	cfg.Floor = 5
	if j, err = journal.Open(cfg); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(p.seqs, []uint64{5}) {
		t.Errorf("replayed %v from floor 5", p.seqs)
	}
	if err := j.Release(6); err != nil { // all: the newest stays for the chain
		t.Fatal(err)
	}
	add(t, j, "6")
	if err := j.Release(6); err != nil {
		t.Fatal(err)
	}
	if n := len(m.Names()); n != 1 {
		t.Errorf("%d files after Release(6)", n)
	}
	j.Close()

	*p = tape{}
	cfg.Floor = 6
	if j, err = journal.Open(cfg); err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	if !slices.Equal(p.payloads(), []string{"6"}) || j.Last() != 6 {
		t.Errorf("replayed %q, Last %d", p.payloads(), j.Last())
	}

	cfg.Floor = 3
	if _, err := journal.Open(cfg); !errors.Is(err, disk.ErrLocked) {
		t.Errorf("a second journal on one folder: %v", err)
	}
	j.Close()
	if _, err := journal.Open(cfg); err == nil {
		t.Error("opened though entries from the floor on are gone")
	}
}

// TestReleasedFileGoes: a file whose entries are all released gets no more, so
// that the next release can remove it.
func TestReleasedFileGoes(t *testing.T) {
	m := disktest.New()
	j, _ := open(t, m, newRing(t, 1))
	defer j.Close()
	add(t, j, "1", "2")
	old := m.Names()
	if err := j.Release(3); err != nil {
		t.Fatal(err)
	}
	add(t, j, "3")
	if err := j.Release(3); err != nil {
		t.Fatal(err)
	}
	if names := m.Names(); len(names) != 1 || names[0] == old[0] {
		t.Errorf("files %q, at first %q", names, old)
	}
}

// TestNumbersGoOnAfterTheFloor: numbers are not used again, even if all files
// were lost after their entries had become segments.
func TestNumbersGoOnAfterTheFloor(t *testing.T) {
	m, r := disktest.New(), newRing(t, 1)
	for floor := range uint64(3) {
		cfg := config(m, r, &tape{})
		cfg.Floor = 10 + 10*floor
		j, err := journal.Open(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if seq, err := j.Append(t.Context(), entry("x")); err != nil || seq != cfg.Floor {
			t.Errorf("first number %d, %v, want %d", seq, err, cfg.Floor)
		}
		j.Close()
	}
}

func TestReplayError(t *testing.T) {
	m, r := disktest.New(), newRing(t, 1)
	j, _ := open(t, m, r)
	add(t, j, "a", "b")
	j.Close()
	cfg := config(m, r, &tape{})
	stop := errors.New("no room for rows")
	cfg.Replay = func(seq uint64, _ journal.Entry) error {
		if seq == 2 {
			return stop
		}
		return nil
	}
	if _, err := journal.Open(cfg); !errors.Is(err, stop) {
		t.Errorf("Open: %v", err)
	}
}

func TestClosed(t *testing.T) {
	j, _ := open(t, disktest.New(), newRing(t, 1))
	j.Close()
	_, err := j.Append(t.Context(), entry("x"))
	for _, err := range []error{err, j.Close(), j.Release(1), j.Use(1)} {
		if !errors.Is(err, journal.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	}
}

func TestAppendRefuses(t *testing.T) {
	m := disktest.New()
	j, _ := open(t, m, newRing(t, 1))
	if _, err := j.Append(t.Context()); err == nil {
		t.Error("appended nothing")
	}
	if _, err := j.Append(t.Context(), journal.Entry{Payload: make([]byte, 65<<20)}); !errors.Is(err, journal.ErrTooLarge) {
		t.Errorf("65 MiB: %v", err)
	}
	if len(m.Names()) > 0 {
		t.Errorf("files %q", m.Names())
	}
}

// TestGroupCommit: while one write is under way others gather and share the next.
func TestGroupCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, r := disktest.New(), newRing(t, 1)
		j, _ := open(t, m, r)
		syncs := 0
		m.OnOp(func(op disktest.Op) error {
			if op.Kind == "sync" {
				syncs++
				time.Sleep(time.Millisecond)
			}
			return nil
		})
		var mu sync.Mutex
		numbers := map[uint64]string{}
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() {
				payload := fmt.Sprint(i)
				seq, err := j.Append(t.Context(), entry(payload))
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				numbers[seq] = payload
				mu.Unlock()
			})
		}
		wg.Wait()
		if syncs > 3 {
			t.Errorf("%d syncs for 100 appends at once", syncs)
		}
		j.Close()
		j, p := open(t, m, r)
		defer j.Close()
		if len(p.seqs) != 100 || len(numbers) != 100 {
			t.Fatalf("replayed %d, numbered %d", len(p.seqs), len(numbers))
		}
		for i, seq := range p.seqs {
			if seq != uint64(i+1) || numbers[seq] != string(p.entries[i].Payload) {
				t.Errorf("entry %d is number %d: %q, was %q", i, seq, p.entries[i].Payload, numbers[seq])
			}
		}
	})
}

// TestCancel: an append that still waits can be withdrawn; one that is being
// written can't.
func TestCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, r := disktest.New(), newRing(t, 1)
		j, _ := open(t, m, r)
		m.OnOp(func(op disktest.Op) error {
			if op.Kind == "sync" {
				time.Sleep(time.Second)
			}
			return nil
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := j.Append(ctx, entry("written")); err != nil {
				t.Errorf("the append under way: %v", err)
			}
		})
		synctest.Wait()
		if _, err := j.Append(ctx, entry("withdrawn")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the append that waited: %v", err)
		}
		if _, err := j.Append(ctx, entry("too late")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("an append after the deadline: %v", err)
		}
		wg.Wait()
		j.Close()
		j, p := open(t, m, r)
		defer j.Close()
		if !slices.Equal(p.payloads(), []string{"written"}) {
			t.Errorf("replayed %q", p.payloads())
		}
	})
}

// TestCloseEndsWaiting: Close lets the write under way end and refuses the rest.
func TestCloseEndsWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, r := disktest.New(), newRing(t, 1)
		j, _ := open(t, m, r)
		m.OnOp(func(op disktest.Op) error {
			if op.Kind == "sync" {
				time.Sleep(time.Second)
			}
			return nil
		})
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := j.Append(t.Context(), entry("written")); err != nil {
				t.Errorf("the append under way: %v", err)
			}
		})
		synctest.Wait()
		wg.Go(func() {
			if _, err := j.Append(t.Context(), entry("refused")); !errors.Is(err, journal.ErrClosed) {
				t.Errorf("the append that waited: %v", err)
			}
		})
		synctest.Wait()
		if err := j.Close(); err != nil {
			t.Error(err)
		}
		wg.Wait()
		j, p := open(t, m, r)
		defer j.Close()
		if !slices.Equal(p.payloads(), []string{"written"}) {
			t.Errorf("replayed %q", p.payloads())
		}
	})
}

// TestFullDisk: a full disk fails appends, and only those.
func TestFullDisk(t *testing.T) {
	m, r := disktest.New(), newRing(t, 1)
	j, _ := open(t, m, r)
	big := string(bytes.Repeat([]byte("x"), 5000))
	var want []string
	for round := range 20 {
		m.SetCapacity(int64(4000 + 3000*round))
		for _, payload := range []string{big, fmt.Sprint("small", round)} {
			switch _, err := j.Append(t.Context(), entry(payload)); {
			case err == nil:
				want = append(want, payload)
			case !errors.Is(err, syscall.ENOSPC):
				t.Fatal(err)
			}
		}
	}
	if len(want) < 15 || len(want) == 40 {
		t.Fatalf("%d of 40 appends were taken", len(want))
	}
	j.Close()
	j, p := open(t, m, r)
	defer j.Close()
	if !slices.Equal(p.payloads(), want) || len(p.cuts) > 0 {
		t.Errorf("replayed %d of %d, cuts %v", len(p.entries), len(want), p.cuts)
	}
}

// TestFailingDisk lets each operation fail once, at the first append and at a
// later one. The append fails with the disk's error, the next ones are taken.
func TestFailingDisk(t *testing.T) {
	for _, kind := range []string{"create", "write", "sync", "syncdir"} {
		for _, and := range []string{"", "truncate", "remove"} { // what fails as well
			for _, before := range []int{0, 2} {
				t.Run(fmt.Sprint(kind, and, before), func(t *testing.T) {
					m, r := disktest.New(), newRing(t, 1)
					j, _ := open(t, m, r)
					var want []string
					for i := range before {
						want = append(want, fmt.Sprint("before", i))
					}
					add(t, j, want...)
					failed := false
					m.OnOp(func(op disktest.Op) error {
						if op.Kind == and {
							return syscall.EIO
						}
						if op.Kind != kind || failed {
							return nil
						}
						failed = true
						if kind == "write" {
							return &disktest.Short{N: 70, Err: syscall.EIO}
						}
						return syscall.EIO
					})
					if _, err := j.Append(t.Context(), entry("lost")); failed != (err != nil) || failed && !errors.Is(err, syscall.EIO) {
						t.Errorf("append: %v", err)
					} else if !failed {
						want = append(want, "lost")
					}
					add(t, j, "after1", "after2")
					want = append(want, "after1", "after2")
					j.Close()
					m.OnOp(nil)
					j, p := open(t, m, r)
					defer j.Close()
					if !slices.Equal(p.payloads(), want) {
						t.Errorf("replayed %q, want %q", p.payloads(), want)
					}
				})
			}
		}
	}
}

// TestFailedSyncEndsFile: after a failed sync nobody knows what the disk has of
// the file, so nothing more goes into it.
func TestFailedSyncEndsFile(t *testing.T) {
	m, r := disktest.New(), newRing(t, 1)
	j, _ := open(t, m, r)
	defer j.Close()
	add(t, j, "a")
	name := m.Names()[0]
	was := bytes.Clone(m.Bytes(name))
	m.OnOp(func(op disktest.Op) error {
		if op.Kind == "sync" {
			return syscall.EIO
		}
		return nil
	})
	if _, err := j.Append(t.Context(), entry("lost")); !errors.Is(err, syscall.EIO) {
		t.Errorf("append: %v", err)
	}
	m.OnOp(nil)
	add(t, j, "b")
	if !bytes.Equal(m.Bytes(name), was) || len(m.Names()) != 2 {
		t.Errorf("files %v", m)
	}
}

// TestUnreadableDisk: a disk that can't be read is no reason to cut.
func TestUnreadableDisk(t *testing.T) {
	m, r := disktest.New(), newRing(t, 1)
	j, _ := open(t, m, r)
	add(t, j, "a", "b")
	j.Close()
	was := bytes.Clone(m.Bytes(m.Names()[0]))
	for _, kind := range []string{"list", "open", "read", "mkdir", "lock"} {
		m.OnOp(func(op disktest.Op) error {
			if op.Kind == kind {
				return syscall.EIO
			}
			return nil
		})
		p := &tape{}
		if _, err := journal.Open(config(m, r, p)); !errors.Is(err, syscall.EIO) || len(p.cuts) > 0 {
			t.Errorf("%s fails: %v, cuts %v", kind, err, p.cuts)
		}
	}
	if !bytes.Equal(m.Bytes(m.Names()[0]), was) {
		t.Error("the file was changed")
	}
}

func TestManyTables(t *testing.T) {
	m, r := disktest.New(), newRing(t, 1)
	j, _ := open(t, m, r)
	var unit []journal.Entry
	for i := range 300 {
		e := journal.Entry{Workspace: schema.WorkspaceID(fmt.Sprint("w", i)), Table: schema.TableName(fmt.Sprint("T", i))}
		binary.BigEndian.PutUint32(e.Batch[:], uint32(i))
		e.Payload = make([]byte, i)
		unit = append(unit, e)
	}
	if _, err := j.Append(t.Context(), unit...); err != nil {
		t.Fatal(err)
	}
	j.Close()
	j, p := open(t, m, r)
	defer j.Close()
	if fmt.Sprint(p.entries) != fmt.Sprint(unit) {
		t.Error("replayed other entries")
	}
}
