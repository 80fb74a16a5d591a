package sandbox

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// entered marks the environment of a program that was run anew by Enter.
const entered = "LOGKEEP_CONFINED=yes"

// A Reach is what a process may open by name, besides its own program.
type Reach struct {
	Own  string   // the folder that it reads and writes; "" for none
	Read []string // folders that it reads
}

// Enter confines this process to a reach, for good: it gives up root's
// capabilities and the means to get any back, enters a Landlock domain, and
// runs its own program anew inside. It returns there; before it, nothing else
// should have happened but that the process began.
//
// Landlock confines a thread and what it starts, and a Go program has several
// threads before its first line. Only the thread that runs a program anew
// survives that: so afterwards there is none that is not confined.
func Enter(reach Reach) error {
	for _, v := range os.Environ() {
		if v == entered {
			return nil
		}
	}
	runtime.LockOSThread() // until the end of this program
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program's file: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("give up new privileges: %w", err)
	}
	if version := landlockVersion(); version > 0 {
		programs, err := programs(program)
		if err != nil {
			return err
		}
		if err := restrict(reach, programs, version); err != nil {
			return err
		}
	}
	if err := dropCapabilities(); err != nil {
		return err
	}
	err = syscall.Exec(program, os.Args, append(os.Environ(), entered))
	return fmt.Errorf("run %s in its sandbox: %w", program, err)
}

// programs lists the files that this program needs to begin: itself and its
// libraries, which are the ones that are mapped now.
func programs(program string) ([]string, error) {
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return nil, fmt.Errorf("list this program's libraries: %w", err)
	}
	defer maps.Close()
	files := map[string]bool{program: true}
	lines := bufio.NewScanner(maps)
	for lines.Scan() {
		// address perms offset dev inode path
		fields := strings.Fields(lines.Text())
		if len(fields) == 6 && len(fields[1]) == 4 && fields[1][2] == 'x' && strings.HasPrefix(fields[5], "/") {
			files[fields[5]] = true
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("list this program's libraries: %w", err)
	}
	var list []string
	for path := range files {
		// One that was replaced meanwhile is mapped from a file without a name.
		if _, err := os.Stat(path); err == nil {
			list = append(list, path)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return list, nil
}

// kept are root's powers that a worker goes on to have if the server has them:
// to lock the pages of its keys, and to use a folder that another user owns,
// which Landlock confines to its own.
const kept = 1<<unix.CAP_IPC_LOCK | 1<<unix.CAP_DAC_OVERRIDE

// dropCapabilities does so for the calling thread. With no_new_privs set, not
// even root gets them back by running a program.
func dropCapabilities() error {
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var have [2]unix.CapUserData
	if err := unix.Capget(&head, &have[0]); err != nil {
		return fmt.Errorf("read capabilities: %w", err)
	}
	keep := have[0].Permitted & kept
	want := [2]unix.CapUserData{{Effective: keep, Permitted: keep}}
	if err := unix.Capset(&head, &want[0]); err != nil {
		return fmt.Errorf("drop capabilities: %w", err)
	}
	return nil
}
