package backup_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"logkeep/internal/backup"
	"logkeep/internal/schema"
)

// made makes a backup whose files and folders do makes durable, of changes for
// which room says that there is some.
func (e *estate) made(to string, do func(*os.File) error, room func(string) error) (backup.Result, error) {
	f, err := backup.Create(to)
	if err != nil {
		return backup.Result{}, err
	}
	defer f.Close()
	f.Durable(do)
	f.Room(room)
	return backup.Make(e.t.Context(), f, e.cfg)
}

// Wherever a full disk ends a backup, it is told, there is no such backup, the ones
// before are whole, and the next one is made once there is room.
func TestAFullDiskEndsABackupAndHarmsNone(t *testing.T) {
	e, to := newEstate(t), filepath.Join(t.TempDir(), "to")
	e.file("journal/0000000000000001.journal", "one")
	e.segment("a", "rows of a")
	first, err := e.backup(to)
	e.must(err)
	before, last := e.restored(to, ""), schema.SegmentID("a")
	kinds := map[string]int{}
	for fails := 1; ; fails++ {
		id := fmt.Sprint("s", fails)
		e.file("journal/0000000000000001.journal", id)
		e.segment(id, "rows of "+id, last)
		last = schema.SegmentID(id)
		step := 0
		ask := func(what string) error {
			kinds[what]++
			if step++; step == fails {
				return &os.PathError{Op: what, Path: to, Err: syscall.ENOSPC}
			}
			return nil
		}
		_, err := e.made(to, func(f *os.File) error { return errors.Join(ask("sync"), f.Sync()) }, ask)
		if temps, err := filepath.Glob(filepath.Join(to, ".write-*")); err != nil || len(temps) > 0 {
			t.Errorf("step %d: it leaves %q behind (%v)", fails, temps, err)
		}
		if step < fails {
			e.must(err)
			after := e.restored(to, "")
			if after["objects/"+id] == "" {
				t.Error("the backup that there was room for lacks a segment")
			}
			if fails < 20 || len(kinds) != 5 {
				t.Errorf("only %d steps: %v", step, kinds)
			}
			return
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("step %d: %v", fails, err)
		}
		same(t, e.restored(to, first.Name), before)
		f, err := backup.Open(to)
		e.must(err)
		names, err := f.Names()
		e.must(errors.Join(err, f.Close()))
		for _, name := range names { // a statement whose name may not be durable is that of a whole backup
			e.restored(to, name)
		}
	}
}

// A statement never names what a loss of power could still take.
func TestAStatementIsWrittenWhenAllElseIsDurable(t *testing.T) {
	e, to := newEstate(t), filepath.Join(t.TempDir(), "to")
	e.file("journal/0000000000000001.journal", "one")
	e.segment("a", "rows of a")
	e.segment("b", "rows of b")
	files, folders := 0, map[string]bool{}
	statement := false
	result, err := e.made(to, func(f *os.File) error {
		info, err := f.Stat()
		if err != nil {
			return err
		}
		if info.IsDir() {
			folders[filepath.Base(f.Name())] = true
			return f.Sync()
		}
		b, err := os.ReadFile(f.Name())
		if err != nil {
			return err
		}
		if statement = bytes.Contains(b, []byte(`"payloadType"`)); !statement {
			files++
			return f.Sync()
		}
		there, err := filepath.Glob(filepath.Join(to, "files", "*"))
		if err != nil {
			return err
		}
		for _, dir := range there {
			if !folders[filepath.Base(dir)] {
				t.Errorf("folder %s is not durable", filepath.Base(dir))
			}
		}
		all, err := filepath.Glob(filepath.Join(to, "files", "*", "*"))
		if err != nil || len(all) == 0 || files < len(all) {
			t.Errorf("%d of %d files are durable: %v", files, len(all), err)
		}
		folders = map[string]bool{}
		return f.Sync()
	}, func(string) error { return nil })
	e.must(err)
	if !statement || !folders["backups"] || result.Files == 0 {
		t.Errorf("the statement is not durable: %t %v", statement, folders)
	}
}
