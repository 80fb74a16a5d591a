package wrap

import (
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"

	"logkeep/internal/schema"
)

// A SpoolKey is a key pair for rows that come while an account's own keys are
// away: anybody seals with the public half, and the private half lies here
// sealed with the account's key of Generation. It is signed as a Record is,
// since a public half of somebody else's would tell him every such row.
type SpoolKey struct {
	Tenant     schema.TenantID  `json:"tenant"`
	Cluster    schema.ClusterID `json:"cluster"`
	Account    schema.AccountID `json:"account"`
	Generation uint32           `json:"generation"` // of the account's key
	ID         string           `json:"id"`         // random, new for each pair
	Pairs      []SpoolPair      `json:"pairs"`      // one for each layer of the account's data, the inner first
	Created    time.Time        `json:"created"`    // whole seconds, UTC
	Signature  []byte           `json:"signature"`
}

// A SpoolPair is a public half and its sealed private half.
type SpoolPair struct {
	Public  []byte `json:"public"`
	Private []byte `json:"private"`
}

// A SpoolWriter says that whoever holds the private half of Public, an Ed25519
// key, writes spools for this installation.
type SpoolWriter struct {
	Public    []byte    `json:"public"`
	Created   time.Time `json:"created"`
	Signature []byte    `json:"signature"`
}

// Sign signs k.
func (k *SpoolKey) Sign(ctx context.Context, s Signer) (err error) {
	k.Created = time.Now().UTC().Truncate(time.Second)
	if k.Signature, err = s.Sign(ctx, k.digest()); err != nil {
		return fmt.Errorf("sign the spool key of account %s: %w", k.Account, err)
	}
	return nil
}

// Open checks signature and place; the layer of the place is not asked.
func (k SpoolKey) Open(pub *ecdsa.PublicKey, at Place) error {
	if err := verify(pub, k.digest(), k.Signature); err != nil {
		return fmt.Errorf("spool key of account %s, generation %d: %w", k.Account, k.Generation, err)
	}
	at.Layer = Sole
	if (Place{Tenant: k.Tenant, Cluster: k.Cluster, Account: k.Account, Generation: k.Generation}) != at {
		return fmt.Errorf("spool key of account %s, generation %d, where account %s, generation %d belongs: %w",
			k.Account, k.Generation, at.Account, at.Generation, ErrMisplaced)
	}
	return nil
}

func (k SpoolKey) digest() [32]byte {
	var f fields
	f.text("logkeep spool key 1", string(k.Tenant), string(k.Cluster), string(k.Account))
	f.number(uint64(k.Generation))
	f.text(k.ID)
	f.number(uint64(len(k.Pairs)))
	for _, p := range k.Pairs {
		f.text(string(p.Public), string(p.Private))
	}
	f.number(uint64(k.Created.Unix()))
	return sha256.Sum256(f)
}

// Sign signs w.
func (w *SpoolWriter) Sign(ctx context.Context, s Signer) (err error) {
	w.Created = time.Now().UTC().Truncate(time.Second)
	if w.Signature, err = s.Sign(ctx, w.digest()); err != nil {
		return fmt.Errorf("sign a writer of spools: %w", err)
	}
	return nil
}

// Verify checks the signature.
func (w SpoolWriter) Verify(pub *ecdsa.PublicKey) error {
	if err := verify(pub, w.digest(), w.Signature); err != nil {
		return fmt.Errorf("writer of spools: %w", err)
	}
	return nil
}

func (w SpoolWriter) digest() [32]byte {
	var f fields
	f.text("logkeep spool writer 1", string(w.Public))
	f.number(uint64(w.Created.Unix()))
	return sha256.Sum256(f)
}

// Encode writes k for the disk.
func (k SpoolKey) Encode() ([]byte, error) { return json.Marshal(k) }

// DecodeSpoolKey reads what Encode wrote. It verifies nothing.
func DecodeSpoolKey(b []byte) (SpoolKey, error) {
	var k SpoolKey
	if err := decode(b, &k); err != nil {
		return SpoolKey{}, fmt.Errorf("read spool key: %w", err)
	}
	return k, nil
}

// Fields is the unambiguous concatenation that this package's signatures are
// made over: each part preceded by its length in four bytes.
func Fields(parts ...[]byte) []byte {
	var b []byte
	for _, p := range parts {
		b = binary.BigEndian.AppendUint32(b, uint32(len(p)))
		b = append(b, p...)
	}
	return b
}
