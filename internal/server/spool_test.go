package server_test

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/operationalinsights/armoperationalinsights/v2"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armresources"

	"logkeep/internal/canary"
	"logkeep/internal/catalog"
	"logkeep/internal/cli/client"
	"logkeep/internal/inventory"
	"logkeep/internal/kek/kektest"
)

// whenRevoked sets what becomes of rows while the key can't be used.
func (s *site) whenRevoked(mode string) {
	s.t.Helper()
	s.logkeep(map[string]any{"ingestionWhenRevoked": mode})
}

// logkeep changes settings of the cluster that are Logkeep's own.
func (s *site) logkeep(settings map[string]any) {
	s.t.Helper()
	c, err := armresources.NewClient(s.SubscriptionID, s.Credential(), s.ARM())
	must(s.t, err)
	poller, err := c.BeginUpdateByID(s.t.Context(), s.ClusterID, "2025-07-01", armresources.GenericResource{
		Properties: map[string]any{"logkeep": settings},
	}, nil)
	_, err = client.Wait(s.t.Context(), poller, err)
	must(s.t, err)
}

// disabled disables the key and waits until that is obeyed.
func (s *site) disabled() {
	s.t.Helper()
	worker := s.worker()
	s.enable("", false)
	worker.ends(s.t, noticed)
}

// spooled are the files of the cluster's spools.
func (s *site) spooled(suffix string) (files []string) {
	s.t.Helper()
	files, err := filepath.Glob(filepath.Join(s.DataDir, "accounts", "*", "*", "spool", "*"+suffix))
	must(s.t, err)
	return files
}

// events are what happened to the cluster's spool, oldest first.
func (s *site) spoolEvents() (what []string) {
	s.t.Helper()
	events, _, err := s.KeyEvents(s.t.Context(), s.ClusterID)
	must(s.t, err)
	for _, e := range events {
		if e.What == "Spool" {
			what = append([]string{e.To + ": " + e.Reason}, what...)
		}
	}
	return what
}

