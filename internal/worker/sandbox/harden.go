package sandbox

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Harden makes this process's memory unreadable for others of its user and keeps
// it out of core dumps. Every process of Logkeep that may hold rows or keys
// calls it first.
func Harden() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("make the process undumpable: %w", err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("forbid core dumps: %w", err)
	}
	return nil
}
