package server_test

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"logkeep/internal/catalog"
	"logkeep/internal/cli/client"
	"logkeep/internal/schema"
)

// A forger can write the catalog's file while the server is down, and knows SQL.
type forger struct {
	t  *testing.T
	db *sql.DB
}

func forge(s *site) *forger {
	s.t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(s.DataDir, "catalog.db"))
	must(s.t, err)
	s.t.Cleanup(func() { db.Close() })
	return &forger{s.t, db}
}

// do changes rows, at least one, and lets go of the file.
func (f *forger) do(query string, args ...any) {
	f.t.Helper()
	result, err := f.db.Exec(query, args...)
	must(f.t, err)
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		f.t.Fatalf("%s: %d rows, %v: the forgery changed nothing", query, n, err)
	}
	must(f.t, f.db.Close())
}

// written is a server with rows in segments of a cluster, and in a workspace of
// the service's, that was stopped.
func written(t *testing.T) (s *site, free client.Workspace) {
	t.Helper()
	s = copied(t)
	s.Flush.Bytes = 1 << 10
	s.serve()
	free = s.makeWorkspace("free")
	target := s.makeTable(free, events, "dcr-free")
	_, err := s.Upload(t.Context(), target, rows("free", 3), nil)
	must(t, err)
	for i := range 2 {
		s.mustSend(fmt.Sprintf("a%d-", i), 300)
		s.segments(i + 1)
	}
	s.holds(600)
	s.halt()
	return s, free
}

// segments waits until the cluster's accounts have at least n segments, and
// returns the account that has them.
func (s *site) segments(n int) (account schema.AccountID) {
	s.t.Helper()
	look, err := catalog.Open(s.t.Context(), filepath.Join(s.DataDir, "catalog.db"))
	must(s.t, err)
	defer look.Close()
	eventually(s.t, limit, "segments", func() error {
		accounts, err := look.Accounts(s.t.Context(), "")
		if err != nil {
			return err
		}
		for _, a := range accounts {
			found, err := look.Segments(s.t.Context(), a.ID)
			if err != nil {
				return err
			}
			if a.Kind == "cluster" && len(found) >= n {
				account = a.ID
				return nil
			}
		}
		return errNotYet
	})
	return account
}

func TestWhoWritesTheCatalogCannotForge(t *testing.T) {
	t.Parallel()
	original, free := written(t)
	account := original.segments(2)
	sibling := account[:len(account)-1] + "0"
	if sibling == account {
		sibling = account[:len(account)-1] + "1"
	}
	// altered is the newest wrap record with one thing changed.
	altered := func(t *testing.T, s *site, change func(map[string]any)) string {
		look, err := catalog.Open(t.Context(), filepath.Join(s.DataDir, "catalog.db"))
		must(t, err)
		defer look.Close()
		wraps, err := look.Wraps(t.Context(), account)
		must(t, err)
		var record map[string]any
		d := json.NewDecoder(bytes.NewReader(wraps[len(wraps)-1].Record))
		d.UseNumber()
		must(t, d.Decode(&record))
		change(record)
		text, err := json.Marshal(record)
		must(t, err)
		return string(text)
	}
	const newest = " WHERE account = ?1 AND generation = (SELECT max(generation) FROM wraps WHERE account = ?1)"
	for name, attack := range map[string]func(*testing.T, *site){
		"a wrap record with another commitment": func(t *testing.T, s *site) {
			text := altered(t, s, func(r map[string]any) { r["commitment"] = strings.Repeat("0", 64) })
			forge(s).do("UPDATE wraps SET record = ?2"+newest, account, text)
		},
		"a wrap record of another time": func(t *testing.T, s *site) {
			text := altered(t, s, func(r map[string]any) { r["created"] = "2001-01-01T00:00:00Z" })
			forge(s).do("UPDATE wraps SET record = ?2"+newest, account, text)
		},
		"another account's wrap record": func(t *testing.T, s *site) {
			forge(s).do("UPDATE wraps SET record = (SELECT record FROM wraps w WHERE w.account = ?2 AND w.generation = wraps.generation)"+newest, account, sibling)
		},
		"a wrap record's account given another name": func(t *testing.T, s *site) {
			text := altered(t, s, func(r map[string]any) { r["account"] = string(sibling) })
			forge(s).do("UPDATE wraps SET record = ?2"+newest, account, text)
		},
		"the setting of the cluster's key, taken away": func(t *testing.T, s *site) {
			forge(s).do("DELETE FROM canaries WHERE cluster = (SELECT domain FROM accounts WHERE id = ?1)", account)
		},
		"a manifest's floor": func(t *testing.T, s *site) {
			forge(s).do("UPDATE manifests SET floor = floor - 1 WHERE account = ?1", account)
		},
		"a manifest's number": func(t *testing.T, s *site) {
			forge(s).do("UPDATE manifests SET seq = seq + 1 WHERE account = ?1", account)
		},
		"no manifest": func(t *testing.T, s *site) {
			forge(s).do("DELETE FROM manifests WHERE account = ?1", account)
		},
		"another account's manifest": func(t *testing.T, s *site) {
			forge(s).do("INSERT OR REPLACE INTO manifests SELECT ?1, seq, floor, mac FROM manifests WHERE account <> ?1 LIMIT 1", account)
		},
		"one segment less": func(t *testing.T, s *site) {
			forge(s).do("DELETE FROM segments WHERE id = (SELECT min(id) FROM segments WHERE account = ?1)", account)
		},
		"a segment with fewer rows": func(t *testing.T, s *site) {
			forge(s).do("UPDATE segments SET row_count = row_count - 1 WHERE account = ?1", account)
		},
		"a segment of another time": func(t *testing.T, s *site) {
			forge(s).do("UPDATE segments SET min_time = 1, max_time = 2 WHERE account = ?1", account)
		},
		"a segment of another workspace": func(t *testing.T, s *site) {
			forge(s).do("UPDATE segments SET workspace = ?2 WHERE account = ?1", account, free.CustomerID)
		},
		"a segment given to another account": func(t *testing.T, s *site) {
			forge(s).do("UPDATE segments SET account = ?2 WHERE account = ?1", account, sibling)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := original.copy(t)
			attack(t, s)
			s.serve()
			_, err := s.count()
			f := refused(t, err, http.StatusServiceUnavailable, "CustomerManagedKeyDamaged")
			t.Log(f.Message)
			refused(t, s.send("new", 1), http.StatusServiceUnavailable, "CustomerManagedKeyDamaged")
			if n, err := s.Count(t.Context(), free.CustomerID, "Events_CL | count"); err != nil || n != 3 {
				t.Errorf("a workspace that has nothing to do with it has %d rows, %v", n, err)
			}
			if out := s.out.String(); !strings.Contains(out, string(account)) && !strings.Contains(out, string(sibling)) {
				t.Errorf("the log does not name the account:\n%s", out)
			}
		})
	}
}

