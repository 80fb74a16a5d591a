package keyring

import (
	"errors"
	"slices"
	"testing"
	"time"

	"logkeep/internal/kek"
	"logkeep/internal/kek/kektest"
	"logkeep/internal/schema"
	"logkeep/internal/wrap"
)

func TestFirstKeyCoversNewDataAndLeavesOlderGenerationsToTheService(t *testing.T) {
	bubble(t, func(t *testing.T) *world {
		w := live(t, Policy{}, auto)
		p := w.saved("c")
		for _, rec := range p.Records {
			want := w.mmk
			if rec.Generation == 2 {
				want = w.key
			}
			if rec.KID != want || rec.Generation > 2 {
				t.Errorf("%+v", rec)
			}
		}
		if len(p.Records) != 6 || // two generations and an infrastructure key, twice
			p.Canary.KID != w.key || p.Setting != w.key.At("") {
			t.Errorf("%+v", p)
		}
		n := w.customer.Calls("wrap")
		must(t, w.ring.SetKey(t.Context(), "c", w.key.At("")))
		must(t, w.ring.Cover(t.Context(), "c"))
		if w.customer.Calls("wrap") != n || len(w.saved("c").Records) != 6 {
			t.Error("what was done was done again")
		}
		return w
	})
}

func TestPinningAndUnpinningTheVersionInUseWrapsNothing(t *testing.T) {
	bubble(t, func(t *testing.T) *world {
		w := live(t, Policy{}, auto)
		before := w.saved("c")
		must(t, w.ring.SetKey(t.Context(), "c", w.key))
		after := w.saved("c")
		if after.Setting != w.key || !slices.Equal(before.Canary.Wrapped, after.Canary.Wrapped) || !slices.Equal(before.Records[3].Wrapped, after.Records[3].Wrapped) {
			t.Errorf("%+v", after)
		}
		second := w.customer.NewKey("k")
		later(time.Minute)
		if s := w.is(Active); s.Version != w.key {
			t.Errorf("%+v", s)
		}
		must(t, w.ring.SetKey(t.Context(), "c", second)) // explicit rotation
		if s := w.is(Active); s.Version != second || slices.Contains(s.Needs, w.key) {
			t.Errorf("%+v", s)
		}
		return w
	})
}

func TestAnotherKeyTakesBothWorking(t *testing.T) {
	bubble(t, func(t *testing.T) *world {
		w := live(t, Policy{}, auto)
		other := w.customer.NewKey("other")
		w.customer.Enable(w.key, false)
		later(11 * time.Second)
		w.is(Revoked)
		err := w.ring.SetKey(t.Context(), "c", other)
		if e, ok := errors.AsType[*Unavailable](err); !ok || e.Status.State != Revoked {
			t.Fatal(err)
		}
		if _, ok := errors.AsType[*Unavailable](w.ring.ClearKey(t.Context(), "c")); !ok {
			t.Fatal("a revoked key was cleared")
		}
		w.customer.Enable(w.key, true)
		later(11 * time.Second)
		must(t, w.ring.SetKey(t.Context(), "c", other))
		w.customer.Delete("k", true)
		later(time.Minute)
		if s := w.is(Active); s.Version != other {
			t.Errorf("%+v", s)
		}
		return w
	})
}

