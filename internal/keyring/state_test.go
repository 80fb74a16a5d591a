package keyring

import (
	"testing"
	"time"
)

// The whole table of step: every state, every answer.
func TestStepTable(t *testing.T) {
	p := Policy{Interval: 10 * time.Second, Timeout: 5 * time.Second, Lease: 30 * time.Second, Grace: time.Minute}
	t0 := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(s int) time.Time { return t0.Add(time.Duration(s) * time.Second) }
	machine := func(s State) Machine {
		m := Machine{State: s, Since: t0, Epoch: 7, Reason: "old"}
		if s.Serves() {
			m.Proven, m.Until = t0, at(30)
		}
		return m
	}
	sent := func(s int, epoch uint64) Ask { return Ask{Sent: at(s), Epoch: epoch} }
	for _, c := range []struct {
		name   string
		from   State
		event  Event
		want   State
		renew  int // seconds after t0; 0 = none
		revoke bool
		epoch  uint64
	}{
		{"yes keeps", Active, Event{At: at(11), Ask: sent(10, 7), Said: Yes}, Active, 40, false, 7},
		{"yes ends riding", Riding, Event{At: at(11), Ask: sent(10, 7), Said: Yes}, Active, 40, false, 7},
		{"yes is the first proof", Unreachable, Event{At: at(11), Ask: sent(10, 7), Said: Yes}, Active, 40, false, 7},
		{"yes restores", Revoked, Event{At: at(11), Ask: sent(10, 7), Said: Yes}, Active, 40, false, 7},
		{"yes repairs", Damaged, Event{At: at(11), Ask: sent(10, 7), Said: Yes}, Active, 40, false, 7},
		{"yes of before the denial", Revoked, Event{At: at(11), Ask: sent(10, 6), Said: Yes}, Revoked, 0, false, 7},
		{"yes of before the damage", Damaged, Event{At: at(11), Ask: sent(10, 6), Said: Yes}, Damaged, 0, false, 7},
		{"yes of before the end of the grace", Unreachable, Event{At: at(11), Ask: sent(10, 6), Said: Yes}, Unreachable, 0, false, 7},
		{"yes older than the last proof", Active, Event{At: at(1), Ask: sent(-1, 7), Said: Yes}, Active, 0, false, 7},
		{"yes so late that nothing rests on it", Active, Event{At: at(41), Ask: sent(10, 7), Said: Yes}, Riding, 71, false, 7},
		{"yes so late, nothing before", Unreachable, Event{At: at(41), Ask: sent(10, 7), Said: Yes}, Unreachable, 0, false, 7},

		{"no", Active, Event{At: at(11), Ask: sent(10, 7), Said: No}, Revoked, 0, true, 8},
		{"no while riding", Riding, Event{At: at(11), Ask: sent(10, 7), Said: No}, Revoked, 0, true, 8},
		{"no at last", Unreachable, Event{At: at(11), Ask: sent(10, 7), Said: No}, Revoked, 0, true, 8},
		{"no again voids what was sent in between", Revoked, Event{At: at(11), Ask: sent(10, 7), Said: No}, Revoked, 0, true, 8},
		{"no to what was damaged", Damaged, Event{At: at(11), Ask: sent(10, 7), Said: No}, Revoked, 0, true, 8},
		{"no counts however old the question", Active, Event{At: at(11), Ask: sent(-100, 1), Said: No}, Revoked, 0, true, 8},

		{"nonsense", Active, Event{At: at(11), Ask: sent(10, 7), Said: Nonsense}, Damaged, 0, true, 8},
		{"nonsense while riding", Riding, Event{At: at(11), Ask: sent(10, 7), Said: Nonsense}, Damaged, 0, true, 8},
		{"nonsense at last", Unreachable, Event{At: at(11), Ask: sent(10, 7), Said: Nonsense}, Damaged, 0, true, 8},
		{"nonsense after no", Revoked, Event{At: at(11), Ask: sent(10, 7), Said: Nonsense}, Damaged, 0, true, 8},
		{"nonsense again", Damaged, Event{At: at(11), Ask: sent(10, 7), Said: Nonsense}, Damaged, 0, true, 8},

		{"silence begins the ride", Active, Event{At: at(15), Ask: sent(10, 7), Reason: "timeout"}, Riding, 45, false, 7},
		{"silence goes on", Riding, Event{At: at(25), Ask: sent(20, 7), Reason: "timeout"}, Riding, 55, false, 7},
		{"silence near the end gives what is left", Riding, Event{At: at(80), Ask: sent(70, 7), Reason: "timeout"}, Riding, 90, false, 7},
		{"silence past the end", Riding, Event{At: at(90), Ask: sent(85, 7), Reason: "timeout"}, Unreachable, 0, true, 8},
		{"silence after silence", Unreachable, Event{At: at(95), Ask: sent(90, 7), Reason: "timeout"}, Unreachable, 0, false, 7},
		{"silence does not undo a no", Revoked, Event{At: at(15), Ask: sent(10, 7), Reason: "timeout"}, Revoked, 0, false, 7},
		{"silence does not undo damage", Damaged, Event{At: at(15), Ask: sent(10, 7), Reason: "timeout"}, Damaged, 0, false, 7},

		{"time within a lease", Active, Event{At: at(29)}, Active, 0, false, 7},
		{"time past a lease", Active, Event{At: at(30)}, Riding, 60, false, 7},
		{"time past everything", Active, Event{At: at(1000)}, Unreachable, 0, true, 8},
		{"time in a ride", Riding, Event{At: at(10)}, Riding, 40, false, 7},
		{"time at the end of a ride", Riding, Event{At: at(90)}, Unreachable, 0, true, 8},
		{"time does nothing else", Revoked, Event{At: at(1000)}, Revoked, 0, false, 7},
		{"time does nothing else", Damaged, Event{At: at(1000)}, Damaged, 0, false, 7},
		{"time does nothing else", Unreachable, Event{At: at(1000)}, Unreachable, 0, false, 7},
	} {
		m, effect := step(machine(c.from), p, c.event)
		var renew time.Time
		if c.renew != 0 {
			renew = at(c.renew)
		}
		if m.State != c.want || !effect.Renew.Equal(renew) || effect.Revoke != c.revoke || m.Epoch != c.epoch {
			t.Errorf("%v, %s: %v, epoch %d, %+v; want %v, epoch %d, renew %v, revoke %v", c.from, c.name, m.State, m.Epoch, effect, c.want, c.epoch, renew, c.revoke)
		}
		if moved := m.State != c.from; m.Since.Equal(t0) == moved {
			t.Errorf("%v, %s: since %v", c.from, c.name, m.Since)
		}
		if m.State.Serves() != !m.Until.IsZero() {
			t.Errorf("%v, %s: %v with a lease until %v", c.from, c.name, m.State, m.Until)
		}
	}
}

