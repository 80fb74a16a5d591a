package duck

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Memfd makes an anonymous file in memory. The engine can read it as
// Path(file) for as long as it is open. The name only shows up in /proc.
func Memfd(name string) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make a file in memory: %w", err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

// Path returns the name under which the engine can open f.
func Path(f *os.File) string { return fmt.Sprintf("/proc/self/fd/%d", f.Fd()) }
