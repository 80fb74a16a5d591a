package server_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"logkeep/internal/catalog"
	"logkeep/internal/cli/client"
	"logkeep/internal/dsse"
	"logkeep/internal/witness"
)

// witnessed is a server with a witness in a file, not started.
func witnessed(t *testing.T) *site {
	t.Helper()
	s := copied(t)
	s.Witness = filepath.Join(t.TempDir(), "witness.json")
	return s
}

// statement is what the witness says.
func (s *site) statement() (st witness.Statement) {
	s.t.Helper()
	text, err := os.ReadFile(s.Witness)
	must(s.t, err)
	e, err := dsse.Parse(text)
	must(s.t, err)
	must(s.t, json.Unmarshal(e.Payload, &st))
	return st
}

// keep copies the data directory, or a part of it, as it is while no server runs;
// the function that it returns puts the copy back.
func (s *site) keep(parts ...string) (putBack func()) {
	s.t.Helper()
	old := s.t.TempDir()
	for _, part := range parts {
		from, to := filepath.Join(s.DataDir, part), filepath.Join(old, part)
		if info, err := os.Stat(from); err == nil && info.IsDir() {
			must(s.t, os.CopyFS(to, os.DirFS(from)))
			continue
		}
		text, err := os.ReadFile(from)
		must(s.t, err)
		must(s.t, os.MkdirAll(filepath.Dir(to), 0o700))
		must(s.t, os.WriteFile(to, text, 0o600))
	}
	return func() {
		s.t.Helper()
		for _, part := range parts {
			at := filepath.Join(s.DataDir, part)
			must(s.t, os.RemoveAll(at))
			from := filepath.Join(old, part)
			if info, err := os.Stat(from); err == nil && info.IsDir() {
				must(s.t, os.CopyFS(at, os.DirFS(from)))
				continue
			}
			text, err := os.ReadFile(from)
			must(s.t, err)
			must(s.t, os.WriteFile(at, text, 0o600))
		}
	}
}

func TestAnOlderDataDirectoryIsNoticed(t *testing.T) {
	t.Parallel()
	for name, parts := range map[string][]string{
		"all of it":        {"catalog.db", "vault", "accounts"},
		"only the catalog": {"catalog.db"},
		"only the vault":   {"vault/vault.db"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := witnessed(t)
			s.Flush.Bytes = 1 << 10
			s.serve()
			s.mustSend("a", 300)
			s.segments(1)
			s.halt()
			putBack := s.keep(parts...)
			s.serve()
			s.mustSend("b", 300)
			s.segments(2)
			s.enable("", false) // the key is off now; in what is put back it is on
			s.halt()
			before := s.statement()
			putBack()
			if text := s.refusal(); !strings.Contains(text, "older than its witness") || !strings.Contains(text, "--witness-accept=") {
				t.Fatal(text)
			} else {
				t.Log(text)
			}
			if s.statement().Number != before.Number {
				t.Error("a server that refused to start told the witness something")
			}
			s.WitnessAccept = "1"
			if text := s.refusal(); !strings.Contains(text, "older than its witness") {
				t.Errorf("another statement was accepted, and the server says %s", text)
			}
		})
	}
}

// The way out: a deliberate restore, which is noted where the key's owner reads.
func TestADeliberateRestoreIsAcceptedOnceAndNoted(t *testing.T) {
	t.Parallel()
	s := witnessed(t)
	s.serve()
	s.mustSend("a", 10)
	s.halt()
	putBack := s.keep("catalog.db", "vault", "accounts")
	s.serve()
	s.mustSend("b", 10)
	s.halt()
	told := s.statement()
	putBack()
	s.refusal()
	s.WitnessAccept = strings.TrimSuffix(jsonText(t, told.Number), "\n")
	s.serve()
	s.holds(10)
	s.mustSend("c", 10)
	events, _, err := s.KeyEvents(t.Context(), s.ClusterID)
	must(t, err)
	if text := jsonText(t, events); strings.Count(text, `"RolledBack"`) != 1 || !strings.Contains(text, "statement ") {
		t.Errorf("the restore is not noted: %+v", events)
	}
	s.halt()
	if now := s.statement(); now.Number <= told.Number {
		t.Errorf("statement %d follows %d", now.Number, told.Number)
	}
	s.serve() // the flag, left behind, accepts nothing more, and is in nobody's way
	s.holds(20)
	s.halt()
	s.WitnessAccept = ""
	s.serve()
	s.holds(20)
}

func jsonText(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	must(t, err)
	return string(b)
}

