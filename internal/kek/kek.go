// Package kek is the customer's key-encryption key as a cluster sees it: a
// name in somebody else's vault, and three things that the vault does with it.
//
// The key itself never comes here. A [Vault] describes it (Get), wraps a key
// of 32 bytes with it (Wrap) and unwraps what it wrapped (Unwrap). [Client] is
// the one real implementation; it speaks the Key Vault protocol through the
// official SDK and works against any service that speaks it.
//
// # What an answer means
//
// Everything above this package lives by one distinction, so every error that
// a Vault returns is exactly one of three types:
//
//	*Denied   the vault answered no: the key is disabled, deleted, or the
//	          identity may not use it. Revocation. Never assumed.
//	*Silent   the vault did not answer the question: network, timeouts,
//	          throttling, its own errors, a token endpoint in trouble,
//	          somebody else's page. Whatever is not understood is silence.
//	*Damaged  the vault answered that the request makes no sense (400), or its
//	          answer is provably not what was wrapped.
//
//	answer                              meaning
//	401                                 Denied, but only when a fresh challenge and a fresh token met 401 again
//	403, 404 in Key Vault's own words   Denied at once
//	403, 404 in other words             asked once more on a new connection; Denied if that is the answer again
//	400 in Key Vault's own words        Damaged
//	3xx                                 Silent; never followed
//	the connection ends without one     asked once more on a new connection; Silent if it ends again
//	408, 429, 5xx, anything else        Silent
//	200 that can't be read              Silent
//
// A disabled key may still wrap, and an expired one still unwraps: whoever
// wants to know whether the key works asks for an unwrap.
//
// # Where a vault may be
//
// The address comes from a tenant. A [Guard] says which hosts may be named and
// which addresses they may turn out to have; the check is made on the address
// of the connection itself. A Client talks to one host, over TLS, follows no
// redirect, uses no proxy, reads bounded answers, and hands its token to that
// host alone: a challenge that asks for a token of any audience but the
// vault's own parent domain is refused.
package kek

import (
	"context"
	"slices"
	"strings"
	"time"
)

// KeySize is the length in bytes of every key that is wrapped.
const KeySize = 32

// Algorithms by which keys are wrapped. These words are on disk and on the wire.
const (
	RSAOAEP256 = "RSA-OAEP-256" // RSA, RSA-HSM
	A256KW     = "A256KW"       // oct-HSM
)

// A Vault holds keys. Its methods are safe for concurrent use, honour ctx, and
// return errors of the three types that the package comment lists.
//
// Get describes the version that id names, or the newest one if id names none;
// the Key's ID always has a version.
//
// Wrap wraps a key of KeySize bytes and says under which version. It does not
// keep or clear plaintext.
//
// Unwrap gives back the KeySize bytes, which the caller owns and clears. It
// proves nothing about who wrapped them: compare with a commitment.
type Vault interface {
	Get(ctx context.Context, id ID) (Key, error)
	Wrap(ctx context.Context, id ID, plaintext []byte) (Wrapped, error)
	Unwrap(ctx context.Context, w Wrapped) ([]byte, error)
}

// Wrapped is a key under a KEK. It is of no use without the vault.
type Wrapped struct {
	KID   ID // with version
	Alg   string
	Bytes []byte
}

// A Key is what a vault tells about one version of a key.
type Key struct {
	ID            ID // with version
	Type          string
	Bits          int
	Ops           []string
	Enabled       bool
	NotBefore     time.Time // zero if none
	Expires       time.Time // zero if none
	RecoveryLevel string
}

// Algorithm names the algorithm for wrapping with k, or "" if no key of this
// type and size can be used.
func (k Key) Algorithm() string {
	switch k.Type {
	case "RSA", "RSA-HSM":
		if k.Bits == 2048 || k.Bits == 3072 || k.Bits == 4096 {
			return RSAOAEP256
		}
	case "oct-HSM":
		if k.Bits == 256 {
			return A256KW
		}
	}
	return ""
}

// Permits reports whether the key's own list of operations has op. A vault
// that gives no list permits all.
func (k Key) Permits(op string) bool { return len(k.Ops) == 0 || slices.Contains(k.Ops, op) }

// Recoverable reports whether neither the key nor its vault can be purged
// before the retention is over: soft delete and purge protection are on.
func (k Key) Recoverable() bool {
	return strings.Contains(k.RecoveryLevel, "Recoverable") && !strings.Contains(k.RecoveryLevel, "Purgeable")
}
