package control

import (
	"context"

	"logkeep/internal/catalog"
	"logkeep/internal/fault"
	"logkeep/internal/resource"
)

// MigrateTable makes a table that the older collector API made one to which rules
// can send rows, and whose columns people decide. It stays so.
func (s *Service) MigrateTable(ctx context.Context, id resource.ID) error {
	return s.cat.Tx(ctx, func(tx *catalog.Tx) error {
		if _, err := s.workspace(ctx, tx.Records, id.Parent()); err != nil {
			return err
		}
		t, err := s.table(ctx, tx.Records, id)
		if err != nil {
			return err
		}
		if t.Published != nil {
			return fault.New(fault.InvalidParameter, "The table '%s' is an Azure table; only custom tables of the Data Collector API are migrated.", t.Name())
		}
		if !t.Classic {
			return nil
		}
		t.Classic = false
		_, err = putTable(ctx, tx, t)
		return err
	})
}

// DeleteTable begins to delete a table with its rows. found is false if there
// is none.
func (s *Service) DeleteTable(ctx context.Context, id resource.ID, caller string) (o Operation, found bool, err error) {
	var op catalog.Operation
	err = s.cat.Tx(ctx, func(tx *catalog.Tx) error {
		w, err := s.workspace(ctx, tx.Records, id.Parent())
		if err != nil {
			return err
		}
		t, err := s.table(ctx, tx.Records, id)
		if err != nil {
			return err
		}
		if t.Published != nil {
			return fault.New(fault.InvalidParameter, "The table '%s' is an Azure table, which can't be deleted; only custom tables can. Its rows go with its retention.", t.Name())
		}
		if t.State == resource.Deleting {
			return fault.New(fault.Conflict, "The table '%s' is being deleted already.", id.Name())
		}
		t.State = resource.Deleting
		if t, err = putTable(ctx, tx, t); err != nil {
			return err
		}
		op, err = begin(ctx, tx, deleteTable, id, w.Location, caller, nil)
		return err
	})
	return s.deletion(op, err, fault.TableNotFound, fault.WorkspaceNotFound)
}

// unmakeTable does the work of deleteTable.
func (s *Service) unmakeTable(ctx context.Context, op catalog.Operation) error {
	id, err := resource.Parse(op.Resource)
	if err != nil {
		return err
	}
	w, err := s.Workspace(ctx, id.Parent())
	if err != nil {
		return err
	}
	t, err := s.table(ctx, s.cat.Records, id)
	if err != nil {
		return err
	}
	return s.domains.DropTable(ctx, w, t.Name())
}

func (s *Service) tableUnmade(ctx context.Context, tx *catalog.Tx, op catalog.Operation) error {
	return tx.Delete(ctx, op.Resource, catalog.Always())
}

func (s *Service) tableFailed(ctx context.Context, tx *catalog.Tx, op catalog.Operation) error {
	id, err := resource.Parse(op.Resource)
	if err != nil {
		return err
	}
	t, err := s.table(ctx, tx.Records, id)
	if err != nil {
		return err
	}
	t.State = resource.Succeeded
	_, err = putTable(ctx, tx, t)
	return err
}
