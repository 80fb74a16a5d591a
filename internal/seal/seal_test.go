package seal_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"logkeep/internal/seal"
)

var place = seal.Place{
	Tenant: "11111111-1111-1111-1111-111111111111", Cluster: "22222222-2222-2222-2222-222222222222",
	Workspace: "33333333-3333-3333-3333-333333333333", Table: "Logs_CL", Kind: "segment", Object: "0123456789abcdef",
}

// fixedKey returns a key that every run knows, for fixtures and comparisons.
func fixedKey(t testing.TB, first byte) *seal.Key {
	b := make([]byte, seal.KeySize)
	for i := range b {
		b[i] = first + byte(i)
	}
	k, err := seal.ImportKey(b)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// layerings returns keys for one and for two layers.
func layerings(t testing.TB) map[string]seal.Keys {
	return map[string]seal.Keys{
		"one": {Inner: fixedKey(t, 1), Generation: 7},
		"two": {Inner: fixedKey(t, 1), Outer: fixedKey(t, 101), Generation: 7},
	}
}

func noise(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{1: byte(n), 2: byte(n >> 8), 3: byte(n >> 16)})
	r.Read(b)
	return b
}

// memory is a Sink.
type memory struct{ bytes.Buffer }

func (m *memory) WriteSealed(s seal.Sealed) error {
	_, err := s.WriteTo(&m.Buffer)
	return err
}

func write(t testing.TB, k seal.Keys, p seal.Place, plain []byte) []byte {
	var m memory
	w, err := seal.NewWriter(&m, k, p)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if w.Size() != int64(m.Len()) {
		t.Fatalf("Size is %d, %d bytes were handed on", w.Size(), m.Len())
	}
	return m.Bytes()
}

// read opens sealed bytes through a Reader.
func read(k seal.Keys, p seal.Place, b []byte) ([]byte, error) {
	r, err := seal.Open(bytes.NewReader(b), int64(len(b)), k, p)
	if err != nil {
		return nil, err
	}
	out := make([]byte, r.Size())
	n, err := r.ReadAt(out, 0)
	return out[:n], err
}

func TestRoundTrip(t *testing.T) {
	const chunk = 16384
	for name, k := range layerings(t) {
		for _, n := range []int{0, 1, 100, chunk - 1, chunk, chunk + 1, 2 * chunk, 16*chunk - 1, 16 * chunk, 33*chunk + 5} {
			t.Run(fmt.Sprint(name, n), func(t *testing.T) {
				plain := noise(n)
				object := write(t, k, place, plain)
				message, c, err := seal.SealMessage(k, place, plain)
				if err != nil {
					t.Fatal(err)
				}
				if message.Len() != len(object) {
					t.Errorf("a message has %d bytes, an object %d", message.Len(), len(object))
				}
				for _, b := range [][]byte{object, message.AppendTo(nil)} {
					if out, err := read(k, place, b); err != nil && n > 0 || !bytes.Equal(out, plain) {
						t.Errorf("Open: other bytes, or %v", err)
					}
					if out, _, err := seal.OpenMessage(k, place, b); err != nil || !bytes.Equal(out, plain) {
						t.Errorf("OpenMessage: other bytes, or %v", err)
					}
				}
				if _, d, _ := seal.OpenMessage(k, place, message.AppendTo(nil)); c != d {
					t.Error("the commitment is another one when opened")
				}
				if n > 0 && bytes.Contains(object, plain[:min(n, 16)]) && n >= 16 {
					t.Error("plaintext in the object")
				}
			})
		}
	}
}

// A message of several parts is that of all of them, whatever lies in one
// record, and a Messenger's memory has room before each.
func TestPartsAreOneMessage(t *testing.T) {
	for name, k := range layerings(t) {
		t.Run(name, func(t *testing.T) {
			m := seal.Messenger{Room: 7}
			rapid.Check(t, func(t *rapid.T) {
				sizes := rapid.SliceOfN(rapid.SampledFrom([]int{0, 1, 7, 100, 16383, 16384, 16385, 40000}), 0, 6).Draw(t, "sizes")
				var parts [][]byte
				for _, n := range sizes {
					parts = append(parts, noise(n))
				}
				plain := bytes.Join(parts, nil)
				message, c, err := m.Seal(k, place, parts...)
				if err != nil {
					t.Fatal(err)
				}
				out, d, err := seal.OpenMessage(k, place, message.AppendTo(nil))
				if err != nil || c != d || !bytes.Equal(out, plain) {
					t.Fatalf("parts of %v open as %d bytes, %v", sizes, len(out), err)
				}
				if f := m.Framed(5); len(f) != 5+message.Len() || !bytes.Equal(f[5:], message.AppendTo(nil)) {
					t.Fatalf("framed: %d bytes of %d", len(f), message.Len())
				}
			})
		})
	}
}

