package journal_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"logkeep/internal/disk/disktest"
	"logkeep/internal/journal"
)

// sample returns a journal of two files with three units each, one a frame.
func sample(t testing.TB, r ring) (m *disktest.Memory, payloads []string) {
	m = disktest.New()
	j, _ := open(t, m, r)
	for i := range 6 {
		payloads = append(payloads, strings.Repeat(fmt.Sprint("row ", i, " "), 4))
		add(t, j, payloads[i])
		if i == 2 {
			j.Close()
			j, _ = open(t, m, r)
		}
	}
	j.Close()
	if len(m.Names()) != 2 {
		t.Fatalf("files %q", m.Names())
	}
	return m, payloads
}

// check opens a damaged journal. It must be refused as damaged, or cut, which
// may cost the last unit only; and what is replayed must be a start of what was
// written.
func check(t *testing.T, what string, m *disktest.Memory, r ring, payloads []string, mayCut int) {
	t.Helper()
	p := &tape{}
	was := contents(m)
	j, err := journal.Open(config(m, r, p))
	if err != nil && !maps.Equal(contents(m), was) {
		t.Errorf("%s: refused, but changed", what)
	}
	if got := p.payloads(); len(got) > len(payloads) || !slices.Equal(got, payloads[:len(got)]) {
		t.Errorf("%s: replayed %q", what, got)
	}
	if err == nil {
		j.Close()
		if len(p.entries) < len(payloads)-mayCut || len(p.entries) < len(payloads) && len(p.cuts) == 0 {
			t.Errorf("%s: replayed %d of %d, cuts %v", what, len(p.entries), len(payloads), p.cuts)
		}
		return
	}
	if damage, ok := errors.AsType[*journal.DamageError](err); !ok || damage.File == "" {
		t.Errorf("%s: %v", what, err)
	}
}

func contents(m *disktest.Memory) map[string]string {
	out := map[string]string{}
	for _, name := range m.Names() {
		out[name] = string(m.Bytes(name))
	}
	return out
}

func TestEveryFlippedByte(t *testing.T) {
	r := newRing(t, 1)
	m, payloads := sample(t, r)
	for f, name := range m.Names() {
		b := bytes.Clone(m.Bytes(name))
		for i := range b {
			c := bytes.Clone(b)
			c[i] ^= 1 << (i % 8)
			d := m.Restart()
			d.Damage(name, c)
			check(t, fmt.Sprintf("file %d, byte %d flipped", f, i), d, r, payloads, f) // the first file can't be cut
		}
	}
}

func TestEveryLength(t *testing.T) {
	r := newRing(t, 1)
	m, payloads := sample(t, r)
	for f, name := range m.Names() {
		b := m.Bytes(name)
		whole := map[int]int{} // units left, by length of what is whole
		end := 0
		for i, frame := range frames(b) {
			end += len(frame)
			whole[end] = 3 + i
		}
		for n := range b {
			d := m.Restart()
			d.Damage(name, b[:n])
			left, ok := whole[n]
			if f == 1 && ok {
				// Nobody can see from the file alone that it was longer.
				check(t, fmt.Sprintf("file %d cut to %d bytes", f, n), d, r, payloads[:left], 0)
				continue
			}
			check(t, fmt.Sprintf("file %d cut to %d bytes", f, n), d, r, payloads, 3*f)
		}
		d := m.Restart()
		d.Damage(name, append(bytes.Clone(b), make([]byte, 100)...))
		check(t, fmt.Sprintf("file %d with zeros behind it", f), d, r, payloads, 0)
		d = m.Restart()
		d.Damage(name, append(bytes.Clone(b), b...))
		check(t, fmt.Sprintf("file %d twice", f), d, r, payloads, 0)
	}
}

// frames splits a file into its header and its frames.
func frames(b []byte) [][]byte {
	out := [][]byte{b[:52]}
	for b = b[52:]; len(b) > 0; {
		n := 52 + int(b[0])<<24 + int(b[1])<<16 + int(b[2])<<8 + int(b[3])
		out = append(out, b[:n])
		b = b[n:]
	}
	return out
}

