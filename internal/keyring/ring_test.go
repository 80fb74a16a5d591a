package keyring

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"logkeep/internal/kek"
	"logkeep/internal/kek/kektest"
	"logkeep/internal/schema"
	"logkeep/internal/wrap"
)

func TestDenialEndsWorkersAtOnceAndOnlyALaterUnwrapRestores(t *testing.T) {
	bubble(t, func(t *testing.T) *world {
		w := live(t, Policy{}, auto)
		w.customer.Enable(w.key, false)
		w.ring.Notice(kektest.URI, "k")
		later(gap)
		s := w.is(Revoked)
		if !strings.Contains(s.Reason, "KeyDisabled") || time.Since(s.Since) > gap {
			t.Errorf("%+v", s)
		}
		if got := w.workers.revocations("c"); len(got) != 1 || got[0].State != Revoked || got[0].Epoch != s.Epoch {
			t.Errorf("%+v", got)
		}
		if _, err := w.ring.Lease("c"); err == nil {
			t.Error("a lease was given")
		} else if e, ok := errors.AsType[*Unavailable](err); !ok || e.Status.State != Revoked {
			t.Error(err)
		}
		later(10 * time.Minute)
		if again := w.is(Revoked); again.Since != s.Since {
			t.Errorf("revoked since %v, then since %v", s.Since, again.Since)
		}
		w.customer.Enable(w.key, true)
		w.ring.Notice(kektest.URI, "k")
		later(gap)
		w.is(Active)
		return w
	})
}

// Without a notice the next probe finds out.
func TestDenialIsFoundWithinAnInterval(t *testing.T) {
	bubble(t, func(t *testing.T) *world {
		w := live(t, Policy{}, auto)
		w.customer.Permit(false, "unwrap")
		later(10*time.Second + time.Millisecond)
		w.is(Revoked)
		w.customer.Permit(true, "unwrap")
		later(10*time.Second + time.Millisecond)
		w.is(Active)
		return w
	})
}

// Denied and silent are never confused. Each case lasts a minute.
func TestDeniedOrSilent(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(*world)
		want State
	}{
		{"the key is disabled", func(w *world) { w.customer.Enable(w.key, false) }, Revoked},
		{"the key is deleted", func(w *world) { w.customer.Delete("k", true) }, Revoked},
		{"the role is taken away", func(w *world) { w.customer.Permit(false, "get", "wrap", "unwrap") }, Revoked},
		{"only the right to unwrap is taken away", func(w *world) { w.customer.Permit(false, "unwrap") }, Revoked},
		{"every token is refused", func(w *world) { w.customer.Tokens("refused") }, Revoked},
		{"the identity is gone", func(w *world) { w.customer.Tokens("none") }, Revoked},
		{"a firewall refuses in the vault's words", func(w *world) { w.customer.Fail(kektest.Fault{Status: 403, Own: "ForbiddenByFirewall"}) }, Revoked},
		{"the key is expired", func(w *world) { w.customer.Valid(w.key, time.Time{}, time.Now()) }, Active},
		{"the rights to get and wrap are taken away", func(w *world) { w.customer.Permit(false, "get", "wrap") }, Active},
		{"a token is expired", func(w *world) { w.customer.Tokens("expired") }, Active},
		{"a proxy's 404 page", func(w *world) { w.customer.Fail(kektest.Fault{Status: 404, Times: 1}) }, Active},
		{"a proxy's 403 page", func(w *world) { w.customer.Fail(kektest.Fault{Status: 403, Times: 1}) }, Active},
		{"a proxy's 401 page", func(w *world) { w.customer.Fail(kektest.Fault{Status: 401}) }, Riding},
		{"a proxy's 400 page", func(w *world) { w.customer.Fail(kektest.Fault{Status: 400}) }, Riding},
		{"a redirect", func(w *world) { w.customer.Fail(kektest.Fault{Status: 302}) }, Riding},
		{"a login page", func(w *world) { w.customer.Fail(kektest.Fault{Garbage: true}) }, Riding},
		{"no tokens to be had", func(w *world) { w.customer.Tokens("trouble") }, Riding},
		{"throttled", func(w *world) { w.customer.Fail(kektest.Fault{Status: 429, Own: "Throttled", RetryAfter: time.Hour}) }, Riding},
		{"500", func(w *world) { w.customer.Fail(kektest.Fault{Status: 500, Own: "InternalError"}) }, Riding},
		{"503", func(w *world) { w.customer.Fail(kektest.Fault{Status: 503}) }, Riding},
		{"connections break", func(w *world) { w.customer.Fail(kektest.Fault{Drop: true}) }, Riding},
		{"no answer", func(w *world) { w.customer.Fail(kektest.Fault{Hang: true}) }, Riding},
		{"the canary unwraps to something else", func(w *world) { w.customer.Quirks(false, 0, true) }, Damaged},
		{"the vault calls the wrap nonsense", func(w *world) { w.customer.Fail(kektest.Fault{Status: 400, Own: "BadParameter"}) }, Damaged},
		{"a leading zero", func(w *world) { w.customer.Quirks(true, 0, false) }, Active},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) *world {
				w := live(t, Policy{}, explicit)
				c.do(w)
				later(time.Minute)
				w.is(c.want)
				// Whatever it was, it ends.
				w.customer.Enable(w.key, true)
				w.customer.Delete("k", false)
				w.customer.Permit(true, "get", "wrap", "unwrap")
				w.customer.Tokens("")
				w.customer.Quirks(false, 0, false)
				w.customer.Fail(kektest.Fault{})
				later(MaxInterval + time.Second)
				w.is(Active)
				return w
			})
		})
	}
}

