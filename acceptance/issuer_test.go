package acceptance

import (
	"bufio"
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
	"math/big"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// audience is that of every token of the issuer, see issuer/issuer.cjs.
const audience = "https://logkeep.example"

// An issuer is a real OpenID Connect issuer, in a process of its own.
type issuer struct {
	url  string
	ca   string // PEM file
	http *http.Client
}

// startIssuer skips the test, in words, where the issuer is not prepared.
func startIssuer(t *testing.T) *issuer {
	t.Helper()
	home, err := filepath.Abs("../.cache/issuer")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(home, "ready")); err != nil {
		t.Skipf("the issuer is not prepared: `make issuer` installs it (%v)", err)
	}
	if _, err := exec.LookPath("node"); err != nil {
		t.Skipf("node is not installed, which runs the issuer (%v)", err)
	}
	cert, key, pool := localhost(t)
	c := exec.Command("node", "issuer/issuer.cjs")
	c.Env = []string{"PATH=" + os.Getenv("PATH"), "NODE_PATH=" + filepath.Join(home, "node_modules"), "ISSUER_CERT=" + cert, "ISSUER_KEY=" + key}
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var complaints strings.Builder
	c.Stderr = &complaints
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close() // which ends it
		c.Wait()
		if t.Failed() {
			t.Logf("the issuer said: %s", &complaints)
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	address, ready := strings.CutPrefix(strings.TrimSpace(line), "ready ")
	if !ready {
		t.Fatalf("the issuer said %q: %v", line, err)
	}
	jar, _ := cookiejar.New(nil)
	i := &issuer{url: address, ca: cert, http: &http.Client{Jar: jar, Timeout: time.Minute, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}}
	t.Cleanup(i.http.CloseIdleConnections)
	return i
}

// localhost makes a certificate for localhost that vouches for itself.
func localhost(t *testing.T) (certFile, keyFile string, pool *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "issuer"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature, DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool = x509.NewCertPool()
	pool.AppendCertsFromPEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return certFile, keyFile, pool
}

// ask posts a form to the issuer's token endpoint, found by its discovery.
func (i *issuer) ask(t *testing.T, form url.Values) string {
	t.Helper()
	var discovery struct {
		Token string `json:"token_endpoint"`
	}
	i.read(t, i.url+"/.well-known/openid-configuration", nil, &discovery)
	var answer struct {
		Token string `json:"access_token"`
	}
	i.read(t, discovery.Token, form, &answer)
	if strings.Count(answer.Token, ".") != 2 {
		t.Fatalf("the issuer's token is no JWT: %q", answer.Token)
	}
	return answer.Token
}

func (i *issuer) read(t *testing.T, address string, form url.Values, into any) {
	t.Helper()
	var answer *http.Response
	var err error
	if form == nil {
		answer, err = i.http.Get(address)
	} else {
		answer, err = i.http.PostForm(address, form)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK || json.Unmarshal(body, into) != nil {
		t.Fatalf("%s: %s %s %v", address, answer.Status, body, err)
	}
}

// application gets a token as one of the issuer's applications does.
func (i *issuer) application(t *testing.T, name, resource string) string {
	t.Helper()
	return i.ask(t, url.Values{"grant_type": {"client_credentials"}, "client_id": {name}, "client_secret": {"the secret of " + name}, "resource": {resource}, "scope": {"all"}})
}

// person signs in as a person with a browser does, and gets a token.
func (i *issuer) person(t *testing.T) string {
	t.Helper()
	const back = "https://desk.example/done"
	var code string
	browser := *i.http
	browser.CheckRedirect = func(r *http.Request, before []*http.Request) error {
		if len(before) > 10 {
			return fmt.Errorf("the issuer sends the person round: %s", r.URL)
		}
		if strings.HasPrefix(r.URL.String(), back) {
			code = r.URL.Query().Get("code")
			return http.ErrUseLastResponse
		}
		return nil
	}
	answer, err := browser.Get(i.url + "/auth?" + url.Values{"client_id": {"desk"}, "response_type": {"code"}, "scope": {"openid all"}, "redirect_uri": {back}, "resource": {audience}, "state": {"x"}}.Encode())
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if code == "" {
		t.Fatalf("nobody was signed in: %s", answer.Status)
	}
	return i.ask(t, url.Values{"grant_type": {"authorization_code"}, "client_id": {"desk"}, "client_secret": {"the secret of desk"}, "code": {code}, "redirect_uri": {back}})
}
