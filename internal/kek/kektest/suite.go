package kektest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"testing"
	"time"

	"logkeep/internal/kek"
)

// Run holds a kek.Vault to its contract. open makes one that talks to truth.
func Run(t *testing.T, open func(t *testing.T, truth *Vault) kek.Vault) {
	setup := func(t *testing.T) (*Vault, kek.Vault, kek.ID, kek.Wrapped, []byte) {
		truth := New()
		v, id := open(t, truth), truth.NewKey("k")
		secret := make([]byte, kek.KeySize)
		rand.Read(secret)
		w, err := v.Wrap(t.Context(), id, secret)
		if err != nil {
			t.Fatal(err)
		}
		return truth, v, id, w, secret
	}

	t.Run("what is wrapped unwraps", func(t *testing.T) {
		_, v, id, w, secret := setup(t)
		back, err := v.Unwrap(t.Context(), w)
		if err != nil || !bytes.Equal(back, secret) || w.KID != id || w.Alg != kek.RSAOAEP256 {
			t.Fatalf("%x %v %v", back, err, w)
		}
	})
	t.Run("no version means the newest, and old ones still unwrap", func(t *testing.T) {
		truth, v, id, w, secret := setup(t)
		second := truth.NewKey("k")
		key, err := v.Get(t.Context(), id.At(""))
		if err != nil || key.ID != second || !key.Enabled || !key.Recoverable() || key.Algorithm() != kek.RSAOAEP256 {
			t.Fatalf("%+v %v", key, err)
		}
		w2, err := v.Wrap(t.Context(), id.At(""), secret)
		if err != nil || w2.KID != second {
			t.Fatalf("%v %v", w2.KID, err)
		}
		if back, err := v.Unwrap(t.Context(), w); err != nil || !bytes.Equal(back, secret) {
			t.Fatal(err)
		}
	})
	t.Run("a disabled key shows itself, may wrap, and does not unwrap", func(t *testing.T) {
		truth, v, id, w, _ := setup(t)
		truth.Enable(id, false)
		if key, err := v.Get(t.Context(), id); err != nil || key.Enabled {
			t.Fatalf("%+v %v", key, err)
		}
		_, err := v.Unwrap(t.Context(), w)
		wantDenied(t, err, 403, "KeyDisabled")
		truth.Enable(id, true)
		if _, err := v.Unwrap(t.Context(), w); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("an expired key unwraps and does not wrap", func(t *testing.T) {
		truth, v, id, w, secret := setup(t)
		truth.Valid(id, time.Time{}, time.Now().Add(-time.Hour))
		if _, err := v.Unwrap(t.Context(), w); err != nil {
			t.Fatal(err)
		}
		_, err := v.Wrap(t.Context(), id, secret)
		wantDenied(t, err, 403, "KeyExpired")
	})
	t.Run("denials", func(t *testing.T) {
		truth, v, id, w, _ := setup(t)
		truth.Permit(false, "unwrap")
		_, err := v.Unwrap(t.Context(), w)
		wantDenied(t, err, 403, "ForbiddenByRbac")
		truth.Permit(true, "unwrap")
		truth.Delete("k", true)
		_, err = v.Unwrap(t.Context(), w)
		wantDenied(t, err, 404, "KeyNotFound")
		_, err = v.Get(t.Context(), id)
		wantDenied(t, err, 404, "KeyNotFound")
		truth.Delete("k", false)
		_, err = v.Get(t.Context(), id.At("ffffffffffffffffffffffffffffffff"))
		wantDenied(t, err, 404, "KeyNotFound")
	})
	t.Run("tokens", func(t *testing.T) {
		truth, v, _, w, _ := setup(t)
		truth.Tokens("expired")
		if _, err := v.Unwrap(t.Context(), w); err != nil {
			t.Fatalf("an expired token: %v", err)
		}
		truth.Tokens("refused")
		_, err := v.Unwrap(t.Context(), w)
		wantDenied(t, err, 401, "Unauthorized")
		truth.Tokens("trouble")
		truth.Tokens("expired")
		_, err = v.Unwrap(t.Context(), w)
		wantSilent(t, err)
		truth.Tokens("none")
		_, err = v.Unwrap(t.Context(), w)
		wantDenied(t, err, 401, "IdentityNone")
		truth.Tokens("")
		if _, err := v.Unwrap(t.Context(), w); err != nil {
			t.Fatal(err)
		}
	})
	for _, f := range []Fault{
		{Status: 408}, {Status: 429}, {Status: 500}, {Status: 502}, {Status: 503}, {Status: 504}, {Status: 429, Own: "Throttled"},
		{Status: 500, Own: "InternalError"}, {Status: 301}, {Status: 302}, {Status: 307}, {Status: 400}, {Status: 401}, {Status: 407}, {Status: 409, Own: "Conflict"},
		{Status: 410}, {Status: 418}, {Garbage: true}, {Drop: true}, {Hang: true},
	} {
		t.Run(fmt.Sprintf("silence %+v", f), func(t *testing.T) {
			truth, v, id, w, secret := setup(t)
			f.RetryAfter = 7 * time.Second
			truth.Fail(f)
			for op, call := range map[string]func(context.Context) error{
				"unwrap": func(ctx context.Context) error { _, err := v.Unwrap(ctx, w); return err },
				"wrap":   func(ctx context.Context) error { _, err := v.Wrap(ctx, id, secret); return err },
				"get":    func(ctx context.Context) error { _, err := v.Get(ctx, id); return err },
			} {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				if f.Hang {
					ctx, cancel = context.WithTimeout(t.Context(), 20*time.Millisecond)
				}
				err := call(ctx)
				cancel()
				s := wantSilent(t, err)
				if f.Status >= 429 && s.RetryAfter != 7*time.Second {
					t.Errorf("%s: the wish to wait was not heard: %+v", op, s)
				}
			}
			truth.Fail(Fault{})
			if back, err := v.Unwrap(t.Context(), w); err != nil || !bytes.Equal(back, secret) {
				t.Fatalf("after it: %v", err)
			}
		})
	}
	for _, status := range []int{403, 404} {
		t.Run(fmt.Sprintf("somebody else's %d page counts only if it comes twice", status), func(t *testing.T) {
			truth, v, _, w, _ := setup(t)
			truth.Fail(Fault{Status: status, Times: 1})
			if _, err := v.Unwrap(t.Context(), w); err != nil {
				t.Fatalf("once: %v", err)
			}
			truth.Fail(Fault{Status: status, Times: 2})
			_, err := v.Unwrap(t.Context(), w)
			wantDenied(t, err, status, "")
		})
	}
	t.Run("damage", func(t *testing.T) {
		truth, v, _, w, secret := setup(t)
		bad := w
		bad.Bytes = append(bytes.Clone(w.Bytes[:20]), w.Bytes[21:]...)
		wantDamaged(t, second(v.Unwrap(t.Context(), bad)))
		bad = w
		bad.Alg = "RSA1_5"
		wantDamaged(t, second(v.Unwrap(t.Context(), bad)))
		bad = w
		bad.KID.Version = ""
		wantDamaged(t, second(v.Unwrap(t.Context(), bad)))
		for _, n := range []int{1, 31, 33, 64} {
			truth.Quirks(false, n, false)
			secret[0] |= 1 // the first byte of 33 is not a zero
			wantDamaged(t, second(v.Unwrap(t.Context(), mustWrap(t, v, w.KID, secret))))
		}
	})
	t.Run("a managed HSM's leading zero is dropped", func(t *testing.T) {
		truth, v, _, w, secret := setup(t)
		truth.Quirks(true, 0, false)
		if back, err := v.Unwrap(t.Context(), w); err != nil || !bytes.Equal(back, secret) {
			t.Fatalf("%x %v", back, err)
		}
	})
	t.Run("only keys of 32 bytes are wrapped", func(t *testing.T) {
		truth, v, id, _, _ := setup(t)
		before := truth.Calls("wrap")
		for _, n := range []int{0, 16, 31, 33} {
			if _, err := v.Wrap(t.Context(), id, make([]byte, n)); err == nil {
				t.Errorf("%d bytes were wrapped", n)
			}
		}
		if truth.Calls("wrap") != before {
			t.Error("the vault was asked")
		}
	})
	t.Run("another vault's key is not asked for here", func(t *testing.T) {
		_, v, id, _, _ := setup(t)
		id.VaultURI = "https://other.example.com"
		if _, err := v.Get(t.Context(), id); err == nil {
			t.Error("it was")
		}
	})
}

func second[T any](_ T, err error) error { return err }

func mustWrap(t *testing.T, v kek.Vault, id kek.ID, secret []byte) kek.Wrapped {
	t.Helper()
	w, err := v.Wrap(t.Context(), id, secret)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func wantDenied(t *testing.T, err error, status int, code string) {
	t.Helper()
	if e, ok := errors.AsType[*kek.Denied](err); !ok || e.Status != status || e.Code != code {
		t.Fatalf("want Denied %d %s, got %T %v", status, code, err, err)
	}
}

func wantSilent(t *testing.T, err error) *kek.Silent {
	t.Helper()
	e, ok := errors.AsType[*kek.Silent](err)
	if !ok {
		t.Fatalf("want Silent, got %T %v", err, err)
	}
	return e
}

func wantDamaged(t *testing.T, err error) {
	t.Helper()
	if _, ok := errors.AsType[*kek.Damaged](err); !ok {
		t.Fatalf("want Damaged, got %T %v", err, err)
	}
}
