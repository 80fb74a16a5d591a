package wrap_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"flag"
	"os"
	"reflect"
	"testing"
	"time"

	"logkeep/internal/kek"
	"logkeep/internal/kek/kektest"
	"logkeep/internal/wrap"
	"logkeep/internal/wrap/wraptest"
)

func newSigner(t testing.TB) wraptest.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return wraptest.Signer{Key: key}
}

var place = wrap.Place{Tenant: "t", Cluster: "c", Account: "c-0", Generation: 3}

// double are the places of an account whose data are sealed twice.
var double = []wrap.Place{
	{Tenant: "t", Cluster: "c", Account: "c-0", Generation: 3, Layer: wrap.Inner},
	{Tenant: "t", Cluster: "c", Account: "c-0", Layer: wrap.Outer},
}

func record(t testing.TB, s wraptest.Signer) (wrap.Record, *kektest.Vault) {
	t.Helper()
	v := kektest.New()
	r, err := wrap.New(t.Context(), v, s, place, v.NewKey("k"), make([]byte, 32), [32]byte{1, 2, 3})
	if err != nil {
		t.Fatal(err)
	}
	return r, v
}

func TestRecordRoundTrip(t *testing.T) {
	s := newSigner(t)
	r, v := record(t, s)
	b, err := r.Encode()
	if err != nil {
		t.Fatal(err)
	}
	back, err := wrap.DecodeRecord(b)
	if err != nil || !reflect.DeepEqual(back, r) {
		t.Fatalf("%+v\n%+v\n%v", back, r, err)
	}
	w, err := back.Open(&s.Key.PublicKey, place)
	if err != nil {
		t.Fatal(err)
	}
	if key, err := v.Unwrap(t.Context(), w); err != nil || len(key) != 32 {
		t.Fatal(err)
	}
}

// Every field is signed: whatever is changed, the record is refused.
func TestEveryFieldIsSigned(t *testing.T) {
	s := newSigner(t)
	r, v := record(t, s)
	c, err := wrap.NewCanary(t.Context(), v, s, "t", "c", r.KID)
	if err != nil {
		t.Fatal(err)
	}
	for i := range reflect.TypeFor[wrap.Record]().NumField() {
		bad := r
		spoil(reflect.ValueOf(&bad).Elem().Field(i))
		if err := bad.Verify(&s.Key.PublicKey); !errors.Is(err, wrap.ErrUnsigned) {
			t.Errorf("record with another %s: %v", reflect.TypeFor[wrap.Record]().Field(i).Name, err)
		}
	}
	for i := range reflect.TypeFor[wrap.Canary]().NumField() {
		bad := c
		spoil(reflect.ValueOf(&bad).Elem().Field(i))
		if err := bad.Verify(&s.Key.PublicKey); !errors.Is(err, wrap.ErrUnsigned) {
			t.Errorf("canary with another %s: %v", reflect.TypeFor[wrap.Canary]().Field(i).Name, err)
		}
	}
}

func spoil(f reflect.Value) {
	switch v := f.Addr().Interface().(type) {
	case *kek.ID:
		v.Version += "0"
	case *[]byte:
		*v = append([]byte{(*v)[0] ^ 1}, (*v)[1:]...)
	case *wrap.Digest:
		v[31] ^= 1
	case *time.Time:
		*v = v.Add(time.Second)
	case *uint32:
		*v++
	default:
		f.SetString(f.String() + "x")
	}
}

// The lengths are signed too, so a letter can't move from one field to the next.
func TestFieldsDoNotRunTogether(t *testing.T) {
	s := newSigner(t)
	r, _ := record(t, s)
	r.Cluster, r.Account = r.Cluster+"c", r.Account[1:]
	if err := r.Verify(&s.Key.PublicKey); !errors.Is(err, wrap.ErrUnsigned) {
		t.Error(err)
	}
}

