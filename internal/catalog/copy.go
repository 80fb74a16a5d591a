package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// Copy writes the catalog, as it is at one moment, to a new file. Reading and
// writing go on; the copy has no pages of what was deleted.
func (c *Catalog) Copy(ctx context.Context, path string) error {
	// A connection of its own: it may write, elsewhere, and keeps no one waiting.
	db, err := sql.Open("sqlite", source(c.path, false))
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, "VACUUM INTO ?", path)
	if err := errors.Join(err, db.Close()); err != nil {
		return fmt.Errorf("copy the catalog: %w", worded(err))
	}
	return nil
}
