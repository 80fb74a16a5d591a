package sandbox

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Offsets in the kernel's struct seccomp_data.
const (
	dataCall = 0
	dataArch = 4
	dataArgs = 16
)

// A check compares the bits of an argument that mask selects. Arguments are
// compared as far as 32 bits: those that matter here are no pointers, and the
// kernel itself looks at no more of them.
type check struct {
	arg         int
	mask, value uint32
}

// A rule allows a call if all its checks hold, and forbids it otherwise.
type rule struct {
	call   uintptr
	checks []check
}

// Verdicts.
const (
	kill      = unix.SECCOMP_RET_KILL_PROCESS
	pass      = unix.SECCOMP_RET_ALLOW
	forbidden = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
	unknown   = unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
)

// assemble writes the filter's program. The kernel caches the verdict of calls
// whose arguments don't matter, so the length of the list costs nothing.
func assemble(rules []rule, denied []uintptr) []unix.SockFilter {
	load := func(offset uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
	}
	ret := func(verdict uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: verdict}
	}
	jump := func(code uint16, k uint32, yes, no int) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | code | unix.BPF_K, Jt: uint8(yes), Jf: uint8(no), K: k}
	}
	p := []unix.SockFilter{
		load(dataArch), jump(unix.BPF_JEQ, arch, 1, 0), ret(kill),
		load(dataCall), jump(unix.BPF_JGE, foreign, 0, 1), ret(kill),
	}
	for _, r := range rules {
		if len(r.checks) == 0 {
			p = append(p, jump(unix.BPF_JEQ, uint32(r.call), 0, 1), ret(pass))
			continue
		}
		var block []unix.SockFilter
		for i, c := range r.checks {
			left := (len(r.checks)-1-i)*3 + 1 // instructions between this check and the refusal
			block = append(block,
				load(dataArgs+8*uint32(c.arg)),
				unix.SockFilter{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: c.mask},
				jump(unix.BPF_JEQ, c.value, 0, left))
		}
		block = append(block, ret(pass), ret(forbidden))
		p = append(p, jump(unix.BPF_JEQ, uint32(r.call), 0, len(block)))
		p = append(p, block...)
	}
	for _, call := range denied {
		p = append(p, jump(unix.BPF_JEQ, uint32(call), 0, 1), ret(forbidden))
	}
	return append(p, ret(unknown))
}

// filtersOffered reports whether the kernel filters calls with these verdicts.
func filtersOffered() bool {
	for _, verdict := range [...]uint32{unix.SECCOMP_RET_KILL_PROCESS, unix.SECCOMP_RET_ERRNO} {
		if _, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_GET_ACTION_AVAIL, 0, uintptr(unsafe.Pointer(&verdict))); errno != 0 {
			return false
		}
	}
	return true
}

// Probe asks the kernel what it offers.
func Probe() Support { return Support{Landlock: landlockVersion(), Filters: filtersOffered()} }

// Seal puts the filter on all threads of this process, for good. It does
// nothing on a kernel without filters: Mode.Check has been asked before.
func Seal() error {
	if !filtersOffered() {
		return nil
	}
	// All threads at once, or none: the kernel sees to it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("give up new privileges: %w", err)
	}
	program := assemble(rules(uint32(unix.Getpid())), denied())
	fprog := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	thread, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&fprog)))
	if errno != 0 {
		return fmt.Errorf("install the system-call filter: %w", errno)
	}
	if thread != 0 {
		return fmt.Errorf("install the system-call filter: thread %d could not be given it", thread)
	}
	return nil
}
