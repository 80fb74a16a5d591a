package kek_test

import (
	"errors"
	"testing"
	"time"

	"logkeep/internal/kek"
	"logkeep/internal/kek/kektest"
)

// Each case breaks one thing more than the one before; the answer is always
// the first thing in the promised order.
func TestCheckAnswersInTheDecidedOrder(t *testing.T) {
	truth := kektest.New()
	id := truth.NewKey("k")
	check := func(want kek.Why) {
		t.Helper()
		_, err := kek.Check(t.Context(), truth, id.At(""), time.Now)
		if e, ok := errors.AsType[*kek.Unfit](err); !ok || e.Why != want {
			t.Errorf("want %d, got %v", want, err)
		}
	}
	before := time.Now()
	got, err := kek.Check(t.Context(), truth, id.At(""), time.Now)
	if err != nil || got.Key.ID != id || got.Sent.Before(before) {
		t.Fatalf("%+v %v", got, err)
	}
	truth.Permit(false, "unwrap")
	check(kek.Unusable)
	truth.Shape("k", "Recoverable+Purgeable", "", 0)
	check(kek.NotRecoverable)
	truth.Shape("k", "", "", 0, "sign")
	check(kek.Unsupported)
	truth.Shape("k", "", "EC", 256)
	check(kek.Unsupported)
	truth.Valid(id, time.Now().Add(time.Hour), time.Time{})
	check(kek.NotYetValid)
	truth.Valid(id, time.Time{}, time.Now().Add(-time.Second))
	check(kek.Expired)
	truth.Enable(id, false)
	check(kek.Disabled)
	truth.Permit(false, "get")
	check(kek.Unreadable)
	truth.Fail(kektest.Fault{Status: 503})
	if _, err := kek.Check(t.Context(), truth, id, time.Now); !isSilent(err) {
		t.Errorf("a silent vault makes no key unfit: %v", err)
	}
}

func TestCheckRefusesAVaultThatUnwrapsToSomethingElse(t *testing.T) {
	truth := kektest.New()
	id := truth.NewKey("k")
	truth.Quirks(false, 0, true)
	_, err := kek.Check(t.Context(), truth, id, time.Now)
	if e, ok := errors.AsType[*kek.Unfit](err); !ok || e.Why != kek.Unusable {
		t.Error(err)
	}
}

func TestRecoverable(t *testing.T) {
	for level, want := range map[string]bool{
		"": false, "Purgeable": false, "Recoverable+Purgeable": false, "CustomizedRecoverable+Purgeable": false,
		"Recoverable": true, "Recoverable+ProtectedSubscription": true, "CustomizedRecoverable": true, "CustomizedRecoverable+ProtectedSubscription": true,
	} {
		if (kek.Key{RecoveryLevel: level}).Recoverable() != want {
			t.Errorf("%q", level)
		}
	}
}

func isSilent(err error) bool { _, ok := errors.AsType[*kek.Silent](err); return ok }