// An older state of one account, whole and once valid, put back into the
// catalog: what was acknowledged since is in neither journal nor manifest.
func TestAnOlderManifestIsNotTaken(t *testing.T) {
	t.Parallel()
	s := copied(t)
	s.Flush.Bytes = 1 << 10
	s.serve()
	s.mustSend("a", 300)
	account := s.segments(1)
	s.holds(300)
	s.halt()
	old, err := os.ReadFile(filepath.Join(s.DataDir, "catalog.db"))
	must(t, err)
	for i := range 2 { // the journal of before is given up at the second start
		s.serve()
		s.mustSend(fmt.Sprintf("b%d-", i), 300)
		s.segments(i + 2)
		s.holds(600 + 300*i)
		s.halt()
	}
	before := filepath.Join(t.TempDir(), "old.db")
	must(t, os.WriteFile(before, old, 0o600))
	f := forge(s)
	_, err = f.db.Exec("ATTACH ?1 AS old", before)
	must(t, err)
	f.db.SetMaxOpenConns(1)
	for _, q := range []string{
		"DELETE FROM segments WHERE account = ?1", "INSERT INTO segments SELECT * FROM old.segments WHERE account = ?1",
		"DELETE FROM manifests WHERE account = ?1", "INSERT INTO manifests SELECT * FROM old.manifests WHERE account = ?1",
	} {
		_, err := f.db.Exec(q, account)
		must(t, err)
	}
	must(t, f.db.Close())
	s.serve()
	_, err = s.count()
	t.Log(refused(t, err, http.StatusInternalServerError, "StorageDamaged").Message)

	// Who has it repaired all the same keeps the segments of the newer one.
	s.checked(true)
	kept, err := filepath.Glob(filepath.Join(s.DataDir, "accounts", "*", string(account), "aside", "*"))
	must(t, err)
	segments := 0
	for _, path := range kept {
		if filepath.Ext(path) == "" {
			segments++
		}
	}
	if segments != 2 {
		t.Errorf("%d segments are kept aside: %v", segments, kept)
	}
}

// copy is another server with the same data, not started.
func (s *site) copy(t *testing.T) *site {
	t.Helper()
	dir := t.TempDir()
	must(t, os.CopyFS(filepath.Join(dir, "data"), os.DirFS(s.DataDir)))
	key, err := os.ReadFile(s.RootKey)
	must(t, err)
	c := &site{
		t: t, setting: setting{DataDir: filepath.Join(dir, "data"), RootKey: filepath.Join(dir, "root.key")},
		VaultID: s.VaultID, VaultURI: s.VaultURI, ClusterID: s.ClusterID, Workspace: s.Workspace, Target: s.Target,
	}
	must(t, os.WriteFile(c.RootKey, key, 0o600))
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		return os.Chmod(path, 0o600) // a copy has the umask's mode
	}))
	return c
}
