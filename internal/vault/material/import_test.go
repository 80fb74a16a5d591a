package material_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"math/big"
	"slices"
	"testing"

	"logkeep/internal/vault/material"
)

func numbersOf(k *rsa.PrivateKey) material.Numbers {
	return material.Numbers{Kind: material.RSA, N: k.N.Bytes(), E: big.NewInt(int64(k.E)).Bytes(), D: k.D.Bytes(), P: k.Primes[0].Bytes(), Q: k.Primes[1].Bytes()}
}

func TestAnImportedKeyOpensWhatItsPublicHalfWrapped(t *testing.T) {
	made, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	k, err := material.Import(numbersOf(made))
	if err != nil {
		t.Fatal(err)
	}
	wrapped, err := k.Public().Wrap("RSA-OAEP-256", []byte("value"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := k.Unwrap("RSA-OAEP-256", wrapped); err != nil || string(got) != "value" {
		t.Fatalf("%q, %v", got, err)
	}
}

func TestNumbersThatAreNoKeyAreRefused(t *testing.T) {
	a, errA := rsa.GenerateKey(rand.Reader, 2048)
	b, errB := rsa.GenerateKey(rand.Reader, 2048)
	ec, errC := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if errA != nil || errB != nil || errC != nil {
		t.Fatal(errA, errB, errC)
	}
	good := numbersOf(a)
	composite := numbersOf(a) // n = p·q with a p that is no prime: 3·p' of the same length does not divide n, so all three change
	p := new(big.Int).Mul(big.NewInt(3), new(big.Int).Rsh(a.Primes[0], 2))
	composite.P, composite.N = p.Bytes(), new(big.Int).Mul(p, a.Primes[1]).Bytes()
	point, _ := ec.PublicKey.Bytes()
	d, _ := ec.Bytes()
	onCurve := material.Numbers{Kind: material.EC, Curve: "P-256", D: d, X: point[1:33], Y: point[33:]}
	if _, err := material.Import(onCurve); err != nil {
		t.Fatal(err)
	}
	for name, n := range map[string]material.Numbers{
		"nothing":            {},
		"no private half":    {Kind: material.RSA, N: good.N, E: good.E},
		"another modulus":    {Kind: material.RSA, N: b.N.Bytes(), E: good.E, D: good.D, P: good.P, Q: good.Q},
		"another exponent d": {Kind: material.RSA, N: good.N, E: good.E, D: b.D.Bytes(), P: good.P, Q: good.Q},
		"a small e":          {Kind: material.RSA, N: good.N, E: []byte{3}, D: good.D, P: good.P, Q: good.Q},
		"a composite":        composite,
		"zeros":              {Kind: material.RSA, N: make([]byte, 256), E: good.E, D: []byte{0}, P: []byte{0}, Q: []byte{0}},
		"too long":           {Kind: material.RSA, N: bytes.Repeat([]byte{255}, 1<<16), E: good.E, D: good.D, P: good.P, Q: good.Q},
		"EC of no curve":     {Kind: material.EC, Curve: "P-000", D: d},
		"EC without point":   {Kind: material.EC, Curve: "P-256", D: d},
		"EC of another d":    {Kind: material.EC, Curve: "P-256", D: []byte{1}, X: onCurve.X, Y: onCurve.Y},
		"EC of d zero":       {Kind: material.EC, Curve: "P-256", D: []byte{0}, X: onCurve.X, Y: onCurve.Y},
		"EC of a long d":     {Kind: material.EC, Curve: "P-256", D: slices.Concat(d, d), X: onCurve.X, Y: onCurve.Y},
		"oct":                {Kind: "oct"},
	} {
		if _, err := material.Import(n); !refused(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
