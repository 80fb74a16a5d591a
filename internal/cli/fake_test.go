package cli_test

import (
	"compress/gzip"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	domain = "logkeep.test"
	tenant = "11111111-1111-4111-8111-111111111111"
	sub    = "22222222-2222-4222-8222-222222222222"
	admin  = "33333333-3333-4333-8333-333333333333"
	wsID   = "55555555-5555-4555-8555-555555555555"
)

// A fake is a small server that speaks just enough of the wire for the command
// line: it keeps what it is told in memory, unsealed, and its worker is a
// process that sleeps. Its fields make it misbehave.
type fake struct {
	t    *testing.T
	dir  string // a data directory
	port string

	mu        sync.Mutex
	resources map[string]map[string]any // by lower-case id
	versions  []string                  // of the one key
	enabled   map[string]bool
	used      string // the version in use
	rows      []map[string]any
	worker    *exec.Cmd
	queries   []string

	leak        bool               // keeps rows in the clear
	clingsToOld bool               // needs every version it ever used
	lose        int                // rows that a rotation loses
	refuse      map[string]refusal // by a part of the path
}

type refusal struct {
	status int
	body   string
}

func newFake(t *testing.T) *fake {
	f := &fake{t: t, dir: t.TempDir(), resources: map[string]map[string]any{}, enabled: map[string]bool{}, refuse: map[string]refusal{}}
	server := httptest.NewUnstartedServer(f)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	certificate, ca := certificates(t)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	t.Cleanup(f.killWorker)
	_, f.port, _ = net.SplitHostPort(server.Listener.Addr().String())
	os.MkdirAll(filepath.Join(f.dir, "tls"), 0o700)
	f.write("tls/ca.pem", string(ca))
	f.write("endpoint", fmt.Sprintf(`{"url":"https://localhost:%s","imds":"http://127.0.0.1:9"}`, f.port))
	f.write("bootstrap.json", fmt.Sprintf(`{"tenantId":%q,"subscriptionId":%q,"clientId":%q,"clientSecret":"it's secret","objectId":%q}`, tenant, sub, admin, admin))
	return f
}

func (f *fake) write(name, content string) {
	if err := os.WriteFile(filepath.Join(f.dir, name), []byte(content), 0o600); err != nil {
		f.t.Error(err)
	}
}

func (f *fake) base() string { return "https://localhost:" + f.port }

