package control

import (
	"context"
	"errors"
	"time"

	"logkeep/internal/catalog"
	"logkeep/internal/fault"
	"logkeep/internal/resource"
)

func linkInProgress() error {
	return fault.New(fault.WorkspaceLinkInProgress, "Workspace link or unlink operation in process.")
}

func linkedClusterNotFound() error {
	return fault.New(fault.LinkedClusterNotFound, "Cluster not found, the cluster you specified doesn't exist or was deleted.").WithTarget("properties.writeAccessResourceId")
}

// LinkWorkspace begins to link a workspace to a cluster. The operation is zero
// if the workspace is linked to it already.
func (s *Service) LinkWorkspace(ctx context.Context, id resource.ID, cluster, caller string) (w Workspace, o Operation, err error) {
	to, bad := resource.Parse(cluster)
	var op catalog.Operation
	err = s.cat.Tx(ctx, func(tx *catalog.Tx) error {
		w, err = s.workspace(ctx, tx.Records, id)
		if err != nil {
			return err
		}
		if bad != nil || !to.Type().Equal(resource.Cluster) {
			return fault.New(fault.InvalidResourceID, "properties.writeAccessResourceId '%.200s' is not the id of a cluster: /subscriptions/…/resourceGroups/…/providers/Microsoft.OperationalInsights/clusters/{name}.", cluster).WithTarget("properties.writeAccessResourceId")
		}
		c, err := s.linkable(ctx, tx, w, to)
		if err != nil || w.Link != nil {
			return err
		}
		w.Link = &Link{Cluster: c.ID, ClusterID: c.ClusterID, State: resource.Provisioning}
		if w, err = putWorkspace(ctx, tx, w); err != nil {
			return err
		}
		op, err = begin(ctx, tx, linkWorkspace, linkID(id), w.Location, caller, nil)
		return err
	})
	if err != nil || op.ID == "" {
		return w, Operation{}, err
	}
	s.launch(op)
	o, err = operationOf(op)
	return w, o, err
}

// linkID is the id of a workspace's link.
func linkID(workspace resource.ID) resource.ID { return workspace.Child("linkedServices", "cluster") }

// linkable checks that a workspace may be linked to a cluster.
func (s *Service) linkable(ctx context.Context, tx *catalog.Tx, w Workspace, to resource.ID) (Cluster, error) {
	if !w.State.Settled() || w.Link != nil && !w.Link.State.Settled() {
		return Cluster{}, linkInProgress()
	}
	c, err := s.cluster(ctx, tx.Records, to)
	switch {
	case errors.Is(err, fault.ClusterNotFound), err == nil && c.Tenant != w.Tenant, err == nil && c.State == resource.Deleting:
		return Cluster{}, linkedClusterNotFound() // one of another tenant is not told from one that is not there
	case err != nil:
		return Cluster{}, err
	case w.Link != nil && !w.Link.Cluster.Equal(to):
		return Cluster{}, fault.New(fault.WorkspaceLinkedToAnotherCluster, "The workspace '%s' is linked to cluster '%s'. Unlink it first.", w.ID.Name(), w.Link.Cluster)
	case w.Link != nil:
		return c, nil
	case !c.State.Settled() || !c.Provisioned:
		return Cluster{}, fault.New(fault.ClusterOperationInProgress, "Operation can't be executed now. Wait for the Async operation to complete and try again. A workspace is linked after the cluster was provisioned.")
	case c.Location != w.Location:
		return Cluster{}, fault.New(fault.InvalidParameter, "The workspace is in region '%s' and the cluster in '%s'. Key Vault, cluster and workspaces must be in the same region.", w.Location, c.Location).WithTarget("properties.writeAccessResourceId")
	}
	recent := 0
	for _, at := range w.Linked {
		if time.Since(at) < s.limits.LinkPeriod {
			recent++
		}
	}
	if recent >= s.limits.LinksPerPeriod {
		return Cluster{}, fault.New(fault.LinkOperationLimitReached, "The workspace '%s' was linked %d times in the last 30 days, which is the limit. Wait, or use another workspace.", w.ID.Name(), recent)
	}
	linked, err := s.associated(ctx, tx.Records, c)
	if err != nil {
		return Cluster{}, err
	}
	if len(linked) >= s.limits.WorkspacesPerLink {
		return Cluster{}, fault.New(fault.QuotaExceeded, "A cluster can have %d linked workspaces; '%s' has them. Use another cluster.", s.limits.WorkspacesPerLink, c.ID.Name())
	}
	return c, nil
}

