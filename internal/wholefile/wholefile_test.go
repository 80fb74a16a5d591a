package wholefile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// seen is what a path holds, and what else is in its folder.
func seen(t *testing.T, path string) (text string, others []string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != filepath.Base(path) {
			others = append(others, e.Name())
		}
	}
	return string(b), others
}

// What is written is durable before it has its name, and its name before the end.
func TestAFileIsDurableBeforeItsName(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := Write(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	var steps []string
	err := write(path, []byte("new"), 0o640, func(f *os.File) error {
		info, err := f.Stat()
		if err != nil {
			return err
		}
		at, _ := seen(t, path)
		if info.IsDir() {
			steps = append(steps, fmt.Sprintf("the folder, with %q in place", at))
			return nil
		}
		b, err := os.ReadFile(f.Name())
		steps = append(steps, fmt.Sprintf("a file with %q, mode %o, beside %q", b, info.Mode(), at))
		return err
	})
	want := []string{`a file with "new", mode 640, beside "old"`, `the folder, with "new" in place`}
	if err != nil || !slices.Equal(steps, want) {
		t.Errorf("made durable: %q, want %q (%v)", steps, want, err)
	}
}

// A failure leaves the file of before, unless it is the last step's, and nothing else.
func TestAFailureIsTold(t *testing.T) {
	for fail, want := range []string{"old", "new"} {
		path := filepath.Join(t.TempDir(), "file")
		if err := Write(path, []byte("old"), 0o600); err != nil {
			t.Fatal(err)
		}
		step := 0
		err := write(path, []byte("new"), 0o600, func(*os.File) error {
			if step++; step > fail {
				return syscall.EIO
			}
			return nil
		})
		text, others := seen(t, path)
		if !errors.Is(err, syscall.EIO) || text != want || len(others) > 0 {
			t.Errorf("step %d fails: %v; the file holds %q, beside it %q", fail, err, text, others)
		}
	}
	path := filepath.Join(t.TempDir(), "missing", "file")
	if err := Write(path, nil, 0o600); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("in a folder that is not there: %v", err)
	}
}

// What can not be written to its end is told and leaves the file of before. A bound on
// the size of files stands in for a full disk.
func TestAFileThatDoesNotFitIsTold(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := Write(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 1 << 20, Max: before.Max}); err != nil {
		t.Fatal(err)
	}
	err := Write(path, make([]byte, 2<<20), 0o600)
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	text, others := seen(t, path)
	if !errors.Is(err, syscall.EFBIG) || text != "old" || len(others) > 0 {
		t.Errorf("%v; the file holds %q, beside it %q", err, text, others)
	}
}
