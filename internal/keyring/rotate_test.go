package keyring

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"logkeep/internal/kek"
	"logkeep/internal/kek/kektest"
	"logkeep/internal/schema"
	"logkeep/internal/wrap"
	"logkeep/internal/wrap/wraptest"
)

func (w *world) saved(id schema.ClusterID) Page {
	p, _, _ := w.book.Load(w.t.Context(), id)
	return p
}

func TestAutomaticRotationFollowsAndLosesNothing(t *testing.T) {
	bubble(t, func(t *testing.T) *world {
		w := live(t, Policy{}, auto)
		later(time.Minute)
		before := w.saved("c")
		second := w.customer.NewKey("k")
		w.ring.Notice(kektest.URI, "k")
		later(time.Second)
		s := w.is(Active)
		if s.Version != second || slices.Contains(s.Needs, w.key) || s.Rotation != "" || s.Setting.Version != "" {
			t.Fatalf("%+v", s)
		}
		after := w.saved("c")
		if len(after.Records) != len(before.Records) {
			t.Fatalf("%d records became %d", len(before.Records), len(after.Records))
		}
		for i, rec := range after.Records {
			if rec.Commitment != before.Records[i].Commitment || (rec.KID != second && rec.KID.VaultURI != serviceURI) {
				t.Errorf("%+v", rec)
			}
		}
		if got := w.workers.adopted["c"]; got.Canary.KID != second {
			t.Error("the worker was not told")
		}
		w.customer.Enable(w.key, false) // the old version is not needed any more
		later(time.Minute)
		w.is(Active)
		w.customer.Enable(second, false)
		later(11 * time.Second)
		w.is(Revoked)
		return w
	})
}

// Without a notice the new version is found within an interval.
// A key that was rotated before, or while nobody looked, is followed by the
// next process too.
func TestRotationGoesOnAfterARestart(t *testing.T) {
	bubble(t, func(t *testing.T) *world {
		w := live(t, Policy{}, auto)
		for range 3 {
			w.ring.Close()
			newest := w.customer.NewKey("k")
			later(time.Minute)
			w.start()
			w.watch(theService, theCluster)
			later(time.Second)
			if s := w.is(Active); s.Version != newest {
				t.Errorf("after a restart: %+v", s)
			}
			newest = w.customer.NewKey("k")
			later(11 * time.Second)
			if s := w.is(Active); s.Version != newest {
				t.Errorf("a while after a restart: %+v", s)
			}
		}
		return w
	})
}

func TestRotationIsNoticed(t *testing.T) {
	bubble(t, func(t *testing.T) *world {
		w := live(t, Policy{}, auto)
		later(time.Minute)
		second := w.customer.NewKey("k")
		later(11 * time.Second)
		if s := w.is(Active); s.Version != second {
			t.Errorf("%+v", s)
		}
		return w
	})
}

func TestExplicitVersionIsNeverLeft(t *testing.T) {
	bubble(t, func(t *testing.T) *world {
		w := live(t, Policy{}, explicit)
		second := w.customer.NewKey("k")
		w.ring.Notice(kektest.URI, "k")
		later(time.Hour)
		if s := w.is(Active); s.Version != w.key || slices.Contains(s.Needs, second) {
			t.Errorf("%+v", s)
		}
		w.customer.Enable(w.key, false) // the trap of explicit versions
		later(11 * time.Second)
		w.is(Revoked)
		return w
	})
}

func TestNewestVersionThatCanNotBeUsedLeavesTheOldOne(t *testing.T) {
	for name, c := range map[string]struct {
		spoil, heal func(*world, kek.ID)
		reason      string
	}{
		"disabled": {
			func(w *world, id kek.ID) { w.customer.Enable(id, false) },
			func(w *world, id kek.ID) { w.customer.Enable(id, true) }, "disabled"},
		"expired": {
			func(w *world, id kek.ID) { w.customer.Valid(id, time.Time{}, time.Now()) },
			func(w *world, id kek.ID) { w.customer.Valid(id, time.Time{}, time.Time{}) }, "expired"},
		"not yet valid": {
			func(w *world, id kek.ID) { w.customer.Valid(id, time.Now().Add(24*time.Hour), time.Time{}) },
			func(w *world, id kek.ID) { w.customer.Valid(id, time.Time{}, time.Time{}) }, "not valid before"},
		"without the operations": {
			func(w *world, id kek.ID) { w.customer.Shape("k", "", "", 0, "sign") },
			func(w *world, id kek.ID) { w.customer.Shape("k", "", "", 0, "wrapKey", "unwrapKey") }, "permitted operations"},
		"the identity may not get": {
			func(w *world, id kek.ID) { w.customer.Permit(false, "get") },
			func(w *world, id kek.ID) { w.customer.Permit(true, "get") }, "ForbiddenByRbac"},
		"the identity may not wrap": {
			func(w *world, id kek.ID) { w.customer.Permit(false, "wrap") },
			func(w *world, id kek.ID) { w.customer.Permit(true, "wrap") }, "ForbiddenByRbac"},
		"the worker fails": {
			func(w *world, id kek.ID) { w.workers.set(func(k *workers) { k.fail = errors.New("out of memory") }) },
			func(w *world, id kek.ID) { w.workers.set(func(k *workers) { k.fail = nil }) }, "out of memory"},
		"the book is full": {
			func(w *world, id kek.ID) {
				w.book.on(func(s string) error {
					if s == "before save" {
						return errors.New("disk full")
					}
					return nil
				})
			},
			func(w *world, id kek.ID) { w.book.on(nil) }, "disk full"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) *world {
				w := live(t, Policy{}, auto)
				later(time.Second)
				before := w.saved("c")
				second := w.customer.NewKey("k")
				c.spoil(w, second)
				w.ring.Notice(kektest.URI, "k")
				n := w.customer.Calls("wrap")
				later(10 * time.Minute)
				s := w.is(Active)
				if s.Version != w.key || !strings.Contains(s.Rotation, c.reason) {
					t.Errorf("%+v", s)
				}
				if after := w.saved("c"); after.Canary.KID != before.Canary.KID || slices.Contains(versions(after), second) {
					t.Error("the book changed")
				}
				if got := w.customer.Calls("wrap") - n; got > 30 {
					t.Errorf("%d wraps in ten minutes of failing", got)
				}
				c.heal(w, second)
				w.ring.Notice(kektest.URI, "k")
				later(11 * time.Second)
				if s := w.is(Active); s.Version != second || s.Rotation != "" {
					t.Errorf("after it: %+v", s)
				}
				return w
			})
		})
	}
}

