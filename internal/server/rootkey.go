package server

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// rootKeySize is the length of the root key in bytes; its file has it in hex.
const rootKeySize = 32

// checkRootKey refuses a root key inside the data directory: whoever copies
// the one would have the other. A demonstration may.
func checkRootKey(path, dataDir string, demo bool) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	real := func(p string) string {
		if r, err := filepath.EvalSymlinks(p); err == nil {
			return r
		}
		if r, err := filepath.EvalSymlinks(filepath.Dir(p)); err == nil {
			return filepath.Join(r, filepath.Base(p))
		}
		return p
	}
	if rel, err := filepath.Rel(real(dataDir), real(path)); err == nil && rel != ".." && !strings.HasPrefix(rel, "../") && !demo {
		return "", fmt.Errorf("the root key %s lies inside the data directory; keep it elsewhere (--root-key), or the data are no safer than the folder", path)
	}
	return path, nil
}

// loadRootKey reads the root key. Only the vault's process calls it. If there
// is no file and the vault holds nothing yet, it makes one; a vault that holds
// something was sealed with a key that is missing now.
func loadRootKey(path string, fresh bool) ([]byte, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if !fresh {
			return nil, fmt.Errorf("the root key %s is missing, and the vault can't be opened without it; put it back, or name its place with --root-key", path)
		}
		key := make([]byte, rootKeySize)
		rand.Read(key)
		line := append(hex.AppendEncode(nil, key), '\n')
		defer clear(line)
		if err := writeFile(path, line, 0o600); err != nil {
			return nil, fmt.Errorf("write the root key: %w", err)
		}
		return key, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the root key: %w", err)
	}
	defer clear(text)
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("the root key %s can be read by others (mode %04o); run chmod 600 on it", path, info.Mode().Perm())
	}
	digits := []byte(strings.TrimSpace(string(text)))
	key := make([]byte, hex.DecodedLen(len(digits)))
	if _, err := hex.Decode(key, digits); err != nil || len(key) != rootKeySize {
		clear(key)
		return nil, fmt.Errorf("the root key %s is not %d bytes in hexadecimal digits", path, rootKeySize)
	}
	return key, nil
}