func TestSealedRowsAreThereOnceWhenTheKeyIsBack(t *testing.T) {
	t.Parallel()
	s := linked(t)
	s.whenRevoked("Seal")
	s.mustSend("a", 10)
	s.disabled()

	word := canary.New()
	for n := range 3 {
		s.mustSend(fmt.Sprintf("%s-b%d", word, n), 10)
	}
	for what, c := range map[string]struct {
		body, code string
		status     int
	}{
		"no JSON":        {"{", "MalformedJSON", 400},
		"no object":      {"[1]", "InvalidRow", 400},
		"a wrong number": {`[{"N":"x"}]`, "InvalidRow", 400},
	} {
		if status, code, message, _ := s.post(post{body: strings.NewReader(c.body)}); status != c.status {
			t.Errorf("%s: %d %s %s", what, status, code, message)
		}
	}
	_, err := s.count()
	f := refused(t, err, http.StatusForbidden, "CustomerManagedKeyRevoked")
	if !strings.Contains(f.Message, "30 rows that came since") {
		t.Errorf("a query is refused without a word of what waits: %s", f.Message)
	}
	shown := func(rows int64) {
		t.Helper()
		k := s.cluster().Logkeep.KeyState
		if k.State != "Revoked" || k.Spool == nil || k.Spool.Rows != rows || k.Spool.Bytes == 0 || k.Spool.Since == "" || k.Spool.AsideBatches != 0 {
			t.Errorf("the cluster shows %+v, %+v", k, k.Spool)
		}
		text := s.scrape()
		if v, ok := metric(text, `logkeep_spool_batches\{cluster="[^"]+"\}`); !ok || v*10 != float64(rows) {
			t.Errorf("the metrics show %v batches, %v", v, ok)
		}
		for _, name := range []string{"bytes", "age_seconds"} {
			if v, ok := metric(text, `logkeep_spool_`+name+`\{cluster="[^"]+"\}`); !ok || v <= 0 {
				t.Errorf("the metrics show %v %s, %v", v, name, ok)
			}
		}
		if kinds := s.atRest(); kinds["spool"] == 0 {
			t.Errorf("the coverage has no spool: %v", kinds)
		}
		customer, _ := s.census()
		if use := customer[lastOf(k.KeyVersion)]; use.Objects == 0 || use.SafeToDisable {
			t.Errorf("the census does not count what waits: %+v", use)
		}
	}
	shown(30)
	if len(s.spooled(".spool")) != 1 {
		t.Errorf("files %q", s.spooled(""))
	}
	// What was accepted before a stop waits as well as what comes after.
	s.halt()
	s.serve()
	shown(30)
	s.mustSend(word+"-c", 10)
	shown(40)
	s.notInTheClear(word)
	kept := map[string][]byte{}
	for _, name := range s.spooled(".spool") {
		b, err := os.ReadFile(name)
		must(t, err)
		kept[name] = b
	}

	s.enable("", true)
	// Nobody has to ask for it.
	eventually(t, limit, "the import", func() error {
		if k := s.cluster().Logkeep.KeyState; k.State != "Active" || k.Spool != nil {
			return fmt.Errorf("%+v %+v", k, k.Spool)
		}
		return nil
	})
	s.light(limit, 50)
	exactly := func() {
		t.Helper()
		for mark, n := range s.marks() {
			if n != 1 {
				t.Errorf("%s is there %d times", mark, n)
			}
		}
		s.holds(50)
	}
	exactly()
	if left := s.spooled(""); len(left) > 0 {
		t.Errorf("files are left: %q", left)
	}
	if k := s.cluster().Logkeep.KeyState; k.Spool != nil {
		t.Errorf("the cluster shows %+v", k.Spool)
	}
	if got := s.spoolEvents(); len(got) != 2 || !strings.HasPrefix(got[0], "Waiting: ") || got[1] != "Imported: 40 rows in 4 batches" {
		t.Errorf("events %q", got)
	}

	// Who puts the files back gains nothing.
	s.halt()
	for name, b := range kept {
		must(t, os.WriteFile(name, b, 0o600))
	}
	s.serve()
	exactly()
	k := s.cluster().Logkeep.KeyState
	if k.Spool == nil || k.Spool.AsideBatches != 4 || k.Spool.Batches != 0 || len(s.spooled(".aside")) != len(kept) {
		t.Errorf("the old files: %+v, %q", k.Spool, s.spooled(""))
	}
	s.notInTheClear(word)
}

// atRest counts the cluster's objects by kind.
func (s *site) atRest() map[string]int {
	s.t.Helper()
	data, _, _, err := s.Coverage(s.t.Context(), s.ClusterID)
	must(s.t, err)
	kinds := map[string]int{}
	for _, d := range data {
		kinds[d.Kind] += d.Objects
	}
	return kinds
}