func certificates(t *testing.T) (tls.Certificate, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames: []string{"localhost", domain, "*.vault." + domain, "*.ingest." + domain, "*.loganalytics." + domain},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func (f *fake) killWorker() {
	if f.worker != nil {
		f.worker.Process.Kill()
		f.worker.Wait()
		f.worker = nil
	}
}

// settle makes the worker's life follow the key's state.
func (f *fake) settle() {
	newest := f.versions[len(f.versions)-1]
	if f.enabled[newest] && f.used != "" && f.used != newest {
		f.used = newest
		f.rows = f.rows[f.lose:]
	}
	usable := f.enabled[f.used]
	if f.clingsToOld {
		for _, v := range f.versions {
			usable = usable && f.enabled[v]
		}
	}
	if !usable {
		f.killWorker()
	} else if f.worker == nil && f.used != "" {
		f.worker = exec.CommandContext(context.Background(), "sleep", "60")
		if err := f.worker.Start(); err != nil {
			f.t.Error(err)
		}
	}
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	host, _, _ := net.SplitHostPort(r.Host)
	path := strings.ToLower(r.URL.Path)
	for part, refused := range f.refuse {
		if strings.Contains(path, part) {
			w.Header().Set("Retry-After", "5")
			w.WriteHeader(refused.status)
			io.WriteString(w, refused.body)
			return
		}
	}
	switch {
	case path == "/metadata/endpoints":
		answer(w, 200, map[string]any{"name": "Logkeep", "logAnalyticsResourceId": "https://api.loganalytics." + domain + ":" + f.port, "suffixes": map[string]any{"keyVaultDns": ".vault." + domain + ":" + f.port}})
	case strings.HasSuffix(path, "/openid-configuration"):
		answer(w, 200, map[string]any{"issuer": f.base() + "/" + tenant + "/v2.0", "authorization_endpoint": f.base() + "/authorize", "token_endpoint": f.base() + "/" + tenant + "/oauth2/v2.0/token", "jwks_uri": f.base() + "/keys"})
	case strings.HasSuffix(path, "/token"):
		if r.ParseForm(); r.Form.Get("client_secret") != "it's secret" {
			answer(w, 401, map[string]any{"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret provided."})
			return
		}
		answer(w, 200, map[string]any{"token_type": "Bearer", "expires_in": 3599, "access_token": "token for " + r.Form.Get("scope")})
	case r.Header.Get("Authorization") == "" && strings.Contains(host, ".vault."):
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer authorization="%s/%s", resource="https://vault.%s:%s"`, f.base(), tenant, domain, f.port))
		answer(w, 401, map[string]any{})
	case r.Header.Get("Authorization") == "":
		answer(w, 401, fault("AuthenticationFailed", "no token"))
	case strings.Contains(host, ".vault."):
		f.serveKeys(w, r, strings.Split(strings.Trim(path, "/"), "/"))
	case strings.Contains(host, ".ingest."):
		f.serveRows(w, r)
	case strings.HasPrefix(host, "api.loganalytics."):
		f.serveQuery(w, r)
	default:
		f.serveARM(w, r, path)
	}
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(body)
}

func fault(code, message string) map[string]any {
	return map[string]any{"error": map[string]any{"code": code, "message": message}}
}

func (f *fake) serveKeys(w http.ResponseWriter, r *http.Request, path []string) {
	if last := path[len(path)-1]; r.Method == http.MethodPost && (last == "create" || last == "rotate") {
		f.versions = append(f.versions, fmt.Sprintf("%032x", len(f.versions)+1))
		f.enabled[f.versions[len(f.versions)-1]] = true
	}
	version := f.versions[len(f.versions)-1]
	if r.Method == http.MethodPatch {
		version = path[2]
		var change struct{ Attributes struct{ Enabled bool } }
		json.NewDecoder(r.Body).Decode(&change)
		f.enabled[version] = change.Attributes.Enabled
	}
	f.settle()
	answer(w, 200, map[string]any{"key": map[string]any{"kid": "https://" + r.Host + "/keys/" + path[1] + "/" + version, "kty": "RSA"}, "attributes": map[string]any{"enabled": f.enabled[version]}})
}

const revoked = `{"error":{"code":"InsufficientAccessError","message":"outer","innererror":{"code":"CustomerManagedKeyRevoked","message":"the key of cluster walk is disabled since noon; enable it"}}}`

func (f *fake) serveRows(w http.ResponseWriter, r *http.Request) {
	if f.used != "" && f.worker == nil {
		w.Header().Set("Retry-After", "5")
		answer(w, 503, fault("CustomerManagedKeyRevoked", "the key is disabled"))
		return
	}
	body, err := gzip.NewReader(r.Body)
	if err != nil {
		f.t.Error(err)
	}
	text, _ := io.ReadAll(body)
	if len(text) > 1_000_000 {
		f.t.Errorf("a chunk of %d bytes", len(text))
	}
	var rows []map[string]any
	if err := json.Unmarshal(text, &rows); err != nil {
		f.t.Errorf("%.200s: %v", text, err)
	}
	f.rows = append(f.rows, rows...)
	if f.leak {
		f.write("rows.ndjson", string(text))
	}
	w.WriteHeader(http.StatusNoContent)
}

func (f *fake) serveQuery(w http.ResponseWriter, r *http.Request) {
	var body struct{ Query string }
	json.NewDecoder(r.Body).Decode(&body)
	f.queries = append(f.queries, body.Query)
	if f.used != "" && f.worker == nil {
		w.WriteHeader(403)
		io.WriteString(w, revoked)
		return
	}
	if strings.HasSuffix(body.Query, "count") {
		answer(w, 200, map[string]any{"tables": []any{map[string]any{"name": "PrimaryResult", "columns": []any{map[string]any{"name": "Count", "type": "long"}}, "rows": []any{[]any{len(f.rows)}}}}})
		return
	}
	w.Header().Set("Content-Type", "application/json")
	io.WriteString(w, `{"tables":[{"name":"PrimaryResult","columns":[{"name":"n","type":"long"},{"name":"text","type":"string"},{"name":"bag","type":"dynamic"}],"rows":[[9007199254740993,"a,\"b\"\nc","{\"x\":[1]}"],[null,"",null]]}]}`)
}

func (f *fake) serveARM(w http.ResponseWriter, r *http.Request, path string) {
	if strings.HasPrefix(path, "/operations/") {
		answer(w, 200, map[string]any{"status": "Succeeded"})
		return
	}
	segments := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	name := segments[len(segments)-1]
	switch r.Method {
	case http.MethodPut, http.MethodPatch:
		change := map[string]any{}
		json.NewDecoder(r.Body).Decode(&change)
		status := f.put(path, r.URL.Path, name, change)
		if status == 202 {
			w.Header().Set("Azure-AsyncOperation", f.base()+"/operations/1")
			w.Header().Set("Location", f.base()+r.URL.Path+"?api-version=2025-07-01")
			w.Header().Set("Retry-After", "0")
		}
		answer(w, status, f.show(path))
	case http.MethodGet:
		if f.resources[path] != nil {
			answer(w, 200, f.show(path))
			return
		}
		kind := strings.ToLower(name)
		list := []any{}
		for id := range f.resources {
			if parts := strings.Split(id, "/"); len(parts) > 2 && parts[len(parts)-2] == kind {
				list = append(list, f.show(id))
			}
		}
		if _, isList := map[string]bool{"workspaces": true, "clusters": true, "vaults": true, "datacollectionrules": true, "datacollectionendpoints": true}[kind]; !isList {
			answer(w, 404, fault("ResourceNotFound", "no "+name))
			return
		}
		answer(w, 200, map[string]any{"value": list})
	}
}

func (f *fake) put(path, id, name string, change map[string]any) int {
	resource := f.resources[path]
	if resource == nil {
		resource = map[string]any{"properties": map[string]any{}}
		f.resources[path] = resource
	}
	properties := resource["properties"].(map[string]any)
	for k, v := range change {
		if k != "properties" {
			resource[k] = v
		}
	}
	if more, ok := change["properties"].(map[string]any); ok {
		for k, v := range more {
			properties[k] = v
		}
	}
	resource["id"], resource["name"] = id, name
	properties["provisioningState"] = "Succeeded"
	switch parts := strings.Split(path, "/"); parts[len(parts)-2] {
	case "vaults":
		properties["vaultUri"] = "https://" + name + ".vault." + domain + ":" + f.port
	case "workspaces":
		properties["customerId"] = wsID
	case "datacollectionendpoints":
		properties["logsIngestion"] = map[string]any{"endpoint": "https://" + name + ".ingest." + domain + ":" + f.port}
	case "datacollectionrules":
		properties["immutableId"] = "dcr-" + fmt.Sprintf("%032d", 7)
	case "clusters":
		resource["identity"] = map[string]any{"type": "SystemAssigned", "principalId": "44444444-4444-4444-8444-444444444444"}
		if properties["keyVaultProperties"] != nil {
			f.used = f.versions[len(f.versions)-1]
			f.settle()
		}
		return 202
	case "linkedservices":
		return 202
	case "roleassignments":
		return 201
	}
	return 200
}

// show adds what a cluster says of its key.
func (f *fake) show(path string) map[string]any {
	resource := f.resources[path]
	if parts := strings.Split(path, "/"); parts[len(parts)-2] == "clusters" {
		state, worker := "Active", map[string]any{}
		if f.worker != nil {
			worker["pid"] = f.worker.Process.Pid
		} else if f.used != "" {
			state = "Revoked"
		}
		resource["properties"].(map[string]any)["logkeep"] = map[string]any{"worker": worker, "keyState": map[string]any{"state": state, "keyVersion": f.used, "reason": "the vault says\nso"}}
	}
	return resource
}

// seed makes a workspace, a table and a rule without asking.
func (f *fake) seed(names ...string) {
	for _, name := range names {
		id := "/subscriptions/" + sub + "/resourceGroups/rg/providers/Microsoft.OperationalInsights/workspaces/" + name
		f.put(strings.ToLower(id), id, name, map[string]any{"location": "westeurope"})
	}
}
