package seal_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"logkeep/internal/seal"
)

// mustRefuse opens b in both ways. Opening must fail with ErrTampered, and what
// was read before the failure must be the start of plain.
func mustRefuse(t *testing.T, what string, k seal.Keys, p seal.Place, b, plain []byte) {
	t.Helper()
	if out, _, err := seal.OpenMessage(k, p, b); !errors.Is(err, seal.ErrTampered) || out != nil {
		t.Errorf("%s: OpenMessage gives %d bytes, %v", what, len(out), err)
	}
	r, err := seal.Open(bytes.NewReader(b), int64(len(b)), k, p)
	if err != nil {
		if !errors.Is(err, seal.ErrTampered) {
			t.Errorf("%s: Open: %v", what, err)
		}
		return
	}
	out := make([]byte, r.Size())
	n, err := r.ReadAt(out, 0)
	if !errors.Is(err, seal.ErrTampered) {
		t.Errorf("%s: ReadAt gives %d bytes, %v", what, n, err)
	}
	if !bytes.Equal(out[:n], plain[:n]) {
		t.Errorf("%s: ReadAt gives wrong bytes", what)
	}
	if rest := out[n:]; !bytes.Equal(rest, make([]byte, len(rest))) {
		t.Errorf("%s: ReadAt leaves unchecked bytes", what)
	}
}

func TestEveryFlippedByte(t *testing.T) {
	for name, k := range layerings(t) {
		for _, n := range []int{0, 40, 16384 + 40} {
			plain := noise(n)
			b := write(t, k, place, plain)
			for i := range b {
				if i > 200 && i < len(b)-100 && i%29 != 0 {
					continue // inside the full chunk of the large object one byte is like another
				}
				bit := byte(1) << (i % 8)
				b[i] ^= bit
				mustRefuse(t, fmt.Sprintf("%s layers, %d bytes, byte %d flipped", name, n, i), k, place, b, plain)
				b[i] ^= bit
			}
		}
	}
}

func TestEveryLength(t *testing.T) {
	for name, k := range layerings(t) {
		for _, n := range []int{0, 40, 16384, 16384 + 40} {
			plain := noise(n)
			b := write(t, k, place, plain)
			for cut := range b {
				if cut > 200 && cut < len(b)-100 && cut%7 != 0 {
					continue
				}
				mustRefuse(t, fmt.Sprintf("%s layers, %d bytes, cut at %d", name, n, cut), k, place, b[:cut], plain)
			}
			for more := 1; more <= 40; more++ {
				mustRefuse(t, fmt.Sprintf("%s layers, %d bytes and %d more", name, n, more), k, place, append(bytes.Clone(b), make([]byte, more)...), plain)
			}
			mustRefuse(t, "an object twice", k, place, append(bytes.Clone(b), b...), append(bytes.Clone(plain), plain...))
		}
	}
}

// TestShrunkFile: a file that is shorter than its size was cut.
func TestShrunkFile(t *testing.T) {
	k := layerings(t)["one"]
	b := write(t, k, place, noise(100))
	if _, err := seal.Open(bytes.NewReader(b[:80]), int64(len(b)), k, place); !errors.Is(err, seal.ErrTampered) {
		t.Error(err)
	}
}

// TestEveryPlace: an object opens at its place only.
func TestEveryPlace(t *testing.T) {
	moves := map[string]func(*seal.Place){
		"tenant":           func(p *seal.Place) { p.Tenant = "x" },
		"no tenant":        func(p *seal.Place) { p.Tenant = "" },
		"cluster":          func(p *seal.Place) { p.Cluster = "x" },
		"workspace":        func(p *seal.Place) { p.Workspace = "x" },
		"table":            func(p *seal.Place) { p.Table = "logs_CL" },
		"kind":             func(p *seal.Place) { p.Kind = "journal" },
		"object":           func(p *seal.Place) { p.Object = "0123456789abcdee" },
		"longer object":    func(p *seal.Place) { p.Object += "\x00" },
		"letter moved":     func(p *seal.Place) { p.Kind, p.Object = p.Kind+p.Object[:1], p.Object[1:] },
		"fields exchanged": func(p *seal.Place) { p.Kind, p.Object = p.Object, p.Kind },
		"workspace and tenant": func(p *seal.Place) {
			p.Tenant, p.Workspace = "33333333-3333-3333-3333-333333333333", "11111111-1111-1111-1111-111111111111"
		},
	}
	for name, k := range layerings(t) {
		plain := noise(20_000)
		b := write(t, k, place, plain)
		for what, move := range moves {
			p := place
			move(&p)
			mustRefuse(t, name+" layers, other "+what, k, p, b, plain)
		}
	}
}

