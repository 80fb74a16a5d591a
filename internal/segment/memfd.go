package segment

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// newMemfd makes an empty file in memory that has no name in any folder. It
// vanishes when the last descriptor or mapping of it is gone, at the latest
// with the process. No child inherits it.
func newMemfd(name string) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("create a file in memory: %w", err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

// path returns the name by which this process, and no other, can open f.
func path(f *os.File) string { return fmt.Sprintf("/proc/self/fd/%d", f.Fd()) }

// pages returns the memory that n bytes take, at an offset unknown.
func pages(n int64) int64 {
	const page = 4096
	return (n+page-1)/page*page + page
}
