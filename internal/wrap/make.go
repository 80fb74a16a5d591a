package wrap

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"time"

	"logkeep/internal/kek"
	"logkeep/internal/schema"
)

// New wraps key with id, unwraps it again to see that it can be had back, and
// signs the record. The caller keeps key and clears it.
func New(ctx context.Context, v kek.Vault, s Signer, at Place, id kek.ID, key []byte, commitment [32]byte) (Record, error) {
	if !at.Valid() {
		return Record{}, fmt.Errorf("internal error: generation %d%s of account %s", at.Generation, at.Layer.words(), at.Account)
	}
	w, err := tested(ctx, v, id, key)
	if err != nil {
		return Record{}, fmt.Errorf("wrap key of account %s, generation %d: %w", at.Account, at.Generation, err)
	}
	r := Record{
		Tenant: at.Tenant, Cluster: at.Cluster, Account: at.Account, Generation: at.Generation, Layer: at.Layer,
		KID: w.KID, Alg: w.Alg, Wrapped: w.Bytes, Commitment: commitment, Created: time.Now().UTC().Truncate(time.Second),
	}
	if r.Signature, err = s.Sign(ctx, r.digest()); err != nil {
		return Record{}, fmt.Errorf("sign wrap record of account %s: %w", at.Account, err)
	}
	return r, nil
}

// NewCanary draws a random value and does the same for it.
func NewCanary(ctx context.Context, v kek.Vault, s Signer, tenant schema.TenantID, cluster schema.ClusterID, id kek.ID) (Canary, error) {
	value := make([]byte, kek.KeySize)
	rand.Read(value)
	defer clear(value)
	w, err := tested(ctx, v, id, value)
	if err != nil {
		return Canary{}, fmt.Errorf("wrap canary of cluster %s: %w", cluster, err)
	}
	c := Canary{
		Tenant: tenant, Cluster: cluster, KID: w.KID, Alg: w.Alg, Wrapped: w.Bytes,
		Digest: canaryDigest(cluster, value), Created: time.Now().UTC().Truncate(time.Second),
	}
	if c.Signature, err = s.Sign(ctx, c.digest()); err != nil {
		return Canary{}, fmt.Errorf("sign canary of cluster %s: %w", cluster, err)
	}
	return c, nil
}

// tested wraps and unwraps. A disabled key may still wrap; a wrap that can't
// be undone must not replace one that can.
func tested(ctx context.Context, v kek.Vault, id kek.ID, key []byte) (kek.Wrapped, error) {
	w, err := v.Wrap(ctx, id, key)
	if err != nil {
		return kek.Wrapped{}, err
	}
	back, err := v.Unwrap(ctx, w)
	if err != nil {
		return kek.Wrapped{}, err
	}
	defer clear(back)
	if subtle.ConstantTimeCompare(back, key) != 1 {
		return kek.Wrapped{}, &kek.Damaged{Op: "unwrap", Key: w.KID, Message: "the vault unwrapped a fresh wrap to something else"}
	}
	return w, nil
}