// TestEveryKey: an object opens with its keys, generation and layers only.
func TestEveryKey(t *testing.T) {
	one, two := layerings(t)["one"], layerings(t)["two"]
	other := fixedKey(t, 55)
	plain := noise(20_000)
	single, double := write(t, one, place, plain), write(t, two, place, plain)
	later := func(k seal.Keys) seal.Keys { k.Generation++; return k }

	mustRefuse(t, "other key", seal.Keys{Inner: other, Generation: 7}, place, single, plain)
	mustRefuse(t, "other generation", later(one), place, single, plain)
	mustRefuse(t, "other generation, two layers", later(two), place, double, plain)
	mustRefuse(t, "other inner key", seal.Keys{Inner: other, Outer: two.Outer, Generation: 7}, place, double, plain)
	mustRefuse(t, "other outer key", seal.Keys{Inner: two.Inner, Outer: other, Generation: 7}, place, double, plain)
	mustRefuse(t, "keys exchanged", seal.Keys{Inner: two.Outer, Outer: two.Inner, Generation: 7}, place, double, plain)
	mustRefuse(t, "one layer where two belong", two, place, single, plain)
	mustRefuse(t, "two layers where one belongs", one, place, double, plain)
	single[3], double[3] = 2, 1
	mustRefuse(t, "one layer said to be two", two, place, single, plain)
	mustRefuse(t, "two layers said to be one", one, place, double, plain)
}

// TestExchangedChunks: chunks stay in their object and in their order.
func TestExchangedChunks(t *testing.T) {
	for name, k := range layerings(t) {
		head, record := 4+56, 16384+16
		if k.Outer != nil {
			head, record = 4+56+72, 16384+32
		}
		plain := noise(3*16384 + 9)
		a, b := write(t, k, place, plain), write(t, k, place, plain)
		chunk := func(o []byte, i int) []byte { return o[head+i*record:][:record] }

		c := bytes.Clone(a)
		copy(chunk(c, 0), chunk(a, 1))
		copy(chunk(c, 1), chunk(a, 0))
		mustRefuse(t, name+": two chunks exchanged", k, place, c, plain)

		c = bytes.Clone(a)
		copy(chunk(c, 1), chunk(a, 0))
		mustRefuse(t, name+": a chunk repeated", k, place, c, plain)

		c = bytes.Clone(a)
		copy(chunk(c, 1), chunk(b, 1))
		mustRefuse(t, name+": a chunk of another object", k, place, c, plain)

		c = append(bytes.Clone(a[:head]), b[head:]...)
		mustRefuse(t, name+": the head of another object", k, place, c, plain)

		c = append(bytes.Clone(a[:head+record]), a[head+2*record:]...)
		mustRefuse(t, name+": a chunk left out", k, place, c, plain)
	}
}

func TestMAC(t *testing.T) {
	k := layerings(t)["one"]
	mac, err := k.MAC(place, []byte("manifest"))
	if err != nil {
		t.Fatal(err)
	}
	if err := k.VerifyMAC(place, []byte("manifest"), mac[:]); err != nil {
		t.Error(err)
	}
	moved, later := place, k
	moved.Object, later.Generation = "x", 8
	for name, err := range map[string]error{
		"other data":       k.VerifyMAC(place, []byte("manifesu"), mac[:]),
		"other place":      k.VerifyMAC(moved, []byte("manifest"), mac[:]),
		"other generation": later.VerifyMAC(place, []byte("manifest"), mac[:]),
		"cut":              k.VerifyMAC(place, []byte("manifest"), mac[:31]),
		"none":             k.VerifyMAC(place, []byte("manifest"), nil),
		"flipped":          k.VerifyMAC(place, []byte("manifest"), append([]byte{mac[0] ^ 1}, mac[1:]...)),
	} {
		if !errors.Is(err, seal.ErrTampered) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// An object of a later format is refused in words that tell what it is.
func TestANewerObjectIsToldAsSuch(t *testing.T) {
	for name, k := range layerings(t) {
		b := write(t, k, place, noise(1000))
		b[2]++
		if _, err := read(k, place, b); !errors.Is(err, seal.ErrTampered) || !strings.Contains(err.Error(), "this build knows") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
