package keyring

import (
	"fmt"
	"time"
)

// State is a cluster's key as the cluster sees it.
type State uint8

// The states. Only Active and Riding serve: workers have leases.
const (
	Unknown     State = iota // the cluster is not watched
	Active                   // the vault unwraps
	Riding                   // the vault is silent; leases go on until the grace is over
	Unreachable              // the vault is silent and the grace is over, or it has not answered since the start
	Revoked                  // the vault denied
	Damaged                  // the vault answered that the wrap is none, or a record does not verify
)

var stateNames = [...]string{"Unknown", "Active", "Riding", "Unreachable", "Revoked", "Damaged"}

func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return fmt.Sprintf("State(%d)", uint8(s))
}

// MarshalText writes the state's name.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (s *State) UnmarshalText(b []byte) error {
	for i, name := range stateNames {
		if name == string(b) {
			*s = State(i)
			return nil
		}
	}
	return fmt.Errorf("unknown key state %q", b)
}

// Serves reports whether workers may live in this state.
func (s State) Serves() bool { return s == Active || s == Riding }

// Machine is the state of one key and what it rests on. It is a value; step
// is its only transition, and nothing but a vault's answers and the time
// drives it.
type Machine struct {
	State  State
	Since  time.Time // when State was entered
	Reason string    // for a person: what the vault answered, or why there was none
	Epoch  uint64    // counts the answers that ended leases; a grant of an older epoch is void
	Proven time.Time // when the last unwrap that succeeded was sent; zero if none since the start
	Until  time.Time // when the last lease that was granted ends
}

// Ask is a question on its way to the vault. Its epoch is what makes a yes
// that was sent before a no worthless, in whatever order they arrive.
type Ask struct {
	Sent  time.Time
	Epoch uint64
}

// Said is the meaning of an answer.
type Said uint8

// What a vault can say.
const (
	Nothing  Said = iota // silence; also the mere passing of time
	Yes                  // it unwrapped, and to the right bytes
	No                   // it denied
	Nonsense             // damaged
)

var saidNames = [...]string{"silent", "unwrapped", "denied", "damaged"}

func (s Said) String() string {
	if int(s) < len(saidNames) {
		return saidNames[s]
	}
	return fmt.Sprintf("Said(%d)", uint8(s))
}

// Event is an answer, or the passing of time.
type Event struct {
	At     time.Time // now
	Ask    Ask       // what was asked; not used if Said is Nothing
	Said   Said
	Reason string // "" with Nothing means that only time passed
}

// Effect is what a transition demands of the workers.
type Effect struct {
	Renew  time.Time // extend leases to this time; zero = don't
	Revoke bool      // end every worker now
}

// newMachine is where a watched cluster begins: nothing is proven, so nothing
// is granted. A revocation or damage that was recorded before is still true
// until an unwrap says otherwise.
func newMachine(now time.Time, last Verdict) Machine {
	m := Machine{State: Unreachable, Since: now, Reason: "the vault has not unwrapped the key since the start", Epoch: last.Epoch}
	if last.State == Revoked || last.State == Damaged {
		m.State, m.Since, m.Reason = last.State, last.Since, last.Reason
	}
	return m
}

// ask begins a question.
func (m Machine) ask(now time.Time) Ask { return Ask{Sent: now, Epoch: m.Epoch} }

// end is when the last lease ends if the vault stays silent.
func (m Machine) end(p Policy) time.Time { return m.Proven.Add(p.Grace + p.Lease) }

// step is the whole of the state machine.
//
//	answer             from a serving state          from Unreachable     from Revoked, Damaged
//	yes, this epoch    Active, lease from Sent       Active, lease        Active, lease
//	yes, older epoch   as time                       nothing              nothing
//	no                 Revoked, revoke, new epoch    the same             the same
//	nonsense           Damaged, revoke, new epoch    the same             the same
//	silence            Riding, lease from now up     nothing              nothing
//	                   to Proven + grace + lease;
//	                   past that Unreachable, revoke
//	time               the leases of Riding go on;   nothing              nothing
//	                   an Active whose lease ran
//	                   out counts as silence
func step(m Machine, p Policy, e Event) (Machine, Effect) {
	switch e.Said {
	case Yes:
		until := e.Ask.Sent.Add(p.Lease)
		if e.Ask.Epoch != m.Epoch || e.Ask.Sent.Before(m.Proven) {
			return step(m, p, Event{At: e.At}) // no news
		}
		if !until.After(e.At) {
			// So late that no lease can rest on it: the machine slept. It
			// proves no more than an unanswered question does.
			e.Reason = "the vault's answer came too late to be worth anything"
			return silent(m, p, e)
		}
		m = m.enter(Active, e)
		m.Proven = e.Ask.Sent
		return m.grant(until)
	case No:
		return m.stop(Revoked, e)
	case Nonsense:
		return m.stop(Damaged, e)
	}
	switch {
	case m.State == Active && e.Reason == "" && e.At.Before(m.Until):
		return m, Effect{}
	case m.State == Active && e.Reason == "":
		e.Reason = "the vault was not heard for the length of a lease"
	}
	return silent(m, p, e)
}

// silent is step for a question that got no answer, and for time in Riding.
func silent(m Machine, p Policy, e Event) (Machine, Effect) {
	if !m.State.Serves() {
		return m, Effect{}
	}
	if end := m.end(p); !e.At.Before(end) {
		if e.Reason == "" {
			e.Reason = m.Reason
		}
		// Leases have run out by themselves; to revoke is to make sure.
		return m.stop(Unreachable, e)
	}
	m = m.enter(Riding, e)
	until := e.At.Add(p.Lease)
	if end := m.end(p); until.After(end) {
		until = end
	}
	return m.grant(until)
}

// enter goes to a serving state.
func (m Machine) enter(s State, e Event) Machine {
	if m.State != s {
		m.State, m.Since = s, e.At
	}
	if s == Active {
		m.Reason = ""
	} else if e.Reason != "" {
		m.Reason = e.Reason
	}
	return m
}

// grant extends leases; it never shortens one.
func (m Machine) grant(until time.Time) (Machine, Effect) {
	if !until.After(m.Until) {
		return m, Effect{}
	}
	m.Until = until
	return m, Effect{Renew: until}
}

// bounded is m under a policy that has just become its own. It is the one
// thing that shortens a lease: one that was granted under a laxer policy.
func (m Machine) bounded(p Policy, now time.Time) (Machine, Effect) {
	most := now.Add(p.Lease)
	if end := m.end(p); end.Before(most) {
		most = end
	}
	if !m.State.Serves() || !m.Until.After(most) {
		return m, Effect{}
	}
	m.Until = most
	return m, Effect{Renew: most}
}

// stop goes to a state that does not serve.
func (m Machine) stop(s State, e Event) (Machine, Effect) {
	if m.State != s {
		m.State, m.Since = s, e.At
	}
	m.Reason = e.Reason
	m.Epoch++
	m.Until = time.Time{}
	return m, Effect{Revoke: true}
}
