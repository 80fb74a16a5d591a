// Package sandbox takes from a worker everything that it does not need, so that
// whoever breaks into one (it parses rows and queries that strangers wrote) is
// left with the keys and rows of one domain and no way to carry them anywhere.
//
// There are two walls, built at two moments:
//
//   - Enter, before anything else, puts the process into a Landlock domain: of
//     the file system it can open its own accounts' folder, and read its own
//     program and what the runtimes read at start, nothing else; it can't signal,
//     trace or dial anybody outside; root's capabilities are gone.
//   - Seal, once the deadline is armed, installs a system-call filter on all
//     threads. It lists what is allowed. There is no socket, no
//     connect and no bind: the worker accepts on the listener that it was given,
//     and gets to the keeper by passing it one end of a socket pair (package
//     tunnel). No process can be started or traced, nothing mounted, no memory
//     made executable.
//
// What is forbidden answers EPERM, and what the list does not know answers
// ENOSYS, as an older kernel would. It does not kill: C libraries probe for
// calls, and one probe in a newer version must not take a customer's data away.
// An attacker gains nothing by trying again.
//
// A kernel without Landlock (older than 5.13, or not switched on at boot) has
// only the second wall: the network and other processes stay shut, but files
// of the server's user can be opened. Probe tells, Mode decides.
package sandbox

import "fmt"

// A Mode says what to do on a kernel that lacks a wall.
type Mode string

// Modes.
const (
	Prefer  Mode = "prefer"  // go on and say so
	Require Mode = "require" // refuse to start
)

// Support is what the kernel offers.
type Support struct {
	Landlock int  // version of its interface; 0: none
	Filters  bool // system-call filters over all threads
}

// Complete reports whether both walls can be built. Version 6 of Landlock
// is the first that keeps signals and abstract sockets in.
func (s Support) Complete() bool { return s.Landlock >= 6 && s.Filters }

// String says it in words, for the log and the status.
func (s Support) String() string {
	filter := "system-call filter"
	if !s.Filters {
		filter = "no system-call filter"
	}
	switch {
	case s.Landlock == 0:
		return "no Landlock, " + filter
	default:
		return fmt.Sprintf("Landlock %d, %s", s.Landlock, filter)
	}
}

// Missing says what can't be kept away from workers; "" if everything can.
func (s Support) Missing() string {
	switch {
	case !s.Filters && s.Landlock == 0:
		return "this kernel offers neither Landlock nor system-call filters: workers are separate processes and no more"
	case !s.Filters:
		return "this kernel offers no system-call filters: workers could open sockets and start processes"
	case s.Landlock == 0:
		return "this kernel offers no Landlock (5.13 or later, with landlock in its list of security modules): workers could open files of the server's user"
	case !s.Complete():
		return fmt.Sprintf("this kernel's Landlock is version %d: what later ones keep in is left to the system-call filter", s.Landlock)
	}
	return ""
}

// Check decides whether to go on with what there is.
func (m Mode) Check(s Support) error {
	switch m {
	case Prefer:
		return nil
	case Require:
		if !s.Complete() {
			return fmt.Errorf("--sandbox=require: %s; use a newer kernel, or --sandbox=prefer to go on without", s.Missing())
		}
		return nil
	}
	return fmt.Errorf("--sandbox=%s is neither %s nor %s", m, Prefer, Require)
}