func TestForeignAndMisplacedRecordsAreRefused(t *testing.T) {
	s := newSigner(t)
	r, _ := record(t, s)
	if _, err := r.Open(&newSigner(t).Key.PublicKey, place); !errors.Is(err, wrap.ErrUnsigned) {
		t.Errorf("foreign: %v", err)
	}
	if _, err := r.Open(nil, place); !errors.Is(err, wrap.ErrUnsigned) {
		t.Errorf("no key to verify with: %v", err)
	}
	for _, at := range []wrap.Place{
		{"u", "c", "c-0", 3, ""}, {"t", "d", "c-0", 3, ""}, {"t", "c", "c-1", 3, ""}, {"t", "c", "c-0", 2, ""},
		{"t", "c", "c-0", 3, wrap.Inner}, {"t", "c", "c-0", 3, wrap.Outer}, {},
	} {
		if _, err := r.Open(&s.Key.PublicKey, at); !errors.Is(err, wrap.ErrMisplaced) {
			t.Errorf("at %+v: %v", at, err)
		}
	}
}

// The layer is signed too: an infrastructure key can't be passed off as an
// account key, nor can a record be made to say that there is one layer only.
func TestRecordsOfTwoLayers(t *testing.T) {
	s, v := newSigner(t), kektest.New()
	id := v.NewKey("k")
	for _, at := range double {
		r, err := wrap.New(t.Context(), v, s, at, id, make([]byte, 32), [32]byte{1})
		if err != nil {
			t.Fatal(err)
		}
		b, err := r.Encode()
		if err != nil {
			t.Fatal(err)
		}
		back, err := wrap.DecodeRecord(b)
		if err != nil || !reflect.DeepEqual(back, r) {
			t.Fatalf("%+v\n%+v\n%v", back, r, err)
		}
		if _, err := back.Open(&s.Key.PublicKey, at); err != nil {
			t.Error(err)
		}
		for _, other := range []wrap.Layer{wrap.Sole, wrap.Inner, wrap.Outer, "x"} {
			if bad := r; other != r.Layer {
				bad.Layer = other
				if err := bad.Verify(&s.Key.PublicKey); !errors.Is(err, wrap.ErrUnsigned) {
					t.Errorf("%q passed off as %q: %v", r.Layer, other, err)
				}
			}
		}
	}
	for _, bad := range []wrap.Place{
		{Tenant: "t", Cluster: "c", Account: "c-0"},
		{Tenant: "t", Cluster: "c", Account: "c-0", Layer: wrap.Inner},
		{Tenant: "t", Cluster: "c", Account: "c-0", Generation: 1, Layer: wrap.Outer},
		{Tenant: "t", Cluster: "c", Account: "c-0", Generation: 1, Layer: "x"},
	} {
		if _, err := wrap.New(t.Context(), v, s, bad, id, make([]byte, 32), [32]byte{1}); err == nil {
			t.Errorf("a record was made for %+v", bad)
		}
	}
}

func TestCanary(t *testing.T) {
	s, v := newSigner(t), kektest.New()
	c, err := wrap.NewCanary(t.Context(), v, s, "t", "c", v.NewKey("k"))
	if err != nil {
		t.Fatal(err)
	}
	b, _ := c.Encode()
	back, err := wrap.DecodeCanary(b)
	if err != nil || !reflect.DeepEqual(back, c) {
		t.Fatal(err)
	}
	w, err := back.Open(&s.Key.PublicKey, "t", "c")
	if err != nil {
		t.Fatal(err)
	}
	value, err := v.Unwrap(t.Context(), w)
	if err != nil || !c.Matches(value) {
		t.Errorf("it does not match itself: %v", err)
	}
	value[5] ^= 1
	if c.Matches(value) || c.Matches(nil) {
		t.Error("it matches something else")
	}
	if _, err := c.Open(&s.Key.PublicKey, "t", "d"); !errors.Is(err, wrap.ErrMisplaced) {
		t.Error(err)
	}
}

