package cli_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"logkeep/internal/cli"
	"logkeep/internal/cli/walk"
)

// run carries out a command line and returns its exit code and what it printed.
func run(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	code = cli.Run(t.Context(), args, strings.NewReader(`{"a":1}`), &out, &err, cli.Commands{})
	return code, out.String(), err.String()
}

func lastLine(t *testing.T, out string) walk.Result {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(out), "\n")
	var result walk.Result
	d := json.NewDecoder(strings.NewReader(lines[len(lines)-1]))
	d.DisallowUnknownFields()
	if err := d.Decode(&result); err != nil {
		t.Fatalf("last line %q: %v", lines[len(lines)-1], err)
	}
	return result
}

func TestTheWalkHolds(t *testing.T) {
	f := newFake(t)
	code, out, errs := run(t, "demo", "--data-dir", f.dir, "--rows", "3000", "--logs", t.TempDir())
	if code != 0 {
		t.Fatalf("exit %d: %s\n%s", code, errs, out)
	}
	r := lastLine(t, out)
	if r.RowsIngested != 3000 || r.RowsQueried != 3000 || r.RowsAfterRestore != 3000 || r.RowsAfterRotation != 3000 ||
		r.QueryWhileRevoked != "CustomerManagedKeyRevoked" || r.IngestWhileRevoked != "CustomerManagedKeyRevoked" ||
		r.RotatedTo != f.versions[1] || r.OldVersionStillNeeded || r.PlaintextHits != 0 || r.RevokedAfterMs > 5000 || r.RestoredAfterMs > 5000 {
		t.Errorf("result %+v", r)
	}
	for _, want := range []string{"disable the key: ", "rows are back", " query --data-dir '" + f.dir + "' -w demo-", "summarize Rows = count() by Source"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if !strings.Contains(errs, "uploaded 3000 of 3000 rows") {
		t.Errorf("no progress in %q", errs)
	}
	word := f.rows[0]["WalkCanary"].(string)
	for _, row := range f.rows {
		if row["WalkCanary"] != word {
			t.Fatal("a row without the canary")
		}
	}
	if len(f.queries) < 5 || !strings.Contains(f.queries[0], word) || strings.Count(f.queries[0], "canary") != 2 {
		t.Errorf("queries %q", f.queries[0])
	}
	if !f.enabled[f.versions[0]] || !f.enabled[f.versions[1]] {
		t.Error("the walk left a version disabled")
	}
}

func TestTheWalkEndsWhereAClaimDoesNotHold(t *testing.T) {
	for _, test := range []struct {
		name   string
		break_ func(*fake)
		says   string
		check  func(walk.Result) bool
	}{
		{"plaintext on disk", func(f *fake) { f.leak = true }, "places hold it", func(r walk.Result) bool { return r.PlaintextHits > 0 && r.RowsQueried > 0 }},
		{"old version needed", func(f *fake) { f.clingsToOld = true }, "without the old version", func(r walk.Result) bool { return r.OldVersionStillNeeded }},
		{"rows lost by rotation", func(f *fake) { f.lose = 1 }, "199 rows where 200 were ingested", func(r walk.Result) bool { return r.RowsAfterRotation == 199 }},
		{"no rows taken", func(f *fake) { f.refuse["/streams/"] = refusal{413, `{"error":{"code":"ContentLengthLimitExceeded"}}`} }, "ContentLengthLimitExceeded", func(r walk.Result) bool { return r.RowsIngested == 0 }},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFake(t)
			test.break_(f)
			code, out, errs := run(t, "demo", "--data-dir", f.dir, "--rows", "200", "--logs", t.TempDir(), "--output", "json")
			if code != 1 || !strings.Contains(errs, test.says) {
				t.Errorf("exit %d, want 1 and %q: %s", code, test.says, errs)
			}
			if r := lastLine(t, out); strings.Count(out, "\n") != 1 || !test.check(r) {
				t.Errorf("standard output %s", out)
			}
		})
	}
}

func TestTheWalkTakesGivenFiles(t *testing.T) {
	f := newFake(t)
	file := filepath.Join(t.TempDir(), "rows.json")
	if err := os.WriteFile(file, []byte(`[{"TimeGenerated":"2026-01-02T03:04:05Z","TenantId":"x"},{}, {"Deep":{"a":[1]} } ]`), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errs := run(t, "demo", "--data-dir", f.dir, file)
	if code != 0 {
		t.Fatalf("exit %d: %s", code, errs)
	}
	if r := lastLine(t, out); r.RowsIngested != 3 || r.RowsAfterRotation != 3 {
		t.Errorf("result %+v", r)
	}
	if f.rows[0]["TenantId_s"] != "x" || f.rows[0]["TenantId"] != nil {
		t.Errorf("row %v", f.rows[0])
	}
	if code, _, errs := run(t, "demo", "--data-dir", f.dir, file+".none"); code != 3 || !strings.Contains(errs, "no such file") {
		t.Errorf("missing file: exit %d, %s", code, errs)
	}
}
