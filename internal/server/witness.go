package server

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"strings"
	"time"

	"logkeep/internal/catalog"
	"logkeep/internal/control"
	"logkeep/internal/domain"
	"logkeep/internal/metrics"
	"logkeep/internal/schema"
	"logkeep/internal/witness"
)

// noWitness, as --witness, gives up the one that there was.
const noWitness = "none"

// A found is the data directory as it was before this server changed anything.
type found struct {
	witness.Found
	known string // where it was told of before
}

// findState reads how far the data directory has come. It comes before the first
// change of this server.
func findState(ctx context.Context, cat *catalog.Catalog, v *vaultProcess) (f found, err error) {
	heads, err := v.Heads(ctx)
	if err != nil {
		return f, err
	}
	f.Vault = witness.Vault(heads.Opened)
	f.Accounts = map[schema.AccountID]witness.Manifest{}
	return f, cat.View(ctx, func(tx *catalog.Tx) error {
		h, err := tx.Head(ctx)
		if err != nil {
			return err
		}
		f.Catalog, f.known = h.Changes, h.Witnessed
		all, err := tx.Standings(ctx)
		for _, a := range all {
			m := witness.Manifest{Change: a.Seq, MAC: a.MAC}
			if len(a.MAC) > macPrevious+sha256.Size {
				m.Previous = a.MAC[macPrevious : macPrevious+sha256.Size]
			}
			f.Accounts[a.Account] = m
		}
		return err
	})
}

// macPrevious is where a manifest's MAC has the digest of the one before;
// docs/format/manifest.md has it.
const macPrevious = 5

// observe opens the witness that the configuration names and compares. told is
// what it said; the Witness is nil if there is none.
func observe(ctx context.Context, cfg Config, f found, cat *catalog.Catalog, dir *folder, roots *x509.CertPool, w witness.Config) (_ *witness.Witness, told witness.Statement, err error) {
	switch {
	case cfg.Witness == "" && f.known == "":
		return nil, told, nil
	case cfg.Witness == "":
		return nil, told, fmt.Errorf("the witness %s is told how far this data directory has come; name it with --witness, or give it up with --witness=%s", f.known, noWitness)
	case cfg.Witness == noWitness && f.known == "":
		return nil, told, nil
	case cfg.Witness == noWitness:
		cfg.Log.Warn("the witness is given up: an older copy of the data directory is not noticed any more", "witness", f.known)
		if err := domain.NoteWitness(ctx, cat, control.Witnessed, f.known, noWitness, "the operator gave it up"); err != nil {
			return nil, told, err
		}
		return nil, told, cat.SetWitnessed(ctx, "")
	}
	if strings.Contains(cfg.Witness, "://") {
		w.Place, err = witness.URL(cfg.Witness, roots)
	} else {
		w.Place, err = witness.File(cfg.Witness, dir.path)
	}
	if err != nil {
		return nil, told, err
	}
	w.Log = cfg.Log
	place := witness.New(w)
	told, accepted, err := place.Check(ctx, f.Found, f.known != "", cfg.WitnessAccept)
	if err != nil {
		return nil, told, err
	}
	if accepted != nil {
		cfg.Log.Warn("the operator accepts data that are older than their witness says", "said", accepted.Witness, "found", accepted.Found)
		if err := domain.NoteWitness(ctx, cat, control.RolledBack, accepted.Witness, accepted.Found, "the operator let the server start on data that are older than their witness says"); err != nil {
			return nil, told, err
		}
	}
	if where := w.Place.String(); where != f.known {
		if err := domain.NoteWitness(ctx, cat, control.Witnessed, f.known, where, ""); err != nil {
			return nil, told, err
		}
		err = cat.SetWitnessed(ctx, where)
	}
	return place, told, err
}

// collect reads what a witness is told.
func collect(ctx context.Context, cat *catalog.Catalog, v *vaultProcess, domains *domain.Domains) (s witness.Statement, err error) {
	heads, err := v.Heads(ctx)
	if err != nil {
		return s, err
	}
	s.Vault = witness.Vault(heads.Now)
	var all []catalog.Standing
	if err := cat.View(ctx, func(tx *catalog.Tx) error {
		h, err := tx.Head(ctx)
		if err != nil {
			return err
		}
		s.Catalog = h.Changes
		all, err = tx.Standings(ctx)
		return err
	}); err != nil {
		return s, err
	}
	ids := make([]schema.AccountID, len(all))
	for i, a := range all {
		ids[i] = a.Account
	}
	entries := domains.Entries(ids)
	s.Accounts = make(map[schema.AccountID]witness.Account, len(all))
	for _, a := range all {
		s.Accounts[a.Account] = witness.Account{Change: a.Seq, MAC: witness.MACOf(a.MAC), Journal: entries[a.Account]}
	}
	return s, nil
}

// entriesOf is what a statement says of the journals.
func entriesOf(told witness.Statement) map[schema.AccountID]uint64 {
	entries := map[schema.AccountID]uint64{}
	for id, a := range told.Accounts {
		entries[id] = a.Journal
	}
	return entries
}

// witnessing is a witness as the key domains see it.
type witnessing struct{ *witness.Witness }

// Told implements domain.Witness.
func (w witnessing) Told() control.Witness {
	s := w.Status()
	told := control.Witness{Place: s.Place, At: s.At}
	if s.Failed != nil {
		told.Failed = s.Failed.Error()
	}
	return told
}

// witnessGauges adds how old the last statement is.
func witnessGauges(counts *metrics.Set, w *witness.Witness) {
	counts.Gauge("logkeep_witness_up", "1 if the last try to tell the witness held.", nil, func(set func(float64, ...string)) {
		up := 1.0
		if w.Status().Failed != nil {
			up = 0
		}
		set(up)
	})
	counts.Gauge("logkeep_witness_statement_age_seconds", "Time since the last statement was made; while nothing changes, none is.", nil, func(set func(float64, ...string)) {
		if at := w.Status().At; !at.IsZero() {
			set(time.Since(at).Seconds())
		}
	})
}