func TestSilentVaultIsRiddenOutForGraceAndALease(t *testing.T) {
	bubble(t, func(t *testing.T) *world {
		w := live(t, Policy{}, auto)
		later(time.Second)
		proven := w.is(Active).LastUnwrap
		w.customer.Fail(kektest.Fault{Hang: true})
		end := proven.Add(time.Hour + 30*time.Second)
		for time.Now().Add(time.Minute).Before(end) {
			later(time.Minute)
			s := w.is(Riding)
			if s.LastUnwrap != proven || w.workers.deadline("c").After(end) || !strings.Contains(s.Reason, "silent") {
				t.Fatalf("%+v, deadline %v", s, w.workers.deadline("c"))
			}
		}
		later(time.Until(end) - time.Millisecond)
		w.is(Riding)
		later(time.Millisecond)
		w.is(Unreachable)
		w.customer.Fail(kektest.Fault{})
		later(MaxInterval + time.Second)
		w.is(Active)
		return w
	})
}

func TestOneLostProbeEndsNothingEvenWithoutGrace(t *testing.T) {
	bubble(t, func(t *testing.T) *world {
		w := live(t, Policy{Interval: 10 * time.Second, Timeout: 5 * time.Second, Lease: 25 * time.Second}, explicit)
		w.workers.set(func(k *workers) {
			k.onEvent = func(id schema.ClusterID) {
				if s := w.ring.Status(id); !s.State.Serves() {
					t.Errorf("%+v", s)
				}
			}
		})
		for range 100 {
			later(10 * time.Second)
			w.customer.Fail(kektest.Fault{Hang: true, Times: 1})
			later(20 * time.Second)
		}
		w.is(Active)
		return w
	})
}

func TestWhenTheRingIsGoneTheLastLeaseEnds(t *testing.T) {
	bubble(t, func(t *testing.T) *world {
		w := live(t, Policy{}, auto)
		later(55 * time.Second)
		w.ring.Close()
		if left := time.Until(w.workers.deadline("c")); left <= 0 || left > 30*time.Second {
			t.Errorf("%v of life are left", left)
		}
		later(30 * time.Second)
		if w.workers.alive("c") {
			t.Error("a worker outlived its lease")
		}
		return w
	})
}

func TestRestart(t *testing.T) {
	for _, c := range []struct {
		name  string
		do    func(*world)
		want  State
		since bool // since before the restart
	}{
		{"nothing happened", func(w *world) {}, Active, false},
		{"the vault is silent", func(w *world) { w.customer.Fail(kektest.Fault{Hang: true}) }, Unreachable, false},
		{"the key is disabled", func(w *world) { w.customer.Enable(w.key, false) }, Revoked, true},
		{"the key was disabled, then the vault fell silent", func(w *world) {
			w.customer.Enable(w.key, false)
			later(20 * time.Second)
			w.customer.Fail(kektest.Fault{Status: 503})
		}, Revoked, true},
		{"the key was disabled, and enabled while nobody looked", func(w *world) {
			w.customer.Enable(w.key, false)
			later(20 * time.Second)
			w.ring.Close()
			w.customer.Enable(w.key, true)
		}, Active, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) *world {
				w := live(t, Policy{}, auto)
				c.do(w)
				later(20 * time.Second)
				w.ring.Close()
				before := time.Now()
				later(time.Minute)
				w.customer.Latency(time.Second) // nothing can be proven at once
				w.start()
				w.watch(theService, theCluster)
				if w.workers.alive("c") || w.ring.Status("c").State.Serves() {
					t.Error("something was granted before anything was proven")
				}
				later(time.Second)
				w.customer.Latency(0)
				later(MaxInterval)
				if s := w.is(c.want); s.Since.Before(before) != c.since {
					t.Errorf("since %v", s.Since)
				}
				if c.want != Active {
					w.customer.Fail(kektest.Fault{})
					w.customer.Enable(w.key, true)
					later(MaxInterval)
					w.is(Active)
				}
				return w
			})
		})
	}
}

