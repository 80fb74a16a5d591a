package domain

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"logkeep/internal/catalog"
	"logkeep/internal/inventory"
	"logkeep/internal/schema"
)

// Marks without a writer are for accounts that nobody writes to, and whose rows
// are all in segments and journals.
func TestReadersFindTheEndOfJournalsThatNobodyWrites(t *testing.T) {
	d := running(t)
	id := clusterAccountAt(cluster, 0)
	folder := inventory.Of(d.cfg.Accounts, cluster, id)
	put := func(name, text string) {
		t.Helper()
		must(t, os.MkdirAll(filepath.Dir(filepath.Join(folder, name)), 0o700))
		must(t, os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600))
	}
	ask := func(want, flush bool) {
		t.Helper()
		marks, rows, err := d.resting(t.Context(), cluster, []schema.AccountID{id})
		must(t, err)
		if rested := marks != nil; rested != want || rows != flush {
			t.Errorf("at rest: %v, to be flushed: %v; want %v and %v", rested, rows, want, flush)
		}
	}
	ask(false, false) // there is no folder: its writer makes it, or says what is wrong
	put("journal/0000000000000001.journal", "old")
	put("journal/0000000000000002.journal", "new")
	put("journal/lock", "")
	must(t, d.cfg.Catalog.Tx(t.Context(), func(tx *catalog.Tx) error {
		return tx.CommitSegments(t.Context(), id, nil, nil, catalog.Manifest{Seq: 7, Floor: 5, MAC: []byte("mac")})
	}))
	d.heard(id, 9)
	ask(true, false)
	marks, _, err := d.resting(t.Context(), cluster, []schema.AccountID{id})
	must(t, err)
	if m := marks[0]; m.Account != id || m.Seq != 7 || m.Rest.Floor != 5 || m.Rest.Seen != 9 || m.Rest.Newest != "0000000000000002.journal" {
		t.Errorf("%+v %+v", m, m.Rest)
	}
	put("journal/0000000000000002.journal", strings.Repeat("rows", few))
	ask(true, true)
	put("spool/0000000000000001.spool", "rows that the writer has to take first")
	ask(false, false)
	must(t, os.RemoveAll(filepath.Join(folder, "spool")))
	ask(true, true)
	w, err := d.sup.Worker(t.Context(), cluster)
	must(t, err)
	ask(false, false)
	w.End("the test is over")
	<-w.Gone()
	ask(true, true)
}