// A worker that answers with other keys than it was asked for is not believed.
func TestRewrapMustBeOfTheSameKeys(t *testing.T) {
	for name, twist := range map[string]func(*world) func([]wrap.Record) []wrap.Record{
		"one is missing": func(*world) func([]wrap.Record) []wrap.Record {
			return func(r []wrap.Record) []wrap.Record { return r[1:] }
		},
		"one twice": func(*world) func([]wrap.Record) []wrap.Record {
			return func(r []wrap.Record) []wrap.Record { r[0] = r[1]; return r }
		},
		"another key": func(w *world) func([]wrap.Record) []wrap.Record {
			return func(r []wrap.Record) []wrap.Record {
				other, err := wrap.New(w.t.Context(), w.vaultOf(r[0].KID), wraptest.Signer{Key: w.integrity}, r[0].Place(), r[0].KID, make([]byte, 32), commitment(make([]byte, 32)))
				must(w.t, err)
				r[0] = other
				return r
			}
		},
		"another version": func(w *world) func([]wrap.Record) []wrap.Record {
			return func(r []wrap.Record) []wrap.Record {
				key := w.workers.key(r[0].Place())
				old, err := wrap.New(w.t.Context(), w.customer, wraptest.Signer{Key: w.integrity}, r[0].Place(), w.key, key, commitment(key))
				must(w.t, err)
				r[0] = old
				return r
			}
		},
		"unsigned": func(*world) func([]wrap.Record) []wrap.Record {
			return func(r []wrap.Record) []wrap.Record { r[0].Signature[7] ^= 1; return r }
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) *world {
				w := live(t, Policy{}, auto)
				w.workers.set(func(k *workers) { k.twist = twist(w) })
				w.customer.NewKey("k")
				later(time.Minute)
				if s := w.is(Active); s.Version != w.key || s.Rotation == "" {
					t.Errorf("%+v", s)
				}
				if err := w.ring.ClearKey(t.Context(), "c"); err == nil {
					t.Error("the key was cleared with it")
				}
				return w
			})
		})
	}
}

