package disktest_test

import (
	"errors"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"

	"logkeep/internal/disk"
	"logkeep/internal/disk/disktest"
)

func TestMemory(t *testing.T) {
	disktest.Run(t, func(*testing.T) disk.FS { return disktest.New() })
}

// outcomes crashes m many times and returns how often each content was found.
func outcomes(m *disktest.Memory, name string) map[string]int {
	out := map[string]int{}
	for seed := range uint64(500) {
		c := m.Crash(rand.New(rand.NewPCG(seed, 1)))
		if len(c.Names()) == 0 {
			out["none"]++
		} else {
			out[string(c.Bytes(name))]++
		}
	}
	return out
}

// TestCrash: what isn't synced may be lost, torn or kept; what is synced is kept.
func TestCrash(t *testing.T) {
	m := disktest.New()
	f, _ := m.Create("a")
	f.Write([]byte("synced"))
	f.Sync()
	if got := outcomes(m, "a"); got["none"] == 0 || got["synced"] == 0 {
		t.Errorf("before SyncDir: %v", got)
	}
	m.SyncDir(".")
	if got := outcomes(m, "a"); len(got) != 1 || got["synced"] == 0 {
		t.Errorf("all synced: %v", got)
	}
	f.Write([]byte("++"))
	got := outcomes(m, "a")
	for _, want := range []string{"synced", "synced+", "synced++", "synced\x00\x00"} {
		if got[want] == 0 {
			t.Errorf("bytes not synced: never %q in %v", want, got)
		}
	}
	f.Sync()
	m.Rename("a", "b")
	names := map[string]bool{}
	for seed := range uint64(100) {
		names[strings.Join(m.Crash(rand.New(rand.NewPCG(seed, 1))).Names(), " ")] = true
	}
	if len(names) != 2 || !names["a"] || !names["b"] {
		t.Errorf("after a rename not synced: %v", names)
	}
}

func TestFullDisk(t *testing.T) {
	m := disktest.New()
	m.SetCapacity(10)
	f, _ := m.Create("a")
	if n, err := f.Write(make([]byte, 12)); n != 10 || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Write = %d, %v", n, err)
	}
	f.Truncate(2)
	if n, err := f.Write(make([]byte, 8)); n != 8 || err != nil {
		t.Errorf("Write after Truncate = %d, %v", n, err)
	}
}

func TestRequestedFailures(t *testing.T) {
	m := disktest.New()
	f, _ := m.Create("a")
	m.OnOp(func(op disktest.Op) error {
		switch op.Kind {
		case "write":
			return &disktest.Short{N: 3, Err: syscall.EIO}
		case "sync":
			return syscall.EIO
		}
		return nil
	})
	if n, err := f.Write([]byte("hello")); n != 3 || !errors.Is(err, syscall.EIO) {
		t.Errorf("Write = %d, %v", n, err)
	}
	if err := f.Sync(); !errors.Is(err, syscall.EIO) {
		t.Errorf("Sync: %v", err)
	}
	if string(m.Bytes("a")) != "hel" {
		t.Errorf("the file has %q", m.Bytes("a"))
	}
}
