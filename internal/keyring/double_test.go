package keyring

import (
	"testing"
	"time"

	"logkeep/internal/kek"
	"logkeep/internal/kek/kektest"
	"logkeep/internal/schema"
	"logkeep/internal/wrap"
)

// outers demands that each account has one infrastructure key, under the
// service's key at the given version, and that everything else is sealed twice.
func (w *world) outers(version string, accounts ...schema.AccountID) {
	w.t.Helper()
	has := map[schema.AccountID]int{}
	for _, r := range w.saved("c").Records {
		switch r.Layer {
		case wrap.Outer:
			has[r.Account]++
			if r.KID.VaultURI != serviceURI || r.KID.Version != version {
				w.t.Errorf("the infrastructure key of %s is under %s, want the service's version %s", r.Account, r.KID, version)
			}
		case wrap.Sole:
			w.t.Errorf("generation %d of %s is sealed once", r.Generation, r.Account)
		}
	}
	for _, a := range accounts {
		if has[a] != 1 {
			w.t.Errorf("account %s has %d infrastructure keys", a, has[a])
		}
	}
}

// Whatever becomes of the customer's key, infrastructure keys are the
// service's and follow the service's rotation only.
func TestInfrastructureKeysAreNeverTheCustomers(t *testing.T) {
	bubble(t, func(t *testing.T) *world {
		w := live(t, Policy{}, auto)
		w.outers(w.mmk.Version, "c-0", "c-1")
		w.customer.NewKey("k")
		w.ring.Notice(kektest.URI, "k")
		later(time.Second)
		w.outers(w.mmk.Version, "c-0", "c-1")
		must(t, w.ring.SetKey(t.Context(), "c", w.customer.NewKey("other").At("")))
		w.outers(w.mmk.Version, "c-0", "c-1")
		second := w.service.NewKey("mmk")
		w.ring.Notice(serviceURI, "mmk")
		later(time.Second)
		w.outers(second.Version, "c-0", "c-1")
		c := theCluster
		c.Accounts = append([]schema.AccountID{"c-2"}, c.Accounts...)
		w.watch(c)
		must(t, w.ring.Cover(t.Context(), "c"))
		w.outers(second.Version, "c-0", "c-1", "c-2")
		must(t, w.ring.ClearKey(t.Context(), "c"))
		w.outers(second.Version, "c-0", "c-1", "c-2")
		w.is(Active)
		return w
	})
}

// An account keeps the layers that it was made with.
func TestAnAccountKeepsItsLayers(t *testing.T) {
	bubble(t, func(t *testing.T) *world {
		w := newWorld(t)
		c := theCluster
		c.DoubleEncryption = false
		w.watch(theService, c)
		must(t, w.ring.SetKey(t.Context(), theService.ID, w.mmk.At("")))
		must(t, w.ring.Cover(t.Context(), c.ID))
		c.DoubleEncryption, c.Accounts = true, append([]schema.AccountID{"c-2"}, c.Accounts...)
		w.watch(c)
		must(t, w.ring.SetKey(t.Context(), c.ID, w.key.At("")))
		for _, r := range w.saved("c").Records {
			if (r.Account == "c-2") != (r.Layer != wrap.Sole) {
				t.Errorf("%+v", r.Place())
			}
		}
		w.is(Active)
		return w
	})
}

// Once embraced, older generations follow the customer's key through
// everything, and without it they are the service's again.
func TestEmbracedGenerationsFollowTheCustomersKey(t *testing.T) {
	bubble(t, func(t *testing.T) *world {
		w := live(t, Policy{}, auto)
		under := func(kid kek.ID) {
			t.Helper()
			w.outers(w.mmk.Version, "c-0", "c-1")
			n := 0
			for _, r := range w.saved("c").Records {
				if r.Layer != wrap.Outer {
					n++
					if r.KID != kid {
						t.Errorf("generation %d of %s is under %s, want %s", r.Generation, r.Account, r.KID, kid)
					}
				}
			}
			if n != 4 {
				t.Errorf("%d account keys", n)
			}
		}
		must(t, w.ring.Embrace(t.Context(), "c"))
		under(w.key)
		calls := w.customer.Calls("wrap")
		must(t, w.ring.Embrace(t.Context(), "c"))
		if w.customer.Calls("wrap") != calls {
			t.Error("what was done was done again")
		}
		second := w.customer.NewKey("k")
		w.ring.Notice(kektest.URI, "k")
		later(time.Second)
		under(second)
		other := w.customer.NewKey("other")
		must(t, w.ring.SetKey(t.Context(), "c", other))
		under(other)
		w.customer.Delete("k", true)
		later(time.Minute)
		w.is(Active)
		must(t, w.ring.ClearKey(t.Context(), "c"))
		under(w.mmk)
		must(t, w.ring.Embrace(t.Context(), "c"))
		under(w.mmk)
		w.is(Active)
		w.customer.Delete("k", false)
		return w
	})
}
