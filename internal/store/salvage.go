package store

import (
	"context"
	"errors"
	"fmt"

	"logkeep/internal/journal"
)

// Salvaged is what came of a Salvage.
type Salvaged struct {
	Rows int64 // that were in the journal and are in segments now
	Lost []journal.Lost
}

// Salvage opens an account whose journal is damaged, brings the rows that can be read
// into segments and ends the damaged files, so that Open works again. The caller has
// kept what he wants to keep of these. Nobody else may have the account open. After an
// error it can be called again.
func Salvage(ctx context.Context, cfg Config) (out Salvaged, err error) {
	cfg.salvage = &journal.Salvage{Seen: cfg.Seen}
	s, err := Open(ctx, cfg)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	out.Rows, out.Lost = s.Stats().TailRows, cfg.salvage.Lost
	if err := s.Flush(ctx); err != nil {
		return out, err
	}
	if err := s.begin(ctx); err != nil {
		return out, fmt.Errorf("salvage account %s: %w", cfg.Account, err)
	}
	return out, nil
}

// begin makes a change that wants nothing of the journal that there is.
func (s *Store) begin(ctx context.Context) error {
	s.flushing <- struct{}{}
	defer func() { <-s.flushing }()
	if err := s.findOrphans(ctx); err != nil {
		return err
	}
	if err := s.settle(ctx); err != nil {
		return err
	}
	f, err := s.cut((*Store).all)
	if err != nil {
		return err
	}
	if f != nil { // rows came out of a spool meanwhile: the flush of them is the change
		if err := s.write(ctx, f); err != nil {
			s.putBack(ctx, f)
			return err
		}
		return s.commit(ctx, f)
	}
	f = &flush{floor: s.journal.Last() + 1, change: Change{Account: s.cfg.Account}}
	if err := s.prepare(f); err != nil {
		return err
	}
	return s.commit(ctx, f)
}