// The process dies before or after every step of a change. Whatever it was,
// afterwards every key can be unwrapped, and the change comes to its end.
func TestCrashBetweenAnyTwoSteps(t *testing.T) {
	changes := map[string]struct {
		start func(*world) // a finished world before it
		do    func(*world) // the change
		again func(*world) // what is repeated after a restart
		done  func(*world) bool
	}{
		"rotation": {
			do:    func(w *world) { w.customer.NewKey("k"); w.ring.Notice(kektest.URI, "k"); later(time.Second) },
			again: func(*world) {},
			done: func(w *world) bool {
				s := w.ring.Status("c")
				return s.Version != w.key && !slices.Contains(s.Needs, w.key)
			},
		},
		"rotation of the service's key": {
			do:    func(w *world) { w.service.NewKey("mmk"); w.ring.Notice(serviceURI, "mmk"); later(time.Second) },
			again: func(*world) {},
			done: func(w *world) bool {
				return !slices.Contains(w.ring.Status("c").Needs, w.mmk) && w.ring.Status(theService.ID).Version != w.mmk
			},
		},
		"another key": {
			do: func(w *world) { w.ring.SetKey(w.t.Context(), "c", w.customer.NewKey("other").At("")) },
			again: func(w *world) {
				must(w.t, w.ring.SetKey(w.t.Context(), "c", kek.ID{VaultURI: kektest.URI, Name: "other"}))
			},
			done: func(w *world) bool {
				s := w.ring.Status("c")
				return s.Version.Name == "other" && !slices.Contains(s.Needs, w.key)
			},
		},
		"clearing the key": {
			do:    func(w *world) { w.ring.ClearKey(w.t.Context(), "c") },
			again: func(w *world) { must(w.t, w.ring.ClearKey(w.t.Context(), "c")) },
			done: func(w *world) bool {
				s := w.ring.Status("c")
				return s.Setting.IsZero() && !slices.Contains(s.Needs, w.key)
			},
		},
		"a first key": {
			start: func(w *world) { must(w.t, w.ring.ClearKey(w.t.Context(), "c")) },
			do:    func(w *world) { w.ring.SetKey(w.t.Context(), "c", w.key.At("")) },
			again: func(w *world) { must(w.t, w.ring.SetKey(w.t.Context(), "c", w.key.At(""))) },
			done:  func(w *world) bool { s := w.ring.Status("c"); return s.Version == w.key },
		},
		"older generations embraced": {
			do:    func(w *world) { w.ring.Embrace(w.t.Context(), "c") },
			again: func(w *world) { must(w.t, w.ring.Embrace(w.t.Context(), "c")) },
			done: func(w *world) bool {
				for _, r := range w.saved("c").Records {
					if (r.Layer == wrap.Outer) != r.KID.SameKey(w.mmk) {
						return false
					}
				}
				return true
			},
		},
		"a new account": {
			do: func(w *world) {
				c := theCluster
				c.Accounts = append(slices.Clone(c.Accounts), "c-2")
				w.watch(c)
				w.ring.Cover(w.t.Context(), "c")
			},
			again: func(w *world) {
				c := theCluster
				c.Accounts = append(slices.Clone(c.Accounts), "c-2")
				w.watch(c)
				must(w.t, w.ring.Cover(w.t.Context(), "c"))
			},
			done: func(w *world) bool { return len(without([]schema.AccountID{"c-2"}, w.saved("c").Records)) == 0 },
		},
	}
	for name, c := range changes {
		t.Run(name, func(t *testing.T) {
			for crash := 0; ; crash++ {
				reached := false
				bubble(t, func(t *testing.T) *world {
					w := live(t, Policy{}, auto)
					if c.start != nil {
						c.start(w)
					}
					later(time.Second)
					step := 0
					w.book.on(func(string) error {
						if step++; step > crash {
							reached = true
							return errCrash // and so does everything that would come after
						}
						return nil
					})
					c.do(w)
					w.ring.Close()
					w.whole()
					w.book.on(nil)
					later(time.Minute)
					w.start()
					w.watch(theService, theCluster)
					later(time.Second)
					w.is(Active)
					c.again(w)
					later(11 * time.Second)
					w.is(Active)
					if !c.done(w) {
						t.Errorf("crash at step %d: not finished: %+v", crash, w.ring.Status("c"))
					}
					return w
				})
				if t.Failed() {
					return
				}
				if !reached {
					if crash < 4 {
						t.Errorf("only %d steps were seen", crash)
					}
					return
				}
			}
		})
	}
}

// A version that is disabled in the middle of a rotation is either still
// needed, and then missed, or not.
func TestDenialDuringRotation(t *testing.T) {
	for _, at := range []string{"before wrap", "after wrap", "before save", "after save"} {
		t.Run(at, func(t *testing.T) {
			bubble(t, func(t *testing.T) *world {
				w := live(t, Policy{}, auto)
				w.book.on(func(s string) error {
					if s == at {
						w.customer.Enable(w.key, false)
						time.Sleep(12 * time.Second) // a probe sees it
					}
					return nil
				})
				second := w.customer.NewKey("k")
				later(11 * time.Second) // the look
				later(13 * time.Second)
				w.book.on(nil)
				later(MaxInterval)
				s := w.ring.Status("c")
				if usable := w.customer.Usable(s.Version); usable != (s.State == Active) {
					t.Errorf("the version in use is usable: %v; %+v", usable, s)
				}
				if s.Version == second {
					w.is(Active)
				} else {
					w.is(Revoked)
				}
				return w
			})
		})
	}
}

// The status tells when the version in use expires; that it has takes nothing
// away.
func TestTheStatusTellsTheExpiry(t *testing.T) {
	bubble(t, func(t *testing.T) *world {
		w := live(t, Policy{}, auto)
		later(11 * time.Second)
		if s := w.is(Active); !s.Expires.IsZero() {
			t.Errorf("%+v", s)
		}
		end := time.Now().Add(time.Hour)
		w.customer.Valid(w.key, time.Time{}, end)
		later(11 * time.Second)
		if s := w.is(Active); !s.Expires.Equal(end) {
			t.Errorf("%+v, want the end at %s", s, end)
		}
		later(2 * time.Hour)
		if s := w.is(Active); !s.Expires.Equal(end) {
			t.Errorf("after the end: %+v", s)
		}
		w.customer.NewKey("k")
		later(22 * time.Second)
		if s := w.is(Active); !s.Expires.IsZero() {
			t.Errorf("with a version that has no end: %+v", s)
		}
		return w
	})
}