// A disabled key may still wrap: such a wrap must never become a record.
func TestAWrapThatCanNotBeUndoneIsNoRecord(t *testing.T) {
	s, v := newSigner(t), kektest.New()
	id := v.NewKey("k")
	v.Enable(id, false)
	_, err := wrap.New(t.Context(), v, s, place, id, make([]byte, 32), [32]byte{})
	if _, ok := errors.AsType[*kek.Denied](err); !ok {
		t.Error(err)
	}
	v.Enable(id, true)
	v.Quirks(false, 0, true)
	_, err = wrap.NewCanary(t.Context(), v, s, "t", "c", id)
	if _, ok := errors.AsType[*kek.Damaged](err); !ok {
		t.Error(err)
	}
}

var rewrite = flag.Bool("rewrite", false, "make testdata anew; the files of a released form are never rewritten")

// Records that were written before stay readable and verify.
func TestRecordsOfForm1(t *testing.T) {
	if *rewrite {
		s := newSigner(t)
		r, v := record(t, s)
		c, err := wrap.NewCanary(t.Context(), v, s, "t", "c", r.KID)
		if err != nil {
			t.Fatal(err)
		}
		pub, _ := s.Key.PublicKey.Bytes()
		rb, _ := r.Encode()
		cb, _ := c.Encode()
		for name, b := range map[string][]byte{"integrity.pub": pub, "record-1.json": rb, "canary-1.json": cb} {
			if err := os.WriteFile("testdata/"+name, b, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	read := func(name string) []byte {
		b, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	pub, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), read("integrity.pub"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := wrap.DecodeRecord(read("record-1.json"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Open(pub, place); err != nil {
		t.Error(err)
	}
	c, err := wrap.DecodeCanary(read("canary-1.json"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Open(pub, "t", "c"); err != nil {
		t.Error(err)
	}
}

// Form 2 is as old as its fixtures; "go test -rewrite" makes them once.
func TestRecordsOfForm2(t *testing.T) {
	names := map[string]wrap.Place{"record-2-inner.json": double[0], "record-2-outer.json": double[1]}
	if *rewrite {
		s, v := newSigner(t), kektest.New()
		id := v.NewKey("k")
		pub, _ := s.Key.PublicKey.Bytes()
		if err := os.WriteFile("testdata/integrity-2.pub", pub, 0o644); err != nil {
			t.Fatal(err)
		}
		for name, at := range names {
			r, err := wrap.New(t.Context(), v, s, at, id, make([]byte, 32), [32]byte{1, 2, 3})
			if err != nil {
				t.Fatal(err)
			}
			b, _ := r.Encode()
			if err := os.WriteFile("testdata/"+name, b, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	b, err := os.ReadFile("testdata/integrity-2.pub")
	if err != nil {
		t.Fatal(err)
	}
	pub, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), b)
	if err != nil {
		t.Fatal(err)
	}
	for name, at := range names {
		b, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		r, err := wrap.DecodeRecord(b)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Open(pub, at); err != nil {
			t.Error(err)
		}
	}
}

func TestReadingIsStrict(t *testing.T) {
	s := newSigner(t)
	r, _ := record(t, s)
	b, _ := r.Encode()
	for _, bad := range []string{"", "null x", "[]", string(b) + "{}", string(b[:len(b)-1]) + `,"more":1}`, `{"commitment":"00"}`, `{"kid":"x"}`, `{"generation":-1}`} {
		if _, err := wrap.DecodeRecord([]byte(bad)); err == nil {
			t.Errorf("%s was read", bad)
		}
	}
}

func FuzzDecodeRecord(f *testing.F) {
	s := newSigner(f)
	b, _ := os.ReadFile("testdata/record-1.json")
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := wrap.DecodeRecord(b)
		if err != nil {
			return
		}
		if r.Verify(&s.Key.PublicKey) == nil {
			t.Error("bytes that nobody signed verify")
		}
	})
}
