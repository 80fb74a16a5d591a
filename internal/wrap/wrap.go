// Package wrap holds what stands beside a wrapped key so that it can be trusted.
//
// Anyone who knows a public RSA key can wrap a key of his own with it. So a
// [Record] says whose key it is and what is in it: tenant, cluster, account,
// generation, the KEK with its version, the algorithm, the wrapped bytes and a
// commitment to the key; and it is signed with the service's integrity key,
// which stays in a vault of its own. A [Canary] is the same for a random value
// that nothing is sealed with: whoever unwraps it learns that the KEK works
// and nothing else.
//
// A record whose signature does not verify, or that lies in a place that it
// does not name, is refused before anything is sent to a vault: Open is the
// way from a record to a [kek.Wrapped], and it checks both.
//
// What is signed (SHA-256, then ECDSA on P-256, r and s of 32 bytes each) is
// the fields in the order of the struct, every one preceded by its length in
// four bytes, big-endian; numbers are eight bytes, big-endian; times are Unix
// seconds; the first field is the name of the form:
//
//	"logkeep wrap record 1" tenant cluster account generation kid alg wrapped commitment created
//	"logkeep wrap record 2" layer tenant cluster account generation kid alg wrapped commitment created
//	"logkeep canary 1"      tenant cluster kid alg wrapped digest created
//	"logkeep spool key 1"   tenant cluster account generation id pairs public private … created
//	"logkeep spool writer 1" public created
//
// A record that names a layer is of form 2, one that names none of form 1, so
// the same bytes can't be both. An account whose data is sealed twice has one
// record of layer Outer, its infrastructure key's, and its other records are of
// layer Inner. So nobody can take the second layer off by hiding a record: the
// others say that it must be there.
//
// On disk a record is JSON. Reading is strict, since the signed bytes are made
// of what was read: unknown fields are refused.
package wrap

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"time"

	"logkeep/internal/kek"
	"logkeep/internal/schema"
)

var (
	// ErrUnsigned means that this installation did not make the record.
	ErrUnsigned = errors.New("the signature is not of this installation's integrity key")
	// ErrMisplaced means that the record is another's: tenant, cluster, account or generation.
	ErrMisplaced = errors.New("the record belongs to another place")
	// ErrMismatch means that a wrap does not hold what its record commits to.
	ErrMismatch = errors.New("the unwrapped key is not the one that the record commits to")
)

// Digest is 32 bytes, written in hex.
type Digest [32]byte

// MarshalText writes d in hex.
func (d Digest) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, d[:]), nil }

// UnmarshalText reads what MarshalText wrote.
func (d *Digest) UnmarshalText(b []byte) error {
	if len(b) != 2*len(d) {
		return fmt.Errorf("digest has %d hex digits, want %d", len(b), 2*len(d))
	}
	_, err := hex.Decode(d[:], b)
	return err
}

// A Layer says what data a key seals.
type Layer string

// The layers.
const (
	Sole  Layer = ""      // data of this generation are sealed once, with this key
	Inner Layer = "inner" // they are sealed again with the account's infrastructure key
	Outer Layer = "outer" // this is the account's infrastructure key, for all generations
)

// Place is where a record belongs.
type Place struct {
	Tenant     schema.TenantID
	Cluster    schema.ClusterID
	Account    schema.AccountID
	Generation uint32 // from 1; an infrastructure key, of which there is one, has 0
	Layer      Layer
}

// Valid reports whether a key can have that place.
func (p Place) Valid() bool {
	switch p.Layer {
	case Sole, Inner:
		return p.Generation > 0
	case Outer:
		return p.Generation == 0
	}
	return false
}

// A Record is one key of an account, wrapped: its account encryption key of
// one generation, or its infrastructure key.
type Record struct {
	Tenant     schema.TenantID  `json:"tenant"`
	Cluster    schema.ClusterID `json:"cluster"`
	Account    schema.AccountID `json:"account"`
	Generation uint32           `json:"generation"`
	Layer      Layer            `json:"layer,omitempty"`
	KID        kek.ID           `json:"kid"` // with version
	Alg        string           `json:"alg"`
	Wrapped    []byte           `json:"wrapped"`
	Commitment Digest           `json:"commitment"` // to the key; the same under every KEK
	Created    time.Time        `json:"created"`    // whole seconds, UTC
	Signature  []byte           `json:"signature"`
}

// A Canary is a random value, wrapped beside a cluster's keys.
type Canary struct {
	Tenant    schema.TenantID  `json:"tenant"`
	Cluster   schema.ClusterID `json:"cluster"`
	KID       kek.ID           `json:"kid"`
	Alg       string           `json:"alg"`
	Wrapped   []byte           `json:"wrapped"`
	Digest    Digest           `json:"digest"` // of the random value
	Created   time.Time        `json:"created"`
	Signature []byte           `json:"signature"`
}

// A Signer signs digests with the integrity key (ES256, 64 bytes).
type Signer interface {
	Sign(ctx context.Context, digest [32]byte) ([]byte, error)
}

