package server

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"

	"logkeep/internal/catalog"
	"logkeep/internal/rbac"
)

// runtimeFolder makes the folder for sockets: short enough for their paths,
// ours alone, and the same for every start on a data directory, so that what a
// killed server left is cleared away by the next. The lock on the data
// directory is held: nobody uses the old one.
func runtimeFolder(dataDir string) (string, error) {
	sum := sha256.Sum256([]byte(dataDir))
	path := filepath.Join(os.TempDir(), fmt.Sprintf("logkeep-%d-%s", os.Getuid(), hex.EncodeToString(sum[:6])))
	if err := os.RemoveAll(path); err != nil {
		return "", fmt.Errorf("clear the folder for sockets: %w", err)
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		return "", fmt.Errorf("make the folder for sockets: %w", err)
	}
	return path, nil
}

// A roleBook tells when roles have changed.
type roleBook struct {
	*catalog.Catalog
	changed func()
}

// ChangeRoles implements rbac.Book.
func (b roleBook) ChangeRoles(ctx context.Context, f func(rbac.Roles) (rbac.Change, error)) error {
	err := b.Catalog.ChangeRoles(ctx, f)
	if err == nil {
		b.changed()
	}
	return err
}
