package catalog

import (
	"context"
	"fmt"

	"logkeep/internal/schema"
)

// A Usage is what a workspace has taken in on a day.
type Usage struct {
	Workspace schema.WorkspaceID
	Day       int64 // days since 1970, UTC
	Bytes     int64 // of JSON
}

// Usages returns what is noted of a day.
func (r Records) Usages(ctx context.Context, day int64) ([]Usage, error) {
	return query(ctx, r.read(), func(scan func(...any) error) (u Usage, err error) {
		return u, scan(&u.Workspace, &u.Day, &u.Bytes)
	}, "SELECT workspace, day, bytes FROM usage WHERE day = ? ORDER BY workspace", day)
}

// SaveUsages notes what workspaces have taken in, instead of what was noted
// before, and forgets days that are over.
func (r Records) SaveUsages(ctx context.Context, day int64, all []Usage) error {
	return r.change(ctx, func(tx *Tx) error {
		for _, u := range all {
			_, err := tx.exec(ctx, "INSERT INTO usage (workspace, day, bytes) VALUES (?,?,?) ON CONFLICT DO UPDATE SET day = excluded.day, bytes = excluded.bytes", string(u.Workspace), u.Day, u.Bytes)
			if err != nil {
				return fmt.Errorf("note the usage of workspace %s: %w", u.Workspace, err)
			}
		}
		_, err := tx.exec(ctx, "DELETE FROM usage WHERE day < ?", day)
		return err
	})
}