// Place is where r says that it belongs.
func (r Record) Place() Place { return Place{r.Tenant, r.Cluster, r.Account, r.Generation, r.Layer} }

// Verify checks the signature.
func (r Record) Verify(pub *ecdsa.PublicKey) error {
	if err := verify(pub, r.digest(), r.Signature); err != nil {
		return fmt.Errorf("wrap record of account %s, generation %d: %w", r.Account, r.Generation, err)
	}
	return nil
}

// Open checks signature and place and gives what a vault can unwrap.
func (r Record) Open(pub *ecdsa.PublicKey, at Place) (kek.Wrapped, error) {
	if err := r.Verify(pub); err != nil {
		return kek.Wrapped{}, err
	}
	if r.Place() != at || !at.Valid() {
		return kek.Wrapped{}, fmt.Errorf("wrap record of account %s, generation %d%s, where account %s, generation %d%s belongs: %w",
			r.Account, r.Generation, r.Layer.words(), at.Account, at.Generation, at.Layer.words(), ErrMisplaced)
	}
	return kek.Wrapped{KID: r.KID, Alg: r.Alg, Bytes: r.Wrapped}, nil
}

func (l Layer) words() string {
	if l == Sole {
		return ""
	}
	return ", layer " + string(l)
}

func (r Record) digest() [32]byte {
	var f fields
	if r.Layer == Sole {
		f.text("logkeep wrap record 1")
	} else {
		f.text("logkeep wrap record 2", string(r.Layer))
	}
	f.text(string(r.Tenant), string(r.Cluster), string(r.Account))
	f.number(uint64(r.Generation))
	f.text(r.KID.String(), r.Alg, string(r.Wrapped), string(r.Commitment[:]))
	f.number(uint64(r.Created.Unix()))
	return sha256.Sum256(f)
}

// Verify checks the signature.
func (c Canary) Verify(pub *ecdsa.PublicKey) error {
	if err := verify(pub, c.digest(), c.Signature); err != nil {
		return fmt.Errorf("canary of cluster %s: %w", c.Cluster, err)
	}
	return nil
}

// Open checks signature and place and gives what a vault can unwrap.
func (c Canary) Open(pub *ecdsa.PublicKey, tenant schema.TenantID, cluster schema.ClusterID) (kek.Wrapped, error) {
	if err := c.Verify(pub); err != nil {
		return kek.Wrapped{}, err
	}
	if c.Tenant != tenant || c.Cluster != cluster {
		return kek.Wrapped{}, fmt.Errorf("canary of cluster %s, where cluster %s belongs: %w", c.Cluster, cluster, ErrMisplaced)
	}
	return kek.Wrapped{KID: c.KID, Alg: c.Alg, Bytes: c.Wrapped}, nil
}

// Matches reports whether value is what was wrapped.
func (c Canary) Matches(value []byte) bool { return canaryDigest(c.Cluster, value) == c.Digest }

func (c Canary) digest() [32]byte {
	var f fields
	f.text("logkeep canary 1", string(c.Tenant), string(c.Cluster), c.KID.String(), c.Alg, string(c.Wrapped), string(c.Digest[:]))
	f.number(uint64(c.Created.Unix()))
	return sha256.Sum256(f)
}

func canaryDigest(cluster schema.ClusterID, value []byte) Digest {
	var f fields
	f.text("logkeep canary value 1", string(cluster), string(value))
	d := Digest(sha256.Sum256(f))
	clear(f)
	return d
}

// fields is the unambiguous concatenation that is signed.
type fields []byte

func (f *fields) text(parts ...string) {
	for _, p := range parts {
		*f = binary.BigEndian.AppendUint32(*f, uint32(len(p)))
		*f = append(*f, p...)
	}
}

func (f *fields) number(n uint64) { *f = binary.BigEndian.AppendUint64(*f, n) }

func verify(pub *ecdsa.PublicKey, digest [32]byte, signature []byte) error {
	if pub == nil || len(signature) != 64 {
		return ErrUnsigned
	}
	r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
	if !ecdsa.Verify(pub, digest[:], r, s) {
		return ErrUnsigned
	}
	return nil
}

// Encode writes r for the disk.
func (r Record) Encode() ([]byte, error) { return json.Marshal(r) }

// Encode writes c for the disk.
func (c Canary) Encode() ([]byte, error) { return json.Marshal(c) }

// DecodeRecord reads what Encode wrote. It verifies nothing.
func DecodeRecord(b []byte) (Record, error) {
	var r Record
	if err := decode(b, &r); err != nil {
		return Record{}, fmt.Errorf("read wrap record: %w", err)
	}
	return r, nil
}

// DecodeCanary reads what Encode wrote. It verifies nothing.
func DecodeCanary(b []byte) (Canary, error) {
	var c Canary
	if err := decode(b, &c); err != nil {
		return Canary{}, fmt.Errorf("read canary: %w", err)
	}
	return c, nil
}

func decode(b []byte, into any) error {
	if len(b) > 64<<10 {
		return fmt.Errorf("%d bytes are too many", len(b))
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("something follows the record")
	}
	return nil
}