// Rows that are in the journal alone: nothing in the catalog tells of them.
func TestAnOlderAccountFolderIsNoticed(t *testing.T) {
	t.Parallel()
	s := witnessed(t)
	s.serve()
	s.mustSend("a", 10)
	s.halt()
	putBack := s.keep("accounts")
	s.serve()
	s.mustSend("b", 10)
	s.holds(20)
	s.halt()
	putBack()
	s.serve()
	_, err := s.count()
	t.Log(refused(t, err, http.StatusServiceUnavailable, "CustomerManagedKeyDamaged").Message)
	refused(t, s.send("c", 1), http.StatusServiceUnavailable, "CustomerManagedKeyDamaged")
	if out := s.out.String(); !strings.Contains(out, "an older state was put back") {
		t.Errorf("the log does not say why:\n%s", out)
	}
}

// Killed at any moment, the data are never older than the witness says.
func TestACrashIsNoFalseAlarm(t *testing.T) {
	t.Parallel()
	s := witnessed(t)
	s.Flush.Bytes = 1 << 10
	for i := range 4 {
		s.spawn()
		s.mustSend("a", 50)
		switch i {
		case 1:
			s.rotate()
		case 2: // the witness knows that the accounts go; the cluster's deletion may not be over
			d, err := s.CreateClusterLike(t.Context(), client.Folder{Group: group, Location: location}, "drill-1", s.cluster())
			must(t, err)
			must(t, s.DeleteCluster(t.Context(), client.Folder{Group: group}, d.Name))
		case 3:
			eventually(t, limit, "a statement of the rows", func() error {
				for _, a := range s.statement().Accounts {
					if a.Journal > 0 {
						return nil
					}
				}
				return errNotYet
			})
		}
		must(t, s.exe.Process.Kill())
		s.exe.Wait()
		s.Server.Close()
	}
	s.serve()
	s.holds(200)
}

func TestAWitnessIsNotSilentlyDoneWithout(t *testing.T) {
	t.Parallel()
	s := witnessed(t)
	s.serve()
	noticed := func() bool {
		_, _, whole, err := s.Coverage(t.Context(), s.ClusterID)
		must(t, err)
		var c struct {
			RollbackNoticed bool
			Witness         struct{ Place string }
		}
		must(t, json.Unmarshal(whole, &c))
		return c.RollbackNoticed && c.Witness.Place != ""
	}
	if !noticed() {
		t.Error("the coverage does not tell of the witness")
	}
	var out bytes.Buffer
	if code, errs := s.command(t.Context(), &out, "key", "coverage", "cluster-1"); code != 0 || !strings.Contains(out.String(), s.Witness) {
		t.Errorf("exit %d %s\n%s", code, errs, out.String())
	}
	s.mustSend("a", 10)
	s.halt()
	good, err := os.ReadFile(s.Witness)
	must(t, err)

	place := s.Witness
	s.Witness = ""
	if text := s.refusal(); !strings.Contains(text, "--witness=none") {
		t.Error(text)
	}
	s.Witness = place
	must(t, os.Remove(place))
	if text := s.refusal(); !strings.Contains(text, "--witness-accept=missing") {
		t.Error(text)
	}
	other := witnessed(t)
	dir := t.TempDir()
	other.DataDir, other.RootKey = filepath.Join(dir, "data"), filepath.Join(dir, "root.key") // another installation
	other.serve()
	other.halt()
	for name, text := range map[string][]byte{
		"another installation's": mustRead(t, other.Witness), "a changed one": bytes.Replace(good, []byte("b"), []byte("c"), 1), "an empty one": nil, "nonsense": []byte("x"),
	} {
		must(t, os.WriteFile(place, text, 0o600))
		if text := s.refusal(); !strings.Contains(text, "no statement of this installation") {
			t.Errorf("%s: %s", name, text)
		}
	}
	must(t, os.Remove(place))
	must(t, os.Mkdir(place, 0o700)) // it can't be read, and that is not the same as missing
	if text := s.refusal(); !strings.Contains(text, "can't be asked") {
		t.Error(text)
	}
	must(t, os.Remove(place))
	s.Witness = filepath.Join(s.DataDir, "witness.json")
	if text := s.refusal(); !strings.Contains(text, "inside the data directory") {
		t.Error(text)
	}
	s.Witness = place
	s.WitnessAccept = witness.Missing
	s.serve()
	s.holds(10)

	// A deletion waits for the witness; rows do not.
	d, err := s.CreateClusterLike(t.Context(), client.Folder{Group: group, Location: location}, "drill-1", s.cluster())
	must(t, err)
	must(t, os.Remove(place))
	must(t, os.Mkdir(place, 0o700))
	s.mustSend("b", 10)
	s.holds(20)
	if err := s.DeleteCluster(t.Context(), client.Folder{Group: group}, d.Name); err == nil {
		t.Error("a cluster was deleted before the witness knew")
	}
	must(t, os.Remove(place))
	must(t, s.DeleteCluster(t.Context(), client.Folder{Group: group}, d.Name))
	s.halt()

	s.Witness, s.WitnessAccept = "none", ""
	s.serve()
	if noticed() {
		t.Error("the coverage claims a witness that was given up")
	}
	s.halt()
	s.Witness = ""
	s.serve()
	s.holds(20)
	events, _, err := s.KeyEvents(t.Context(), s.ClusterID)
	must(t, err)
	if text := jsonText(t, events); strings.Count(text, `"Witness"`) != 2 || !strings.Contains(text, `"RolledBack"`) {
		t.Errorf("the events do not tell of it: %s", text)
	}
}

