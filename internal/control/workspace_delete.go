package control

import (
	"context"
	"errors"

	"logkeep/internal/catalog"
	"logkeep/internal/entra"
	"logkeep/internal/fault"
	"logkeep/internal/resource"
)

// SoftDeleteWorkspace hides a workspace, its link and its data until it is
// recovered or its time is over. found is false if there is none.
func (s *Service) SoftDeleteWorkspace(ctx context.Context, id resource.ID) (found bool, err error) {
	err = s.cat.Tx(ctx, func(tx *catalog.Tx) error {
		if _, err := s.deletable(ctx, tx, id); err != nil {
			return err
		}
		_, err := tx.SoftDelete(ctx, id.String(), catalog.Always())
		return err
	})
	if errors.Is(err, fault.WorkspaceNotFound) {
		return false, nil
	}
	return true, err
}

func (s *Service) deletable(ctx context.Context, tx *catalog.Tx, id resource.ID) (Workspace, error) {
	w, err := s.workspace(ctx, tx.Records, id)
	switch {
	case err != nil:
		return w, err
	case !w.State.Settled():
		return w, fault.New(fault.Conflict, "The workspace '%s' is being created or deleted. Wait for that operation to complete and try again.", id.Name())
	case w.Link != nil && !w.Link.State.Settled():
		return w, linkInProgress()
	}
	return w, nil
}

// DeleteWorkspace removes a workspace and its data for good.
func (s *Service) DeleteWorkspace(ctx context.Context, id resource.ID, caller string) (o Operation, found bool, err error) {
	var op catalog.Operation
	err = s.cat.Tx(ctx, func(tx *catalog.Tx) error {
		w, err := s.deletable(ctx, tx, id)
		if err != nil {
			return err
		}
		w.State = resource.Deleting
		if w, err = putWorkspace(ctx, tx, w); err != nil {
			return err
		}
		op, err = begin(ctx, tx, deleteWorkspace, id, w.Location, caller, nil)
		return err
	})
	return s.deletion(op, err, fault.WorkspaceNotFound)
}

// unmakeWorkspace does the work of deleteWorkspace.
func (s *Service) unmakeWorkspace(ctx context.Context, op catalog.Operation) error {
	w, err := s.workspaceOf(ctx, op)
	if err != nil {
		return err
	}
	return s.domains.DropWorkspace(ctx, w)
}

func (s *Service) workspaceUnmade(ctx context.Context, tx *catalog.Tx, op catalog.Operation) error {
	return s.removeWorkspace(ctx, tx, op.Resource)
}

func (s *Service) removeWorkspace(ctx context.Context, tx *catalog.Tx, id string) error {
	if err := entra.RemoveIdentity(ctx, tx, id); err != nil {
		return err
	}
	if _, err := tx.DeleteBelow(ctx, id); err != nil {
		return err
	}
	return tx.Delete(ctx, id, catalog.Always())
}

// erase removes a soft-deleted workspace whose time is over.
func (s *Service) erase(ctx context.Context, w Workspace) error {
	if err := s.domains.DropWorkspace(ctx, w); err != nil {
		return err
	}
	return s.cat.Tx(ctx, func(tx *catalog.Tx) error {
		if _, err := tx.GetDeleted(ctx, w.ID.String()); err != nil {
			return err
		}
		return s.removeWorkspace(ctx, tx, w.ID.String())
	})
}
