package journal_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"

	"logkeep/internal/disk/disktest"
	"logkeep/internal/journal"
)

// A life is a journal over many crashes, and what must be true of it.
type life struct {
	t     *testing.T
	r     *rand.Rand
	seed  uint64
	keys  ring
	m     *disktest.Memory
	made  int               // payloads made so far
	floor uint64            // as the catalog has it
	gen   uint32            // current generation
	acked map[uint64]string // by number, from floor on
	tried map[string]bool   // payloads that were not acknowledged and may be there
	steps int               // until the crash
	after *disktest.Memory  // the disk after it
	state struct {          // as it was at the crash
		floor uint64
		gen   uint32
		acked map[uint64]string
		tried map[string]bool
	}
}

func (l *life) fatalf(format string, args ...any) {
	l.t.Helper()
	l.t.Fatalf("seed %d: %s\n%v", l.seed, fmt.Sprintf(format, args...), l.m)
}

// op is called before every operation of the disk: it may fail it, or take the
// crash.
func (l *life) op(op disktest.Op) error {
	if l.steps--; l.steps == 0 {
		l.crash()
	}
	switch op.Kind {
	case "write", "sync", "syncdir", "truncate", "create", "remove":
		if l.r.IntN(12) == 0 {
			return &disktest.Short{N: l.r.IntN(200), Err: []error{syscall.EIO, syscall.ENOSPC}[l.r.IntN(2)]}
		}
	}
	return plant(op)
}

func (l *life) crash() {
	if l.r.IntN(3) == 0 {
		l.after = l.m.Restart() // only the process died
	} else {
		l.after = l.m.Crash(l.r)
	}
	l.state.floor, l.state.gen = l.floor, l.gen
	l.state.acked, l.state.tried = map[uint64]string{}, map[string]bool{}
	for k, v := range l.acked {
		l.state.acked[k] = v
	}
	for k := range l.tried {
		l.state.tried[k] = true
	}
}

// open opens the journal on a disk that doesn't fail, checks what is replayed,
// and takes it as acknowledged from now on.
func (l *life) open() *journal.Journal {
	l.m.OnOp(plant)
	p := &tape{}
	cfg := config(l.m, l.keys, p)
	cfg.Floor, cfg.Current, cfg.FileSize = l.floor, l.gen, 600
	resting := l.rest(cfg)
	j, err := journal.Open(cfg)
	if err != nil {
		l.fatalf("Open: %v", err)
	}
	if mark := j.Mark(); mark != resting {
		l.fatalf("whoever read it at rest found entry %d at its end, its owner %d", resting.Last, mark.Last)
	}
	replayed := map[uint64]string{}
	for i, seq := range p.seqs {
		payload := string(p.entries[i].Payload)
		if seq < l.floor || i > 0 && seq != p.seqs[i-1]+1 {
			l.fatalf("number %d follows %v, floor %d", seq, p.seqs[:i], l.floor)
		}
		if l.acked[seq] != payload && !l.tried[payload] {
			l.fatalf("number %d is %q, was %q", seq, payload, l.acked[seq])
		}
		delete(l.tried, payload) // once only
		replayed[seq] = payload
	}
	for seq, payload := range l.acked {
		if replayed[seq] != payload {
			l.fatalf("number %d was acknowledged as %q, replayed as %q", seq, payload, replayed[seq])
		}
	}
	// What is not there now never comes back: a number is used again.
	l.acked, l.tried = replayed, map[string]bool{}
	return j
}