func TestVaultCallsStayWithinBudget(t *testing.T) {
	const hour = time.Hour
	count := func(w *world, d time.Duration) (unwraps, gets int) {
		u, g := w.customer.Calls("unwrap"), w.customer.Calls("get")
		later(d)
		return w.customer.Calls("unwrap") - u, w.customer.Calls("get") - g
	}
	bubble(t, func(t *testing.T) *world {
		w := live(t, Policy{}, auto)
		stop := make(chan struct{})
		for range 20 { // load: what queries and ingestion do all day
			go func() {
				for {
					select {
					case <-stop:
						return
					case <-time.After(2 * time.Second):
						w.ring.Status("c")
						w.ring.Lease("c")
					}
				}
			}()
		}
		u, g := count(w, hour)
		close(stop)
		if u > 361 || g > 361 || u < 359 {
			t.Errorf("an hour: %d unwraps, %d gets", u, g)
		}
		w.customer.Fail(kektest.Fault{Status: 503})
		if u, g = count(w, hour); u > 75 || g > 1 {
			t.Errorf("an hour of silence: %d unwraps, %d gets", u, g)
		}
		w.customer.Fail(kektest.Fault{})
		later(2 * time.Minute)
		for range 1000 { // somebody edits the key all the time
			w.ring.Notice(kektest.URI, "k")
			time.Sleep(time.Millisecond)
		}
		if u, _ = count(w, 10*time.Second); u > 3 {
			t.Errorf("%d unwraps after the notices", u)
		}
		before := w.customer.Calls("unwrap")
		for range 1000 {
			w.ring.Notice("", "")
			time.Sleep(10 * time.Millisecond)
		}
		if n := w.customer.Calls("unwrap") - before; n > 41 {
			t.Errorf("10 s of notices: %d unwraps", n)
		}
		w.ring.Notice("https://other.example.com", "k")
		w.ring.Notice(kektest.URI, "other")
		w.ring.Notice("no uri", "k")
		return w
	})
	bubble(t, func(t *testing.T) *world { // a pinned version is not looked up
		w := live(t, Policy{}, explicit)
		later(time.Minute)
		if _, g := count(w, hour); g != 0 {
			t.Errorf("%d gets", g)
		}
		return w
	})
}

// A notice while a question is under way is not answered by that question.
func TestNoticeDuringAProbeIsAskedAnew(t *testing.T) {
	bubble(t, func(t *testing.T) *world {
		w := live(t, Policy{}, explicit)
		w.customer.Latency(2 * time.Second)
		w.ring.Notice(kektest.URI, "k") // on its way for two seconds
		later(time.Second)
		n := w.customer.Calls("unwrap")
		w.ring.Notice(kektest.URI, "k")
		later(1500 * time.Millisecond)
		if w.customer.Calls("unwrap") != n+1 {
			t.Errorf("%d questions more", w.customer.Calls("unwrap")-n)
		}
		return w
	})
}

func TestIdentityNoneRevokesWithoutAskingAndIsForgottenWithANewOne(t *testing.T) {
	bubble(t, func(t *testing.T) *world {
		w := live(t, Policy{}, auto)
		none := theCluster
		none.Identity = ""
		n := w.customer.Calls("unwrap")
		w.watch(none)
		if s := w.is(Revoked); !strings.Contains(s.Reason, "None") {
			t.Errorf("%+v", s)
		}
		later(time.Hour)
		w.is(Revoked)
		if w.customer.Calls("unwrap") != n {
			t.Error("the vault was asked")
		}
		if err := w.ring.SetKey(t.Context(), "c", w.key); !errors.Is(err, ErrNoIdentity) {
			t.Error(err)
		}
		w.watch(theCluster)
		later(gap)
		w.is(Active)
		return w
	})
}

