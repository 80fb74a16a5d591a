package journal_test

import (
	"errors"
	"fmt"
	"math/rand"
	"strings"
	"syscall"
	"testing"
	"time"

	"logkeep/internal/disk/disktest"
	"logkeep/internal/journal"
)

// follow advances a follower and adds what it hands out to got, by number.
func follow(f *journal.Follower, floor uint64, to journal.Mark, got map[uint64]string) error {
	entries, err := f.Advance(floor, to)
	for _, e := range entries {
		if _, twice := got[e.Seq]; twice {
			return fmt.Errorf("entry %d comes twice", e.Seq)
		}
		got[e.Seq] = string(e.Payload)
	}
	return err
}

// TestFollow drives a writer whose disk fails now and then, and a follower that
// is told of marks at random moments and interrupted between any two of its
// steps: it gets every durable entry from the floor to the mark once, and none
// of those that were refused.
func TestFollow(t *testing.T) {
	seed := time.Now().UnixNano()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewSource(seed))
	for range 100 {
		run := rnd.Int63()
		if err := followed(t, rand.New(rand.NewSource(run))); err != nil {
			t.Fatalf("run %d: %v", run, err)
		}
	}
}

func followed(t *testing.T, rnd *rand.Rand) error {
	m, r := disktest.New(), newRing(t, 3)
	cfg := config(m, r, &tape{})
	cfg.FileSize = int64(200 + rnd.Intn(2000))
	j, err := journal.Open(cfg)
	if err != nil {
		return err
	}
	defer func() { j.Close() }()
	generation, floor := uint32(1), uint64(1)
	durable := map[uint64]string{}
	fail, busy := 0, false // percent of the writer's steps that fail; the writer is at work
	write := func() error {
		busy = true
		defer func() { busy = false }()
		for range 1 + rnd.Intn(3) {
			switch rnd.Intn(10) {
			case 0:
				if generation < 3 {
					generation++
					return j.Use(generation)
				}
			case 1, 2:
				floor += uint64(rnd.Int63n(int64(j.Last() + 2 - floor)))
				if err := j.Release(floor); err != nil && !errors.Is(err, syscall.EIO) {
					return err
				}
			case 3:
				fail = rnd.Intn(3) * 20
			case 4: // the writer ends and comes again
				fail = 0
				j.Close()
				c := cfg
				c.Current, c.Floor = generation, floor
				c.Replay = func(seq uint64, e journal.Entry) error {
					durable[seq] = string(e.Payload) // one that was refused may be there, for good
					return nil
				}
				if j, err = journal.Open(c); err != nil {
					return err
				}
			default:
				payload := fmt.Sprint(rnd.Int63(), strings.Repeat("x", rnd.Intn(300)))
				seq, err := j.Append(t.Context(), entry(payload))
				if err == nil {
					durable[seq] = payload
				}
			}
		}
		return nil
	}
	var meanwhile error
	m.OnOp(func(op disktest.Op) error {
		if busy {
			if rnd.Intn(100) < fail && op.Kind != "open" && op.Kind != "read" && op.Kind != "list" && op.Kind != "lock" {
				return syscall.EIO
			}
			return nil
		}
		if rnd.Intn(4) == 0 { // between two steps of the follower
			meanwhile = errors.Join(meanwhile, write())
		}
		return nil
	})
	f := journal.Follow(config(m, r, nil))
	got := map[uint64]string{}
	for range 60 {
		if err := write(); err != nil {
			return err
		}
		if rnd.Intn(3) > 0 {
			continue
		}
		asked, mark := floor, j.Mark()
		err := follow(f, asked, mark, got)
		for tries := 0; errors.Is(err, journal.ErrReleased); tries++ {
			if tries > 1000 {
				return err
			}
			if asked == floor && meanwhile == nil {
				return fmt.Errorf("nothing was released, and: %w", err)
			}
			asked = floor
			err = follow(f, asked, mark, got)
		}
		if err = errors.Join(err, meanwhile); err != nil {
			return err
		}
		for seq := asked; seq <= mark.Last; seq++ {
			if want, ok := durable[seq]; !ok || got[seq] != want {
				return fmt.Errorf("entry %d of mark %d (floor %d): got %.20q, want %.20q", seq, mark.Last, asked, got[seq], want)
			}
		}
		for seq, payload := range got {
			if durable[seq] != payload {
				return fmt.Errorf("entry %d was never durable", seq)
			}
		}
	}
	return nil
}

// What the mark says is durable and is not as it must be is an error, never a cut.
func TestFollowTellsDamage(t *testing.T) {
	m, r := disktest.New(), newRing(t, 1)
	j, _ := open(t, m, r)
	defer j.Close()
	add(t, j, "one", "two")
	two := j.Mark()
	add(t, j, "three")
	name := dir + "/" + journalName(t, m)
	whole := m.Bytes(name)
	refused := func(what string, to journal.Mark) {
		t.Helper()
		if err := follow(journal.Follow(config(m, r, nil)), 1, to, map[uint64]string{}); err == nil {
			t.Fatalf("%s passed", what)
		}
	}
	for at := range whole {
		b := append([]byte(nil), whole...)
		b[at] ^= 1
		m.Damage(name, b)
		refused(fmt.Sprintf("byte %d", at), j.Mark())
	}
	for size := range whole {
		m.Damage(name, whole[:size])
		refused(fmt.Sprintf("%d bytes", size), j.Mark())
	}
	m.Damage(name, whole)
	refused("an entry that was never written", journal.Mark{Last: 4, Commitment: j.Mark().Commitment})
	refused("another entry of the same number", journal.Mark{Last: 3, Commitment: two.Commitment})
	got := map[uint64]string{}
	f := journal.Follow(config(m, r, nil))
	if err := follow(f, 1, two, got); err != nil || len(got) != 2 {
		t.Errorf("%v %v", got, err)
	}
	if err := follow(f, 1, j.Mark(), got); err != nil || got[3] != "three" {
		t.Errorf("%v %v", got, err)
	}
}

func journalName(t *testing.T, m *disktest.Memory) string {
	t.Helper()
	files, err := m.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if strings.HasSuffix(f.Name, ".journal") {
			return f.Name
		}
	}
	t.Fatal("there is no file")
	return ""
}
