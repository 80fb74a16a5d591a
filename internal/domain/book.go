package domain

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"logkeep/internal/catalog"
	"logkeep/internal/control"
	"logkeep/internal/kek"
	"logkeep/internal/keyring"
	"logkeep/internal/schema"
	"logkeep/internal/wrap"
)

// leaf is what the catalog keeps of a cluster's key beside its wrap records.
type leaf struct {
	Setting kek.ID          `json:"setting,omitzero"`
	Canary  json.RawMessage `json:"canary,omitempty"`
	Verdict keyring.Verdict `json:"verdict,omitzero"`

	// Used has every key version that the cluster had a key under, and when
	// one was last unwrapped or replaced.
	Used map[string]time.Time `json:"used,omitempty"`

	Events []control.KeyEvent `json:"events,omitempty"` // oldest first

	Spool map[schema.AccountID]spoolLeaf `json:"spool,omitempty"`
}

// keepUsed is how many key versions are remembered, keepEvents how many events.
const (
	keepUsed   = 100
	keepEvents = 200
)

// tell adds an event, if there is a change.
func (l *leaf) tell(at time.Time, what, from, to, reason string) {
	if from == to {
		return
	}
	l.Events = append(l.Events, control.KeyEvent{At: at.UTC().Truncate(time.Millisecond), What: what, From: from, To: to, Reason: reason})
	l.Events = l.Events[max(0, len(l.Events)-keepEvents):]
}

// words are a key's, "" for none.
func words(id kek.ID) string {
	if id.IsZero() {
		return ""
	}
	return id.String()
}

// use notes that key versions are used now.
func (l *leaf) use(now time.Time, kids ...string) {
	if l.Used == nil {
		l.Used = map[string]time.Time{}
	}
	for _, kid := range kids {
		l.Used[kid] = now.UTC().Truncate(time.Second)
	}
	for len(l.Used) > keepUsed {
		oldest := ""
		for kid, at := range l.Used {
			if oldest == "" || at.Before(l.Used[oldest]) {
				oldest = kid
			}
		}
		delete(l.Used, oldest)
	}
}

// kid is the version that the canary is wrapped with.
func (l *leaf) kid() (kek.ID, error) {
	if len(l.Canary) == 0 {
		return kek.ID{}, nil
	}
	c, err := wrap.DecodeCanary(l.Canary)
	return c.KID, err
}

// Load implements keyring.Book.
func (d *Domains) Load(ctx context.Context, cluster schema.ClusterID) (page keyring.Page, v keyring.Verdict, err error) {
	err = d.cfg.Catalog.View(ctx, func(tx *catalog.Tx) error {
		l, err := readLeaf(ctx, tx, cluster)
		if err != nil {
			return err
		}
		page.Setting, v = l.Setting, l.Verdict
		if len(l.Canary) > 0 {
			if page.Canary, err = wrap.DecodeCanary(l.Canary); err != nil {
				return err
			}
		}
		accounts, err := ownAccounts(ctx, tx, cluster)
		if err != nil {
			return err
		}
		for _, a := range accounts {
			records, err := readRecords(ctx, tx, a.ID)
			if err != nil {
				return err
			}
			page.Records = append(page.Records, records...)
		}
		return nil
	})
	if err != nil {
		return page, v, fmt.Errorf("read the key records of cluster %s: %w", cluster, err)
	}
	return page, v, nil
}

// Save implements keyring.Book. Wraps that the page lacks are erased from the
// files as well: who finds one in a freed page could still have it unwrapped.
func (d *Domains) Save(ctx context.Context, cluster schema.ClusterID, page keyring.Page) error {
	gone := false
	err := d.cfg.Catalog.Tx(ctx, func(tx *catalog.Tx) error {
		l, err := readLeaf(ctx, tx, cluster)
		if err != nil {
			return err
		}
		was, err := l.kid()
		if err != nil {
			return err
		}
		l.tell(time.Now(), "Key", words(l.Setting), words(page.Setting), "")
		l.tell(time.Now(), "Version", words(was), words(page.Canary.KID), "")
		l.Setting, l.Canary = page.Setting, nil
		if !page.Canary.KID.IsZero() {
			if l.Canary, err = page.Canary.Encode(); err != nil {
				return err
			}
		}
		type key struct {
			account    schema.AccountID
			generation uint32
			kid        string
		}
		keep := map[key]bool{}
		for _, r := range page.Records {
			keep[key{r.Account, r.Generation, r.KID.String()}] = true
			l.use(time.Now(), r.KID.String())
		}
		rows, err := wraps(page.Records)
		if err != nil {
			return err
		}
		if err := tx.PutWraps(ctx, rows); err != nil {
			return err
		}
		accounts, err := ownAccounts(ctx, tx, cluster)
		if err != nil {
			return err
		}
		for _, a := range accounts {
			old, err := tx.Wraps(ctx, a.ID)
			if err != nil {
				return err
			}
			var drop []catalog.Wrap
			for _, w := range old {
				if !keep[key{w.Account, w.Generation, w.KID}] {
					drop = append(drop, w)
					l.use(time.Now(), w.KID)
				}
			}
			if len(drop) > 0 {
				gone = true
			}
			if err := tx.RemoveWraps(ctx, drop); err != nil {
				return err
			}
		}
		return writeLeaf(ctx, tx, cluster, l, page.Canary.KID)
	})
	if err != nil {
		return fmt.Errorf("write the key records of cluster %s: %w", cluster, err)
	}
	if gone {
		if err := d.cfg.Catalog.Scrub(ctx); err != nil {
			d.cfg.Log.Error("erased wrap records may still be in the catalog's files", "cluster", string(cluster), "error", err.Error())
		}
	}
	return nil
}

