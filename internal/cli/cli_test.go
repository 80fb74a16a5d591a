package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"logkeep/internal/cli"
)

func TestQueryPrintsEveryForm(t *testing.T) {
	f := newFake(t)
	f.seed("prod", "dev")
	for form, want := range map[string]string{
		"table": "n                 text     bag\n-                 ----     ---\n9007199254740993  a,\"b\" c  {\"x\":[1]}\n                           \n(2 rows)\n",
		"json":  "[\n{\"n\":9007199254740993,\"text\":\"a,\\\"b\\\"\\nc\",\"bag\":{\"x\":[1]}},\n{\"n\":null,\"text\":\"\",\"bag\":null}\n]\n",
		"csv":   "n,text,bag\n9007199254740993,\"a,\"\"b\"\"\nc\",\"{\"\"x\"\":[1]}\"\n,,\n",
	} {
		code, out, errs := run(t, "query", "--data-dir", f.dir, "-w", "PROD", "-o", form, "T | take 2")
		if code != 0 || out != want {
			t.Errorf("%s: exit %d %s\n%s\nwant\n%s", form, code, errs, out, want)
		}
	}
	if f.queries[0] != "T | take 2" {
		t.Errorf("query %q", f.queries[0])
	}
	if code, _, _ := run(t, "query", "--data-dir", f.dir, "-w", "prod", "-"); code != 0 || f.queries[len(f.queries)-1] != `{"a":1}` {
		t.Error("a query from standard input was not run")
	}
}

func TestExitCodesTellWhatHappened(t *testing.T) {
	f := newFake(t)
	f.seed("prod")
	query := func(extra ...string) []string {
		return append([]string{"query", "--data-dir", f.dir, "-w", "prod", "T"}, extra...)
	}
	start := time.Now()
	for _, test := range []struct {
		name   string
		refuse map[string]refusal
		args   []string
		code   int
		says   string
	}{
		{"revoked", map[string]refusal{"/query": {403, revoked}}, query(), 5, "CustomerManagedKeyRevoked: the key of cluster walk is disabled since noon; enable it\n"},
		{"unreachable", map[string]refusal{"/query": {503, `{"error":{"code":"InsufficientAccessError","innererror":{"code":"CustomerManagedKeyUnreachable","message":"the vault is silent"}}}`}}, query(), 6, "the vault is silent"},
		{"damaged", map[string]refusal{"/query": {503, `{"error":{"code":"CustomerManagedKeyDamaged","message":"call somebody"}}`}}, query(), 1, "call somebody"},
		{"denied", map[string]refusal{"/query": {403, `{"error":{"code":"InsufficientAccessError","message":"ask for the role"}}`}}, query(), 4, "ask for the role"},
		{"bad query", map[string]refusal{"/query": {400, `{"error":{"code":"BadArgumentError","innererror":{"code":"SyntaxError","innererror":{"code":"SYN0002","message":"no such operator","line":1,"pos":4}}}}`}}, query(), 1, "SYN0002: no such operator (line 1, position 4)"},
		{"wrong secret", map[string]refusal{"/token": {401, `{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided."}`}}, query(), 4, "AADSTS7000215"},
		{"no workspace", nil, []string{"query", "--data-dir", f.dir, "-w", "nope", "T"}, 3, `workspace "nope" not found; there are prod`},
		{"no cluster", nil, []string{"key", "status", "--data-dir", f.dir, "nope"}, 3, "not found"},
		{"no table", nil, []string{"ingest", "--data-dir", f.dir, "-w", "prod", "-t", "None_CL", "-"}, 3, "--create"},
		{"no data directory", nil, []string{"env", "--data-dir", f.dir + "/none"}, 3, "no data directory"},
		{"no server", nil, []string{"env", "--data-dir", f.dir, "--url", "https://localhost:1"}, 1, "logkeep serve"},
		{"no https", nil, []string{"env", "--data-dir", f.dir, "--url", "http://localhost:1"}, 1, "https URL"},
		{"no identity", nil, []string{"env", "--url", "https://localhost:1"}, 4, "AZURE_CLIENT_ID"},
		{"unknown command", nil, []string{"quarry"}, 2, `unknown command "quarry"`},
		{"unknown subcommand", nil, []string{"key", "lock"}, 2, `unknown command "lock"`},
		{"unknown flag", nil, query("--fast"), 2, "--fast"},
		{"two queries", nil, query("T2"), 2, "one query"},
		{"no workspace given", nil, []string{"query", "T"}, 2, "--workspace"},
		{"unknown form", nil, query("-o", "xml"), 2, `"xml"`},
	} {
		f.mu.Lock()
		f.refuse = test.refuse
		f.mu.Unlock()
		code, out, errs := run(t, test.args...)
		if code != test.code || !strings.Contains(errs, test.says) || out != "" {
			t.Errorf("%s: exit %d, want %d with %q\n%s%s", test.name, code, test.code, test.says, out, errs)
		}
		if strings.Contains(errs, "secret") && test.name != "wrong secret" || strings.Contains(errs, "-----") {
			t.Errorf("%s: says too much: %s", test.name, errs)
		}
	}
	if time.Since(start) > 5*time.Second {
		t.Error("a key that cannot be used was asked for again and again")
	}
	if code, out, errs := run(t); code != 0 || !strings.Contains(out, "Available Commands") || errs != "" {
		t.Errorf("no arguments: exit %d\n%s%s", code, out, errs)
	}
}

