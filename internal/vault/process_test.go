package vault_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"
	"github.com/go-jose/go-jose/v4"

	"logkeep/internal/vault"
	"logkeep/internal/vault/admin"
	"logkeep/internal/vault/keystore"
)

// run tries to start a vault that can't start.
func run(t *testing.T, dir string, root []byte) error {
	t.Helper()
	var l [2]net.Listener
	for i := range l {
		var err error
		if l[i], err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
	}
	ctx, done := context.WithTimeout(t.Context(), 10*time.Second)
	defer done()
	err := vault.Run(ctx, vault.Config{Dir: dir, Domain: domain, Port: port, RootKey: root, Data: l[0], Admin: l[1]})
	if c, dialErr := net.Dial("tcp", l[0].Addr().String()); dialErr == nil {
		c.Close()
		t.Error("the socket is still open")
	}
	if !bytes.Equal(root, make([]byte, len(root))) {
		t.Error("the root key was not cleared")
	}
	return err
}

func TestAVaultThatCannotStartSaysWhy(t *testing.T) {
	dir := prepared(t)
	if err := run(t, dir, bytes.Repeat([]byte{8}, 32)); !errors.Is(err, keystore.ErrRootKey) || !strings.Contains(err.Error(), "--root-key") {
		t.Errorf("wrong root key: %v", err)
	}
	if err := run(t, dir, make([]byte, 31)); err == nil || !strings.Contains(err.Error(), "31 bytes") {
		t.Errorf("short root key: %v", err)
	}
	start(t, dir)
	if err := run(t, dir, rootKey()); !errors.Is(err, keystore.ErrInUse) {
		t.Errorf("two at once: %v", err)
	}
}