func TestKeyThatIsUnfitIsRefusedAndChangesNothing(t *testing.T) {
	bubble(t, func(t *testing.T) *world {
		w := live(t, Policy{}, auto)
		bad := w.customer.NewKey("bad")
		before := w.saved("c")
		for name, c := range map[string]struct {
			spoil func()
			why   kek.Why
		}{
			"disabled":        {func() { w.customer.Enable(bad, false) }, kek.Disabled},
			"purgeable":       {func() { w.customer.Enable(bad, true); w.customer.Shape("bad", "Recoverable+Purgeable", "", 0) }, kek.NotRecoverable},
			"does not unwrap": {func() { w.customer.Shape("bad", "Recoverable", "", 0); w.customer.Permit(false, "unwrap") }, kek.Unusable},
		} {
			c.spoil()
			err := w.ring.SetKey(t.Context(), "c", bad)
			w.customer.Permit(true, "unwrap")
			w.customer.Enable(bad, true)
			w.customer.Shape("bad", "Recoverable", "", 0)
			if e, ok := errors.AsType[*kek.Unfit](err); !ok || e.Why != c.why {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, ok := errors.AsType[*kek.Unfit](w.ring.SetKey(t.Context(), "c", w.mmk)); !ok {
			t.Error("the service's own key was taken for a customer's")
		}
		w.customer.Fail(kektest.Fault{Status: 503})
		if _, ok := errors.AsType[*kek.Silent](w.ring.SetKey(t.Context(), "c", bad)); !ok {
			t.Error("a silent vault gave a verdict")
		}
		w.customer.Fail(kektest.Fault{})
		if after := w.saved("c"); after.Setting != before.Setting || len(after.Records) != len(before.Records) {
			t.Error("something changed")
		}
		later(time.Minute)
		w.is(Active)
		return w
	})
}

func TestClearedKeyIsTheServicesAgainAndCanBeSetAnew(t *testing.T) {
	bubble(t, func(t *testing.T) *world {
		w := live(t, Policy{}, auto)
		must(t, w.ring.ClearKey(t.Context(), "c"))
		must(t, w.ring.ClearKey(t.Context(), "c"))
		s := w.is(Active)
		if !s.Setting.IsZero() || !slices.Equal(s.Needs, []kek.ID{w.mmk}) {
			t.Errorf("%+v", s)
		}
		w.customer.Delete("k", true)
		later(time.Minute)
		w.is(Active)
		w.customer.Delete("k", false)
		must(t, w.ring.SetKey(t.Context(), "c", w.key))
		later(time.Minute)
		if s := w.is(Active); s.Version != w.key || len(w.saved("c").Records) != 8 {
			t.Errorf("%+v", s)
		}
		if err := w.ring.ClearKey(t.Context(), theService.ID); err == nil {
			t.Error("the service's key was cleared")
		}
		return w
	})
}

func TestCoverGivesNewAccountsAKeyUnderTheKeyOfNow(t *testing.T) {
	bubble(t, func(t *testing.T) *world {
		w := live(t, Policy{}, auto)
		c, s := theCluster, theService
		c.Accounts = append(slices.Clone(c.Accounts), "c-2")
		s.Accounts = append(slices.Clone(s.Accounts), "ws-2")
		w.watch(c, s)
		must(t, w.ring.Cover(t.Context(), "c"))
		must(t, w.ring.Cover(t.Context(), s.ID))
		find := func(id schema.ClusterID, a schema.AccountID) kek.ID {
			for _, rec := range w.saved(id).Records {
				if rec.Account == a {
					return rec.KID
				}
			}
			return kek.ID{}
		}
		if got := find("c", "c-2"); got != w.key {
			t.Error(got)
		}
		if got := find(s.ID, "ws-2"); got != w.mmk {
			t.Error(got)
		}
		w.customer.Enable(w.key, false)
		later(11 * time.Second)
		c.Accounts = append(slices.Clone(c.Accounts), "c-3")
		w.watch(c)
		if err := w.ring.Cover(t.Context(), "c"); err == nil {
			t.Error("an account was made under a revoked key, or under another than the cluster's")
		}
		return w
	})
}

func TestAnAccountThatIsGoneLeavesThePage(t *testing.T) {
	bubble(t, func(t *testing.T) *world {
		w := live(t, Policy{}, auto)
		c := theService
		c.Accounts = append(slices.Clone(c.Accounts), "ws-gone")
		w.watch(c)
		must(t, w.ring.Cover(t.Context(), c.ID))
		if p := w.saved(c.ID); len(without(c.Accounts, p.Records)) != 0 {
			t.Fatalf("%+v", p)
		}
		w.book.ever = slices.DeleteFunc(w.book.ever, func(at wrap.Place) bool { return at.Account == "ws-gone" }) // erased on purpose
		c.Accounts = append(slices.Clone(theService.Accounts), "ws-next")
		w.watch(c)
		must(t, w.ring.Cover(t.Context(), c.ID))
		p := w.saved(c.ID)
		if len(of([]schema.AccountID{"ws-gone"}, p.Records)) != 0 || len(without(c.Accounts, p.Records)) != 0 {
			t.Errorf("%+v", p)
		}
		return w
	})
}
