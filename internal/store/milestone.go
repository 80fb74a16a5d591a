package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"logkeep/internal/journal"
)

// A milestone is an entry of the journal without rows. It says which change of
// the manifest was committed before it:
//
//	workspace "" · table "" · payload = seq(8, big-endian) SHA-256 of the change's MAC
//
// The catalog has no key, so who writes it can put an older manifest back, whole
// and once valid. But the journal is sealed and chained: while its last
// milestone is there, a manifest that lacks the change which it names, or has
// another of that number, is refused. The floor of a manifest never lies past
// the milestone that follows it, so replay meets it.
//
// A crash between a commit and its milestone leaves a manifest that is newer than
// the last milestone, and that is right.

// ErrRolledBack reports a manifest, or a journal, that is older than the account.
var ErrRolledBack = errors.New("the account was further on than what is stored of it now: an older state was put back; restore the whole data directory from a backup")

const milestoneSize = 8 + sha256.Size

func isMilestone(e journal.Entry) bool { return e.Workspace == "" && e.Table == "" }

// milestone tells the journal of the change that was just committed, and lets go
// of the file before it. If it fails, the next one says more.
func (s *Store) milestone(ctx context.Context, f *flush) {
	digest := sha256.Sum256(f.head.mac)
	e := journal.Entry{Payload: append(binary.BigEndian.AppendUint64(nil, f.head.seq), digest[:]...)}
	_, err := s.journal.Append(context.WithoutCancel(ctx), e)
	if err == nil {
		err = s.journal.Release(f.floor)
	}
	if err != nil && !errors.Is(err, journal.ErrClosed) {
		s.log.Warn("the journal does not know of the last change yet", "change", f.head.seq, "error", err)
	}
}

// reached compares a milestone with the manifest that the catalog gave.
func (h head) reached(payload []byte) error {
	if len(payload) != milestoneSize {
		return fmt.Errorf("%w: a milestone has %d bytes", ErrForged, len(payload))
	}
	seq := binary.BigEndian.Uint64(payload)
	digest := sha256.Sum256(h.mac)
	if seq > h.seq || seq == h.seq && !bytes.Equal(digest[:], payload[8:]) {
		return fmt.Errorf("%w: the journal knows of change %d, the catalog has change %d", ErrRolledBack, seq, h.seq)
	}
	return nil
}