// notInTheClear insists that a word is in no file below the data directory,
// whatever it is packed in, and that each file is one that the coverage names.
func (s *site) notInTheClear(word string) {
	s.t.Helper()
	scanner, err := canary.NewScanner(word)
	must(s.t, err)
	report, err := scanner.Tree(s.t.Context(), s.DataDir)
	must(s.t, err)
	for _, hit := range report.Hits {
		s.t.Errorf("in the clear: %s", hit)
	}
	must(s.t, filepath.WalkDir(s.DataDir, func(path string, d os.DirEntry, err error) error {
		if rel, _ := filepath.Rel(s.DataDir, path); err == nil && !d.IsDir() {
			if _, ok := inventory.Classify(rel); !ok {
				s.t.Errorf("no kind of the coverage names %s", rel)
			}
		}
		return nil
	}))
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

func TestTheSpoolIsBounded(t *testing.T) {
	t.Parallel()
	s := copied(t)
	s.Spool = 64 << 10
	s.serve()
	s.whenRevoked("Seal")
	s.disabled()
	accepted := 0
	for {
		status, _, message, header := s.post(post{body: strings.NewReader(`[{"Mark":"` + hex.EncodeToString(random(2000)) + `"}]`)})
		if status == http.StatusNoContent {
			if accepted++; accepted > 64 {
				t.Fatal("there is no bound")
			}
			continue
		}
		if status != http.StatusTooManyRequests || header.Get("Retry-After") == "" || !strings.Contains(message, "limit of the spool") || !strings.Contains(message, "cluster-1") {
			t.Errorf("%d %q, Retry-After %q", status, message, header.Get("Retry-After"))
		}
		break
	}
	if accepted == 0 {
		t.Error("nothing was accepted")
	}
	s.enable("", true)
	s.light(limit, accepted)
}

// Who writes the catalog can put in no public key of his own: then rows are
// refused, and never sealed to him.
func TestASpoolKeyOfSomebodyElseIsNotUsed(t *testing.T) {
	t.Parallel()
	s := linked(t)
	s.whenRevoked("Seal")
	s.disabled()
	s.halt()
	look, err := catalog.Open(t.Context(), filepath.Join(s.DataDir, "catalog.db"))
	must(t, err)
	accounts, err := look.Accounts(t.Context(), "")
	must(t, err)
	clusterID := accounts[0].Domain
	for _, a := range accounts {
		if a.Kind == "cluster" {
			clusterID = a.Domain
		}
	}
	canary, err := look.Canary(t.Context(), clusterID)
	must(t, err)
	must(t, look.Close())
	var leaf map[string]any
	must(t, json.Unmarshal(canary.Record, &leaf))
	forged := 0
	for _, v := range leaf["spool"].(map[string]any) {
		of := v.(map[string]any)
		var text []byte
		must(t, json.Unmarshal([]byte(`"`+of["key"].(string)+`"`), &text))
		var key map[string]any
		must(t, json.Unmarshal(text, &key))
		pair := key["pairs"].([]any)[0].(map[string]any)
		pair["public"] = random(1216) // well formed, and his
		changed, err := json.Marshal(key)
		must(t, err)
		of["key"] = changed
		forged++
	}
	if forged != 4 {
		t.Fatalf("%d spool keys in the catalog", forged)
	}
	text, err := json.Marshal(leaf)
	must(t, err)
	forge(s).do("UPDATE canaries SET record = ? WHERE cluster = ?", string(text), string(clusterID))
	s.serve()
	refused(t, s.send("a", 1), http.StatusServiceUnavailable, "CustomerManagedKeyRevoked")
	if left := s.spooled(""); len(left) > 0 {
		t.Errorf("rows were sealed: %q", left)
	}
	// With the key back the workers make no new ones, since there are some: a
	// restore of the catalog is due. Other work goes on.
	s.enable("", true)
	s.light(limit, 0)
	s.mustSend("b", 1)
	s.holds(1)
}

// Killed at any moment of the import, everything: then each row is there once.
func TestAnImportThatIsKilledTakesRowsOverOnce(t *testing.T) {
	t.Parallel()
	s := copied(t)
	s.Flush.Bytes = 4 << 10 // so that segments are made of what was imported
	s.spawn()
	s.whenRevoked("Seal")
	s.disabled()
	const batches = 60
	for n := range batches {
		s.mustSend(fmt.Sprintf("b%d", n), 10)
		if n%20 == 19 { // several files
			must(t, s.exe.Process.Kill())
			s.exe.Wait()
			s.spawn()
		}
	}
	s.enable("", true)
	for n := len(s.spooled("")); n > 0; n = len(s.spooled("")) {
		eventually(t, limit, "a file less", func() error {
			go s.count() // starts a worker, which imports
			if len(s.spooled("")) == n {
				return errNotYet
			}
			return nil
		})
		must(t, s.exe.Process.Kill())
		s.exe.Wait()
		s.spawn()
	}
	must(t, s.exe.Process.Kill())
	s.exe.Wait()
	s.serve()
	eventually(t, limit, "an answer", func() error { _, err := s.count(); return err })
	exactlyOnce(t, s.marks(), "b", batches)
	s.holds(10 * batches)
	if left := s.spooled(""); len(left) > 0 {
		t.Errorf("files are left: %q", left)
	}
}

// The older API has the same promise, columns that the rows bring included.
func TestCollectedRowsAreSealedToo(t *testing.T) {
	t.Parallel()
	s := linked(t)
	s.whenRevoked("Seal")
	s.disabled()
	if status, body := s.collect("Old", `[{"Word":"one","Number":1},{"Word":"two","Number":2}]`); status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	if k := s.cluster().Logkeep.KeyState; k.Spool == nil || k.Spool.Rows != 2 {
		t.Errorf("%+v", k.Spool)
	}
	s.enable("", true)
	s.light(limit, 0)
	result, err := s.RunQuery(t.Context(), s.Workspace.CustomerID, "Old_CL | order by Number_d asc | project Word_s", "")
	must(t, err)
	if len(result.Rows) != 2 || string(result.Rows[0][0]) != `"one"` {
		t.Errorf("%s", result.Rows)
	}
}

func TestRejectAndDropAreAsTheyWere(t *testing.T) {
	t.Parallel()
	s := linked(t)
	s.disabled()
	refused(t, s.send("a", 1), http.StatusServiceUnavailable, "CustomerManagedKeyRevoked")
	s.whenRevoked("Drop")
	s.mustSend("b", 1)
	s.enable("", true)
	s.light(limit, 0)
	if left := s.spooled(""); len(left) > 0 {
		t.Errorf("files: %q", left)
	}
}

// collect sends rows by the Data Collector API.
func (s *site) collect(logType, body string) (status int, answer string) {
	s.t.Helper()
	c, err := armoperationalinsights.NewSharedKeysClient(s.SubscriptionID, s.Credential(), s.ARM())
	must(s.t, err)
	keys, err := c.GetSharedKeys(s.t.Context(), group, s.Workspace.Name, nil)
	must(s.t, err)
	key, err := base64.StdEncoding.DecodeString(*keys.PrimarySharedKey)
	must(s.t, err)
	date := time.Now().UTC().Format(http.TimeFormat)
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "POST\n%d\napplication/json\nx-ms-date:%s\n/api/logs", len(body), date)
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.Host(s.Workspace.CustomerID+".ods")+"/api/logs?api-version=2016-04-01", strings.NewReader(body))
	must(s.t, err)
	r.Header = http.Header{
		"Content-Type": {"application/json"}, "Log-Type": {logType}, "X-Ms-Date": {date},
		"Authorization": {"SharedKey " + s.Workspace.CustomerID + ":" + base64.StdEncoding.EncodeToString(mac.Sum(nil))},
	}
	a, err := s.ARM().Transport.Do(r)
	must(s.t, err)
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	must(s.t, err)
	return a.StatusCode, string(text)
}

