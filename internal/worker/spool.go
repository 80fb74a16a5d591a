package worker

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path"

	"github.com/apache/arrow-go/v18/arrow"

	"logkeep/internal/batch"
	"logkeep/internal/fault"
	"logkeep/internal/seal"
	"logkeep/internal/spool"
	"logkeep/internal/store"
	"logkeep/internal/worker/wire"
	"logkeep/internal/wrap"
)

// spoolKeyKind is part of what private halves of spool keys are bound to: never
// change it.
const spoolKeyKind = "spool-key"

func spoolKeyPlace(k wrap.SpoolKey, pair int) seal.Place {
	return seal.Place{Tenant: k.Tenant, Cluster: k.Cluster, Kind: spoolKeyKind, Object: fmt.Sprintf("%s/%s/%d", k.Account, k.ID, pair)}
}

// makeSpoolKey gives an account a spool key of its newest generation unless it
// has one, if a customer's key covers that: rows that come while the key is
// away are sealed to it. What goes wrong is logged and tried at the next
// opening; until then such rows are refused.
func (w *Worker) makeSpoolKey(ctx context.Context, a *account, have uint32) {
	keys, err := a.chain.newest()
	if err == nil && (have == keys.Generation || a.chain.under()[keys.Generation].VaultURI == w.vaults.service) {
		return
	}
	if err == nil {
		err = w.newSpoolKey(ctx, a, keys)
	}
	if err != nil {
		w.log.Error("an account has no spool key; rows that come while its key is away will be refused", "account", string(a.info.ID), "error", err.Error())
	}
}

func (w *Worker) newSpoolKey(ctx context.Context, a *account, keys seal.Keys) error {
	var id [16]byte
	rand.Read(id[:]) // crypto/rand never fails
	k := wrap.SpoolKey{Tenant: a.info.Tenant, Cluster: a.info.Cluster, Account: a.info.ID, Generation: keys.Generation, ID: hex.EncodeToString(id[:])}
	layers := 1
	if keys.Outer != nil {
		layers = 2
	}
	for n := range layers {
		public, private, err := spool.NewPair()
		if err != nil {
			return err
		}
		sealed, _, err := seal.SealMessage(keys, spoolKeyPlace(k, n), private)
		clear(private)
		if err != nil {
			return err
		}
		k.Pairs = append(k.Pairs, wrap.SpoolPair{Public: public, Private: sealed.AppendTo(nil)})
	}
	if err := k.Sign(ctx, w.vaults); err != nil {
		return err
	}
	return w.host.spoolKey(ctx, wire.SpoolKey{Key: k})
}

// spooled is an account's spool as its store takes it over.
type spooled struct {
	w      *Worker
	chain  *chain
	folder *spool.Folder
	info   wire.Account

	file *spool.File // that Next gave
	note wire.Spooled
}

var _ store.Waiting = (*spooled)(nil)

func (w *Worker) spooled(info wire.Account, c *chain) *spooled {
	at := wrap.Place{Tenant: info.Tenant, Cluster: info.Cluster, Account: info.ID}
	folder := spool.OpenFolder(w.disk, path.Join(string(info.ID), spool.Dir), at, w.vaults.signer, info.Spool.Floor, info.Spool.Through)
	return &spooled{w: w, chain: c, folder: folder, info: info}
}

// Own implements store.Waiting.
func (s *spooled) Own(batch [16]byte) bool { return spool.Own(batch) }

// Next implements store.Waiting. A file of which nothing can be used is given
// all the same, with no rows: Done sets it aside.
func (s *spooled) Next(ctx context.Context) (all []store.Rows, ok bool, err error) {
	if s.file, ok, err = s.folder.Next(); !ok || err != nil {
		return nil, ok, err
	}
	s.note = wire.Spooled{Account: s.info.ID, File: s.file.Number}
	if err := s.file.Useless(); err != nil {
		s.note.Reason = err.Error()
		return nil, true, nil
	}
	private, err := s.private(s.file.Key)
	if err != nil {
		return nil, false, fmt.Errorf("spool file %d of account %s: %w", s.file.Number, s.info.ID, err)
	}
	for _, b := range s.file.Open(private) {
		rec, err := batch.Decode(b.Payload)
		if err != nil {
			s.note.Reason = err.Error()
			s.file.SetAside(b.ID)
			continue
		}
		if what, pending := batch.Pending(rec); pending {
			rec, err = s.finish(ctx, what, rec)
			if errors.Is(err, fault.TransformFailed) || errors.Is(err, fault.InvalidRow) {
				s.note.Reason = "the transformation of the rows' rule can't be computed of them"
				s.file.SetAside(b.ID)
				continue
			}
			if err != nil {
				return nil, false, fmt.Errorf("spool file %d of account %s: change rows as their rule says: %w", s.file.Number, s.info.ID, err)
			}
		}
		s.note.Batches++
		s.note.Rows += rec.NumRows()
		if rec.NumRows() == 0 { // the rule keeps none of them
			continue
		}
		all = append(all, store.Rows{Workspace: b.Workspace, Table: b.Table, Record: rec, Batch: b.ID})
	}
	return all, true, nil
}

// finish does with rows what their rule says, which nobody could do without the
// key's process.
func (s *spooled) finish(ctx context.Context, what string, rec arrow.RecordBatch) (arrow.RecordBatch, error) {
	var c wire.Change
	if err := json.Unmarshal([]byte(what), &c); err != nil {
		return nil, err
	}
	parsed, err := s.w.transform(ctx, c, rec)
	return parsed.Record, err
}

// private opens the private halves of a spool key.
func (s *spooled) private(k wrap.SpoolKey) (spool.Private, error) {
	if len(k.Pairs) == 0 { // of a file that was never begun to the end
		return nil, nil
	}
	keys, err := s.chain.sealing(k.Generation)
	if err != nil {
		return nil, err
	}
	halves := make([][]byte, len(k.Pairs))
	for n, p := range k.Pairs {
		if halves[n], _, err = seal.OpenMessage(keys, spoolKeyPlace(k, n), p.Private); err != nil {
			return nil, err
		}
	}
	return spool.ImportPrivate(halves)
}

// Done implements store.Waiting. The keeper is told last: what it remembers
// only guards against a file that is put back.
func (s *spooled) Done(ctx context.Context) error {
	if err := s.file.Remove(); err != nil {
		return err
	}
	s.note.Aside, s.note.Missing = s.file.Aside(), s.file.Missing
	if s.note.Aside+s.note.Missing > 0 {
		if s.note.Reason == "" {
			s.note.Reason = "its bytes were changed"
		}
		s.w.log.Error("rows of a spool could not be imported; they are kept in a file beside it", "account", string(s.info.ID), "file", s.file.Number,
			"batches", s.note.Aside, "missing", s.note.Missing, "reason", s.note.Reason)
	}
	if s.file.Torn > 0 {
		s.w.log.Warn("spool cut", "account", string(s.info.ID), "file", s.file.Number, "bytes", s.file.Torn)
	}
	if err := s.w.host.spooled(ctx, s.note); err != nil {
		s.w.log.Error("the keeper was not told of an import", "account", string(s.info.ID), "error", err.Error())
	}
	return nil
}
