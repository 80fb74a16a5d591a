package server_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"logkeep/internal/bucket"
	"logkeep/internal/bucket/cloud"
	"logkeep/internal/bucket/cloud/cloudtest"
	"logkeep/internal/worker/wire"
)

// damagedJournal is what is seen of a journal of five requests with ten rows each, of
// which one was damaged while no server ran: nothing is answered without it, the rest
// works, and a repair loses what can't be read and nothing else.
func (s *site) damagedJournal(file string) {
	s.t.Helper()
	_, err := s.count()
	f := refused(s.t, err, http.StatusInternalServerError, "StorageDamaged")
	if !strings.Contains(f.Message, file) || !strings.Contains(f.Message, "--repair") {
		s.t.Errorf("%s", f.Message)
	}
	refused(s.t, s.send("no", 1), http.StatusInternalServerError, "StorageDamaged")
	text, whole := s.checked(false)
	if whole || !strings.Contains(text, file) || !strings.Contains(text, "--repair") {
		s.t.Fatal(text)
	}
	if text, whole = s.checked(true); !whole || !strings.Contains(text, "40 rows") || strings.Count(text, "LOST") != 1 {
		s.t.Fatal(text)
	}
	s.holds(40)
	s.mustSend("after", 1)
	s.holds(41)
	if text, whole := s.checked(false); !whole {
		s.t.Fatal(text)
	}
	found := s.marks()
	for mark, n := range found {
		if n != 1 {
			s.t.Errorf("%s is there %d times", mark, n)
		}
	}
	if len(found) != 41 {
		s.t.Errorf("%d different rows", len(found))
	}
}

func TestADamagedJournalIsNamedAndSaved(t *testing.T) {
	t.Parallel()
	s := copied(t)
	s.Flush.Bytes, s.Flush.Age = 1<<20, time.Hour
	s.serve()
	for _, word := range []string{"a", "b", "c", "d", "e"} {
		s.mustSend(word, 10)
	}
	s.holds(50)
	s.halt()
	name, b := "", []byte(nil)
	files, err := filepath.Glob(filepath.Join(s.DataDir, "accounts", "*", "*", "journal", "*.journal"))
	must(t, err)
	for _, f := range files {
		text, err := os.ReadFile(f)
		must(t, err)
		if len(text) > len(b) && !strings.Contains(f, "/accounts/service/") && !strings.Contains(f, "/ws-") {
			name, b = f, text
		}
	}
	b[len(b)/2] ^= 1
	must(t, os.WriteFile(name, b, 0o600))
	s.serve()
	s.damagedJournal(filepath.Base(name))
	kept, err := os.ReadFile(filepath.Join(filepath.Dir(name), "..", "aside", filepath.Base(name)))
	if err != nil || string(kept) != string(b) {
		t.Errorf("the damaged file is not kept: %v", err)
	}
	s.halt()
	s.serve()
	s.holds(41)
}

func TestADamagedJournalInS3(t *testing.T)    { damagedInBucket(t, cloudtest.S3(t)) }
func TestADamagedJournalInAzure(t *testing.T) { damagedInBucket(t, cloudtest.Azure(t)) }

func damagedInBucket(t *testing.T, store cloudtest.Server) {
	store.Setenv(t)
	dir := t.TempDir()
	s := &site{t: t, setting: setting{
		DataDir: filepath.Join(dir, "data"), RootKey: filepath.Join(dir, "root.key"), Storage: store.URL,
		Flush: wire.Flush{Bytes: 1 << 20, Age: time.Hour},
	}}
	b, err := cloud.Open(t.Context(), store.URL)
	must(t, err)
	defer b.Close()
	s.spawn()
	s.make()
	for _, word := range []string{"a", "b", "c", "d", "e"} {
		s.mustSend(word, 10)
	}
	s.holds(50)
	must(t, s.exe.Process.Kill())
	s.exe.Wait()
	list, err := b.List(t.Context(), "")
	must(t, err)
	parts := map[string][]bucket.Info{} // by account
	most := ""
	for _, o := range list {
		account, rest, _ := strings.Cut(o.Name, "/")
		if strings.HasPrefix(rest, "journal/") {
			if parts[account] = append(parts[account], o); len(parts[account]) > len(parts[most]) && !strings.HasPrefix(account, "ws-") {
				most = account
			}
		}
	}
	of := parts[most]
	if len(of) < 5 {
		t.Fatalf("%d parts", len(of))
	}
	gone := of[len(of)-3]
	must(t, b.Remove(t.Context(), gone.Name))
	s.spawn()
	s.damagedJournal(strings.TrimPrefix(gone.Name, most+"/"))
	list, err = b.List(t.Context(), most+"/aside/")
	must(t, err)
	if len(list) != len(of)-1 {
		t.Errorf("%d parts are kept aside, of %d", len(list), len(of)-1)
	}
	must(t, s.exe.Process.Kill())
	s.exe.Wait()
	s.spawn()
	s.holds(41)
	must(t, s.exe.Process.Kill())
	s.exe.Wait()
}