func TestPolicies(t *testing.T) {
	ok := DefaultPolicy()
	if err := ok.Validate(); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*Policy){
		"interval too short":                          func(p *Policy) { p.Interval = 5 * time.Second },
		"interval too long":                           func(p *Policy) { p.Interval = 61 * time.Second },
		"no timeout":                                  func(p *Policy) { p.Timeout = 0 },
		"timeout beyond the interval":                 func(p *Policy) { p.Timeout = 11 * time.Second },
		"lease shorter than two probes and a timeout": func(p *Policy) { p.Lease = 25*time.Second - 1 },
		"lease too long":                              func(p *Policy) { p.Lease = time.Hour },
		"negative grace":                              func(p *Policy) { p.Grace = -1 },
		"endless grace":                               func(p *Policy) { p.Grace = 48 * time.Hour },
	} {
		p := ok
		change(&p)
		if p.Validate() == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	ok.Lease, ok.Grace = 25*time.Second, 0
	if err := ok.Validate(); err != nil {
		t.Error(err)
	}
}

func TestBackoff(t *testing.T) {
	const s = time.Second
	for _, c := range []struct {
		misses int
		wish   time.Duration
		jitter float64
		want   time.Duration
	}{
		{0, 0, 0.9, 10 * s}, {1, 0, 0.9, 10 * s}, {2, 0, 0, 20 * s}, {3, 0, 0, 40 * s}, {4, 0, 0, 60 * s}, {100, 0, 0, 60 * s},
		{4, 0, 1, 47500 * time.Millisecond}, {1, 30 * s, 0, 30 * s}, {1, time.Hour, 0, 60 * s}, {4, s, 0, 60 * s},
	} {
		if got := backoff(10*s, c.misses, c.wish, c.jitter); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
