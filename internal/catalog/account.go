package catalog

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"logkeep/internal/schema"
)

// An Account is a storage account: one chain of account keys, one journal.
type Account struct {
	ID        schema.AccountID
	Domain    schema.ClusterID   // the key domain that holds it
	Workspace schema.WorkspaceID // of a service-key account, else empty
	Kind      string             // "cluster" or "service"
	Created   time.Time
}

// AddAccount adds an account.
func (r Records) AddAccount(ctx context.Context, a Account) error {
	if a.Created.IsZero() {
		a.Created = time.Now()
	}
	return r.change(ctx, func(tx *Tx) error {
		_, err := tx.exec(ctx, "INSERT INTO accounts (id, domain, workspace, kind, created) VALUES (?,?,?,?,?)",
			string(a.ID), string(a.Domain), string(a.Workspace), a.Kind, stamp(a.Created))
		if err != nil {
			return fmt.Errorf("add account %s: %w", a.ID, err)
		}
		return nil
	})
}

// MoveAccount puts an account into another key domain.
func (r Records) MoveAccount(ctx context.Context, id schema.AccountID, to schema.ClusterID) error {
	return r.change(ctx, func(tx *Tx) error {
		n, err := tx.exec(ctx, "UPDATE accounts SET domain = ? WHERE id = ?", string(to), string(id))
		if err == nil && n == 0 {
			err = ErrNotFound
		}
		if err != nil {
			return fmt.Errorf("move account %s: %w", id, err)
		}
		return nil
	})
}

// Account returns the account with the id.
func (r Records) Account(ctx context.Context, id schema.AccountID) (Account, error) {
	a, err := scanAccount(r.read().QueryRowContext(ctx, selectAccount+"WHERE id = ?", string(id)).Scan)
	if err != nil {
		return Account{}, fmt.Errorf("account %s: %w", id, worded(err))
	}
	return a, nil
}

// Accounts returns the accounts of a key domain, or all if domain is empty, in
// the order of their ids.
func (r Records) Accounts(ctx context.Context, domain schema.ClusterID) ([]Account, error) {
	return query(ctx, r.read(), scanAccount, selectAccount+"WHERE ?1 = '' OR domain = ?1 ORDER BY id", string(domain))
}

// RemoveAccount removes an account with its wrap records, segments and
// manifest: what it held can't be read again.
func (r Records) RemoveAccount(ctx context.Context, id schema.AccountID) error {
	return r.change(ctx, func(tx *Tx) error {
		for _, table := range []string{"wraps", "segments", "manifests", "aside", "packs", "unpacked"} {
			if _, err := tx.exec(ctx, "DELETE FROM "+table+" WHERE account = ?", string(id)); err != nil {
				return fmt.Errorf("remove account %s: %w", id, err)
			}
		}
		n, err := tx.exec(ctx, "DELETE FROM accounts WHERE id = ?", string(id))
		if err == nil && n == 0 {
			err = ErrNotFound
		}
		if err != nil {
			return fmt.Errorf("remove account %s: %w", id, err)
		}
		return nil
	})
}

const selectAccount = "SELECT id, domain, workspace, kind, created FROM accounts "

func scanAccount(scan func(...any) error) (Account, error) {
	var (
		a       Account
		created sql.NullInt64
	)
	err := scan(&a.ID, &a.Domain, &a.Workspace, &a.Kind, &created)
	a.Created = moment(created)
	return a, err
}

// A Wrap is one generation of an account's key, wrapped under one key version.
// Its record is signed by whoever made it and opaque here.
type Wrap struct {
	Account    schema.AccountID
	Generation uint32
	KID        string
	Record     json.RawMessage
	Created    time.Time
}

