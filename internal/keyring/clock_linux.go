package keyring

import (
	"time"

	"golang.org/x/sys/unix"
)

// BootClock returns a clock that begins at the wall's time and goes on with
// CLOCK_BOOTTIME: it counts the time that the machine sleeps, and setting the
// wall clock does not move it. The deadlines of workers run on the same clock.
func BootClock() (func() time.Time, error) {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		return nil, err
	}
	wall, boot := time.Now().Round(0), t.Nano()
	return func() time.Time {
		var t unix.Timespec
		if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
			panic("internal error: CLOCK_BOOTTIME went away: " + err.Error())
		}
		return wall.Add(time.Duration(t.Nano() - boot))
	}, nil
}
