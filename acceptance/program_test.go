package acceptance

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/operationalinsights/armoperationalinsights/v2"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armresources"

	"logkeep/internal/cli/client"
	"logkeep/internal/cli/walk"
)

// command runs the program and returns what it printed and its exit code.
func command(t *testing.T, binary string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	c := exec.CommandContext(t.Context(), binary, args...)
	c.Env = append(os.Environ(), "TMPDIR="+t.TempDir())
	var out, err bytes.Buffer
	c.Stdout, c.Stderr = &out, &err
	if e := c.Run(); e != nil {
		if _, ended := e.(*exec.ExitError); !ended {
			t.Fatal(e)
		}
	}
	return out.String(), err.String(), c.ProcessState.ExitCode()
}

// TestTheDemoHolds runs the whole walk with a server of its own, as a person
// would, and reads its last line.
func TestTheDemoHolds(t *testing.T) {
	out, errs, code := command(t, build(t), "demo", "--output", "json", "--keep", "--rows", "5000")
	if code != 0 {
		t.Fatalf("exit %d\n%s", code, errs)
	}
	t.Logf("%s%s", errs, out)
	var r walk.Result
	d := json.NewDecoder(strings.NewReader(out))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil || strings.Count(out, "\n") != 1 {
		t.Fatalf("standard output %q: %v", out, err)
	}
	if r.RowsIngested < 5000 || r.RowsQueried != r.RowsIngested || r.RowsAfterRestore != r.RowsIngested || r.RowsAfterRotation != r.RowsIngested ||
		r.QueryWhileRevoked != client.KeyRevoked || r.IngestWhileRevoked != client.KeyRevoked || len(r.RotatedTo) != 32 || r.OldVersionStillNeeded || r.PlaintextHits != 0 {
		t.Errorf("result %+v", r)
	}
	if r.RevokedAfterMs >= 1000 {
		t.Errorf("the worker lived on for %d ms; the bound is 1 s", r.RevokedAfterMs)
	}
	_, kept, found := strings.Cut(errs, "kept: ")
	if !found {
		t.Fatal("--keep does not say where")
	}
	folder := strings.TrimSpace(kept)
	if _, err := os.Stat(filepath.Join(folder, "data", "catalog.db")); err != nil {
		t.Error(err)
	}
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil || len(lines) == 0 {
		t.Fatalf("cannot see processes: %v", err)
	}
	for _, line := range lines {
		if b, err := os.ReadFile(line); err == nil && bytes.Contains(b, []byte(folder)) {
			t.Errorf("a process of the demo lives on: %q", b)
		}
	}
}

// TestAcknowledgedRowsSurviveSIGKILL kills the keeper in the middle of its life
// and starts it again on the same folder: every row is there once.
func TestAcknowledgedRowsSurviveSIGKILL(t *testing.T) {
	binary, dir := build(t), filepath.Join(t.TempDir(), "data")
	s := launch(t, binary, dir)
	makeWorkspace(t, dir)
	file := filepath.Join(t.TempDir(), "rows.ndjson")
	rows := strings.Repeat("{\"TimeGenerated\":\"2026-01-02T03:04:05Z\",\"Message\":\"one of many\"}\n", 30_000)
	if err := os.WriteFile(file, []byte(rows), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, errs, code := command(t, binary, "ingest", "--data-dir", dir, "-w", "survivor", "-t", "Rows_CL", "--create", file); code != 0 || out != "30000 rows ingested into Rows_CL\n" {
		t.Fatalf("exit %d: %s%s", code, out, errs)
	}
	s.kill()
	launch(t, binary, dir)
	soon(t, 20*time.Second, "a query after the restart", func() bool {
		_, _, code := command(t, binary, "query", "--data-dir", dir, "-w", "survivor", "Rows_CL | count")
		return code == 0
	})
	out, errs, code := command(t, binary, "query", "--data-dir", dir, "-w", "survivor", "-o", "csv", "Rows_CL | where Message has 'many' | count")
	if code != 0 || out != "Count\n30000\n" {
		t.Errorf("exit %d: %s%s", code, out, errs)
	}
	// Two servers on one folder would be the end of it.
	if out, errs, code := command(t, binary, "serve", "--data-dir", dir, "--listen", "127.0.0.1:0", "--imds", "off"); code == 0 || out != "" || errs == "" {
		t.Errorf("a second server on the folder: exit %d: %s%s", code, out, errs)
	}
}

func makeWorkspace(t *testing.T, dir string) {
	t.Helper()
	c, err := client.Open(t.Context(), client.Where{DataDir: dir}, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	groups, err := armresources.NewResourceGroupsClient(c.SubscriptionID, c.Credential(), c.ARM())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := groups.CreateOrUpdate(t.Context(), "survivors", armresources.ResourceGroup{Location: to.Ptr(location)}, nil); err != nil {
		t.Fatal(err)
	}
	workspaces, err := armoperationalinsights.NewWorkspacesClient(c.SubscriptionID, c.Credential(), c.ARM())
	if err != nil {
		t.Fatal(err)
	}
	poller, err := workspaces.BeginCreateOrUpdate(t.Context(), "survivors", "survivor", armoperationalinsights.Workspace{Location: to.Ptr(location)}, nil)
	if _, err := client.Wait(t.Context(), poller, err); err != nil {
		t.Fatal(err)
	}
}
