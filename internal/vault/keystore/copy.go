package keystore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// Copy writes the store, as it is at one moment, to a new file. It opens with the
// same root key.
func (s *Store) Copy(ctx context.Context, path string) error {
	var name string
	if err := s.reader.QueryRowContext(ctx, "SELECT file FROM pragma_database_list WHERE name = 'main'").Scan(&name); err != nil {
		return worded(err)
	}
	// A connection of its own: it may write, elsewhere, and keeps no one waiting.
	db, err := sql.Open("sqlite", source(name, ""))
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, "VACUUM INTO ?", path)
	if err := errors.Join(err, db.Close()); err != nil {
		return fmt.Errorf("copy the vault: %w", worded(err))
	}
	return nil
}
