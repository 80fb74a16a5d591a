package sandbox_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"logkeep/internal/worker/sandbox"
)

// reader may read two accounts' folders, and tries to do more there and in a
// third beside them.
func reader(one, two, other string) {
	say := func(name string, err error) { fmt.Printf("%s: %v\n", name, err) }
	if err := sandbox.Enter(sandbox.Reach{Read: []string{one, two}}); err != nil {
		say("enter", err)
		return
	}
	if err := sandbox.Seal(); err != nil {
		say("seal", err)
		return
	}
	for _, own := range []string{one, two} {
		_, listed := os.ReadDir(own)
		_, read := os.ReadFile(filepath.Join(own, "file"))
		say("work", errors.Join(listed, read, inMemory()))
		for _, a := range []attempt{
			{"write a file", func() error { return open(filepath.Join(own, "file"), os.O_WRONLY) }},
			{"append to a file", func() error { return open(filepath.Join(own, "file"), os.O_RDWR|os.O_APPEND) }},
			{"cut a file", func() error { return os.Truncate(filepath.Join(own, "file"), 0) }},
			{"make a file", func() error { return open(filepath.Join(own, "new"), os.O_WRONLY|os.O_CREATE) }},
			{"make a folder", func() error { return os.Mkdir(filepath.Join(own, "folder"), 0o700) }},
			{"remove a file", func() error { return os.Remove(filepath.Join(own, "file")) }},
			{"rename a file", func() error { return os.Rename(filepath.Join(own, "file"), filepath.Join(own, "moved")) }},
			{"move a file to the other", func() error { return os.Rename(filepath.Join(one, "file"), filepath.Join(two, "moved")) }},
			{"run a file", func() error { return exec.Command(filepath.Join(own, "file")).Run() }},
		} {
			say(a.name, a.try())
		}
	}
	for _, a := range []attempt{
		{"list the folder of all accounts", func() error { _, err := os.ReadDir(filepath.Dir(one)); return err }},
		{"list another account", func() error { _, err := os.ReadDir(other); return err }},
		{"read another account's file", func() error { return open(filepath.Join(other, "file"), os.O_RDONLY) }},
		{"leave by dot-dot", func() error { return open(filepath.Join(one, "..", filepath.Base(other), "file"), os.O_RDONLY) }},
		{"write anywhere", func() error { return open(filepath.Join(os.TempDir(), "reader"), os.O_WRONLY|os.O_CREATE) }},
	} {
		say(a.name, a.try())
	}
}

func TestAReaderCanReadItsAccountsAndNothingElse(t *testing.T) {
	support := sandbox.Probe()
	if support.Landlock < 3 {
		t.Skipf("this kernel can't show it: %s", support)
	}
	accounts := t.TempDir()
	var paths []string
	for _, name := range []string{"one", "two", "other"} {
		path := filepath.Join(accounts, name)
		must(t, os.Mkdir(path, 0o700))
		must(t, os.WriteFile(filepath.Join(path, "file"), []byte("sealed"), 0o700))
		paths = append(paths, path)
	}
	exe, err := os.Executable()
	must(t, err)
	var out bytes.Buffer
	cmd := exec.Command(exe, append([]string{"reader"}, paths...)...)
	cmd.Stdout, cmd.Stderr = &out, &out
	must(t, cmd.Run())
	worked, kept := 0, 0
	for line := range strings.Lines(out.String()) {
		name, how, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch {
		case name == "work" && how == "<nil>":
			worked++
		case strings.Contains(how, "permission denied"), strings.Contains(how, "not permitted"), strings.Contains(how, "cross-device"), strings.Contains(how, "not implemented"):
			kept++
		default:
			t.Errorf("it got through: %s", line)
		}
	}
	if worked != 2 || kept != 2*9+5 {
		t.Errorf("%d worked, %d kept:\n%s", worked, kept, out.String())
	}
	for _, path := range paths {
		b, err := os.ReadFile(filepath.Join(path, "file"))
		must(t, err)
		list, err := os.ReadDir(path)
		if string(b) != "sealed" || len(list) != 1 || err != nil {
			t.Errorf("%s was changed: %q %v", path, b, list)
		}
	}
}