func TestRecordsThatDoNotVerifyAreDamageAndReachNoVault(t *testing.T) {
	for name, spoil := range map[string]func(*Page){
		"an unsigned record": func(p *Page) { p.Records[2].Signature = make([]byte, 64) },
		"an infrastructure key hidden": func(p *Page) {
			p.Records = slices.DeleteFunc(p.Records, func(r wrap.Record) bool { return r.Account == "c-1" && r.Layer == wrap.Outer })
		},
		"a record twice":   func(p *Page) { p.Records[0] = p.Records[1] },
		"another's record": func(p *Page) { p.Records[0].Cluster = "d" },
		"no canary":        func(p *Page) { p.Canary.Wrapped = nil },
		"a canary moved":   func(p *Page) { p.Canary.KID = p.Canary.KID.At("00000000000000000000000000000009") },
		"another setting":  func(p *Page) { p.Setting.Name = "other" },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) *world {
				w := live(t, Policy{}, auto)
				later(time.Second)
				w.ring.Close()
				good, _, _ := w.book.Load(t.Context(), "c")
				bad, _, _ := w.book.Load(t.Context(), "c")
				spoil(&bad)
				w.book.put("c", bad)
				n := w.customer.Calls("unwrap")
				w.start()
				w.watch(theService, theCluster)
				later(5 * time.Minute)
				w.is(Damaged)
				if w.customer.Calls("unwrap") != n {
					t.Error("the vault was asked")
				}
				if err := w.ring.SetKey(t.Context(), "c", w.key); err == nil {
					t.Error("a key was set over damage")
				}
				w.book.put("c", good) // a backup was played back
				later(MaxInterval)
				w.is(Active)
				return w
			})
		})
	}
}

func TestForgetEndsWorkers(t *testing.T) {
	bubble(t, func(t *testing.T) *world {
		w := live(t, Policy{}, auto)
		w.ring.Forget("c")
		if w.workers.alive("c") {
			t.Error("a worker lives")
		}
		if s := w.ring.Status("c"); s.State != Unknown {
			t.Errorf("%+v", s)
		}
		n := w.customer.Calls("unwrap")
		later(time.Hour)
		if w.customer.Calls("unwrap") != n || w.workers.alive("c") {
			t.Error("it goes on")
		}
		w.ring.Forget("c")
		return w
	})
}

// Workers read the ring from within Renew and Revoke, and what they read is
// the new state.
func TestWorkersReadTheNewState(t *testing.T) {
	bubble(t, func(t *testing.T) *world {
		w := live(t, Policy{}, auto)
		var seen []string
		w.workers.set(func(k *workers) {
			k.onEvent = func(id schema.ClusterID) {
				if id == "c" {
					s := w.ring.Status(id)
					_, err := w.ring.Lease(id)
					seen = append(seen, fmt.Sprint(s.State, err == nil))
				}
			}
		})
		w.customer.Enable(w.key, false)
		later(11 * time.Second)
		w.customer.Enable(w.key, true)
		later(10 * time.Second)
		if got := strings.Join(seen, " "); got != "Revoked false Active true" {
			t.Error(got)
		}
		return w
	})
}

func TestWatchRefusesAPolicyThatPromisesTooMuch(t *testing.T) {
	bubble(t, func(t *testing.T) *world {
		w := newWorld(t)
		c := theCluster
		c.Policy = Policy{Interval: 10 * time.Second, Timeout: 5 * time.Second, Lease: 20 * time.Second}
		if err := w.ring.Watch(t.Context(), c); err == nil || !strings.Contains(err.Error(), "lease") {
			t.Error(err)
		}
		for _, err := range []error{w.ring.SetKey(t.Context(), "x", w.key), w.ring.ClearKey(t.Context(), "x"), w.ring.Cover(t.Context(), "x")} {
			if !errors.Is(err, ErrUnwatched) {
				t.Error(err)
			}
		}
		return w
	})
}

func TestClusterWithoutKeyGoesByTheServices(t *testing.T) {
	bubble(t, func(t *testing.T) *world {
		w := newWorld(t)
		w.watch(theService, theCluster)
		later(time.Second)
		w.is(Unreachable)
		must(t, w.ring.SetKey(t.Context(), theService.ID, w.mmk.At("")))
		must(t, w.ring.Cover(t.Context(), "c"))
		must(t, w.ring.Cover(t.Context(), theService.ID))
		later(time.Second)
		w.is(Active)
		n := w.service.Calls("unwrap")
		later(time.Hour)
		if got := w.service.Calls("unwrap") - n; got > 361 {
			t.Errorf("%d unwraps for two clusters", got)
		}
		w.service.Permit(false, "unwrap")
		later(11 * time.Second)
		w.is(Revoked)
		if w.workers.alive(theService.ID) {
			t.Error("the service's worker lives")
		}
		w.service.Permit(true, "unwrap")
		later(11 * time.Second)
		w.is(Active)
		w.service.Fail(kektest.Fault{Hang: true})
		later(time.Hour)
		w.is(Riding)
		later(time.Minute)
		w.is(Unreachable)
		return w
	})
}