// PutWraps writes wrap records; one for the same account, generation and key
// version is replaced. All or none.
func (r Records) PutWraps(ctx context.Context, wraps []Wrap) error {
	return r.change(ctx, func(tx *Tx) error {
		for _, w := range wraps {
			if w.Created.IsZero() {
				w.Created = time.Now()
			}
			_, err := tx.exec(ctx, `INSERT INTO wraps (account, generation, kid, record, created) VALUES (?,?,?,?,?)
				ON CONFLICT DO UPDATE SET record = excluded.record, created = excluded.created`,
				string(w.Account), int64(w.Generation), w.KID, string(w.Record), stamp(w.Created))
			if err != nil {
				return fmt.Errorf("write wrap record of account %s: %w", w.Account, err)
			}
		}
		return nil
	})
}

// Wraps returns the wrap records of an account by generation, oldest first.
func (r Records) Wraps(ctx context.Context, account schema.AccountID) ([]Wrap, error) {
	return query(ctx, r.read(), func(scan func(...any) error) (w Wrap, err error) {
		var (
			record  string
			created sql.NullInt64
		)
		err = scan(&w.Account, &w.Generation, &w.KID, &record, &created)
		w.Record, w.Created = json.RawMessage(record), moment(created)
		return w, err
	}, "SELECT account, generation, kid, record, created FROM wraps WHERE account = ? ORDER BY generation, created, kid", string(account))
}

// KeyUsers returns the key domains that hold a wrap under a key version, or a
// canary.
func (r Records) KeyUsers(ctx context.Context, kid string) ([]schema.ClusterID, error) {
	return query(ctx, r.read(), func(scan func(...any) error) (d schema.ClusterID, err error) { return d, scan(&d) },
		`SELECT a.domain FROM wraps w JOIN accounts a ON a.id = w.account WHERE w.kid = ?1
			UNION SELECT cluster FROM canaries WHERE kid = ?1 ORDER BY 1`, kid)
}

// RemoveWraps removes wrap records, named by account, generation and key
// version. After it comes Scrub if they must be gone from the files as well.
func (r Records) RemoveWraps(ctx context.Context, wraps []Wrap) error {
	return r.change(ctx, func(tx *Tx) error {
		for _, w := range wraps {
			_, err := tx.exec(ctx, "DELETE FROM wraps WHERE account = ? AND generation = ? AND kid = ?", string(w.Account), int64(w.Generation), w.KID)
			if err != nil {
				return fmt.Errorf("remove wrap record of account %s: %w", w.Account, err)
			}
		}
		return nil
	})
}

// A Canary is the record by which a cluster's key is probed: signed, opaque.
type Canary struct {
	Cluster schema.ClusterID
	KID     string
	Record  json.RawMessage
	Created time.Time
}

// PutCanary writes a cluster's canary in place of the one before.
func (r Records) PutCanary(ctx context.Context, c Canary) error {
	if c.Created.IsZero() {
		c.Created = time.Now()
	}
	return r.change(ctx, func(tx *Tx) error {
		_, err := tx.exec(ctx, "INSERT INTO canaries (cluster, kid, record, created) VALUES (?,?,?,?) ON CONFLICT DO UPDATE SET kid = excluded.kid, record = excluded.record, created = excluded.created",
			string(c.Cluster), c.KID, string(c.Record), stamp(c.Created))
		return err
	})
}

// Canary returns a cluster's canary.
func (r Records) Canary(ctx context.Context, cluster schema.ClusterID) (Canary, error) {
	var (
		c       Canary
		record  string
		created sql.NullInt64
	)
	err := r.read().QueryRowContext(ctx, "SELECT cluster, kid, record, created FROM canaries WHERE cluster = ?", string(cluster)).
		Scan(&c.Cluster, &c.KID, &record, &created)
	if err != nil {
		return Canary{}, fmt.Errorf("canary of cluster %s: %w", cluster, worded(err))
	}
	c.Record, c.Created = json.RawMessage(record), moment(created)
	return c, nil
}

// RemoveCanary removes a cluster's canary, if there is one.
func (r Records) RemoveCanary(ctx context.Context, cluster schema.ClusterID) error {
	return r.change(ctx, func(tx *Tx) error {
		_, err := tx.exec(ctx, "DELETE FROM canaries WHERE cluster = ?", string(cluster))
		return err
	})
}
