package server

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"logkeep/internal/worker/sandbox"
)

// A SwapMode says what to do on a machine that may write memory to a disk.
type SwapMode string

// Modes. Keys are in locked pages that are never swapped; decrypted rows are
// not, and there can be gigabytes of them.
const (
	RefuseSwap SwapMode = "refuse"
	WarnOfSwap SwapMode = "warn"
)

// guard looks at what the machine can do for the secrecy of memory, refuses
// what was told to be refused, and tells the rest to the operator.
func guard(cfg Config) error {
	if err := sandbox.Harden(); err != nil {
		return err
	}
	support := sandbox.Probe()
	if err := cfg.Sandbox.Check(support); err != nil {
		return err
	}
	if missing := support.Missing(); missing != "" {
		cfg.Log.Warn("workers are confined less than they could be", "why", missing)
	}
	swaps, err := os.ReadFile("/proc/swaps")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("look for swap: %w", err)
	}
	return cfg.Swap.check(swapAreas(string(swaps)), func(areas []string) {
		cfg.Log.Warn("this machine may write decrypted rows to swap, where no key protects them", "swap", strings.Join(areas, " "))
	})
}

// check decides on a machine with these swap areas.
func (m SwapMode) check(areas []string, warn func(areas []string)) error {
	switch {
	case m != RefuseSwap && m != WarnOfSwap:
		return fmt.Errorf("--swap=%s is neither %s nor %s", m, RefuseSwap, WarnOfSwap)
	case len(areas) == 0:
		return nil
	case m == WarnOfSwap:
		warn(areas)
		return nil
	}
	return fmt.Errorf("this machine has swap (%s): decrypted rows could be written there, where no key protects them; turn it off (swapoff -a), or accept it with --swap=warn", strings.Join(areas, ", "))
}

// swapAreas reads the kernel's table: a line of headings, then one for each area.
func swapAreas(table string) (areas []string) {
	for i, line := range strings.Split(table, "\n") {
		if name, _, _ := strings.Cut(strings.TrimSpace(line), " "); i > 0 && name != "" {
			areas = append(areas, strings.TrimSpace(strings.SplitN(name, "\t", 2)[0]))
		}
	}
	return areas
}