// TestMovedFrames: frames with right checksums in the wrong place are damage.
func TestMovedFrames(t *testing.T) {
	r := newRing(t, 1)
	m, payloads := sample(t, r)
	names := m.Names()
	one, two := frames(m.Bytes(names[0])), frames(m.Bytes(names[1]))
	other, _ := sample(t, r)
	foreign := frames(other.Bytes(names[1]))
	if len(two) != 4 {
		t.Fatalf("%d frames", len(two))
	}
	for what, moved := range map[string][][]byte{
		"frames exchanged":     {two[0], two[2], two[1], two[3]},
		"a frame repeated":     {two[0], two[1], two[1], two[2], two[3]},
		"a frame left out":     {two[0], two[1], two[3]},
		"the first left out":   {two[0], two[2], two[3]},
		"an older frame":       {two[0], two[1], one[2], two[3]},
		"a foreign frame":      {two[0], two[1], foreign[2], two[3]},
		"a foreign last frame": {two[0], two[1], two[2], foreign[3]},
		"a foreign header":     {foreign[0], two[1], two[2], two[3]},
		"a foreign file":       foreign,
	} {
		d := m.Restart()
		d.Damage(names[1], bytes.Join(moved, nil))
		p := &tape{}
		_, err := journal.Open(config(d, r, p))
		if _, ok := errors.AsType[*journal.DamageError](err); !ok {
			t.Errorf("%s: %v", what, err)
		}
		if got := p.payloads(); !slices.Equal(got, payloads[:len(got)]) {
			t.Errorf("%s: replayed %q", what, got)
		}
	}

	d := m.Restart()
	d.Remove(names[0])
	check(t, "the first file removed", d, r, nil, 0)
	d = m.Restart()
	d.Rename(names[0], "x")
	d.Rename(names[1], names[0])
	d.Rename("x", names[1])
	check(t, "files exchanged", d, r, payloads, 0)
}

// TestOtherJournal: the files of one journal are not those of another.
func TestOtherJournal(t *testing.T) {
	r := newRing(t, 1)
	m, _ := sample(t, r)
	cfg := config(m, r, &tape{})
	cfg.Place.Object = "b"
	if _, err := journal.Open(cfg); err == nil {
		t.Error("opened under another id")
	}
}

var makeGolden = flag.Bool("golden", false, "make the fixture if it is missing; one that exists is never touched")

// TestGolden: a file of each version stays readable for ever.
func TestGolden(t *testing.T) {
	for _, fixture := range []string{"testdata/v1.journal", "testdata/v2.journal"} {
		t.Run(fixture, func(t *testing.T) { golden(t, fixture) })
	}
}

func golden(t *testing.T, fixture string) {
	const name = dir + "/0000000000000001.journal"
	r := newRing(t, 1)
	if _, err := os.Stat(fixture); *makeGolden && os.IsNotExist(err) {
		m := disktest.New()
		j, _ := open(t, m, r)
		add(t, j, "one", "two")
		if _, err := j.Append(t.Context(), entry("three"), entry("three again")); err != nil {
			t.Fatal(err)
		}
		j.Close()
		if err := os.WriteFile(fixture, m.Bytes(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(fixture)
	if err != nil {
		t.Fatal(err)
	}
	m := disktest.New()
	m.Damage(name, b)
	j, p := open(t, m, r)
	defer j.Close()
	if !slices.Equal(p.payloads(), []string{"one", "two", "three", "three again"}) || !slices.Equal(p.seqs, []uint64{1, 2, 3, 3}) || len(p.cuts) > 0 {
		t.Errorf("replayed %q, %v, cuts %v", p.payloads(), p.seqs, p.cuts)
	}
	if e := p.entries[0]; e.Workspace != "w" || e.Table != "T_CL" || e.Batch != [16]byte{1, 2, 3} {
		t.Errorf("replayed %+v", e)
	}

	newer := bytes.Clone(b)
	copy(newer, fileHeaderOfVersion(3, b))
	m.Damage("n/"+name, newer)
	cfg := config(m, r, &tape{})
	cfg.Dir = "n/" + dir
	if _, err := journal.Open(cfg); err == nil || !strings.Contains(err.Error(), "newer version") {
		t.Errorf("a file of version 3: %v", err)
	}
	if !bytes.Equal(m.Bytes("n/"+name), newer) {
		t.Error("a file of version 3 was changed")
	}
}
