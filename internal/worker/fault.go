package worker

import (
	"context"
	"errors"
	"fmt"

	"logkeep/internal/bucket"
	"logkeep/internal/disk"
	"logkeep/internal/fault"
	"logkeep/internal/journal"
	"logkeep/internal/kek"
	"logkeep/internal/schema"
	"logkeep/internal/seal"
	"logkeep/internal/segment"
	"logkeep/internal/store"
	"logkeep/internal/wrap"
)

// keyFault turns what went wrong with keys into what the keeper is told. The
// keeper, which knows the cluster and since when, words it for clients.
func keyFault(err error) error {
	if err == nil {
		return nil
	}
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f
	}
	if damagedBy(err) != nil { // the key is right, or the account would not be open
		return damageFault(err)
	}
	if errors.Is(err, disk.ErrLocked) {
		return fault.New(fault.ServiceUnavailable, "The process that held the storage account before has not ended yet. Try again.").WithRetryAfter(1).Because(err)
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fault.New(fault.CustomerManagedKeyUnreachable, "The key's vault did not answer in time.").Because(err)
	}
	if f := storageFault(err); f != nil {
		return f
	}
	if denied, ok := errors.AsType[*kek.Denied](err); ok {
		return fault.New(fault.CustomerManagedKeyRevoked, "The key's vault answered: %s.", denied.Answer()).Because(err)
	}
	if silent, ok := errors.AsType[*kek.Silent](err); ok {
		return fault.New(fault.CustomerManagedKeyUnreachable, "The key's vault did not answer: %s.", silent.Answer()).Because(err)
	}
	if damaged, ok := errors.AsType[*kek.Damaged](err); ok {
		return fault.New(fault.CustomerManagedKeyDamaged, "The key's vault could not use a wrapped key: %s.", damaged.Answer()).Because(err)
	}
	if d, ok := errors.AsType[*journal.DamageError](err); ok { // a reader has found it
		return fault.New(fault.StorageDamaged, "File %s of a journal is damaged at byte %d. Rows that were acknowledged may be in it alone. The operator restores it from a backup, or saves what can be read with 'logkeep storage check --repair'.", d.File, d.Offset).Because(err)
	}
	if broken := brokenBy(err); broken != nil {
		return fault.New(fault.CustomerManagedKeyDamaged, "A stored record does not match its key or its place: %s.", broken).Because(err)
	}
	return fault.Of(err)
}

// storageFault is what is told when the bucket that accounts lie in does not do
// its part; nil if err is about something else.
func storageFault(err error) error {
	switch {
	case errors.Is(err, bucket.ErrSilent):
		return fault.New(fault.ServiceUnavailable, "The object store does not answer. Try again later.").WithRetryAfter(5).Because(err)
	case errors.Is(err, bucket.ErrRefused):
		return fault.New(fault.ServiceUnavailable, "The object store refuses the server. The operator finds the cause in the server's log.").WithRetryAfter(30).Because(err)
	case errors.Is(err, bucket.ErrLost):
		return fault.New(fault.ServiceUnavailable, "Another server has taken over the storage account. Try again.").WithRetryAfter(1).Because(err)
	}
	return nil
}

// brokenBy tells which promise of the stored bytes err says is broken; nil if
// it says nothing of the kind.
func brokenBy(err error) error {
	for _, broken := range []error{wrap.ErrUnsigned, wrap.ErrMisplaced, wrap.ErrMismatch, store.ErrForged, store.ErrRolledBack, seal.ErrTampered, bucket.ErrDamaged} {
		if errors.Is(err, broken) {
			return broken
		}
	}
	if d, ok := errors.AsType[*journal.DamageError](err); ok {
		return d
	}
	return nil
}

// damagedBy is the damaged segment that err tells of, or nil.
func damagedBy(err error) *segment.DamagedError {
	d, _ := errors.AsType[*segment.DamagedError](err)
	return d
}

// openFault names the account that can't be opened because of what is stored.
func openFault(id schema.AccountID, err error) error {
	if broken := brokenBy(err); broken != nil {
		return fault.New(fault.CustomerManagedKeyDamaged, "Storage account %s can't be opened: %s.", id, broken).Because(err)
	}
	return err
}

// brokenFault is what is told whoever asks for an account whose journal is damaged.
func brokenFault(id schema.AccountID, err error) error {
	what := "it can't be read"
	if d, ok := errors.AsType[*journal.DamageError](err); ok {
		what = fmt.Sprintf("file %s is damaged at byte %d", d.File, d.Offset)
	} else if errors.Is(err, disk.ErrDamaged) {
		what = err.Error()
	}
	return fault.New(fault.StorageDamaged, "The journal of storage account %s is damaged: %s. Rows that were acknowledged may be in it alone. The operator restores it from a backup, or saves what can be read with 'logkeep storage check --repair'.", id, what).Because(err)
}
