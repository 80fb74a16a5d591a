package backup

import (
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// Statements returns the backups in the folder, oldest first. With a key those
// that it did not sign are an error.
func (f *Folder) Statements(key *ecdsa.PublicKey) ([]Statement, error) {
	names, err := f.Names()
	if err != nil {
		return nil, err
	}
	var all []Statement
	for _, name := range names {
		s, err := f.Statement(name, key)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// Statement returns one backup; "" names the newest.
func (f *Folder) Statement(name string, key *ecdsa.PublicKey) (Statement, error) {
	if name == "" {
		names, err := f.Names()
		if err != nil {
			return Statement{}, err
		}
		if len(names) == 0 {
			return Statement{}, fmt.Errorf("%s: %w", f.path, ErrNone)
		}
		name = names[len(names)-1]
	}
	envelope, err := f.envelope(name)
	if err != nil {
		return Statement{}, err
	}
	return open(envelope, name, key)
}

// Verify reads every file of a backup whose statement was checked, and tells
// each that is missing or was changed.
func (f *Folder) Verify(ctx context.Context, s Statement) (wrong []error, err error) {
	list, err := f.entries(ctx, s)
	if err != nil {
		return []error{fmt.Errorf("the list of backup %s: %w", s.Name, err)}, nil
	}
	for _, e := range list {
		if err := f.fetch(ctx, e.File, io.Discard); errors.Is(err, ErrChanged) {
			wrong = append(wrong, fmt.Errorf("%s: %w", e.Path, err))
		} else if err != nil {
			return wrong, err
		}
	}
	return wrong, nil
}

// Remove removes a backup, and the files that no other one has. It returns how
// many bytes that were.
func (f *Folder) Remove(ctx context.Context, name string) (freed int64, err error) {
	if _, err := f.envelope(name); err != nil {
		return 0, err
	}
	names, err := f.Names()
	if err != nil {
		return 0, err
	}
	// What the others have is known before anything goes: one that can't be read
	// keeps everything.
	needed := map[string]bool{}
	for _, other := range names {
		if other == name {
			continue
		}
		s, err := f.Statement(other, nil)
		if err != nil {
			return 0, err
		}
		list, err := f.entries(ctx, s)
		if err != nil {
			return 0, fmt.Errorf("the list of backup %s: %w", other, err)
		}
		needed[s.List.Digest] = true
		for _, e := range list {
			needed[e.Digest] = true
		}
	}
	if err := f.root.Remove("backups/" + name + ".json"); err != nil {
		return 0, err
	}
	f.dirty["backups"] = true
	if err := f.sync(); err != nil {
		return 0, err
	}
	return f.sweep(needed)
}

// sweep removes files that nothing needs, and what interrupted writes have left.
func (f *Folder) sweep(needed map[string]bool) (freed int64, err error) {
	for i := range 256 {
		dir, err := f.root.Open("files/" + hex.EncodeToString([]byte{byte(i)}))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return freed, err
		}
		entries, err := dir.ReadDir(-1)
		dir.Close()
		if err != nil {
			return freed, err
		}
		for _, e := range entries {
			if needed[e.Name()] || len(e.Name()) != 2*sha256.Size {
				continue
			}
			info, err := e.Info()
			if err != nil {
				return freed, err
			}
			if err := f.root.Remove(at(File{Digest: e.Name()})); err != nil {
				return freed, err
			}
			freed += info.Size()
		}
	}
	top, err := os.ReadDir(f.path)
	for _, e := range top {
		if strings.HasPrefix(e.Name(), ".write-") {
			err = errors.Join(err, f.root.Remove(e.Name()))
		}
	}
	return freed, err
}
