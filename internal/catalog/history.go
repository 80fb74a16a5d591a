package catalog

import (
	"context"
	"fmt"
	"time"

	"logkeep/internal/schema"
)

// AddHistory notes that a cluster holds, or is about to hold, rows of a workspace.
func (r Records) AddHistory(ctx context.Context, w schema.WorkspaceID, c schema.ClusterID) error {
	return r.change(ctx, func(tx *Tx) error {
		_, err := tx.exec(ctx, "INSERT INTO histories (workspace, cluster, created) VALUES (?,?,?) ON CONFLICT DO NOTHING", string(w), string(c), stamp(time.Now()))
		if err != nil {
			return fmt.Errorf("add cluster %s to the history of workspace %s: %w", c, w, err)
		}
		return nil
	})
}

// History returns the clusters that hold, or may hold, rows of a workspace, in
// the order of their ids.
func (r Records) History(ctx context.Context, w schema.WorkspaceID) ([]schema.ClusterID, error) {
	return query(ctx, r.read(), func(scan func(...any) error) (c schema.ClusterID, err error) { return c, scan(&c) },
		"SELECT cluster FROM histories WHERE workspace = ? ORDER BY cluster", string(w))
}

// RemoveHistory forgets a workspace's history, or, if w is empty, a cluster's
// part of all histories. What is not there is no error.
func (r Records) RemoveHistory(ctx context.Context, w schema.WorkspaceID, c schema.ClusterID) error {
	return r.change(ctx, func(tx *Tx) error {
		_, err := tx.exec(ctx, "DELETE FROM histories WHERE workspace = ?1 OR ?1 = '' AND cluster = ?2", string(w), string(c))
		if err != nil {
			return fmt.Errorf("remove from histories: %w", err)
		}
		return nil
	})
}
