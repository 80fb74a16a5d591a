package server_test

import (
	"bytes"
	"context"
	"database/sql"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"logkeep/internal/cli"
	"logkeep/internal/cli/client"
)

// command carries out a command line against the site's server.
func (s *site) command(ctx context.Context, out io.Writer, args ...string) (code int, errs string) {
	s.t.Helper()
	var stderr bytes.Buffer
	code = cli.Run(ctx, append(args, "--data-dir", s.DataDir), strings.NewReader(""), out, &stderr, cli.Commands{})
	return code, stderr.String()
}

// resources are the ids of everything that there is, rights and accounts included,
// but for the activity log's account, which the first write of all brings.
func (s *site) resources() (ids []string) {
	s.t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(s.DataDir, "catalog.db")+"?mode=ro")
	must(s.t, err)
	defer db.Close()
	found, err := db.Query("SELECT id FROM resources UNION ALL SELECT 'account ' || id FROM accounts WHERE id NOT LIKE 'ws-________-____-5%' UNION ALL SELECT 'key of ' || cluster FROM canaries ORDER BY 1")
	must(s.t, err)
	defer found.Close()
	for found.Next() {
		var id string
		must(s.t, found.Scan(&id))
		ids = append(ids, id)
	}
	must(s.t, found.Err())
	return ids
}

// drillKeys are the keys of the site's vault that a drill made and that live.
func (s *site) drillKeys() (names []string) {
	s.t.Helper()
	for pager := s.keys().NewListKeyPropertiesPager(nil); pager.More(); {
		page, err := pager.NextPage(s.t.Context())
		must(s.t, err)
		for _, k := range page.Value {
			if strings.HasPrefix(k.KID.Name(), "drill-") {
				names = append(names, k.KID.Name())
			}
		}
	}
	return names
}

// A drill measures everything, touches neither the customer's key nor his data,
// leaves nothing, and its report can be checked anywhere and changed nowhere.
func TestADrillHoldsAndLeavesNothing(t *testing.T) {
	t.Parallel()
	s := linked(t)
	s.mustSend("mine", 10)
	before, worker := s.resources(), s.cluster().Logkeep.Worker.PID
	events, _, err := s.KeyEvents(t.Context(), s.ClusterID)
	must(t, err)

	var out bytes.Buffer
	if code, errs := s.command(t.Context(), &out, "key", "drill", "cluster-1", "--steady", "200ms"); code != 0 {
		t.Fatalf("exit %d: %s\n%s", code, errs, out.String())
	}
	t.Log(out.String()[:strings.LastIndex(strings.TrimSpace(out.String()), "\n")])
	for _, want := range []string{"disable the key", "rotate the key", "removed: ", "Every promise held.", "revocation 2: every acknowledged row is back"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q", want)
		}
	}
	if after := s.resources(); !slices.Equal(before, after) || len(s.drillKeys()) != 0 {
		t.Errorf("the drill left something: %s, keys %s; before %s", after, s.drillKeys(), before)
	}
	now, _, err := s.KeyEvents(t.Context(), s.ClusterID)
	must(t, err)
	if len(now) != len(events) || s.cluster().Logkeep.Worker.PID != worker {
		t.Errorf("the customer's own key or worker was touched: %+v", now)
	}
	s.holds(10)

	// The report, here and elsewhere.
	dir := t.TempDir()
	file := func(name string, text []byte) string {
		path := filepath.Join(dir, name)
		must(t, os.WriteFile(path, text, 0o600))
		return path
	}
	lines := strings.SplitAfter(out.String(), "\n")
	signed := []byte(lines[len(lines)-2])
	good := file("report.json", signed)
	keys, err := client.ReportKeys(t.Context(), client.Where{DataDir: s.DataDir, Getenv: func(string) string { return "" }})
	must(t, err)
	key := file("keys.json", keys)
	verify := func(args ...string) (int, string) {
		var out, errs bytes.Buffer
		code := cli.Run(t.Context(), append([]string{"key", "drill", "verify"}, args...), bytes.NewReader(signed), &out, &errs, cli.Commands{})
		return code, out.String() + errs.String()
	}
	dir2 := t.TempDir() // linked would be a copy, with the same keys
	other := &site{t: t, setting: setting{DataDir: filepath.Join(dir2, "data"), RootKey: filepath.Join(dir2, "root.key")}}
	other.serve()
	for _, c := range []struct {
		what string
		args []string
		code int
		says string
	}{
		{"asking the server", []string{good, "--data-dir", s.DataDir}, 0, "The signature holds."},
		{"with its key", []string{good, "--key", key}, 0, "Every promise held."},
		{"from standard input, as JSON", []string{"-", "--key", key, "-o", "json"}, 0, `"revokedMs": 1000`},
		{"asking another server", []string{good, "--data-dir", other.DataDir}, 1, "not among those given"},
		{"no file", []string{good + ".none", "--key", key}, 3, "no such file"},
		{"no key", []string{good, "--key", good}, 1, "key"},
		{"no report", []string{key, "--key", key}, 1, "no signed document"},
		{"nothing", nil, 2, "one report"},
	} {
		if code, text := verify(c.args...); code != c.code || !strings.Contains(text, c.says) {
			t.Errorf("%s: exit %d, want %d and %q:\n%s", c.what, code, c.code, c.says, text)
		}
	}
	for i := range signed[:len(signed)-1] {
		if i%97 != 0 && i > 40 && i < len(signed)-140 {
			continue // the payload is long; every byte of an envelope is the test of package dsse
		}
		bad := bytes.Clone(signed)
		bad[i] ^= 1
		if code, _ := verify(file("bad.json", bad), "--key", key); code != 1 {
			t.Errorf("byte %d changed: exit %d", i, code)
		}
	}
}

