package client

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// jwt is a token, of nobody, that ends at a time.
func jwt(end time.Time) string {
	payload := base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"exp":%d}`, end.Unix()))
	return "e30." + payload + ".c2ln"
}

func TestATokenIsUsedBeforeAnythingElse(t *testing.T) {
	env := map[string]string{"LOGKEEP_TOKEN": "a.b.c", "AZURE_TENANT_ID": "t", "AZURE_SUBSCRIPTION_ID": "s", "AZURE_CLIENT_ID": "c", "AZURE_CLIENT_SECRET": "secret"}
	f, err := Where{URL: "https://x.test", Getenv: func(n string) string { return env[n] }}.find()
	if err != nil || !f.identity.token.known() || f.identity.ClientSecret != "" || f.identity.SubscriptionID != "s" || f.identity.TenantID != "t" {
		t.Errorf("%+v %v", f, err)
	}
	for _, text := range []string{fmt.Sprint(f.identity), fmt.Sprintf("%+v", f.identity), fmt.Sprintf("%#v", f.identity.token), fmt.Sprintf("%s", f.identity.token)} {
		if strings.Contains(text, "a.b.c") {
			t.Errorf("the token is printed: %s", text)
		}
	}
}

func TestATokensFileIsReadAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	b := bearer{file: file}
	get := func(content string) (string, error) {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		token, err := b.GetToken(t.Context(), policy.TokenRequestOptions{})
		return token.Token, err
	}
	soon := jwt(time.Now().Add(time.Hour))
	for _, c := range []struct{ content, token, err string }{
		{"opaque\n", "opaque", ""},
		{soon, soon, ""},
		{jwt(time.Now().Add(-time.Minute)), "", "expired at"},
		{" \n", "", "holds no token"},
		{"two words", "", "holds no token"},
	} {
		token, err := get(c.content)
		if token != c.token || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%q: %q %v", c.content, token, err)
		}
	}
	if _, err := (bearer{file: file + ".none"}).GetToken(t.Context(), policy.TokenRequestOptions{}); err == nil {
		t.Error("a file that is not there is a token")
	}
}

// Whoever gets a token can be its bearer: it goes to the server alone.
func TestATokenIsSentToTheServerAlone(t *testing.T) {
	s := &Server{Domain: "logkeep.test", URL: "https://localhost:8443", Identity: Identity{token: bearer{text: "a.b.c"}}}
	for address, may := range map[string]bool{
		"https://kv.vault.logkeep.test:8443": true, "https://x.ingest.logkeep.test": true,
		"https://kv.vault.example.com": false, "https://evil-logkeep.test": false, "https://kv.vault.logkeep.test.example.com": false,
	} {
		if _, err := s.Keys(address); (err == nil) != may {
			t.Errorf("keys of %s: %v", address, err)
		}
		if _, err := s.Ingestion(address); (err == nil) != may {
			t.Errorf("rows to %s: %v", address, err)
		}
	}
}
