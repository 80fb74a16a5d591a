package keyring

import (
	"crypto/ecdsa"
	"errors"
	"fmt"
	"slices"

	"logkeep/internal/kek"
	"logkeep/internal/schema"
	"logkeep/internal/wrap"
)

// checkPage verifies every record before anything is done with any, and gives
// what a probe asks about. Nothing is sent to a vault for a page that fails.
// A record under a key that is neither the cluster's nor the service's is one
// whose key nobody asks about: its setting was taken away. service is zero for
// the service's own page and where the service has no key yet.
func checkPage(c Cluster, page Page, service kek.ID, pub *ecdsa.PublicKey) (kek.Wrapped, error) {
	type key struct {
		account    schema.AccountID
		generation uint32
	}
	seen := map[key]bool{}
	for _, rec := range page.Records {
		at := wrap.Place{Tenant: c.Tenant, Cluster: c.ID, Account: rec.Account, Generation: rec.Generation, Layer: rec.Layer}
		if _, err := rec.Open(pub, at); err != nil {
			return kek.Wrapped{}, err
		}
		if !service.IsZero() && !rec.KID.SameKey(service) && (page.Setting.IsZero() || !rec.KID.SameKey(page.Setting)) {
			return kek.Wrapped{}, fmt.Errorf("generation %d of account %s is wrapped with %s, which is neither the cluster's key nor the service's", rec.Generation, rec.Account, rec.KID)
		}
		k := key{rec.Account, rec.Generation}
		if seen[k] {
			return kek.Wrapped{}, fmt.Errorf("account %s has two wrap records of generation %d", rec.Account, rec.Generation)
		}
		seen[k] = true
	}
	for _, rec := range page.Records {
		if rec.Layer == wrap.Inner && !seen[key{rec.Account, 0}] {
			return kek.Wrapped{}, fmt.Errorf("the wrap record of the infrastructure key of account %s is missing", rec.Account)
		}
	}
	if page.Setting.IsZero() {
		return kek.Wrapped{}, nil
	}
	wrapped, err := page.Canary.Open(pub, c.Tenant, c.ID)
	if err != nil {
		return kek.Wrapped{}, err
	}
	if !wrapped.KID.SameKey(page.Setting) || wrapped.KID.Version == "" || (page.Setting.Version != "" && wrapped.KID != page.Setting) {
		return kek.Wrapped{}, fmt.Errorf("canary of cluster %s is wrapped with %s, but the cluster's key is %s", c.ID, wrapped.KID, page.Setting)
	}
	return wrapped, nil
}

// versions lists the versions that records name, each once.
func versions(page Page) (out []kek.ID) {
	for _, rec := range page.Records {
		if !slices.Contains(out, rec.KID) {
			out = append(out, rec.KID)
		}
	}
	return out
}

var errAnswer = errors.New("the worker's answer does not fit what it was asked")

// checkRewrap demands of new records that they are the old keys, each once, under kid.
func checkRewrap(c Cluster, pub *ecdsa.PublicKey, kid kek.ID, old, fresh []wrap.Record) error {
	if len(fresh) != len(old) {
		return fmt.Errorf("%w: %d records, want %d", errAnswer, len(fresh), len(old))
	}
	commitment := map[wrap.Place]wrap.Digest{}
	for _, rec := range old {
		commitment[rec.Place()] = rec.Commitment
	}
	for _, rec := range fresh {
		want, ok := commitment[rec.Place()]
		if _, err := rec.Open(pub, rec.Place()); err != nil {
			return err
		}
		if !ok || rec.Commitment != want || rec.KID != kid {
			return fmt.Errorf("%w: record of account %s, generation %d under %s", errAnswer, rec.Account, rec.Generation, rec.KID)
		}
		delete(commitment, rec.Place())
	}
	return nil
}

// checkNew demands of new records that each account has one, of the generation
// after its last, under kid, and that an account which had none has one of an
// infrastructure key under outer, unless that is zero.
func checkNew(c Cluster, pub *ecdsa.PublicKey, kid, outer kek.ID, accounts []schema.AccountID, have, fresh []wrap.Record) error {
	want := map[wrap.Place]kek.ID{}
	for _, a := range accounts {
		at := wrap.Place{Tenant: c.Tenant, Cluster: c.ID, Account: a, Generation: 1}
		if len(without([]schema.AccountID{a}, have)) > 0 && !outer.IsZero() {
			at.Layer = wrap.Inner
			want[wrap.Place{Tenant: c.Tenant, Cluster: c.ID, Account: a, Layer: wrap.Outer}] = outer
		}
		for _, rec := range have {
			if rec.Account != a {
				continue
			}
			at.Generation = max(at.Generation, rec.Generation+1)
			if rec.Layer == wrap.Outer {
				at.Layer = wrap.Inner
			}
		}
		want[at] = kid
	}
	if len(fresh) != len(want) {
		return fmt.Errorf("%w: %d records, want %d", errAnswer, len(fresh), len(want))
	}
	for _, rec := range fresh {
		by, ok := want[rec.Place()]
		if _, err := rec.Open(pub, rec.Place()); err != nil {
			return err
		}
		if !ok || rec.KID != by {
			return fmt.Errorf("%w: record of account %s, generation %d under %s", errAnswer, rec.Account, rec.Generation, rec.KID)
		}
		delete(want, rec.Place())
	}
	return nil
}

// replaced is records with those of fresh in place of theirs.
func replaced(records, fresh []wrap.Record) []wrap.Record {
	at := map[wrap.Place]wrap.Record{}
	for _, rec := range fresh {
		at[rec.Place()] = rec
	}
	out := slices.Clone(records)
	for i, rec := range out {
		if f, ok := at[rec.Place()]; ok {
			out[i] = f
		}
	}
	return out
}

// under lists the records whose wrap is by any version of key.
func under(records []wrap.Record, key kek.ID) (out []wrap.Record) {
	for _, rec := range records {
		if rec.KID.SameKey(key) {
			out = append(out, rec)
		}
	}
	return out
}

// of lists the records of accounts.
func of(accounts []schema.AccountID, records []wrap.Record) (out []wrap.Record) {
	for _, rec := range records {
		if slices.Contains(accounts, rec.Account) {
			out = append(out, rec)
		}
	}
	return out
}

// without lists the accounts that have no record at all.
func without(accounts []schema.AccountID, records []wrap.Record) (out []schema.AccountID) {
	for _, a := range accounts {
		if !slices.ContainsFunc(records, func(r wrap.Record) bool { return r.Account == a }) {
			out = append(out, a)
		}
	}
	return out
}