// A cluster from before there were spools is given its keys as soon as its
// owner wants rows to be sealed. And damage is a state like others for that.
func TestAnOlderClusterGetsItsSpoolKeys(t *testing.T) {
	t.Parallel()
	s := copied(t)
	o := s.outsideVault()
	s.serve()
	s.setKeyAt(o.uri)
	s.halt()
	forge(s).do("UPDATE canaries SET record = json_remove(record, '$.spool') WHERE json_extract(record, '$.spool') IS NOT NULL")
	s.serve()
	s.whenRevoked("Seal")
	keys := func() (n int) {
		look, err := catalog.Open(t.Context(), filepath.Join(s.DataDir, "catalog.db"))
		must(t, err)
		defer look.Close()
		accounts, err := look.Accounts(t.Context(), "")
		must(t, err)
		for _, a := range accounts {
			if a.Kind != "cluster" {
				continue
			}
			canary, err := look.Canary(t.Context(), a.Domain)
			must(t, err)
			var leaf struct {
				Spool map[string]struct{ Key []byte }
			}
			must(t, json.Unmarshal(canary.Record, &leaf))
			if len(leaf.Spool[string(a.ID)].Key) > 0 {
				n++
			}
		}
		return n
	}
	eventually(t, limit, "a key for each account", func() error {
		s.nudge()
		if n := keys(); n != 4 {
			return fmt.Errorf("%d keys", n)
		}
		return nil
	})
	o.Fail(kektest.Fault{Status: 400, Own: "BadParameter"})
	s.nudge()
	s.comes("Damaged")
	s.mustSend("a", 10)
	o.healthy()
	s.nudge()
	s.light(limit, 10)
}