func TestKeyStatusIsAlsoTheExitCode(t *testing.T) {
	f := newFake(t)
	f.versions, f.enabled["v1"] = []string{"v1"}, true
	id := "/subscriptions/" + sub + "/resourceGroups/rg/providers/Microsoft.OperationalInsights/clusters/main"
	f.mu.Lock()
	f.put(strings.ToLower(id), id, "main", map[string]any{"properties": map[string]any{"keyVaultProperties": map[string]any{"keyVaultUri": "https://kv/", "keyName": "logs"}}})
	f.mu.Unlock()
	if code, out, errs := run(t, "key", "status", "--data-dir", f.dir); code != 0 || !strings.Contains(out, "main     https://kv/keys/logs  v1       Active") {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
	f.mu.Lock()
	f.enabled["v1"] = false
	f.settle()
	f.mu.Unlock()
	code, out, errs := run(t, "key", "status", "--data-dir", f.dir, "MAIN", "-o", "json")
	var lines []map[string]any
	if err := json.Unmarshal([]byte(out), &lines); err != nil || code != 5 || errs != "" || len(lines) != 1 || lines[0]["keyState"].(map[string]any)["state"] != "Revoked" {
		t.Errorf("exit %d, %v\n%s%s", code, err, out, errs)
	}
}

func TestIngestFindsOrMakesTheWay(t *testing.T) {
	f := newFake(t)
	f.seed("prod")
	file := filepath.Join(t.TempDir(), "rows.ndjson")
	if err := os.WriteFile(file, []byte("{\"TimeGenerated\":\"2026-01-02T03:04:05Z\",\"n\":1,\"id\":\"x\"}\n{\"n\":2}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ingest := []string{"ingest", "--data-dir", f.dir, "-w", "prod", "-t", "Orders_CL"}
	if code, out, errs := run(t, append(ingest, "--create", file)...); code != 0 || out != "2 rows ingested into Orders_CL\n" {
		t.Fatalf("exit %d: %s%s", code, out, errs)
	}
	if f.rows[0]["id_s"] != "x" {
		t.Errorf("row %v", f.rows[0])
	}
	before := len(f.resources)
	if code, out, errs := run(t, append(ingest, "-")...); code != 0 || out != "1 rows ingested into Orders_CL\n" || len(f.resources) != before {
		t.Errorf("exit %d: %s%s; %d new resources", code, out, errs, len(f.resources)-before)
	}
	f.mu.Lock()
	f.refuse = map[string]refusal{"/streams/": {503, `{"error":{"code":"CustomerManagedKeyRevoked","message":"dark"}}`}}
	f.mu.Unlock()
	if code, _, errs := run(t, append(ingest, file)...); code != 5 || !strings.Contains(errs, "dark") {
		t.Errorf("revoked: exit %d: %s", code, errs)
	}
}

func TestEnvIsWhatAShellCanRead(t *testing.T) {
	f := newFake(t)
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	code, out, errs := run(t, "env", "--data-dir", f.dir)
	if code != 0 {
		t.Fatal(errs)
	}
	for line := range strings.Lines(out) {
		if !strings.HasPrefix(line, "export ") || !strings.HasSuffix(line, "'\n") {
			t.Errorf("line %q", line)
		}
	}
	shell := exec.Command("sh", "-c", out+`
		echo "$AZURE_CLIENT_SECRET|$LOGKEEP_ARM|$LOGKEEP_ADFS|$LOGKEEP_QUERY|$LOGKEEP_INGEST|$LOGKEEP_KEYVAULT_SUFFIX|$LOGKEEP_IMDS|$ARM_CLOUD_METADATA_URL"
		test -d "$AZURE_CONFIG_DIR" && test -n "$LOGKEEP_GRAPH" && test -r "$SSL_CERT_FILE" && test "$SSL_CERT_FILE" = "$REQUESTS_CA_BUNDLE"`)
	read, err := shell.CombinedOutput()
	a := f.base()
	want := fmt.Sprintf("it's secret|%s|%s/adfs|https://api.loganalytics.logkeep.test:%s|https://default.ingest.logkeep.test:%[3]s|.vault.logkeep.test:%[3]s|http://127.0.0.1:9|%[1]s/metadata/endpoints?api-version=2019-05-01\n", a, a, f.port)
	if err != nil || string(read) != want {
		t.Errorf("%v: %s\nwant %s", err, read, want)
	}
	// With these variables and nothing else the commands find the server.
	for line := range strings.Lines(out) {
		name, value, _ := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(line, "export "), "\n"), "=")
		t.Setenv(name, strings.ReplaceAll(strings.Trim(value, "'"), `'\''`, "'"))
	}
	f.seed("prod")
	if code, _, errs := run(t, "query", "-w", "prod", "T"); code != 0 {
		t.Errorf("by variables alone: exit %d: %s", code, errs)
	}
}

func TestHostsAreListedAndWrittenOnce(t *testing.T) {
	f := newFake(t)
	f.seed("prod")
	id := "/subscriptions/" + sub + "/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/kv1"
	f.put(strings.ToLower(id), id, "kv1", nil)
	want := "127.0.0.1 logkeep.test\n127.0.0.1 api.loganalytics.logkeep.test\n127.0.0.1 api.kusto.logkeep.test\n127.0.0.1 " + wsID + ".kusto.logkeep.test\n127.0.0.1 " + wsID + ".ods.logkeep.test\n127.0.0.1 kv1.vault.logkeep.test\n"
	file := filepath.Join(t.TempDir(), "hosts")
	if err := os.WriteFile(file, []byte("127.0.0.1 localhost"), 0o644); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if code, out, errs := run(t, "hosts", "--data-dir", f.dir, "--write", "--file", file); code != 0 || out != want {
			t.Errorf("exit %d: %s\n%s", code, errs, out)
		}
	}
	b, _ := os.ReadFile(file)
	if string(b) != "127.0.0.1 localhost\n# logkeep logkeep.test begin\n"+want+"# logkeep logkeep.test end\n" {
		t.Errorf("hosts file\n%s", b)
	}
}

func TestSettingsFlagOverVariableOverFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "logkeep.yaml")
	if err := os.WriteFile(file, []byte("data-dir: /from/file\nlisten: 127.0.0.1:1\ndomain: file.test\nlease: 45s\nvaults:\n  - domain: vault.example.com\n    ranges: [10.0.0.0/8]\ndouble-encryption-regions: [westeurope]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var got cli.Settings
	commands := cli.Commands{Serve: func(_ context.Context, s cli.Settings, out io.Writer) error {
		got = s
		_, err := io.WriteString(out, "ready https://x\n")
		return err
	}}
	serve := func(args ...string) (int, string) {
		var out, errs bytes.Buffer
		code := cli.Run(t.Context(), append([]string{"serve"}, args...), nil, &out, &errs, commands)
		if code == 0 && out.String() != "ready https://x\n" {
			t.Errorf("standard output %q", out.String())
		}
		return code, errs.String()
	}
	if code, errs := serve(); code != 0 || got.DataDir != ".logkeep" || got.RootKey != ".logkeep.rootkey" || got.Listen != "127.0.0.1:8443" || got.Domain != "logkeep.test" || got.OutageGrace != time.Hour || got.DoubleEncryptionRegions != nil {
		t.Errorf("defaults: exit %d %s %+v", code, errs, got)
	}
	t.Setenv("LOGKEEP_LISTEN", "127.0.0.1:2")
	t.Setenv("LOGKEEP_DOMAIN", "variable.test")
	t.Setenv("LOGKEEP_IMDS", "http://127.0.0.1:3")
	if code, errs := serve("--config", file, "--domain", "flag.test"); code != 0 || got.DataDir != "/from/file" || got.Listen != "127.0.0.1:2" || got.Domain != "flag.test" || got.Lease != 45*time.Second || got.RootKey != "/from/file.rootkey" || got.IMDS != "127.0.0.1:3" {
		t.Errorf("exit %d %s %+v", code, errs, got)
	}
	if len(got.Vaults) != 1 || got.Vaults[0].Domain != "vault.example.com" || len(got.Vaults[0].Ranges) != 1 || got.Vaults[0].Ranges[0].String() != "10.0.0.0/8" {
		t.Errorf("vaults: %+v", got.Vaults)
	}
	if len(got.DoubleEncryptionRegions) != 1 || got.DoubleEncryptionRegions[0] != "westeurope" {
		t.Errorf("regions: %v", got.DoubleEncryptionRegions)
	}
	t.Setenv("LOGKEEP_CONFIG", file)
	if code, errs := serve(); code != 0 || got.DataDir != "/from/file" {
		t.Errorf("LOGKEEP_CONFIG: exit %d %s %+v", code, errs, got)
	}
	for _, bad := range [][]string{{"--domain", "Logkeep"}, {"--listen", "8443"}, {"--lease", "-1s"}, {"--lease", "soon"}, {"--config", file + ".none"}, {"extra"}, {"--imds", "on"}} {
		if code, errs := serve(bad...); code != 2 || errs == "" {
			t.Errorf("%v: exit %d %s", bad, code, errs)
		}
	}
	if err := os.WriteFile(file, []byte("leese: 45s\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, errs := serve(); code != 2 || !strings.Contains(errs, "leese") {
		t.Errorf("a misspelt setting: exit %d %s", code, errs)
	}
	t.Setenv("LOGKEEP_CONFIG", "")
	t.Setenv("LOGKEEP_LEASE", "soon")
	if code, errs := serve(); code != 2 || !strings.Contains(errs, "LOGKEEP_LEASE") {
		t.Errorf("a variable that is no duration: exit %d %s", code, errs)
	}
}

func TestChildrenGetTheirArgumentsAsTheyAre(t *testing.T) {
	var vault, worker []string
	commands := cli.Commands{
		Vault:  func(_ context.Context, args []string) error { vault = args; return nil },
		Worker: func(_ context.Context, args []string) error { worker = args; return context.DeadlineExceeded },
	}
	if code := cli.Run(t.Context(), []string{"vault", "--dir", "x"}, nil, io.Discard, io.Discard, commands); code != 0 || fmt.Sprint(vault) != "[--dir x]" {
		t.Errorf("exit %d, %v", code, vault)
	}
	if code := cli.Run(t.Context(), []string{"worker", "-x", "--help"}, nil, io.Discard, io.Discard, commands); code != 1 || fmt.Sprint(worker) != "[-x --help]" {
		t.Errorf("exit %d, %v", code, worker)
	}
}