// UnlinkWorkspace begins to unlink a workspace. found is false if it is not
// linked.
func (s *Service) UnlinkWorkspace(ctx context.Context, id resource.ID, caller string) (w Workspace, o Operation, found bool, err error) {
	var op catalog.Operation
	err = s.cat.Tx(ctx, func(tx *catalog.Tx) error {
		w, err = s.workspace(ctx, tx.Records, id)
		if err != nil || w.Link == nil {
			return err
		}
		if !w.Link.State.Settled() {
			return linkInProgress()
		}
		w.Link.State = resource.Deleting
		if w, err = putWorkspace(ctx, tx, w); err != nil {
			return err
		}
		op, err = begin(ctx, tx, unlinkWorkspace, linkID(id), w.Location, caller, nil)
		return err
	})
	if err != nil || op.ID == "" {
		return w, Operation{}, false, err
	}
	s.launch(op)
	o, err = operationOf(op)
	return w, o, true, err
}

// ends are the two ends of a link.
func (s *Service) ends(ctx context.Context, op catalog.Operation) (w Workspace, c Cluster, err error) {
	id, err := resource.Parse(op.Resource)
	if err != nil {
		return w, c, err
	}
	if w, err = s.Workspace(ctx, id.Parent()); err != nil {
		return w, c, err
	}
	if w.Link == nil {
		return w, c, errors.New("internal error: a link operation runs on a workspace without link")
	}
	c, err = s.Cluster(ctx, w.Link.Cluster)
	return w, c, err
}

// makeLink does the work of linkWorkspace.
func (s *Service) makeLink(ctx context.Context, op catalog.Operation) error {
	w, c, err := s.ends(ctx, op)
	if err != nil {
		return err
	}
	return s.domains.Link(ctx, w, c)
}

// unmakeLink does the work of unlinkWorkspace.
func (s *Service) unmakeLink(ctx context.Context, op catalog.Operation) error {
	w, c, err := s.ends(ctx, op)
	if err != nil {
		return err
	}
	return s.domains.Unlink(ctx, w, c)
}

// relink writes what a link operation leaves behind.
func (s *Service) relink(ctx context.Context, tx *catalog.Tx, op catalog.Operation, f func(w *Workspace)) error {
	id, err := resource.Parse(op.Resource)
	if err != nil {
		return err
	}
	w, err := s.workspace(ctx, tx.Records, id.Parent())
	if err != nil {
		return err
	}
	f(&w)
	_, err = putWorkspace(ctx, tx, w)
	return err
}

func (s *Service) linkMade(ctx context.Context, tx *catalog.Tx, op catalog.Operation) error {
	return s.relink(ctx, tx, op, func(w *Workspace) {
		now := time.Now().UTC()
		w.Link.State, w.Link.Since = resource.Succeeded, now
		w.Sku, w.LastSku, w.Linked = linkedSku, now, append(w.Linked, now)
	})
}

func (s *Service) linkFailed(ctx context.Context, tx *catalog.Tx, op catalog.Operation) error {
	return s.relink(ctx, tx, op, func(w *Workspace) { w.Link = nil })
}

func (s *Service) linkUnmade(ctx context.Context, tx *catalog.Tx, op catalog.Operation) error {
	return s.relink(ctx, tx, op, (*Workspace).unlink)
}

func (s *Service) unlinkFailed(ctx context.Context, tx *catalog.Tx, op catalog.Operation) error {
	return s.relink(ctx, tx, op, func(w *Workspace) { w.Link.State = resource.Succeeded })
}
