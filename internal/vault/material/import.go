package material

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"math/big"
)

// Numbers are a private key that was made elsewhere, as the numbers of its JSON
// web key, big-endian.
type Numbers struct {
	Kind          Kind
	N, E, D, P, Q []byte // RSA
	Curve         string // EC, with D
	X, Y          []byte
}

// Clear forgets the private numbers.
func (n *Numbers) Clear() {
	for _, b := range [][]byte{n.D, n.P, n.Q} {
		clear(b)
	}
}

// Import makes a key of numbers. It refuses what Generate would not make, and
// numbers that do not belong together or are no primes: with such a key the
// vault would promise what arithmetic does not keep.
func Import(n Numbers) (*Private, error) {
	switch n.Kind {
	case RSA:
		return importRSA(n)
	case EC:
		s := Spec{Kind: EC, Curve: n.Curve}
		if err := s.Check(); err != nil {
			return nil, err
		}
		c, _ := curve(n.Curve)
		size := (c.Params().BitSize + 7) / 8
		if len(n.D) == 0 || len(n.D) > size {
			return nil, refuse("The key's number d is missing or longer than the curve allows.")
		}
		k, err := ecdsa.ParseRawPrivateKey(c, append(make([]byte, size-len(n.D)), n.D...))
		if err != nil {
			return nil, refuse("The key's number d is not one of curve %s.", n.Curve)
		}
		point, err := k.PublicKey.Bytes()
		if err != nil {
			return nil, err
		}
		x, y := new(big.Int).SetBytes(point[1:1+size]), new(big.Int).SetBytes(point[1+size:])
		if x.Cmp(new(big.Int).SetBytes(n.X)) != 0 || y.Cmp(new(big.Int).SetBytes(n.Y)) != 0 {
			return nil, refuse("The key's numbers x and y do not belong to its number d.")
		}
		return &Private{ec: k}, nil
	}
	return nil, Spec{Kind: n.Kind}.Check()
}

func importRSA(n Numbers) (*Private, error) {
	const most = 4096 / 8
	for _, b := range [][]byte{n.N, n.E, n.D, n.P, n.Q} {
		if len(b) == 0 || len(b) > most+1 {
			return nil, refuse("An RSA key is imported with its numbers n, e, d, p and q, of up to 4096 bits.")
		}
	}
	number := func(b []byte) *big.Int { return new(big.Int).SetBytes(b) }
	if e := number(n.E); !e.IsInt64() || e.Int64() != 65537 {
		return nil, refuse("The key's number e can only be 65537.")
	}
	k := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: number(n.N), E: 65537}, D: number(n.D), Primes: []*big.Int{number(n.P), number(n.Q)}}
	if err := (Spec{Kind: RSA, Bits: k.N.BitLen()}).Check(); err != nil {
		return nil, err
	}
	k.Precompute()
	if k.Validate() != nil || !k.Primes[0].ProbablyPrime(20) || !k.Primes[1].ProbablyPrime(20) {
		return nil, refuse("The key's numbers are not those of an RSA key.")
	}
	return &Private{rsa: k}, nil
}
