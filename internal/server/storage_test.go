package server_test

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"logkeep/internal/cli"
	"logkeep/internal/server"
)

// checked is what the check of the site's storage says, and whether it is content.
func (s *site) checked(repair bool) (text string, whole bool) {
	s.t.Helper()
	var out bytes.Buffer
	err := server.CheckStorage(s.t.Context(), cli.Checking{DataDir: s.DataDir, Storage: s.Storage, Repair: repair}, &out)
	if err != nil {
		return out.String() + err.Error(), false
	}
	return out.String(), true
}

func TestDamagedSegmentsAreNamedAndSetAside(t *testing.T) {
	t.Parallel()
	s := copied(t)
	s.Flush.Bytes, s.Flush.Age = 1<<20, 50*time.Millisecond
	s.serve()
	s.mustSend("a", 10)
	s.segments(1)
	first := s.objects()[0]
	s.mustSend("b", 10)
	s.segments(2)
	if text, whole := s.checked(false); !whole || !strings.Contains(text, "segments were opened") {
		t.Fatal(text)
	}
	sound, err := os.ReadFile(first)
	must(t, err)
	name := filepath.Base(first)

	// One byte that only the seal shows.
	changed := bytes.Clone(sound)
	changed[len(changed)/2] ^= 1
	must(t, os.WriteFile(first, changed, 0o600))
	text, whole := s.checked(false)
	if whole || !strings.Contains(text, name) || !strings.Contains(text, "--repair") {
		t.Fatal(text)
	}
	s.halt()
	if text, whole := s.checked(false); !whole || !strings.Contains(text, "seals were not checked") {
		t.Fatal(text)
	}
	must(t, os.WriteFile(first, changed[:len(changed)-100], 0o600))
	if text, whole := s.checked(false); whole || !strings.Contains(text, name) {
		t.Fatal(text)
	}
	s.serve()
	_, err = s.count()
	f := refused(t, err, http.StatusInternalServerError, "StorageDamaged")
	if !strings.Contains(f.Message, name) {
		t.Errorf("%s", f.Message)
	}
	if n, err := s.Count(t.Context(), s.Workspace.CustomerID, "Events_CL | where TimeGenerated < ago(1d) | count"); err != nil || n != 0 {
		t.Errorf("what needs no damaged object: %d rows, %v", n, err)
	}
	if text, whole = s.checked(true); !whole || !strings.Contains(text, "set aside") {
		t.Fatal(text)
	}
	s.holds(10)
	kept, err := os.ReadFile(filepath.Join(filepath.Dir(first), "..", "aside", name))
	if err != nil || !bytes.Equal(kept, changed[:len(changed)-100]) {
		t.Errorf("what was left of the object is not kept: %v", err)
	}
	// Back from a backup.
	must(t, os.WriteFile(first, sound, 0o600))
	if text, whole = s.checked(true); !whole || !strings.Contains(text, "taken back") {
		t.Fatal(text)
	}
	s.holds(20)
	s.halt()
	s.serve()
	s.holds(20)
	if text, whole := s.checked(false); !whole {
		t.Fatal(text)
	}
}