// TestSealTwice: nothing repeats, because the salt is new each time.
func TestSealTwice(t *testing.T) {
	for name, k := range layerings(t) {
		a, b := write(t, k, place, noise(100)), write(t, k, place, noise(100))
		if bytes.Equal(a[4:36], b[4:36]) || bytes.Equal(a[len(a)-32:], b[len(b)-32:]) {
			t.Errorf("%s: two objects of the same plaintext look alike", name)
		}
	}
}

// TestRandomAccess: any writes give the object, and any read gives what the
// plaintext has there.
func TestRandomAccess(t *testing.T) {
	keys := layerings(t)
	rapid.Check(t, func(t *rapid.T) {
		k := keys[rapid.SampledFrom([]string{"one", "two"}).Draw(t, "layers")]
		plain := noise(rapid.IntRange(0, 400_000).Draw(t, "size"))
		var m memory
		w, err := seal.NewWriter(&m, k, place)
		if err != nil {
			t.Fatal(err)
		}
		for rest := plain; len(rest) > 0; {
			n := min(len(rest), rapid.IntRange(1, 100_000).Draw(t, "write"))
			if _, err := w.Write(rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		r, err := seal.Open(bytes.NewReader(m.Bytes()), int64(m.Len()), k, place)
		if err != nil {
			t.Fatal(err)
		}
		if r.Size() != int64(len(plain)) || r.Commitment() != w.Commitment() {
			t.Fatal("another size or commitment")
		}
		want := bytes.NewReader(plain)
		for range 8 {
			off := rapid.Int64Range(0, int64(len(plain))+10).Draw(t, "off")
			a := make([]byte, rapid.IntRange(0, 100_000).Draw(t, "len"))
			b := make([]byte, len(a))
			n, err := r.ReadAt(a, off)
			m, wantErr := want.ReadAt(b, off)
			if len(a) == 0 {
				wantErr = nil // readers differ here; ours says nothing is wrong
			}
			if n != m || !bytes.Equal(a, b) || !errors.Is(err, wantErr) {
				t.Fatalf("ReadAt(%d bytes, %d) = %d, %v, want %d, %v", len(a), off, n, err, m, wantErr)
			}
		}
	})
}

type failing struct{ after int }

var errDisk = errors.New("disk is gone")

func (f *failing) WriteSealed(s seal.Sealed) error {
	if f.after -= s.Len(); f.after < 0 {
		return errDisk
	}
	return nil
}

func TestWriterFailures(t *testing.T) {
	k := layerings(t)["one"]
	w, err := seal.NewWriter(&failing{after: 300_000}, k, place)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(noise(2_000_000)); !errors.Is(err, errDisk) {
		t.Errorf("Write: %v", err)
	}
	if err := w.Close(); !errors.Is(err, errDisk) {
		t.Errorf("Close after a failed write: %v", err)
	}

	w, _ = seal.NewWriter(&memory{}, k, place)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("late")); err == nil {
		t.Error("a closed Writer takes more")
	}
	for _, p := range []seal.Place{{}, {Kind: "segment"}, {Object: "1"}} {
		if _, err := seal.NewWriter(&memory{}, k, p); err == nil {
			t.Errorf("sealed for %+v", p)
		}
	}
	if _, err := seal.NewWriter(&memory{}, seal.Keys{}, place); err == nil {
		t.Error("sealed without a key")
	}
}

// TestReadError: trouble of the disk is not called tampering.
func TestReadError(t *testing.T) {
	k := layerings(t)["one"]
	b := write(t, k, place, noise(100_000))
	_, err := seal.Open(broken{bytes.NewReader(b)}, int64(len(b)), k, place)
	if !errors.Is(err, errDisk) || errors.Is(err, seal.ErrTampered) {
		t.Errorf("Open on a broken disk: %v", err)
	}
}

type broken struct{ io.ReaderAt }

func (b broken) ReadAt(p []byte, off int64) (int, error) {
	if off > 1000 {
		return 0, errDisk
	}
	return b.ReaderAt.ReadAt(p, off)
}