func TestBootClockMovesForward(t *testing.T) {
	now, err := BootClock()
	if err != nil {
		t.Fatal(err)
	}
	a := now()
	b := now()
	if b.Before(a) || time.Since(a).Abs() > time.Minute {
		t.Error(a, b)
	}
}

// What was asked about a key before another took its place says nothing about
// the other.
func TestAnswerAboutTheKeyBeforeIsVoid(t *testing.T) {
	bubble(t, func(t *testing.T) *world {
		w := live(t, Policy{}, auto)
		g := w.ring.guard("c")
		seq, ask := g.now()
		must(t, w.ring.SetKey(t.Context(), "c", w.customer.NewKey("other")))
		g.hear(seq, Event{At: time.Now(), Ask: ask, Said: No, Reason: "the old key is disabled"})
		w.is(Active)
		seq, _ = g.now()
		w.watch(theCluster) // nothing about the key changed
		must(t, w.ring.Cover(t.Context(), "c"))
		g.hear(seq, Event{At: time.Now(), Ask: ask, Said: No, Reason: "this one is disabled"})
		w.is(Revoked)
		return w
	})
}

func TestStricterPolicyHoldsAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) *world {
		w := live(t, Policy{}, auto)
		c := theCluster
		c.Policy = Policy{Interval: 6 * time.Second, Timeout: time.Second, Lease: 13 * time.Second}
		w.watch(c)
		if left := time.Until(w.workers.deadline("c")); left > 13*time.Second {
			t.Errorf("%v of life are left", left)
		}
		w.customer.Fail(kektest.Fault{Hang: true})
		later(13 * time.Second)
		w.is(Unreachable)
		return w
	})
}

func (g *guard) now() (int, Ask) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.seq, g.m.ask(time.Now())
}

// A denial is never guessed from an error of no known type.
func TestErrorOfNoKnownTypeIsSilence(t *testing.T) {
	bubble(t, func(t *testing.T) *world {
		w := live(t, Policy{}, auto)
		w.ring.Close()
		w.opened = func(v *kektest.Vault) kek.Vault { return odd{v} }
		w.start()
		w.watch(theService, theCluster)
		later(time.Minute)
		if s := w.is(Unreachable); !strings.Contains(s.Reason, "not unwrapped") {
			t.Errorf("%+v", s)
		}
		w.ring.Close()
		return w
	})
}

type odd struct{ kek.Vault }

func (odd) Unwrap(context.Context, kek.Wrapped) ([]byte, error) {
	return nil, errors.New("403 Forbidden")
}

// The service's yes is none for records that don't verify.
func TestDamagedRecordsUnderTheServicesKeyStayDamaged(t *testing.T) {
	bubble(t, func(t *testing.T) *world {
		w := live(t, Policy{}, auto)
		must(t, w.ring.ClearKey(t.Context(), "c"))
		w.ring.Close()
		good := w.saved("c")
		bad := w.saved("c")
		bad.Records[0].Signature = make([]byte, 64)
		w.book.put("c", bad)
		w.start()
		w.watch(theService, theCluster)
		later(5 * time.Minute)
		w.is(Damaged)
		w.book.put("c", good)
		later(MaxInterval + 11*time.Second)
		w.is(Active)
		return w
	})
}

// The end of the grace voids a question that is on its way, so another is
// sent: a vault that comes back at that moment is not kept waiting for the
// next probe, which may be a minute off.
func TestEndOfTheGraceAsksAnew(t *testing.T) {
	bubble(t, func(t *testing.T) *world {
		w := live(t, Policy{Interval: 10 * time.Second, Timeout: 5 * time.Second, Lease: 30 * time.Second, Grace: 10 * time.Minute}, explicit)
		w.customer.Fail(kektest.Fault{Status: 503})
		later(11 * time.Second)
		end := w.is(Riding).LastUnwrap.Add(10*time.Minute + 30*time.Second)
		later(time.Until(end) - time.Millisecond)
		w.is(Riding)
		w.customer.Fail(kektest.Fault{})
		later(time.Millisecond + gap)
		w.is(Active)
		return w
	})
}