// Note implements keyring.Book.
func (d *Domains) Note(ctx context.Context, cluster schema.ClusterID, v keyring.Verdict) error {
	return d.cfg.Catalog.Tx(ctx, func(tx *catalog.Tx) error {
		return changeLeaf(ctx, tx, cluster, func(l *leaf) {
			from := ""
			if l.Verdict.State != keyring.Unknown {
				from = l.Verdict.State.String()
			}
			l.tell(v.Since, "State", from, v.State.String(), v.Reason)
			l.Verdict = v
		})
	})
}

// noteUse remembers that a domain's worker is about to unwrap keys.
func (d *Domains) noteUse(ctx context.Context, domain schema.ClusterID, kids []string) {
	err := d.cfg.Catalog.Tx(ctx, func(tx *catalog.Tx) error {
		return changeLeaf(ctx, tx, domain, func(l *leaf) { l.use(time.Now(), kids...) })
	})
	if err != nil {
		d.cfg.Log.Warn("the use of keys is not recorded", "domain", string(domain), "error", err.Error())
	}
}

func readLeaf(ctx context.Context, tx *catalog.Tx, cluster schema.ClusterID) (l leaf, err error) {
	c, err := tx.Canary(ctx, cluster)
	if errors.Is(err, catalog.ErrNotFound) {
		return l, nil
	}
	if err != nil {
		return l, err
	}
	if err := json.Unmarshal(c.Record, &l); err != nil {
		return l, fmt.Errorf("%w: key record of cluster %s: %w", catalog.ErrDamaged, cluster, err)
	}
	return l, nil
}

// changeLeaf changes what the catalog keeps of a cluster's key.
func changeLeaf(ctx context.Context, tx *catalog.Tx, cluster schema.ClusterID, change func(*leaf)) error {
	l, err := readLeaf(ctx, tx, cluster)
	if err != nil {
		return err
	}
	kid, err := l.kid()
	if err != nil {
		return err
	}
	change(&l)
	return writeLeaf(ctx, tx, cluster, l, kid)
}

func writeLeaf(ctx context.Context, tx *catalog.Tx, cluster schema.ClusterID, l leaf, kid kek.ID) error {
	text, err := json.Marshal(l)
	if err != nil {
		return err
	}
	return tx.PutCanary(ctx, catalog.Canary{Cluster: cluster, KID: kid.String(), Record: text})
}

// ownAccounts are the accounts whose wraps are a cluster's page. Those of
// workspaces are the service's, whichever domain holds them.
func ownAccounts(ctx context.Context, tx *catalog.Tx, cluster schema.ClusterID) ([]catalog.Account, error) {
	domain, kind := cluster, ofCluster
	if cluster == schema.ServiceCluster {
		domain, kind = "", ofService
	}
	all, err := tx.Accounts(ctx, domain)
	if err != nil {
		return nil, err
	}
	var own []catalog.Account
	for _, a := range all {
		if a.Kind == kind {
			own = append(own, a)
		}
	}
	return own, nil
}

func readRecords(ctx context.Context, tx *catalog.Tx, account schema.AccountID) ([]wrap.Record, error) {
	wraps, err := tx.Wraps(ctx, account)
	if err != nil {
		return nil, err
	}
	records := make([]wrap.Record, len(wraps))
	for i, w := range wraps {
		if records[i], err = wrap.DecodeRecord(w.Record); err != nil {
			return nil, err
		}
	}
	return records, nil
}
