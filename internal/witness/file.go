package witness

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"logkeep/internal/dsse"
	"logkeep/internal/wholefile"
)

// A file keeps the statement on another disk, or on another machine's.
type file struct{ path string }

// File is a place that is a file outside of the data directory: inside it would
// be turned back with the rest.
func File(path, dataDir string) (Place, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	folder, err := filepath.EvalSymlinks(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("the witness's folder: %w", err)
	}
	data, err := filepath.Abs(dataDir)
	if err != nil {
		return nil, err
	}
	if real, err := filepath.EvalSymlinks(data); err == nil {
		data = real
	}
	path = filepath.Join(folder, filepath.Base(path))
	if rel, err := filepath.Rel(data, path); err == nil && rel != ".." && !strings.HasPrefix(rel, "../") {
		return nil, fmt.Errorf("the witness %s lies inside the data directory, and would be turned back with it; keep it elsewhere, best on another machine's disk", path)
	}
	return file{path}, nil
}

func (f file) String() string { return f.path }

func (f file) Read(context.Context) ([]byte, error) {
	in, err := os.Open(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNone
	}
	if err != nil {
		return nil, err
	}
	defer in.Close()
	return bounded(in)
}

func bounded(r io.Reader) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, dsse.MaxSize+1))
	if err == nil && len(b) > dsse.MaxSize {
		err = fmt.Errorf("it has more than %d bytes", dsse.MaxSize)
	}
	return b, err
}

// Write puts the statement in place, whole or not at all, and durably.
func (f file) Write(_ context.Context, statement []byte) error {
	return wholefile.Write(f.path, statement, 0o600)
}
