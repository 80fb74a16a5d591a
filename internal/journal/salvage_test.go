package journal_test

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"logkeep/internal/disk/disktest"
	"logkeep/internal/journal"
)

// salvage opens a damaged journal of six units. Each must be replayed as it was
// written, in order, or be told as lost, most of them at most; nothing that was there
// is changed; and the journal goes on.
func salvage(t *testing.T, what string, m *disktest.Memory, r ring, payloads []string, most int) {
	t.Helper()
	p, s := &tape{}, &journal.Salvage{Seen: uint64(len(payloads))}
	cfg := config(m, r, p)
	cfg.Salvage = s
	was := contents(m)
	j, err := journal.Open(cfg)
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	for name, b := range contents(m) {
		if b != was[name] {
			t.Errorf("%s: %s was changed", what, name)
		}
	}
	if !slices.IsSorted(p.seqs) {
		t.Errorf("%s: replayed %v", what, p.seqs)
	}
	lost := 0
	for i, payload := range payloads {
		n := uint64(i + 1)
		at, there := slices.BinarySearch(p.seqs, n)
		told := slices.ContainsFunc(s.Lost, func(l journal.Lost) bool { return l.From <= n && (n <= l.To || l.To == 0) && l.Reason != "" })
		switch {
		case there && (told || p.payloads()[at] != payload):
			t.Errorf("%s: unit %d is there as %q, and told as lost: %v", what, n, p.payloads()[at], s.Lost)
		case !there && !told:
			t.Errorf("%s: unit %d is not there, and only %v are told as lost", what, n, s.Lost)
		case !there:
			lost++
		}
	}
	if lost > most || len(p.seqs) > len(payloads) {
		t.Errorf("%s: %d are lost (%v), %d were replayed", what, lost, s.Lost, len(p.seqs))
	}
	floor := j.Last() + 1
	if floor <= uint64(len(payloads)) {
		t.Errorf("%s: the next number is %d", what, floor)
	}
	for range 2 {
		if err := j.Release(floor); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		add(t, j, "new")
	}
	if err := j.Close(); err != nil {
		t.Error(err)
	}
	again := &tape{}
	cfg = config(m, r, again)
	cfg.Floor = floor
	if j, err = journal.Open(cfg); err != nil {
		t.Errorf("%s: afterwards: %v", what, err)
		return
	}
	if got := again.payloads(); !slices.Equal(got, []string{"new", "new"}) {
		t.Errorf("%s: afterwards %q", what, got)
	}
	j.Close()
}

// Of what is damaged what can be read is read: all but the frame that a byte is in.
func TestSalvageOfEveryFlippedByte(t *testing.T) {
	r := newRing(t, 1)
	m, payloads := sample(t, r)
	for f, name := range m.Names() {
		b := m.Bytes(name)
		for i := range b {
			c := bytes.Clone(b)
			c[i] ^= 1 << (i % 8)
			d := m.Restart()
			d.Damage(name, c)
			salvage(t, fmt.Sprintf("file %d, byte %d flipped", f, i), d, r, payloads, 1)
		}
	}
}

func TestSalvageOfWhatIsLeft(t *testing.T) {
	r := newRing(t, 1)
	m, payloads := sample(t, r)
	names := m.Names()
	for f, name := range names {
		b := m.Bytes(name)
		for n := range b {
			d := m.Restart()
			d.Damage(name, b[:n])
			salvage(t, fmt.Sprintf("file %d cut to %d bytes", f, n), d, r, payloads, 3)
			d = m.Restart()
			d.Damage(name, append(make([]byte, n), b[n:]...))
			salvage(t, fmt.Sprintf("file %d, %d zeros", f, n), d, r, payloads, 3)
		}
		d := m.Restart()
		d.Remove(name)
		salvage(t, fmt.Sprintf("file %d removed", f), d, r, payloads, 3)
	}
	// A frame in the middle of a file costs itself.
	two := frames(m.Bytes(names[1]))
	clear(two[2])
	d := m.Restart()
	d.Damage(names[1], bytes.Join(two, nil))
	salvage(t, "zeros for a frame", d, r, payloads, 1)
	other, _ := sample(t, r)
	d = m.Restart()
	d.Damage(names[1], other.Bytes(names[1])) // of another writer: it opens nowhere
	salvage(t, "another's file", d, r, payloads, 3)
	for _, name := range names {
		d.Damage(name, []byte(strings.Repeat("x", 1000)))
	}
	salvage(t, "nothing but noise", d, r, payloads, 6)
}

// In files of version 1 frames do not tell what they follow: what is behind a lost
// one is lost with it, and told.
func TestSalvageOfVersion1(t *testing.T) {
	r := newRing(t, 1)
	b, err := os.ReadFile("testdata/v1.journal")
	if err != nil {
		t.Fatal(err)
	}
	for i := range b {
		c := bytes.Clone(b)
		c[i] ^= 0x10
		m := disktest.New()
		m.Damage(dir+"/0000000000000001.journal", c)
		p, s := &tape{}, &journal.Salvage{Seen: 3}
		cfg := config(m, r, p)
		cfg.Salvage = s
		j, err := journal.Open(cfg)
		if err != nil {
			t.Fatalf("byte %d: %v", i, err)
		}
		seqs := slices.Compact(p.seqs)
		if !slices.Equal(seqs, []uint64{1, 2, 3}[:len(seqs)]) || len(seqs) < 3 && (len(s.Lost) == 0 || s.Lost[0].From != uint64(len(seqs)+1)) || len(seqs) == 3 && len(s.Lost) > 0 {
			t.Errorf("byte %d: replayed %v, lost %v", i, p.seqs, s.Lost)
		}
		j.Close()
	}
}