// rest is the journal's end for who reads it before its next owner comes. What it
// has found is durable then, and nothing has changed.
func (l *life) rest(cfg journal.Config) journal.Mark {
	before := everything(l.m)
	mark, err := atRest(l.m, cfg)
	if err != nil {
		l.fatalf("Rest: %v", err)
	}
	if after := everything(l.m); !maps.Equal(after, before) {
		l.fatalf("Rest changed the disk: %d files before, %d after", len(before), len(after))
	}
	cfg.FS, cfg.Replay = l.m.Crash(l.r), func(uint64, journal.Entry) error { return nil }
	j, err := journal.Open(cfg)
	if err != nil {
		l.fatalf("Open after a loss of power: %v", err)
	}
	defer j.Close()
	if j.Mark() != mark {
		l.fatalf("entry %d, which a reader found, is gone with the power", mark.Last)
	}
	return mark
}

func everything(m *disktest.Memory) map[string]string {
	all := map[string]string{}
	for _, name := range m.Names() {
		all[name] = string(m.Bytes(name))
	}
	return all
}

// live does random things until the crash.
func (l *life) live() {
	j := l.open()
	l.after, l.steps = nil, 1+l.r.IntN(40)
	l.m.OnOp(l.op)
	for l.after == nil {
		switch l.r.IntN(12) {
		case 0:
			l.gen = min(l.gen+1, uint32(len(l.keys)))
			if err := j.Use(l.gen); err != nil {
				l.fatalf("Use: %v", err)
			}
		case 1:
			if n := j.Last() + 1; n > l.floor { // the catalog knows first
				l.floor += l.r.Uint64N(n-l.floor) + 1
				for seq := range l.acked {
					if seq < l.floor {
						delete(l.acked, seq)
					}
				}
			}
			j.Release(l.floor) // may fail; files then stay
		default:
			l.made++
			payload := fmt.Sprint("row ", l.made, string(make([]byte, l.r.IntN(300))))
			l.tried[payload] = true
			if seq, err := j.Append(l.t.Context(), entry(payload)); err == nil {
				delete(l.tried, payload)
				if l.acked[seq] != "" {
					l.fatalf("number %d given twice", seq)
				}
				l.acked[seq] = payload
			}
		}
	}
	l.m = l.after
	l.floor, l.gen, l.acked, l.tried = l.state.floor, l.state.gen, l.state.acked, l.state.tried
}

// TestCrashes: whatever the disk and the process do, what was acknowledged is
// replayed exactly once and in order, and nothing else but what was under way.
func TestCrashes(t *testing.T) {
	keys := newRing(t, 4)
	seeds := uint64(400)
	if testing.Short() {
		seeds = 50
	}
	for seed := range seeds {
		l := &life{
			t: t, seed: seed, r: rand.New(rand.NewPCG(seed, 7)), keys: keys, m: disktest.New(),
			gen: 1, floor: 1, acked: map[uint64]string{}, tried: map[string]bool{},
		}
		for range 8 {
			l.live()
		}
		l.open().Close()
	}
}

// TestCrashesWithMany is TestCrashes with appends that run at the same time,
// so that groups have several units.
func TestCrashesWithMany(t *testing.T) {
	keys := newRing(t, 1)
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 8))
		m := disktest.New()
		j, _ := open(t, m, keys)
		done := make(chan string, 60)
		for i := range 60 {
			go func() {
				payload := fmt.Sprint("row ", i)
				if _, err := j.Append(t.Context(), entry(payload)); err != nil {
					payload = ""
				}
				done <- payload
			}()
		}
		var acked []string
		for range 1 + r.IntN(59) {
			acked = append(acked, <-done)
		}
		after := m.Crash(r)
		for len(acked) < 60 {
			if rest := <-done; rest == "" {
				t.Fatal("an append failed")
			}
			acked = append(acked, "")
		}
		j.Close()
		_, p := open(t, after, keys)
		got := p.payloads()
		for _, payload := range acked {
			if payload != "" && !slices.Contains(got, payload) {
				t.Fatalf("seed %d: %q was acknowledged and is gone", seed, payload)
			}
		}
		slices.Sort(got)
		if n := len(got); len(slices.Compact(got)) != n {
			t.Fatalf("seed %d: an entry came back twice", seed)
		}
	}
}
