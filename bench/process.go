package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Usage is what the server's processes have used since they began: keeper,
// vault and workers.
type usage struct {
	CPU    map[string]time.Duration // by role
	Memory map[string]int64         // peak of resident memory, by role
}

func (u usage) cpu() (total time.Duration) {
	for _, d := range u.CPU {
		total += d
	}
	return total
}

func (u usage) memory() (total int64) {
	for _, n := range u.Memory {
		total += n
	}
	return total
}

// used asks the system. A process that ends while it is looked at counts as none.
func (s *site) used() usage {
	u := usage{CPU: map[string]time.Duration{}, Memory: map[string]int64{}}
	for _, pid := range s.own.Processes() {
		role, cpu, peak, err := process(pid)
		if err != nil {
			continue
		}
		u.CPU[role] += cpu
		u.Memory[role] += peak
	}
	return u
}

// hertz is the unit of times in /proc on Linux, whatever the kernel's own.
const hertz = 100

func process(pid int) (role string, cpu time.Duration, peak int64, err error) {
	dir := fmt.Sprintf("/proc/%d/", pid)
	command, err := os.ReadFile(dir + "cmdline")
	if err != nil {
		return "", 0, 0, err
	}
	role = "server"
	if args := bytes.Split(command, []byte{0}); len(args) > 1 {
		role = string(args[1])
	}
	stat, err := os.ReadFile(dir + "stat")
	if err != nil {
		return "", 0, 0, err
	}
	// pid (name) state …; the name may hold anything, so from its end
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 13 {
		return "", 0, 0, fmt.Errorf("%sstat is of no known form", dir)
	}
	for _, ticks := range fields[11:13] { // in user mode and in the kernel
		n, err := strconv.ParseInt(ticks, 10, 64)
		if err != nil {
			return "", 0, 0, err
		}
		cpu += time.Duration(n) * time.Second / hertz
	}
	status, err := os.ReadFile(dir + "status")
	if err != nil {
		return "", 0, 0, err
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, err := strconv.ParseInt(strings.Fields(value)[0], 10, 64)
			return role, cpu, kb << 10, err
		}
	}
	return role, cpu, 0, nil
}

// ran is the CPU time that the server's processes have used, as exactly as the
// kernel's scheduler knows it. Threads that ended, which are few, are not in it.
func (s *site) ran() (total time.Duration) {
	if s.processes == nil {
		return 0
	}
	for _, pid := range s.processes() {
		total += scheduled(pid)
	}
	return total
}

// scheduled is how long the threads of a process have run, those that live.
func scheduled(pid int) (total time.Duration) {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil {
		return 0
	}
	for _, name := range threads {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		if first, _, ok := strings.Cut(string(text), " "); ok {
			n, _ := strconv.ParseInt(first, 10, 64)
			total += time.Duration(n)
		}
	}
	return total
}
