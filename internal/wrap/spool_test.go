package wrap_test

import (
	"errors"
	"reflect"
	"slices"
	"testing"

	"logkeep/internal/wrap"
	"logkeep/internal/wrap/wraptest"
)

func spoolKey(t *testing.T, s wraptest.Signer) wrap.SpoolKey {
	t.Helper()
	k := wrap.SpoolKey{Tenant: "t", Cluster: "c", Account: "c-0", Generation: 3, ID: "1", Pairs: []wrap.SpoolPair{{[]byte("public"), []byte("private")}, {[]byte("p2"), []byte("s2")}}}
	if err := k.Sign(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	return k
}

// A catalog's writer can put no key pair of his own in place of ours, nor ours
// of another account or generation.
func TestASpoolKeyIsSignedWhole(t *testing.T) {
	s := newSigner(t)
	k := spoolKey(t, s)
	b, err := k.Encode()
	if err != nil {
		t.Fatal(err)
	}
	back, err := wrap.DecodeSpoolKey(b)
	if err != nil || !reflect.DeepEqual(back, k) {
		t.Fatalf("%+v\n%+v\n%v", back, k, err)
	}
	if err := back.Open(&s.Key.PublicKey, double[0]); err != nil {
		t.Fatal(err)
	}
	for i := range reflect.TypeFor[wrap.SpoolKey]().NumField() {
		name := reflect.TypeFor[wrap.SpoolKey]().Field(i).Name
		if name == "Pairs" {
			continue
		}
		bad := k
		spoil(reflect.ValueOf(&bad).Elem().Field(i))
		if err := bad.Open(&s.Key.PublicKey, place); !errors.Is(err, wrap.ErrUnsigned) {
			t.Errorf("another %s: %v", name, err)
		}
	}
	pairs := map[string]func(p []wrap.SpoolPair) []wrap.SpoolPair{
		"one less":        func(p []wrap.SpoolPair) []wrap.SpoolPair { return p[:1] },
		"another public":  func(p []wrap.SpoolPair) []wrap.SpoolPair { p[0].Public = []byte("mine!!"); return p },
		"another private": func(p []wrap.SpoolPair) []wrap.SpoolPair { p[1].Private = []byte("s3"); return p },
		"exchanged":       func(p []wrap.SpoolPair) []wrap.SpoolPair { slices.Reverse(p); return p },
		"a letter moved": func(p []wrap.SpoolPair) []wrap.SpoolPair {
			p[0] = wrap.SpoolPair{[]byte("publicp"), []byte("rivate")}
			return p
		},
	}
	for name, change := range pairs {
		bad := k
		bad.Pairs = change(slices.Clone(k.Pairs))
		if err := bad.Open(&s.Key.PublicKey, place); !errors.Is(err, wrap.ErrUnsigned) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, at := range map[string]wrap.Place{
		"tenant": {Tenant: "x", Cluster: "c", Account: "c-0", Generation: 3}, "cluster": {Tenant: "t", Cluster: "x", Account: "c-0", Generation: 3},
		"account": {Tenant: "t", Cluster: "c", Account: "c-1", Generation: 3}, "generation": {Tenant: "t", Cluster: "c", Account: "c-0", Generation: 2},
	} {
		if err := k.Open(&s.Key.PublicKey, at); !errors.Is(err, wrap.ErrMisplaced) {
			t.Errorf("at another %s: %v", name, err)
		}
	}
}

func TestASpoolWriterIsSigned(t *testing.T) {
	s := newSigner(t)
	w := wrap.SpoolWriter{Public: []byte("k")}
	if err := w.Sign(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if err := w.Verify(&s.Key.PublicKey); err != nil {
		t.Fatal(err)
	}
	w.Public = []byte("x")
	if err := w.Verify(&s.Key.PublicKey); !errors.Is(err, wrap.ErrUnsigned) {
		t.Errorf("another key: %v", err)
	}
}
