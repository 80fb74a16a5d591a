package dsse

import (
	"crypto/ed25519"
	"errors"
	"testing"
)

const kind = "application/vnd.example+json"

func signed(t testing.TB) (Envelope, Keys) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	e, err := Sign(kind, []byte(`{"a":"ä<b>"}`), "k1", func(m []byte) ([]byte, error) { return ed25519.Sign(private, m), nil })
	if err != nil {
		t.Fatal(err)
	}
	return e, Keys{"k1": public}
}

// The encoding that the DSSE specification prints for its example.
func TestTheMessageIsTheSpecifications(t *testing.T) {
	if got := string(Message("http://example.com/HelloWorld", []byte("hello world"))); got != "DSSEv1 29 http://example.com/HelloWorld 11 hello world" {
		t.Errorf("%q", got)
	}
}

func TestEveryChangedByteIsRefused(t *testing.T) {
	e, keys := signed(t)
	good := e.Encode()
	read := func(b []byte) error {
		e, err := Parse(b)
		if err == nil {
			_, err = e.Open(kind, keys)
		}
		return err
	}
	if err := read(good); err != nil {
		t.Fatal(err)
	}
	if err := read(good[:len(good)-1]); err != nil {
		t.Errorf("without the end of the line: %v", err)
	}
	for i := range good {
		for _, with := range []byte{good[i] ^ 1, good[i] ^ 0x20, ' ', '\n', 0, 'A'} {
			if with == good[i] {
				continue
			}
			bad := append([]byte(nil), good...)
			bad[i] = with
			if err := read(bad); err == nil {
				t.Errorf("byte %d changed from %q to %q is not noticed", i, good[i], with)
			}
		}
		for _, bad := range [][]byte{good[:i], append(append(append([]byte(nil), good[:i]...), ' '), good[i:]...)} {
			if err := read(bad); err == nil && i != len(good)-1 {
				t.Errorf("cut, or with a space, at byte %d: not noticed", i)
			}
		}
	}
}

func TestWhatIsSignedIsBoundToItsTypeAndKey(t *testing.T) {
	e, keys := signed(t)
	if _, err := e.Open("application/other", keys); !errors.Is(err, ErrType) {
		t.Errorf("another type: %v", err)
	}
	if _, err := e.Open(kind, Keys{}); !errors.Is(err, ErrKey) {
		t.Errorf("no key: %v", err)
	}
	_, others := signed(t)
	if _, err := e.Open(kind, others); !errors.Is(err, ErrSignature) {
		t.Errorf("another's key of the same id: %v", err)
	}
	e.PayloadType = "application/other"
	if _, err := e.Open("application/other", keys); !errors.Is(err, ErrSignature) {
		t.Errorf("a changed type: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	e, _ := signed(f)
	f.Add(e.Encode())
	f.Add([]byte(`{}`))
	f.Add([]byte(`{"payloadType":"a","payload":"","signatures":[{"keyid":"","sig":null}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if e, err := Parse(b); err == nil {
			if _, err := Parse(e.Encode()); err != nil {
				t.Errorf("what was read can't be read again: %v", err)
			}
		}
	})
}
