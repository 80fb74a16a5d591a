package disk_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"logkeep/internal/disk"
	"logkeep/internal/disk/disktest"
)

func openFolder(t *testing.T, path string) *disk.Folder {
	d, err := disk.OpenFolder(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func TestFolder(t *testing.T) {
	disktest.Run(t, func(t *testing.T) disk.FS { return openFolder(t, t.TempDir()) })
}

func TestFolderIsPrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	d := openFolder(t, dir)
	if err := d.MkdirAll("x/y"); err != nil {
		t.Fatal(err)
	}
	f, err := d.Create("x/y/a")
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	for name, want := range map[string]fs.FileMode{"": 0o700, "x": 0o700, "x/y": 0o700, "x/y/a": 0o600} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != want {
			t.Errorf("%q has mode %o, want %o", name, info.Mode().Perm(), want)
		}
	}
}

func TestLinksLeadNowhere(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	if err := os.Symlink(outside, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if _, err := openFolder(t, dir).Create("link/a"); err == nil {
		t.Error("a link led out of the folder")
	}
}