// stopper cancels when it is told of a step.
type stopper struct {
	bytes.Buffer
	at   string
	stop context.CancelFunc
}

func (s *stopper) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte(s.at)) {
		s.stop()
	}
	return s.Buffer.Write(p)
}

// Whenever a drill is stopped, the key being off included, it tidies up.
func TestADrillThatIsStoppedLeavesNothing(t *testing.T) {
	t.Parallel()
	s := linked(t)
	before := s.resources()
	for _, at := range []string{"place: ", "cluster: ", "disable the key: "} {
		ctx, stop := context.WithCancel(t.Context())
		out := &stopper{at: at, stop: stop}
		code, errs := s.command(ctx, out, "key", "drill", "cluster-1", "--steady", "100ms")
		stop()
		if code != 1 || !strings.Contains(out.String(), "removed: ") || !strings.Contains(errs, "context canceled") {
			t.Errorf("stopped at %q: exit %d, %s\n%s", at, code, errs, out.String())
		}
		if after := s.resources(); !slices.Equal(before, after) || len(s.drillKeys()) != 0 {
			t.Errorf("stopped at %q it left something: %s, keys %s", at, after, s.drillKeys())
		}
	}
	s.mustSend("mine", 1)
	s.holds(1)
}

func TestWhatADrillMayNotIsRefused(t *testing.T) {
	t.Parallel()
	s := linked(t)
	must(t, s.Unassign(t.Context(), s.VaultID)) // nobody but the cluster may use keys there now, and nobody may make one
	before := s.resources()
	var out bytes.Buffer
	code, errs := s.command(t.Context(), &out, "key", "drill", "cluster-1")
	if code != 4 || !strings.Contains(errs, "--new-vault") {
		t.Errorf("who may make no key: exit %d, %s", code, errs)
	}
	if after := s.resources(); !slices.Equal(before, after) {
		t.Errorf("it left something: %s", after)
	}
	if code, errs := s.command(t.Context(), &out, "key", "drill", "nope"); code != 3 {
		t.Errorf("no such cluster: exit %d, %s", code, errs)
	}
	if code, errs := s.command(t.Context(), &out, "key", "drill", "cluster-1", "--steady", "1h"); code != 2 {
		t.Errorf("a drill without end: exit %d, %s", code, errs)
	}
	_, err := s.SignDrill(t.Context(), s.ClusterID, []byte(`{}`))
	refused(t, err, http.StatusBadRequest, "BadRequest") // a customer's own cluster

	// One drill at a time, and what was cut off goes on demand.
	d, err := s.CreateClusterLike(t.Context(), client.Folder{Group: group, Location: location}, "drill-1", s.cluster())
	must(t, err)
	_, err = s.SignDrill(t.Context(), d.ID, []byte(`{"more":1}`))
	refused(t, err, http.StatusBadRequest, "InvalidRequestContent")
	_, err = s.CreateClusterLike(t.Context(), client.Folder{Group: group, Location: location}, "drill-2", s.cluster())
	refused(t, err, http.StatusConflict, "QuotaExceeded")
	must(t, s.DeleteCluster(t.Context(), client.Folder{Group: group}, "drill-1"))
	_, err = s.CreateClusterLike(t.Context(), client.Folder{Group: group, Location: location}, "drill-1", s.cluster()) // its name is not reserved
	must(t, err)
	must(t, s.DeleteCluster(t.Context(), client.Folder{Group: group}, "drill-1"))
	folder := client.Folder{Group: "drill-left", Location: location}
	must(t, s.CreateTaggedGroup(t.Context(), folder, map[string]string{"logkeep-drill": s.VaultURI}))
	left, err := s.CreateClusterLike(t.Context(), folder, "drill-left", s.cluster())
	must(t, err)
	s.grant(s.VaultID, client.RoleCryptoOfficer, s.ObjectID)
	before = slices.DeleteFunc(s.resources(), func(id string) bool {
		return strings.Contains(id, "drill-left") || id == "account "+left.ClusterID+id[max(0, len(id)-2):] || id == "key of "+left.ClusterID
	})
	if code, errs := s.command(t.Context(), &out, "key", "drill", "--clean"); code != 0 || !strings.Contains(errs, "drill-left") {
		t.Errorf("clean: exit %d, %s", code, errs)
	}
	if after := s.resources(); !slices.Equal(before, after) {
		t.Errorf("clean left something: %s", after)
	}
}
