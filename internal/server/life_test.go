package server_test

import (
	"context"
	"database/sql"
	"fmt"
	"iter"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/operationalinsights/armoperationalinsights/v2"

	"logkeep/internal/canary"
)

// old are rows of so many days ago.
func old(days int, word string, n int) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for i := range n {
			row := fmt.Appendf(nil, `{"TimeGenerated":%q,"Mark":"%s-%d","N":%d}`, time.Now().AddDate(0, 0, -days).UTC().Format(time.RFC3339Nano), word, i, i)
			if !yield(row, nil) {
				return
			}
		}
	}
}

// objects are the files of the cluster's segments.
func (s *site) objects() []string {
	s.t.Helper()
	files, err := filepath.Glob(filepath.Join(s.DataDir, "accounts", "*", "*", "objects", "*"))
	must(s.t, err)
	return slices.DeleteFunc(files, func(f string) bool { return strings.Contains(f, "/accounts/service/") })
}

// age makes what is in segments so many days older than it is, as the catalog
// of a server that has stopped tells it.
func (s *site) age(days int) {
	s.t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(s.DataDir, "catalog.db"))
	must(s.t, err)
	defer db.Close()
	_, err = db.Exec("UPDATE segments SET created = created - ?", int64(days)*24*int64(time.Hour))
	must(s.t, err)
}

// aged returns a site that does not run, with a segment of rows that its table
// does not keep any more and one of five that it does.
func aged(t *testing.T, before func(*site)) *site {
	s := copied(t)
	s.Flush.Bytes, s.Flush.Age = 1<<20, 50*time.Millisecond
	s.serve()
	_, err := s.Upload(t.Context(), s.Target, old(100, "old", 10), nil)
	must(t, err)
	s.holds(10) // history is as old as its stay
	s.segments(1)
	s.mustSend("new", 5)
	s.holds(15)
	s.segments(2)
	before(s)
	s.halt()
	s.age(40)
	if n := len(s.objects()); n != 2 {
		t.Fatalf("%d objects", n)
	}
	return s
}

// thinned waits until one object is left.
func (s *site) thinned() {
	s.t.Helper()
	eventually(s.t, limit, "the object is gone", func() error {
		if len(s.objects()) > 1 {
			return errNotYet
		}
		return nil
	})
}

func TestRowsLeaveTheDiskAfterTheirRetention(t *testing.T) {
	t.Parallel()
	s := aged(t, func(*site) {})
	s.serve()
	s.holds(5)
	s.thinned()
	s.mustSend("newer", 5)
	s.holds(10)
	s.halt()
	s.serve()
	s.holds(10)
}

func TestRetentionNeedsNoKey(t *testing.T) {
	t.Parallel()
	s := aged(t, (*site).disabled)
	s.serve()
	s.thinned()
	s.enable("", true)
	// A longer retention does not bring back what is gone, nor does it stumble over it.
	w, err := armoperationalinsights.NewWorkspacesClient(s.SubscriptionID, s.Credential(), s.ARM())
	must(t, err)
	_, err = w.Update(t.Context(), group, s.Workspace.Name, armoperationalinsights.WorkspacePatch{Properties: &armoperationalinsights.WorkspaceProperties{RetentionInDays: to.Ptr(int32(730))}}, nil)
	must(t, err)
	eventually(t, limit, "the rows that are kept", func() error {
		if n, err := s.count(); err != nil || n != 5 {
			return fmt.Errorf("%d rows, %v", n, err)
		}
		return nil
	})
	s.mustSend("newer", 5)
	s.holds(10)
}

func (s *site) purges() *armoperationalinsights.WorkspacePurgeClient {
	c, err := armoperationalinsights.NewWorkspacePurgeClient(s.SubscriptionID, s.Credential(), s.ARM())
	must(s.t, err)
	return c
}

// purge asks for rows with a mark to be purged.
func (s *site) purge(mark string) (id string, err error) {
	r, err := s.purges().Purge(s.t.Context(), group, s.Workspace.Name, armoperationalinsights.WorkspacePurgeBody{
		Table: to.Ptr("Events_CL"),
		Filters: []*armoperationalinsights.WorkspacePurgeBodyFilters{
			{Column: to.Ptr("Mark"), Operator: to.Ptr("in~"), Value: []string{mark, "nobody"}},
			{Column: to.Ptr("N"), Operator: to.Ptr("<"), Value: 1000},
		},
	}, nil)
	if err != nil {
		return "", err
	}
	return *r.OperationID, nil
}

func (s *site) purged(id string) error {
	r, err := s.purges().GetPurgeStatus(s.t.Context(), group, s.Workspace.Name, id, nil)
	if err != nil {
		return err
	}
	if *r.Status != armoperationalinsights.PurgeStateCompleted {
		return errNotYet
	}
	return nil
}

func TestPurge(t *testing.T) {
	t.Parallel()
	s := linked(t)
	word := canary.New()
	s.mustSend(word, 20)
	s.mustSend("kept", 20)
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	id, err := s.purge(word + "-7")
	must(t, err)
	s.notInTheClear(word)
	eventually(t, limit, "the purge", func() error { return s.purged(id) })
	marks := s.marks()
	if len(marks) != 39 || marks[word+"-7"] != 0 || marks[word+"-8"] != 1 {
		t.Errorf("%d marks are left", len(marks))
	}
	_, err = s.purges().GetPurgeStatus(ctx, group, s.Workspace.Name, "purge-74be27de-1e4e-49d9-b579-fe0b331d3642", nil)
	refused(t, err, http.StatusNotFound, "OperationNotFound")
	_, err = s.purges().Purge(ctx, group, s.Workspace.Name, armoperationalinsights.WorkspacePurgeBody{
		Table: to.Ptr("Events_CL"), Filters: []*armoperationalinsights.WorkspacePurgeBodyFilters{{Column: to.Ptr("Nope"), Operator: to.Ptr("=="), Value: 1}},
	}, nil)
	refused(t, err, http.StatusBadRequest, "InvalidParameter")
	_, err = s.purges().Purge(ctx, group, s.Workspace.Name, armoperationalinsights.WorkspacePurgeBody{Table: to.Ptr("None_CL"), Filters: []*armoperationalinsights.WorkspacePurgeBodyFilters{}}, nil)
	refused(t, err, http.StatusNotFound, "TableNotFound")

	s.halt()
	s.serve()
	s.holds(39)
	must(t, s.purged(id))
	s.disabled()
	_, err = s.purge(word + "-8")
	refused(t, err, http.StatusForbidden, "CustomerManagedKeyRevoked")
	s.enable("", true)
	s.light(limit, 39)
}

func TestAPurgeWaitsForTheKeyAndARestart(t *testing.T) {
	t.Parallel()
	s := linked(t)
	s.mustSend("a", 20)
	var id string
	// The key goes while the purge is on its way; whether it was quicker shows its status.
	must(t, s.enableAfter(func() (err error) { id, err = s.purge("a-7"); return err }))
	s.halt()
	s.serve()
	if err := s.purged(id); err != nil && err != errNotYet {
		t.Fatal(err)
	}
	s.enable("", true)
	eventually(t, limit, "the purge", func() error { return s.purged(id) })
	eventually(t, limit, "the rows that are kept", func() error {
		if n, err := s.count(); err != nil || n != 19 {
			return fmt.Errorf("%d rows, %v", n, err)
		}
		return nil
	})
}

// enableAfter does something and then disables the key at once.
func (s *site) enableAfter(do func() error) error {
	err := do()
	s.enable("", false)
	return err
}
