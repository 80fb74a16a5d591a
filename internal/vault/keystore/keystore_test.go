package keystore_test

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	_ "modernc.org/sqlite"

	"logkeep/internal/seal"
	"logkeep/internal/vault/admin"
	"logkeep/internal/vault/keystore"
	"logkeep/internal/vault/material"
)

func root(t *testing.T, b byte) *seal.Key {
	t.Helper()
	k, err := seal.ImportKey(bytes.Repeat([]byte{b}, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func open(t *testing.T, dir string) *keystore.Store {
	t.Helper()
	s, err := keystore.Open(t.Context(), dir, root(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func update(t *testing.T, s *keystore.Store, f func(*keystore.Tx) error) {
	t.Helper()
	if err := s.Update(t.Context(), f); err != nil {
		t.Fatal(err)
	}
}

// fill makes vault "Kv" with keys "One" and "Two", the first with two versions.
func fill(t *testing.T, s *keystore.Store) (v keystore.Vault, one, two keystore.Key) {
	t.Helper()
	v = keystore.Vault{Name: "Kv", Location: "westeurope", Properties: admin.Properties{SoftDeleteRetentionInDays: 7}}
	update(t, s, func(tx *keystore.Tx) error {
		if err := tx.PutVault(&v); err != nil {
			return err
		}
		one, two = keystore.Key{Vault: v.UID, Name: "One"}, keystore.Key{Vault: v.UID, Name: "Two"}
		for _, k := range []*keystore.Key{&one, &one, &two} {
			private, err := material.Generate(material.Spec{Kind: material.EC, Curve: "P-256"})
			if err != nil {
				return err
			}
			if err := tx.AddVersion(k, &keystore.Version{Enabled: true, Ops: []string{"sign"}}, private); err != nil {
				return err
			}
		}
		return tx.PutMeta("authority", []byte("certificate"), []byte("authority's private key"))
	})
	return v, one, two
}

// check reads everything that fill made.
func check(s *keystore.Store, t *testing.T) error {
	return s.View(t.Context(), func(tx *keystore.Tx) error {
		vaults, err := tx.Vaults()
		if err != nil {
			return err
		}
		for _, v := range vaults {
			if _, err := tx.Vault(v.Name); err != nil {
				return err
			}
			keys, err := tx.Keys(v.UID, "", 10)
			if err != nil {
				return err
			}
			for _, k := range keys {
				versions, err := tx.Versions(k)
				if err != nil {
					return err
				}
				for _, ver := range append(versions, keystore.Version{}) {
					got, err := tx.Version(k, ver.ID)
					if err != nil {
						return err
					}
					if _, err := tx.Private(k, got); err != nil {
						return err
					}
				}
			}
		}
		_, _, err = tx.Meta("authority")
		return err
	})
}

func TestWhatWasWrittenIsThereAfterARestart(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	v, one, _ := fill(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	if err := check(s, t); err != nil {
		t.Fatal(err)
	}
	err := s.View(t.Context(), func(tx *keystore.Tx) error {
		got, err := tx.Vault("KV")
		if err != nil || got.UID != v.UID || got.Name != "Kv" {
			t.Errorf("vault %+v, %v", got, err)
		}
		versions, err := tx.Versions(one)
		if err != nil || len(versions) != 2 || versions[0].ID != one.Newest || versions[0].Sequence != 2 {
			t.Errorf("versions %+v, %v", versions, err)
		}
		if _, err := tx.Version(one, keystore.VersionID(strings.Repeat("0", 32))); !errors.Is(err, keystore.ErrNotFound) {
			t.Errorf("a version that is not there: %v", err)
		}
		page, err := tx.Keys(v.UID, "ONE", 10)
		if err != nil || len(page) != 1 || page[0].Name != "Two" {
			t.Errorf("keys after One: %+v, %v", page, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAnUpdateThatFailsChangesNothing(t *testing.T) {
	s := open(t, t.TempDir())
	_, one, _ := fill(t, s)
	boom := errors.New("boom")
	if err := s.Update(t.Context(), func(tx *keystore.Tx) error {
		if err := tx.DropKey(one); err != nil {
			return err
		}
		return boom
	}); !errors.Is(err, boom) {
		t.Fatal(err)
	}
	if err := s.View(t.Context(), func(tx *keystore.Tx) error { _, err := tx.Key(one.Vault, "one"); return err }); err != nil {
		t.Fatal(err)
	}
}

func TestAWrongRootKeyIsRefusedInWords(t *testing.T) {
	dir := t.TempDir()
	open(t, dir).Close()
	_, err := keystore.Open(t.Context(), dir, root(t, 2))
	if !errors.Is(err, keystore.ErrRootKey) || !strings.Contains(err.Error(), "--root-key") {
		t.Fatal(err)
	}
	open(t, dir) // the right one still opens it
}

func TestTwoProcessesCannotShareAFolder(t *testing.T) {
	dir := t.TempDir()
	open(t, dir)
	if _, err := keystore.Open(t.Context(), dir, root(t, 1)); !errors.Is(err, keystore.ErrInUse) {
		t.Fatal(err)
	}
}

// edit changes the file behind the Store's back.
func edit(t *testing.T, dir, statement string) int64 {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(dir, "vault.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	r, err := db.Exec(statement)
	if err != nil {
		t.Fatal(err)
	}
	n, _ := r.RowsAffected()
	return n
}

func TestAnotherFileIsRefusedInWords(t *testing.T) {
	for name, c := range map[string]struct {
		make func(t *testing.T, dir string)
		want error
	}{
		"newer": {func(t *testing.T, dir string) { open(t, dir).Close(); edit(t, dir, "PRAGMA user_version = 9") }, keystore.ErrNewer},
		"of another application": {func(t *testing.T, dir string) {
			open(t, dir).Close()
			edit(t, dir, "PRAGMA application_id = 7")
		}, keystore.ErrDamaged},
		"without a mark": {func(t *testing.T, dir string) { open(t, dir).Close(); edit(t, dir, "DELETE FROM meta") }, keystore.ErrDamaged},
		"no database": {func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, "vault.db"), []byte(strings.Repeat("no database ", 100)), 0o600); err != nil {
				t.Fatal(err)
			}
		}, keystore.ErrDamaged},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			c.make(t, dir)
			if _, err := keystore.Open(t.Context(), dir, root(t, 1)); !errors.Is(err, c.want) {
				t.Fatal(err)
			}
		})
	}
}

// Whatever is changed in a row that matters, the row is refused: it can't be
// edited, moved to another place or swapped with a row of another key.
func TestAlteredRowsAreRefused(t *testing.T) {
	made := t.TempDir()
	s := open(t, made)
	fill(t, s)
	s.Close()
	file, err := os.ReadFile(filepath.Join(made, "vault.db"))
	if err != nil {
		t.Fatal(err)
	}
	last := func(column string) string { // clears the last bytes
		return fmt.Sprintf("%[1]s = unhex(hex(substr(%[1]s, 1, length(%[1]s)-8)) || '0000000000000000')", column)
	}
	swap := func(columns string) string {
		return `UPDATE versions SET (` + columns + `) = (SELECT ` + columns + ` FROM versions o WHERE o.key <> versions.key LIMIT 1)`
	}
	for name, statement := range map[string]string{
		"vault's record":         `UPDATE vaults SET record = CAST(replace(record, 'westeurope', 'eastus') AS BLOB)`,
		"vault's mac":            `UPDATE vaults SET mac = zeroblob(32)`,
		"vault's name":           `UPDATE vaults SET name = 'other'`,
		"key's record":           `UPDATE keys SET record = CAST(replace(record, '"sequence":2', '"sequence":1') AS BLOB)`,
		"key's newest version":   `DELETE FROM versions WHERE json_extract(CAST(record AS TEXT), '$.sequence') = 2`,
		"version re-enabled":     `UPDATE versions SET record = CAST(replace(record, 'true', 'false') AS BLOB)`,
		"version's mac":          `UPDATE versions SET ` + last("mac"),
		"version's mac shorter":  `UPDATE versions SET mac = x''`,
		"version's id":           `UPDATE versions SET id = '0123456789abcdef0123456789abcdef' WHERE key = 'two'`,
		"secret":                 `UPDATE versions SET ` + last("secret"),
		"secret emptied":         `UPDATE versions SET secret = x''`,
		"secret of another":      swap("secret"),
		"records of another":     swap("record, mac"),
		"everything of another":  swap("record, mac, secret"),
		"authority's record":     `UPDATE meta SET record = CAST('certificatf' AS BLOB) WHERE name = 'authority'`,
		"authority's secret":     `UPDATE meta SET secret = zeroblob(200) WHERE name = 'authority'`,
		"authority renamed":      `UPDATE meta SET name = 'x' || name`,
		"key's row of another":   `UPDATE keys SET (record, mac) = (SELECT record, mac FROM keys o WHERE o.name <> keys.name)`,
		"key moved by its names": `UPDATE keys SET name = name || 'x'`,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "vault.db"), file, 0o600); err != nil {
				t.Fatal(err)
			}
			edit(t, dir, "DELETE FROM meta WHERE name = 'head'") // each row is proof against it alone
			if edit(t, dir, statement) == 0 {
				t.Fatal("nothing was altered")
			}
			s, err := keystore.Open(t.Context(), dir, root(t, 1))
			if err == nil {
				defer s.Close()
				err = check(s, t)
			}
			if !errors.Is(err, keystore.ErrDamaged) && !(strings.Contains(name, "renamed") && errors.Is(err, keystore.ErrNotFound)) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestNoSecretIsInTheFile(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	v, one, _ := fill(t, s)
	var der []byte
	if err := s.View(t.Context(), func(tx *keystore.Tx) error {
		ver, err := tx.Version(one, "")
		if err != nil {
			return err
		}
		private, err := tx.Private(one, ver)
		if err != nil {
			return err
		}
		der, err = private.Marshal()
		return err
	}); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) < 2 { // the file and its log
		t.Fatal(files, err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for what, secret := range map[string][]byte{
			"root key": bytes.Repeat([]byte{1}, 32), "private key": der[36:68], "authority's key": []byte("authority's private key"),
		} {
			if bytes.Contains(b, secret) {
				t.Errorf("%s holds the %s", filepath.Base(name), what)
			}
		}
		if info, err := os.Stat(name); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s is readable by others: %v %v", name, info.Mode(), err)
		}
	}
	// What is purged is gone from the file as well as from its log.
	mark := []byte(one.Newest)
	update(t, s, func(tx *keystore.Tx) error { return tx.DropVault(v) })
	if err := s.Forget(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if b, err := os.ReadFile(name); err != nil || bytes.Contains(b, mark) {
			t.Errorf("%s remembers a purged key (%v)", filepath.Base(name), err)
		}
	}
}

func TestTheAuditLogIsBoundedPerVault(t *testing.T) {
	synctest.Test(t, testAuditLog)
}

func testAuditLog(t *testing.T) {
	folder := t.TempDir()
	s := open(t, folder)
	s.SetRoom(1_000, 20_000)
	v, _, _ := fill(t, s)
	write := func(n int) {
		t.Helper()
		entries := make([]keystore.Entry, n)
		for i := range entries {
			entries[i] = keystore.Entry{Vault: v.UID, Event: admin.Event{Time: time.Unix(int64(i), 0).UTC(), OperationName: "KeyGet"}}
		}
		if err := s.AppendEvents(t.Context(), entries); err != nil {
			t.Fatal(err)
		}
	}
	ask := func(reader string, after int64) (n int, last, lost int64) {
		t.Helper()
		events, last, lost, err := s.Events(t.Context(), v.UID, reader, after, 1000)
		if err != nil {
			t.Fatal(err)
		}
		return len(events), last, lost
	}
	count := func() (n int, last int64) {
		t.Helper()
		for {
			got, to, _ := ask("", last)
			if got == 0 {
				return n, last
			}
			if to <= last {
				t.Fatal("pages overlap")
			}
			n, last = n+got, to
		}
	}
	bounded := func(what string, least, most int) {
		t.Helper()
		if n, _ := count(); n < least || n > most+256 {
			t.Errorf("%s: %d records, want %d to %d", what, n, least, most+256)
		}
	}
	// Right after a start nobody knows who will ask.
	write(1_100)
	bounded("after the start", 1_100, 1_100)
	time.Sleep(2 * time.Minute)
	write(600)
	bounded("nobody reads", 1_000, 1_000)
	// A workspace whose key is away asks again and again for the same.
	_, newest := count()
	for range 3 {
		time.Sleep(30 * time.Minute)
		ask("away", newest)
		ask("fast", newest)
		write(1_500)
	}
	if n, _, lost := ask("away", newest); n != 1000 || lost != 0 {
		t.Errorf("what waits: %d records, %d lost", n, lost)
	}
	bounded("somebody waits", 4_500, 4_500+1_000)
	// There is a bound, and what is lost then is told to whoever misses it.
	write(20_000)
	bounded("more than there is room for", 20_000, 20_000)
	if _, _, lost := ask("away", newest); lost < 4_400 || lost > 4_500+256 {
		t.Errorf("%d lost", lost)
	}
	_, last := count()
	if _, _, lost := ask("fast", last); lost != 0 {
		t.Errorf("told of %d that it has", lost)
	}
	// It is known after a restart, and told no more when everybody has gone on.
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, folder)
	s.SetRoom(1_000, 20_000)
	if _, _, lost := ask("away", newest); lost < 4_400 {
		t.Errorf("%d lost after a restart", lost)
	}
	ask("away", last)
	time.Sleep(2 * time.Minute)
	write(1_000)
	if _, _, lost := ask("late", 0); lost != 0 {
		t.Errorf("%d lost for one who comes anew", lost)
	}
	bounded("everybody has it", 1_000, 1_000)
	// Nobody waits for ever for one who does not ask.
	ask("away", last)
	time.Sleep(2 * time.Hour)
	write(1_200)
	bounded("the reader is gone", 1_000, 1_000)
}
