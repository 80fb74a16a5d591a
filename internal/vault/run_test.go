package vault_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"logkeep/internal/resource"
	"logkeep/internal/vault"
	"logkeep/internal/vault/admin"
)

const (
	domain   = "logkeep.test"
	port     = 8443
	tenant   = "11111111-2222-3333-4444-555555555555"
	vaultURL = "https://akv.vault.logkeep.test:8443"
)

var vaultID = mustParse("/subscriptions/aaaa/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/akv")

func mustParse(s string) resource.ID {
	id, err := resource.Parse(s)
	if err != nil {
		panic("internal error: " + err.Error())
	}
	return id
}

func rootKey() []byte { return bytes.Repeat([]byte{7}, 32) }

// TestMain lets a test start this binary as a vault process of its own, to kill
// it.
func TestMain(m *testing.M) {
	if dir := os.Getenv("VAULT_TEST_PROCESS"); dir != "" {
		os.Exit(process(dir))
	}
	os.Exit(m.Run())
}

// running is a vault process inside the test, and the keeper that it talks to.
type running struct {
	admin *admin.Client
	data  string // address of the data socket
	stop  func() error

	mu      sync.Mutex
	allowed func(admin.Question) (bool, error)
	notices []admin.Notice

	auditing sync.Mutex
	events   []admin.Event
}

// made is a vault's folder as the first start leaves it: making it takes a
// second, which each test saves by copying it.
var made = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "vault")
	if err != nil {
		return "", err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	a, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- vault.Run(ctx, vault.Config{Dir: dir, Domain: domain, Port: port, RootKey: rootKey(), Data: l, Admin: a})
	}()
	c, err := net.Dial("tcp", a.Addr().String())
	if err != nil {
		cancel()
		return "", err
	}
	// An answer means that everything was made.
	fmt.Fprintf(c, "POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
	c.Read(make([]byte, 1))
	c.Close()
	cancel()
	return dir, <-done
})

// prepared returns a folder of the test's own after a first start.
func prepared(t *testing.T) string {
	t.Helper()
	from, err := made()
	if err != nil {
		t.Fatal(err)
	}
	for {
		dir := t.TempDir()
		err := os.CopyFS(dir, os.DirFS(from))
		if errors.Is(err, fs.ErrNotExist) {
			continue // the database's log goes with its last connection, which may end a moment after Close
		}
		if err != nil && !errors.Is(err, fs.ErrExist) {
			t.Fatal(err)
		}
		return dir
	}
}

// start runs a vault on the folder until the test ends or stop is called.
func start(t *testing.T, dir string) *running {
	t.Helper()
	r := &running{allowed: func(admin.Question) (bool, error) { return true, nil }}
	sockets, err := os.MkdirTemp("", "v") // a Unix socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(sockets) })
	listen := func(network, address string) net.Listener {
		l, err := net.Listen(network, address)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	log := slog.New(slog.NewTextHandler(testWriter{t}, nil))
	keeper := &http.Server{Handler: admin.CallbackHandler(log, r.authorize, r.notice, func(context.Context, string) (admin.Claims, error) {
		return admin.Claims{}, admin.Refuse(401, "Unauthorized", "no outside issuer")
	})}
	keeperSocket := listen("unix", filepath.Join(sockets, "k"))
	go keeper.Serve(keeperSocket)
	t.Cleanup(func() { keeper.Close() })

	data, adminSocket := listen("tcp", "127.0.0.1:0"), listen("unix", filepath.Join(sockets, "a"))
	r.data = data.Addr().String()
	r.admin = admin.NewClient(filepath.Join(sockets, "a"))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- vault.Run(ctx, vault.Config{
			Dir: dir, Domain: domain, Port: port, RootKey: rootKey(), Data: data, Admin: adminSocket, Keeper: filepath.Join(sockets, "k"),
			Audit: r.audit, Log: log,
		})
	}()
	r.stop = sync.OnceValue(func() error { r.admin.Close(); cancel(); return <-done })
	t.Cleanup(func() {
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
	if err := r.admin.Health(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(b []byte) (int, error) { w.t.Log(string(b)); return len(b), nil }

func (r *running) authorize(_ context.Context, q admin.Question) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.allowed(q)
}

func (r *running) notice(_ context.Context, n admin.Notice) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.notices = append(r.notices, n)
}

func (r *running) audit(e admin.Event) {
	r.auditing.Lock()
	defer r.auditing.Unlock()
	r.events = append(r.events, e)
}

// makeVault makes vault akv, with roles and purge protection unless properties
// say otherwise.
func (r *running) makeVault(t *testing.T, properties string) {
	t.Helper()
	if properties == "" {
		properties = `"enableRbacAuthorization":true,"enablePurgeProtection":true`
	}
	_, created, err := r.admin.PutVault(t.Context(), admin.Request{ID: vaultID, Tenant: tenant, APIVersion: "2022-07-01", Body: json.RawMessage(
		`{"location":"westeurope","properties":{"tenantId":"` + tenant + `","sku":{"family":"A","name":"standard"},` + properties + `}}`)})
	if err != nil || !created {
		t.Fatal(created, err)
	}
}

// token is a credential of an application of the tenant, signed by the vault.
type token struct {
	signer           *admin.Client
	tenant, objectID string
}

func (k token) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	if len(o.Scopes) != 1 || o.TenantID != k.tenant {
		return azcore.AccessToken{}, fmt.Errorf("asked for a token for %q of tenant %q", o.Scopes, o.TenantID)
	}
	end := time.Now().Add(time.Hour)
	s, err := k.signer.Sign(ctx, map[string]any{
		"aud": o.Scopes[0][:len(o.Scopes[0])-len("/.default")], "exp": end.Unix(), "nbf": time.Now().Unix(), "tid": k.tenant, "oid": k.objectID, "appid": "app",
	})
	return azcore.AccessToken{Token: s, ExpiresOn: end}, err
}

// transport reaches the vault's data socket for every host, as the keeper does.
func (r *running) transport(t *testing.T, from string) *http.Client {
	t.Helper()
	ca, err := r.admin.CA(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		t.Fatal("the CA is no certificate")
	}
	tr := &http.Transport{
		ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: roots},
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			c, err := d.DialContext(ctx, "tcp", r.data)
			if err != nil {
				return nil, err
			}
			_, err = fmt.Fprintf(c, "PROXY %s\n", from)
			return c, err
		},
	}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

// keys is the official client for a vault.
func (r *running) keys(t *testing.T, url, ofTenant, objectID string) *azkeys.Client {
	t.Helper()
	c, err := azkeys.NewClient(url, token{r.admin, ofTenant, objectID}, &azkeys.ClientOptions{ClientOptions: policy.ClientOptions{
		Transport: r.transport(t, "192.0.2.7:40000"), Retry: policy.RetryOptions{MaxRetries: -1},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// refusedWith checks an SDK error's status and code.
func refusedWith(t *testing.T, err error, status int, code string) {
	t.Helper()
	e, ok := errors.AsType[*azcore.ResponseError](err)
	if !ok || e.StatusCode != status || e.ErrorCode != code {
		t.Errorf("got %v, want %d %s", err, status, code)
	}
}

// anyTenant gives its own tenant's token to whoever asks.
type anyTenant struct{ token }

func (a anyTenant) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	o.TenantID = a.tenant
	return a.token.GetToken(ctx, o)
}
