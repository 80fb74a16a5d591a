// Package deadline ends this process at a moment that only the keeper moves.
//
// A worker holds keys and decrypted rows for as long as its lease runs. What
// was decrypted survives closing files and collecting garbage; only the end of
// the process is certain. So the kernel is asked to send SIGKILL at an absolute
// time: it does so to a process that spins, is stopped by a debugger, or has
// lost its keeper, which a timer inside the Go runtime would not.
//
// The clock is CLOCK_BOOTTIME: it runs while the machine is suspended and no
// one can set it. Keeper and worker are on one machine and read the same clock.
package deadline

import (
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Boottime is a reading of CLOCK_BOOTTIME in nanoseconds.
type Boottime int64

// Now reads the clock.
func Now() Boottime {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		panic("internal error: CLOCK_BOOTTIME: " + err.Error())
	}
	return Boottime(ts.Nano())
}

// After returns the reading that is d from now.
func After(d time.Duration) Boottime { return Now() + Boottime(d) }

// Until returns the time left until b; negative when it has passed.
func (b Boottime) Until() time.Duration { return time.Duration(b - Now()) }

// A Timer kills the process at its deadline.
type Timer struct{ id int32 }

// sigevent is the kernel's struct sigevent, 64 bytes on every Linux.
type sigevent struct {
	value  uintptr
	signo  int32
	notify int32
	_      [48]byte
}

// Arm makes the timer and sets it. There is no way to disarm it.
func Arm(at Boottime) (*Timer, error) {
	ev := sigevent{signo: int32(unix.SIGKILL), notify: 0 /* SIGEV_SIGNAL */}
	t := &Timer{}
	if _, _, errno := unix.Syscall(unix.SYS_TIMER_CREATE, unix.CLOCK_BOOTTIME, uintptr(unsafe.Pointer(&ev)), uintptr(unsafe.Pointer(&t.id))); errno != 0 {
		return nil, fmt.Errorf("create the deadline's timer: %w", errno)
	}
	if err := t.Move(at); err != nil {
		return nil, err
	}
	return t, nil
}

// Move sets a new deadline. One that has passed kills the process at once.
func (t *Timer) Move(at Boottime) error {
	if at < 1 {
		at = 1 // zero would disarm the timer
	}
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(at))}
	const absolute = 1
	if _, _, errno := unix.Syscall6(unix.SYS_TIMER_SETTIME, uintptr(t.id), absolute, uintptr(unsafe.Pointer(&spec)), 0, 0, 0); errno != 0 {
		return fmt.Errorf("set the deadline: %w", errno)
	}
	return nil
}
