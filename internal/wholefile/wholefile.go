// Package wholefile puts a small file in place durably, whole or not at all. It
// is for what is no log data and no key: certificates, addresses, the first
// secret, the witness's statement. Rows reach a disk through package disk.
package wholefile

import (
	"io/fs"
	"os"
	"path/filepath"
)

// Write puts b at path, whose folder is there. When it returns nil the file
// survives a loss of power; after an error the file is what it was before.
func Write(path string, b []byte, mode fs.FileMode) error {
	return write(path, b, mode, (*os.File).Sync)
}

// write is Write with what makes a file, or the names of a folder, durable.
func write(path string, b []byte, mode fs.FileMode, durable func(*os.File) error) (err error) {
	dir := filepath.Dir(path)
	tmp, err := os.CreateTemp(dir, ".write-*") // as package inventory knows it
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			tmp.Close()
			os.Remove(tmp.Name())
		}
	}()
	if err := tmp.Chmod(mode); err != nil {
		return err
	}
	if _, err := tmp.Write(b); err != nil {
		return err
	}
	if err := durable(tmp); err != nil {
		return err
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return durable(d)
}
