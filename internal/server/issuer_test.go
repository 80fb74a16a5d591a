package server_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"logkeep/internal/entra"
)

// abroad is an issuer elsewhere, with one key.
func abroad(t *testing.T) (issuer *httptest.Server, token func(subject, audience string) string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	mux := http.NewServeMux()
	issuer = httptest.NewTLSServer(mux)
	t.Cleanup(issuer.Close)
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(map[string]string{"issuer": issuer.URL, "jwks_uri": issuer.URL + "/keys"})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k", Use: "sig"}}})
	})
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: key, KeyID: "k"}}, nil)
	must(t, err)
	return issuer, func(subject, audience string) string {
		b, err := json.Marshal(map[string]any{"iss": issuer.URL, "sub": subject, "aud": audience, "exp": time.Now().Add(time.Hour).Unix(), "iat": time.Now().Unix()})
		must(t, err)
		signed, err := signer.Sign(b)
		must(t, err)
		text, err := signed.CompactSerialize()
		must(t, err)
		return text
	}
}

// with sends a request with a token of somebody's.
func (s *site) with(token, method, url, body string) (status int, text string) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, url, strings.NewReader(body))
	must(s.t, err)
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	answer, err := s.ARM().Transport.Do(r)
	must(s.t, err)
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	must(s.t, err)
	return answer.StatusCode, string(b)
}

// TestPeopleFromOutside: an administrator of another issuer gives a colleague a
// role; nobody signs in here any more.
func TestPeopleFromOutside(t *testing.T) {
	t.Parallel()
	s := copied(t)
	issuer, token := abroad(t)
	s.Issuers = []entra.Trust{{URL: issuer.URL, Audiences: []string{"logkeep"}}}
	s.IssuerRoots = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: issuer.Certificate().Raw})
	s.Admins = []string{issuer.URL + "#alice"}
	s.Closed = true
	s.serve()

	sub := s.URL + "/subscriptions/" + s.SubscriptionID
	alice, bob := token("alice", "logkeep"), token("bob", "logkeep")
	if status, text := s.with(alice, "GET", sub+"/resourcegroups?api-version=2021-04-01", ""); status != 200 || !strings.Contains(text, group) {
		t.Fatalf("the administrator: %d %s", status, text)
	}
	bobID := entra.ObjectIDOf(issuer.URL, "bob")
	one := sub + "/resourcegroups/" + group + "?api-version=2021-04-01"
	if status, text := s.with(bob, "GET", one, ""); status != 403 || !strings.Contains(text, bobID) {
		t.Errorf("who has no role reads his object id: %d %s", status, text)
	}
	assign := func(name, role, at string) {
		t.Helper()
		status, text := s.with(alice, "PUT", s.URL+at+"/providers/Microsoft.Authorization/roleAssignments/"+name+"?api-version=2022-04-01",
			`{"properties":{"roleDefinitionId":"/providers/Microsoft.Authorization/roleDefinitions/`+role+`","principalId":"`+bobID+`","principalType":"User"}}`)
		if status != 201 {
			t.Fatalf("%d %s", status, text)
		}
	}
	assign("11111111-0000-4000-8000-000000000001", "acdd72a7-3385-48ef-bd42-f606fba81ae7", "/subscriptions/"+s.SubscriptionID)
	if status, text := s.with(bob, "GET", one, ""); status != 200 {
		t.Errorf("a reader: %d %s", status, text)
	}
	if status, _ := s.with(bob, "PUT", one, `{"location":"westeurope"}`); status != 403 {
		t.Errorf("a reader writes: %d", status)
	}
	if status, text := s.with(token("bob", "elsewhere"), "GET", one, ""); status != 401 || !strings.Contains(text, "InvalidAuthenticationTokenAudience") {
		t.Errorf("a token for another service: %d %s", status, text)
	}
	// Vaults ask the keeper.
	keys := s.VaultURI + "/keys?api-version=7.5"
	if status, _ := s.with(bob, "GET", keys, ""); status != 403 {
		t.Errorf("keys without a role: %d", status)
	}
	assign("11111111-0000-4000-8000-000000000002", "14b46e9e-c2b7-41b4-b07b-48a6ebf60603", s.VaultID)
	if status, text := s.with(bob, "GET", keys, ""); status != 200 {
		t.Errorf("keys with one: %d %s", status, text)
	}
	// The own issuer is shut.
	body := "grant_type=client_credentials&client_id=" + s.ClientID + "&client_secret=" + s.ClientSecret + "&scope=https://management.azure.com/.default"
	r, err := http.NewRequestWithContext(t.Context(), "POST", s.URL+"/"+s.TenantID+"/oauth2/v2.0/token", strings.NewReader(body))
	must(t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := s.ARM().Transport.Do(r)
	must(t, err)
	defer answer.Body.Close()
	if text, _ := io.ReadAll(answer.Body); answer.StatusCode != 400 || !strings.Contains(string(text), "AADSTS7000112") {
		t.Errorf("signing in here: %d %s", answer.StatusCode, text)
	}
	// The cluster's own identity goes on: its key is still there.
	status, text := s.with(alice, "GET", s.URL+s.ClusterID+"?api-version=2022-10-01", "")
	if status != 200 || !strings.Contains(text, `"state":"Active"`) {
		t.Errorf("the cluster: %d %s", status, text)
	}
}
