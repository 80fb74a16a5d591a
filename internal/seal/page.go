package seal

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// A page is a memory page of its own outside Go's heap: locked, so that it is
// never swapped; left out of core dumps; wiped in a forked child; read-only.
type page []byte

func newPage(fill func([]byte)) (page, error) {
	p, err := unix.Mmap(-1, 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, fmt.Errorf("get a page of memory for a key: %w", err)
	}
	if err := unix.Mlock(p); err != nil {
		unix.Munmap(p)
		return nil, fmt.Errorf("lock a page of memory for a key: %w; raise the limit of locked memory (ulimit -l, LimitMEMLOCK)", err)
	}
	for _, advice := range [...]int{unix.MADV_DONTDUMP, unix.MADV_WIPEONFORK} {
		if err := unix.Madvise(p, advice); err != nil {
			unix.Munmap(p)
			return nil, fmt.Errorf("keep a key's memory out of dumps and forks: %w", err)
		}
	}
	fill(p[:KeySize])
	if err := unix.Mprotect(p, unix.PROT_READ); err != nil {
		clear(p)
		unix.Munmap(p)
		return nil, fmt.Errorf("protect a key's memory: %w", err)
	}
	return p, nil
}

// free clears the page and unmaps it. A failure would leave a key behind.
func (p page) free() {
	if err := unix.Mprotect(p, unix.PROT_READ|unix.PROT_WRITE); err != nil {
		panic("internal error: a key's memory can't be cleared: " + err.Error())
	}
	clear(p)
	if err := unix.Munmap(p); err != nil {
		panic("internal error: a key's memory can't be given back: " + err.Error())
	}
}
