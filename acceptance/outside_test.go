package acceptance

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"logkeep/internal/cli/client"
	"logkeep/internal/cli/walk"
)

// TestAnOutsideIssuersTokensDoTheMainJob: the server's own issuer is off, and
// who comes has a token of a real one. The boss, whom the operator named, walks
// the main job; others may what he lets them.
func TestAnOutsideIssuersTokensDoTheMainJob(t *testing.T) {
	i := startIssuer(t)
	binary, dir := build(t), filepath.Join(t.TempDir(), "data")
	settings := filepath.Join(t.TempDir(), "logkeep.yaml")
	if err := os.WriteFile(settings, []byte("issuer-roots: "+i.ca+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := launch(t, binary, dir, "--config", settings, "--issuer", i.url+",audience="+audience, "--issuer-builtin", "off", "--admin", i.url+"#boss")

	as := func(token string, args ...string) (stdout, stderr string, code int) {
		t.Helper()
		return withToken(t, s, token, args...)
	}
	boss := i.application(t, "boss", audience)
	out, errs, code := as(boss, "demo", "--url", s.url, "--output", "json", "--rows", "2000")
	var r walk.Result
	if code != 0 || json.Unmarshal([]byte(out), &r) != nil || r.RowsIngested < 2000 || r.RowsAfterRestore != r.RowsIngested || r.RowsAfterRotation != r.RowsIngested ||
		r.QueryWhileRevoked != client.KeyRevoked || r.IngestWhileRevoked != client.KeyRevoked {
		t.Fatalf("exit %d\n%s%s", code, out, errs)
	}
	boot := bootstrap(t, dir)
	workspace := s.rest(t, boss, "GET", "/subscriptions/"+boot+"/providers/Microsoft.OperationalInsights/workspaces?api-version=2023-09-01", "").at("value.0.name").text()

	// A secret of the server's own opens nothing, and says where to go.
	if out, errs, code := command(t, binary, "query", "--data-dir", dir, "-w", workspace, "print 1"); code != 4 || !strings.Contains(errs, i.url) {
		t.Errorf("the first administrator's secret: exit %d: %s%s", code, out, errs)
	}
	// Who has no role, and who has a token for somebody else's service.
	stranger := i.application(t, "stranger", audience)
	if out, errs, code := as(stranger, "query", "--url", s.url, "-w", workspace, "print 1"); code == 0 || !strings.Contains(errs, "subscription") {
		t.Errorf("a stranger: exit %d: %s%s", code, out, errs)
	}
	if out, errs, code := as(i.application(t, "boss", "https://elsewhere.example"), "query", "--url", s.url, "-w", workspace, "print 1"); code != 4 || !strings.Contains(errs, "wrong audience") {
		t.Errorf("a token for another service: exit %d: %s%s", code, out, errs)
	}
	if out, errs, code := as(forged(t, boss), "query", "--url", s.url, "-w", workspace, "print 1"); code != 4 {
		t.Errorf("a token that was changed: exit %d: %s%s", code, out, errs)
	}

	// The boss gives roles by object ids: an application's and a person's.
	for who, token := range map[string]string{"reader": i.application(t, "reader", audience), "dora": i.person(t)} {
		s.rest(t, boss, "PUT", "/subscriptions/"+boot+"/providers/Microsoft.Authorization/roleAssignments/"+uuid.NewString()+"?api-version=2022-04-01", fmt.Sprintf(
			`{"properties":{"roleDefinitionId":"/subscriptions/%s/providers/Microsoft.Authorization/roleDefinitions/73c42c96-874c-492b-b04d-ab87d138a893","principalId":%q}}`, // Log Analytics Reader
			boot, s.rest(t, token, "GET", "/v1.0/me", "").at("id").text()))
		if out, errs, code := as(token, "query", "--url", s.url, "-w", workspace, "-o", "csv", "print x = 1"); code != 0 || !strings.Contains(out, "1") {
			t.Errorf("%s reads: exit %d: %s%s", who, code, out, errs)
		}
		rows := filepath.Join(t.TempDir(), "rows")
		if err := os.WriteFile(rows, []byte("{\"TimeGenerated\":\"2026-01-02T03:04:05Z\",\"Message\":\"x\"}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, errs, code := as(token, "ingest", "--url", s.url, "-w", workspace, "-t", "Mine_CL", "--create", rows); code != 4 {
			t.Errorf("%s writes: exit %d: %s%s", who, code, out, errs)
		}
	}
}

// bootstrap is the server's first subscription.
func bootstrap(t *testing.T, dir string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "bootstrap.json"))
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, text).at("subscriptionId").text()
}

// rest asks the resource manager, or the directory, with a token.
func (s *server) rest(t *testing.T, token, method, path, body string) value {
	t.Helper()
	ca, err := os.ReadFile(filepath.Join(s.dir, "tls", "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	defer c.CloseIdleConnections()
	r, err := http.NewRequestWithContext(t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	answer, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode >= 300 {
		t.Fatalf("%s %s: %s %s %v", method, path, answer.Status, text, err)
	}
	return parse(t, text)
}

// withToken runs the program as the bearer of a token, in a file as whoever
// renews it would have it.
func withToken(t *testing.T, s *server, token string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), s.binary, args...)
	c.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "TMPDIR=" + t.TempDir(), "LOGKEEP_TOKEN_FILE=" + file, "SSL_CERT_FILE=" + filepath.Join(s.dir, "tls", "ca.pem")}
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	start := time.Now()
	if err := c.Run(); err != nil {
		if _, ended := err.(*exec.ExitError); !ended {
			t.Fatal(err)
		}
	}
	t.Logf("%5.1fs exit %d  logkeep %s", time.Since(start).Seconds(), c.ProcessState.ExitCode(), strings.Join(args, " "))
	if strings.Contains(out.String()+errs.String(), token) {
		t.Error("the token was printed")
	}
	return out.String(), errs.String(), c.ProcessState.ExitCode()
}

// forged is a token that says more than its issuer did.
func forged(t *testing.T, token string) string {
	t.Helper()
	parts := strings.Split(token, ".")
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	parts[1] = base64.RawURLEncoding.EncodeToString(bytes.Replace(payload, []byte(`"boss"`), []byte(`"BOSS"`), 1))
	return strings.Join(parts, ".")
}
