package keystore_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"logkeep/internal/vault/keystore"
)

// Rows that were genuine once, and are put back alone, are noticed; so is one
// that is missing, and an older head.
func TestRowsOfAnEarlierTimeAreNoticed(t *testing.T) {
	made := t.TempDir()
	s := open(t, made)
	_, one, two := fill(t, s)
	var newest keystore.Version
	update(t, s, func(tx *keystore.Tx) (err error) {
		newest, err = tx.Version(one, "")
		return err
	})
	s.Close()
	earlier, err := os.ReadFile(filepath.Join(made, "vault.db"))
	if err != nil {
		t.Fatal(err)
	}
	s = open(t, made)
	update(t, s, func(tx *keystore.Tx) error {
		newest.Enabled = false
		one.Sequence += 7
		return errors.Join(tx.PutVersion(one, newest), tx.PutKey(one), tx.PutMeta("more", []byte("x"), []byte("y")))
	})
	after, err := s.Head(t.Context())
	if err != nil || after.Changes == 0 || len(after.Digest) != 64 {
		t.Fatalf("%+v, %v", after, err)
	}
	s.Close()
	s = open(t, made)
	if s.Opened() != after {
		t.Errorf("opened with %+v, closed with %+v", s.Opened(), after)
	}
	update(t, s, func(tx *keystore.Tx) error { return nil }) // changes nothing
	if h, err := s.Head(t.Context()); err != nil || h != after {
		t.Errorf("an update without a change made %+v of %+v, %v", h, after, err)
	}
	s.Close()
	now, err := os.ReadFile(filepath.Join(made, "vault.db"))
	if err != nil {
		t.Fatal(err)
	}
	other := t.TempDir()
	before := filepath.Join(other, "vault.db")
	if err := os.WriteFile(before, earlier, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, statement := range map[string]string{
		"a version that was enabled": `UPDATE versions SET (record, mac) = (SELECT record, mac FROM old.versions o WHERE o.id = versions.id)`,
		"a key":                      `UPDATE keys SET (record, mac) = (SELECT record, mac FROM old.keys o WHERE o.name = keys.name)`,
		"the head alone":             `UPDATE meta SET (record, mac, secret) = (SELECT record, mac, secret FROM old.meta o WHERE o.name = meta.name) WHERE name = 'head'`,
		"a secret removed":           `DELETE FROM meta WHERE name = 'more'`,
		"a version removed":          `DELETE FROM versions WHERE key = 'two'`,
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "vault.db"), now, 0o600); err != nil {
			t.Fatal(err)
		}
		edit(t, dir, "ATTACH '"+before+"' AS old; "+statement)
		if s, err := keystore.Open(t.Context(), dir, root(t, 1)); !errors.Is(err, keystore.ErrDamaged) {
			t.Errorf("%s: %v", name, err)
			if err == nil {
				s.Close()
			}
		}
	}
	// The whole of it is a state that once was: only who knew a later one can tell.
	if s, err := keystore.Open(t.Context(), other, root(t, 1)); err != nil {
		t.Error(err)
	} else {
		if s.Opened().Changes >= after.Changes {
			t.Errorf("an earlier file has head %+v, the later one %+v", s.Opened(), after)
		}
		s.Close()
	}
	// Whatever is removed leaves the head in order.
	s = open(t, made)
	update(t, s, func(tx *keystore.Tx) error { return tx.DropKey(two) })
	s.Close()
	s = open(t, made)
	update(t, s, func(tx *keystore.Tx) error {
		all, err := tx.Vaults()
		if err != nil {
			return err
		}
		return tx.DropVault(all[0])
	})
	s.Close()
	open(t, made).Close()
}
