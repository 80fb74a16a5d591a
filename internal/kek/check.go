package kek

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"
)

// Why says why a key can't become a cluster's key.
type Why uint8

// The reasons, in the order in which [Check] looks for them.
const (
	Unreadable     Why = iota + 1 // the vault refused Get, or there is no such key
	Disabled                      // the key is disabled
	Expired                       // the key's time is over
	NotYetValid                   // the key's time has not begun
	Unsupported                   // no key of this type, size or list of operations can wrap
	NotRecoverable                // soft delete or purge protection is off
	Unusable                      // the vault refused to wrap or to unwrap a probe
)

// Unfit is the error of Check for a key that can't become a cluster's key.
type Unfit struct {
	Key    ID
	Why    Why
	Detail string
	Err    error // the vault's answer, if it was one that made the key unfit
}

func (e *Unfit) Error() string { return fmt.Sprintf("key %s can't be used: %s", e.Key, e.Detail) }
func (e *Unfit) Unwrap() error { return e.Err }

// Checked is a key that passed Check.
type Checked struct {
	Key  Key       // the version that would be used
	Sent time.Time // when the unwrap that succeeded was sent
}

// Check finds out whether id can become a cluster's key, in the order that is
// promised to callers of the API: it exists and may be read, is enabled, is in
// its time, is of a usable kind; it is recoverable; it wraps and unwraps a
// probe. The first thing that fails is the answer: *Unfit, or *Silent if the
// vault did not say.
func Check(ctx context.Context, v Vault, id ID, now func() time.Time) (Checked, error) {
	key, err := v.Get(ctx, id)
	if err != nil {
		return Checked{}, unfit(id, Unreadable, "the vault refused to show it", err)
	}
	if err := Usable(key, now()); err != nil {
		return Checked{}, err
	}
	if !key.Recoverable() {
		return Checked{}, &Unfit{Key: key.ID, Why: NotRecoverable, Detail: fmt.Sprintf("its recovery level is %q; turn on soft delete and purge protection of the vault", key.RecoveryLevel)}
	}
	probe := make([]byte, KeySize)
	rand.Read(probe)
	w, err := v.Wrap(ctx, key.ID, probe)
	if err != nil {
		return Checked{}, unfit(key.ID, Unusable, "the vault refused to wrap a probe with it", err)
	}
	sent := now()
	back, err := v.Unwrap(ctx, w)
	if err != nil {
		return Checked{}, unfit(key.ID, Unusable, "the vault refused to unwrap a probe with it", err)
	}
	if !bytes.Equal(back, probe) {
		return Checked{}, &Unfit{Key: key.ID, Why: Unusable, Detail: "the vault unwrapped a probe to something else"}
	}
	return Checked{Key: key, Sent: sent}, nil
}

// Usable reports as *Unfit why a wrap with this version should not be tried.
func Usable(key Key, now time.Time) error {
	why := func(w Why, format string, args ...any) error {
		return &Unfit{Key: key.ID, Why: w, Detail: fmt.Sprintf(format, args...)}
	}
	switch {
	case !key.Enabled:
		return why(Disabled, "it is disabled; enable it in the vault")
	case !key.Expires.IsZero() && !now.Before(key.Expires):
		return why(Expired, "it expired at %s; extend it or make a new version", key.Expires.UTC().Format(time.RFC3339))
	case now.Before(key.NotBefore):
		return why(NotYetValid, "it is not valid before %s", key.NotBefore.UTC().Format(time.RFC3339))
	case key.Algorithm() == "":
		return why(Unsupported, "a key of type %s with %d bits can't wrap; use RSA or RSA-HSM with 2048, 3072 or 4096 bits, or oct-HSM with 256", key.Type, key.Bits)
	case !key.Permits("wrapKey") || !key.Permits("unwrapKey"):
		return why(Unsupported, "its permitted operations %v lack wrapKey or unwrapKey", key.Ops)
	}
	return nil
}

// unfit turns an answer that is not silence into *Unfit.
func unfit(id ID, why Why, detail string, err error) error {
	if denied, ok := errors.AsType[*Denied](err); ok {
		return &Unfit{Key: id, Why: why, Detail: detail + ": " + denied.Answer(), Err: err}
	}
	if damaged, ok := errors.AsType[*Damaged](err); ok {
		return &Unfit{Key: id, Why: why, Detail: detail + ": " + damaged.Answer(), Err: err}
	}
	return err
}
