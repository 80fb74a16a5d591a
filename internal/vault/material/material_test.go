package material_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"logkeep/internal/vault/material"
)

func generate(t *testing.T, s material.Spec) *material.Private {
	t.Helper()
	k, err := material.Generate(s)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func refused(err error) bool { _, ok := errors.AsType[*material.Refusal](err); return ok }

func TestWrapThenUnwrapGivesTheValueBack(t *testing.T) {
	k, other := generate(t, material.Spec{Kind: material.RSA, Bits: 2048}), generate(t, material.Spec{Kind: material.RSA, Bits: 2048})
	rapid.Check(t, func(t *rapid.T) {
		alg := rapid.SampledFrom([]string{"RSA-OAEP", "RSA-OAEP-256"}).Draw(t, "alg")
		value := rapid.SliceOfN(rapid.Byte(), 0, 190).Draw(t, "value")
		wrapped, err := k.Public().Wrap(alg, value)
		if err != nil {
			t.Fatal(err)
		}
		got, err := k.Unwrap(alg, wrapped)
		if err != nil || !bytes.Equal(got, value) {
			t.Fatalf("got %x, %v", got, err)
		}
		if _, err := other.Unwrap(alg, wrapped); !refused(err) {
			t.Fatal("another key opened it")
		}
		wrapped[rapid.IntRange(0, len(wrapped)-1).Draw(t, "at")] ^= 1
		if _, err := k.Unwrap(alg, wrapped); !refused(err) {
			t.Fatal("an altered value was opened")
		}
	})
}

func TestASignatureVerifiesForItsDigestOnly(t *testing.T) {
	rsaKey := generate(t, material.Spec{Kind: material.RSA, Bits: 2048})
	d256, d384, d512 := sha256.Sum256([]byte("x")), sha512.Sum384([]byte("x")), sha512.Sum512([]byte("x"))
	for _, c := range []struct {
		alg    string
		digest []byte
		key    *material.Private
		size   int
	}{
		{"RS256", d256[:], rsaKey, 256}, {"RS384", d384[:], rsaKey, 256}, {"RS512", d512[:], rsaKey, 256},
		{"PS256", d256[:], rsaKey, 256}, {"PS384", d384[:], rsaKey, 256}, {"PS512", d512[:], rsaKey, 256},
		{"ES256", d256[:], generate(t, material.Spec{Kind: material.EC, Curve: "P-256"}), 64},
		{"ES384", d384[:], generate(t, material.Spec{Kind: material.EC, Curve: "P-384"}), 96},
		{"ES512", d512[:], generate(t, material.Spec{Kind: material.EC, Curve: "P-521"}), 132},
	} {
		t.Run(c.alg, func(t *testing.T) {
			sig, err := c.key.Sign(c.alg, c.digest)
			if err != nil || len(sig) != c.size {
				t.Fatalf("Sign: %d bytes, %v", len(sig), err)
			}
			if ok, err := c.key.Public().Verify(c.alg, c.digest, sig); !ok || err != nil {
				t.Errorf("Verify = %v, %v", ok, err)
			}
			if ok, _ := c.key.Public().Verify(c.alg, c.digest, sig[1:]); ok {
				t.Error("a short signature verified")
			}
			sig[len(sig)/2] ^= 1
			if ok, err := c.key.Public().Verify(c.alg, c.digest, sig); ok || err != nil {
				t.Errorf("an altered signature: %v, %v", ok, err)
			}
			if _, err := c.key.Sign(c.alg, c.digest[1:]); !refused(err) {
				t.Errorf("a short digest: %v", err)
			}
		})
	}
}

func TestWhatIsRefused(t *testing.T) {
	r, e := generate(t, material.Spec{Kind: material.RSA, Bits: 2048}), generate(t, material.Spec{Kind: material.EC, Curve: "P-256"})
	digest := make([]byte, 32)
	for name, try := range map[string]func() error{
		"RSA1_5":           func() error { _, err := r.Public().Wrap("RSA1_5", nil); return err },
		"RSA1_5 to unwrap": func() error { _, err := r.Unwrap("RSA1_5", make([]byte, 256)); return err },
		"A256KW":           func() error { _, err := r.Public().Wrap("A256KW", nil); return err },
		"too long":         func() error { _, err := r.Public().Wrap("RSA-OAEP-256", make([]byte, 191)); return err },
		"wrap with EC":     func() error { _, err := e.Public().Wrap("RSA-OAEP-256", nil); return err },
		"unwrap with EC":   func() error { _, err := e.Unwrap("RSA-OAEP-256", nil); return err },
		"unwrap nothing":   func() error { _, err := r.Unwrap("RSA-OAEP-256", nil); return err },
		"ES256 with RSA":   func() error { _, err := r.Sign("ES256", digest); return err },
		"RS256 with EC":    func() error { _, err := e.Sign("RS256", digest); return err },
		"ES384 on P-256":   func() error { _, err := e.Sign("ES384", make([]byte, 48)); return err },
		"RSNULL":           func() error { _, err := r.Sign("RSNULL", digest); return err },
		"1024 bits":        func() error { _, err := material.Generate(material.Spec{Kind: material.RSA, Bits: 1024}); return err },
		"P-256K": func() error {
			_, err := material.Generate(material.Spec{Kind: material.EC, Curve: "P-256K"})
			return err
		},
		"oct": func() error { _, err := material.Generate(material.Spec{Kind: "oct"}); return err },
	} {
		if err := try(); !refused(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestKeysSurviveMarshalling(t *testing.T) {
	for _, s := range []material.Spec{{Kind: material.RSA, Bits: 2048}, {Kind: material.EC, Curve: "P-521"}} {
		k := generate(t, s)
		der, err := k.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		back, err := material.Parse(der)
		if err != nil || !back.Matches(k.Public()) {
			t.Errorf("%v: private: %v", s, err)
		}
		der, err = k.Public().Marshal()
		if err != nil {
			t.Fatal(err)
		}
		pub, err := material.ParsePublic(der)
		if err != nil || !k.Matches(pub) || pub.Spec() != s {
			t.Errorf("%v: public: %v", s, err)
		}
		if _, err := material.Parse(der); err == nil {
			t.Error("a public key was taken for a private one")
		}
	}
}

func TestAPrivateKeyNeverPrints(t *testing.T) {
	k := generate(t, material.Spec{Kind: material.EC, Curve: "P-256"})
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x"} {
		if got := fmt.Sprintf(verb, k); !strings.Contains(got, "redacted") {
			t.Errorf("%s printed %s", verb, got)
		}
	}
}