func TestIdentityOutlivesARestart(t *testing.T) {
	dir := prepared(t)
	r := start(t, dir)
	ca, err := r.admin.CA(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	signed, err := r.admin.Sign(t.Context(), map[string]any{"aud": "x", "exp": 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	r = start(t, dir)
	if again, err := r.admin.CA(t.Context()); err != nil || !bytes.Equal(again, ca) {
		t.Errorf("another authority: %v", err)
	}
	keys, err := r.admin.Keys(t.Context())
	if err != nil || len(keys.Keys) != 1 || !keys.Keys[0].IsPublic() {
		t.Fatal(err)
	}
	parsed, err := jose.ParseSignedCompact(signed, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil || parsed.Signatures[0].Header.KeyID != keys.Keys[0].KeyID {
		t.Fatal(err)
	}
	if claims, err := parsed.Verify(keys.Keys[0]); err != nil || string(claims) != `{"aud":"x","exp":1}` {
		t.Errorf("%s, %v", claims, err)
	}
	for _, claims := range []any{nil, map[string]any{"aud": "x"}, map[string]any{"exp": 1}, "text"} {
		if p, ok := errors.AsType[*admin.Problem](errOf(r.admin.Sign(t.Context(), claims))); !ok || p.Status != http.StatusBadRequest {
			t.Errorf("claims %v were signed", claims)
		}
	}
}

func errOf[T any](_ T, err error) error { return err }

func TestCertificatesAreForTheNamesAskedFor(t *testing.T) {
	r := start(t, prepared(t))
	c, err := r.admin.IssueCertificate(t.Context(), []string{domain, "*.ingest." + domain, "localhost", "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(c.Certificate, c.Key)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := r.admin.CA(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	for name, ok := range map[string]bool{domain: true, "dce-1.ingest." + domain: true, "localhost": true, "127.0.0.1": true, "akv.vault." + domain: false} {
		if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name}); (err == nil) != ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	block, _ := pem.Decode(ca)
	root, err := x509.ParseCertificate(block.Bytes)
	if err != nil || !root.IsCA || root.KeyUsage&x509.KeyUsageCertSign == 0 || root.NotAfter.Before(time.Now().AddDate(9, 11, 0)) {
		t.Errorf("authority %+v, %v", root, err)
	}
	if _, err := r.admin.IssueCertificate(t.Context(), nil); err == nil {
		t.Error("a certificate for nobody")
	}
}

// request asks for a key with the token, and returns status and body.
func request(t *testing.T, r *running, token string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", vaultURL+"/keys?api-version=7.4", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := r.transport(t, "192.0.2.7:1").Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// A token must be signed with the token key and its own algorithm: the public
// key as an HMAC secret, no algorithm at all and another's key don't do.
func TestForgedTokensAreRefused(t *testing.T) {
	r := start(t, prepared(t))
	r.makeVault(t, "")
	claims, err := json.Marshal(map[string]any{"aud": "https://vault.azure.net", "exp": time.Now().Add(time.Hour).Unix(), "tid": tenant, "oid": "alice"})
	if err != nil {
		t.Fatal(err)
	}
	good, err := r.admin.Sign(t.Context(), json.RawMessage(claims))
	if err != nil {
		t.Fatal(err)
	}
	if code, body := request(t, r, good); code != http.StatusOK {
		t.Fatal(code, body)
	}
	keys, err := r.admin.Keys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(keys.Keys[0].Key.(crypto.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	hmac, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})}, nil)
	if err != nil {
		t.Fatal(err)
	}
	confused, err := hmac.Sign(claims)
	if err != nil {
		t.Fatal(err)
	}
	compact, err := confused.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(good, ".")
	other := base64.RawURLEncoding.EncodeToString(bytes.Replace(claims, []byte("alice"), []byte("mallo"), 1))
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`))
	for name, token := range map[string]string{
		"none": none + "." + parts[1] + ".", "hmac with the public key": compact, "other claims": parts[0] + "." + other + "." + parts[2],
		"no signature": parts[0] + "." + parts[1] + ".", "garbage": "x", "huge": strings.Repeat("A", 20<<10),
	} {
		if code, body := request(t, r, token); code != http.StatusUnauthorized || !strings.Contains(body, `"Unauthorized"`) {
			t.Errorf("%s: %d %s", name, code, body)
		}
	}
}

func TestAConnectionMustSayWhoCalls(t *testing.T) {
	r := start(t, prepared(t))
	r.makeVault(t, "")
	for _, first := range []string{"GET / HTTP/1.1\r\n\r\n", "PROXY \n", "PROXY " + strings.Repeat("x", 200) + "\n"} {
		c, err := net.Dial("tcp", r.data)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(c, first)
		c.SetReadDeadline(time.Now().Add(3 * time.Second))
		if b, err := io.ReadAll(c); errors.Is(err, os.ErrDeadlineExceeded) || bytes.Contains(b, []byte("200")) {
			t.Errorf("%q: %q, %v", first, b, err)
		}
		c.Close()
	}
	// One that says nothing keeps nobody else waiting.
	silent, err := net.Dial("tcp", r.data)
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	if _, err := r.keys(t, vaultURL, tenant, "alice").NewListKeyPropertiesPager(nil).NextPage(t.Context()); err != nil {
		t.Error(err)
	}
}

// A keeper that hangs delays a change by a tenth of a second and undoes
// nothing; one that can't be asked about roles is silence.
func TestAKeeperThatHangs(t *testing.T) {
	r := start(t, prepared(t))
	r.makeVault(t, `"accessPolicies":[{"tenantId":"`+tenant+`","objectId":"alice","permissions":{"keys":["all"]}}]`)
	c := r.keys(t, vaultURL, tenant, "alice")
	if _, err := c.CreateKey(t.Context(), "kek", azkeys.CreateKeyParameters{Kty: to.Ptr(azkeys.KeyTypeEC)}, nil); err != nil {
		t.Fatal(err)
	}
	r.mu.Lock() // the keeper's handler waits for it
	begin := time.Now()
	_, err := c.UpdateKey(t.Context(), "kek", "", azkeys.UpdateKeyParameters{KeyAttributes: &azkeys.KeyAttributes{Enabled: to.Ptr(false)}}, nil)
	took := time.Since(begin)
	r.mu.Unlock()
	if err != nil || took < 90*time.Millisecond || took > 2*time.Second {
		t.Errorf("the change took %v: %v", took, err)
	}
	if k, err := c.GetKey(t.Context(), "kek", "", nil); err != nil || *k.Attributes.Enabled {
		t.Error("the change was not made", err)
	}

	r.mu.Lock()
	r.allowed = func(admin.Question) (bool, error) { return true, errors.New("catalog is closed") }
	r.mu.Unlock()
	if _, err := r.admin.PatchVault(t.Context(), admin.Request{ID: vaultID, Tenant: tenant, Body: json.RawMessage(`{"properties":{"enableRbacAuthorization":true}}`)}); err != nil {
		t.Fatal(err)
	}
	_, err = c.GetKey(t.Context(), "kek", "", nil)
	refusedWith(t, err, http.StatusServiceUnavailable, "ServiceUnavailable")
}

// What was asked is in the audit log after a restart, too.
func TestTheAuditLogOutlivesTheProcess(t *testing.T) {
	dir := prepared(t)
	r := start(t, dir)
	r.makeVault(t, "")
	if _, err := r.keys(t, vaultURL, tenant, "alice").GetKey(t.Context(), "none", "", nil); err == nil {
		t.Fatal("a key that is not there was got")
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	r = start(t, dir)
	page, err := r.admin.Audit(t.Context(), admin.AuditQuery{Vault: vaultID})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range page.Events {
		got = append(got, fmt.Sprintf("%s %d", e.OperationName, e.Properties.HTTPStatus))
	}
	if want := "VaultPut 200, Authentication 401, KeyGet 404"; strings.Join(got, ", ") != want {
		t.Errorf("%q, want %q", got, want)
	}
	if next, err := r.admin.Audit(t.Context(), admin.AuditQuery{Vault: vaultID, After: page.Next}); err != nil || len(next.Events) != 0 {
		t.Error(next, err)
	}
}

// Neither vault.db nor its log holds a private key or the root key.
func TestTheFolderHoldsNoKeyInTheClear(t *testing.T) {
	dir := prepared(t)
	r := start(t, dir)
	r.makeVault(t, "")
	if _, err := r.keys(t, vaultURL, tenant, "alice").CreateKey(t.Context(), "kek", azkeys.CreateKeyParameters{Kty: to.Ptr(azkeys.KeyTypeRSA)}, nil); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) < 2 {
		t.Fatal(files, err)
	}
	// Beginnings of PKCS #8 with an RSA key of 2048 and 3072 bits and an EC key
	// on P-256, as DER.
	marks := [][]byte{rootKey()}
	for _, m := range []string{"300d06092a864886f70d0101010500048204", "300d06092a864886f70d01010105000482", "301306072a8648ce3d020106082a8648ce3d030107046d306b0201010420"} {
		var b []byte
		if _, err := fmt.Sscanf(m, "%x", &b); err != nil {
			t.Fatal(err)
		}
		marks = append(marks, b)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for i, m := range marks {
			if bytes.Contains(b, m) {
				t.Errorf("%s holds a key in the clear (mark %d)", filepath.Base(name), i)
			}
		}
	}
}
