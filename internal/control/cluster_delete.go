package control

import (
	"context"

	"logkeep/internal/catalog"
	"logkeep/internal/entra"
	"logkeep/internal/fault"
	"logkeep/internal/resource"
)

// DeleteCluster begins to delete a cluster with all that was ever ingested
// into it; linked workspaces are unlinked. found is false if there is none.
func (s *Service) DeleteCluster(ctx context.Context, id resource.ID, caller string) (o Operation, found bool, err error) {
	var op catalog.Operation
	err = s.cat.Tx(ctx, func(tx *catalog.Tx) error {
		c, err := s.cluster(ctx, tx.Records, id)
		if err != nil {
			return err
		}
		switch {
		case c.State == resource.Creating || c.State == resource.Provisioning:
			return fault.New(fault.ClusterProvisioning, "Can't delete a cluster while in provisioning state. Wait for the Async operation to complete and try again.")
		case c.State == resource.Deleting:
			return deleting()
		case !c.State.Settled():
			return inProgress()
		}
		linked, err := s.associated(ctx, tx.Records, c)
		if err != nil {
			return err
		}
		for _, w := range linked {
			if !w.Link.State.Settled() {
				return linkInProgress()
			}
			w.Link.State = resource.Deleting
			if _, err := putWorkspace(ctx, tx, w); err != nil {
				return err
			}
		}
		c.State = resource.Deleting
		if c, err = putCluster(ctx, tx, c); err != nil {
			return err
		}
		op, err = begin(ctx, tx, deleteCluster, id, c.Location, caller, nil)
		return err
	})
	return s.deletion(op, err, fault.ClusterNotFound)
}

// unmakeCluster does the work of deleteCluster. A workspace is unlinked before
// the cluster's data goes, so that its new rows have a place to go to.
func (s *Service) unmakeCluster(ctx context.Context, op catalog.Operation) error {
	id, err := resource.Parse(op.Resource)
	if err != nil {
		return err
	}
	c, err := s.Cluster(ctx, id)
	if err != nil {
		return err
	}
	linked, err := s.everLinked(ctx, c)
	if err != nil {
		return err
	}
	for _, w := range linked {
		if err := s.domains.Unlink(ctx, w, c); err != nil {
			return err
		}
	}
	if err := s.domains.DropCluster(ctx, c); err != nil {
		return err
	}
	return s.keys.Forget(ctx, c.ClusterID)
}

// everLinked returns workspaces, soft-deleted ones too, whose link names c.
func (s *Service) everLinked(ctx context.Context, c Cluster) ([]Workspace, error) {
	linked, err := s.Associated(ctx, c)
	if err != nil {
		return nil, err
	}
	hidden, err := s.deletedWorkspaces(ctx, s.cat.Records, resource.Root())
	if err != nil {
		return nil, err
	}
	for _, w := range hidden {
		if w.Link != nil && w.Link.Cluster.Equal(c.ID) {
			linked = append(linked, w)
		}
	}
	return linked, nil
}

func (s *Service) clusterUnmade(ctx context.Context, tx *catalog.Tx, op catalog.Operation) error {
	id, err := resource.Parse(op.Resource)
	if err != nil {
		return err
	}
	c, err := s.cluster(ctx, tx.Records, id)
	if err != nil {
		return err
	}
	linked, err := s.associated(ctx, tx.Records, c)
	if err != nil {
		return err
	}
	for _, w := range linked {
		w.unlink()
		if _, err := putWorkspace(ctx, tx, w); err != nil {
			return err
		}
	}
	if err := entra.RemoveIdentity(ctx, tx, id.String()); err != nil {
		return err
	}
	if _, err := tx.DeleteBelow(ctx, id.String()); err != nil {
		return err
	}
	if c.Drill {
		return tx.Delete(ctx, id.String(), catalog.Always())
	}
	// What stays is the name, for as long as it is reserved.
	if _, err := putCluster(ctx, tx, Cluster{ID: id, Location: c.Location, ClusterID: c.ClusterID, State: resource.Deleting}); err != nil {
		return err
	}
	_, err = tx.SoftDelete(ctx, id.String(), catalog.Always())
	return err
}

// clusterKept is the outcome of a deletion that failed: the links stand.
func (s *Service) clusterKept(ctx context.Context, tx *catalog.Tx, op catalog.Operation) error {
	id, err := resource.Parse(op.Resource)
	if err != nil {
		return err
	}
	linked, err := s.associated(ctx, tx.Records, Cluster{ID: id})
	if err != nil {
		return err
	}
	for _, w := range linked {
		w.Link.State = resource.Succeeded
		if _, err := putWorkspace(ctx, tx, w); err != nil {
			return err
		}
	}
	return s.clusterFailed(ctx, tx, op)
}