func mustRead(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	must(t, err)
	return b
}

// webPlace is a server that keeps one document, as object stores do.
type webPlace struct {
	mu   sync.Mutex
	text []byte
	down bool
}

func (p *webPlace) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if user, password, _ := r.BasicAuth(); p.down || user != "logkeep" || password != "secret" {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	digest := sha256.Sum256(p.text)
	tag := `"` + hex.EncodeToString(digest[:8]) + `"`
	switch {
	case r.Method == http.MethodPut:
		if want := r.Header.Get("If-Match"); want != "" && want != tag || r.Header.Get("If-None-Match") == "*" && p.text != nil || want == "" && p.text != nil && r.Header.Get("If-None-Match") == "" {
			w.WriteHeader(http.StatusPreconditionFailed)
			return
		}
		p.text, _ = io.ReadAll(r.Body)
		digest = sha256.Sum256(p.text)
		w.Header().Set("ETag", `"`+hex.EncodeToString(digest[:8])+`"`)
		w.WriteHeader(http.StatusCreated)
	case p.text == nil:
		w.WriteHeader(http.StatusNotFound)
	default:
		w.Header().Set("ETag", tag)
		w.Write(p.text)
	}
}

func TestAWitnessBehindAURL(t *testing.T) {
	t.Parallel()
	place := &webPlace{}
	web := httptest.NewUnstartedServer(place)
	web.Config.ErrorLog = log.New(io.Discard, "", 0)
	web.StartTLS()
	t.Cleanup(web.Close)
	s := copied(t)
	s.Witness = strings.Replace(web.URL, "https://", "https://logkeep:secret@", 1) + "/witness"
	s.VaultRoots = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: web.Certificate().Raw})
	s.serve()
	s.mustSend("a", 10)
	s.halt()
	putBack := s.keep("catalog.db", "vault", "accounts")
	s.serve()
	place.mu.Lock()
	place.down = true
	place.mu.Unlock()
	s.mustSend("b", 10)
	s.holds(20)
	eventually(t, limit, "a word about the silent witness", func() error {
		if up, ok := metric(s.scrape(), "logkeep_witness_up"); !ok || up != 0 || !strings.Contains(s.out.String(), "the witness is not told") {
			return errNotYet
		}
		return nil
	})
	place.mu.Lock()
	place.down = false
	place.mu.Unlock()
	s.halt() // tells it
	s.serve()
	s.holds(20)
	s.halt()
	place.mu.Lock()
	place.down = true
	place.mu.Unlock()
	if text := s.refusal(); !strings.Contains(text, "can't be asked") || strings.Contains(text, "secret") {
		t.Error(text)
	}
	place.mu.Lock()
	place.down = false
	place.mu.Unlock()
	putBack()
	if text := s.refusal(); !strings.Contains(text, "older than its witness") || strings.Contains(text, "secret") {
		t.Error(text)
	}
	if strings.Contains(s.out.String(), "secret") {
		t.Error("the log has the witness's password")
	}
	s.Witness = "http://127.0.0.1/witness"
	if text := s.refusal(); !strings.Contains(text, "https") {
		t.Error(text)
	}
	look, err := catalog.Open(t.Context(), filepath.Join(s.DataDir, "catalog.db"))
	must(t, err)
	defer look.Close()
	if h, err := look.Head(t.Context()); err != nil || strings.Contains(h.Witnessed, "secret") || h.Witnessed == "" {
		t.Errorf("the catalog names the witness %q, %v", h.Witnessed, errors.Join(err))
	}
}
