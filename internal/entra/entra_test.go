package entra_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io/fs"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"logkeep/internal/entra"
	"logkeep/internal/fault"
	"logkeep/internal/rbac"
	"logkeep/internal/schema"
)

// A page is a book in memory.
type page struct {
	tenants    []entra.Tenant
	principals []entra.Principal
	secrets    map[string][]entra.Secret
}

func (p *page) Tenants(context.Context) ([]entra.Tenant, error) { return p.tenants, nil }
func (p *page) PutTenant(_ context.Context, t entra.Tenant) error {
	p.tenants = append(p.tenants, t)
	return nil
}
func (p *page) one(f func(entra.Principal) bool) (entra.Principal, error) {
	for _, q := range p.principals {
		if f(q) {
			return q, nil
		}
	}
	return entra.Principal{}, fs.ErrNotExist
}
func (p *page) Principal(_ context.Context, id string) (entra.Principal, error) {
	return p.one(func(q entra.Principal) bool { return q.ObjectID == id })
}
func (p *page) PrincipalOf(_ context.Context, id string) (entra.Principal, error) {
	return p.one(func(q entra.Principal) bool { return q.Resource == id && id != "" })
}
func (p *page) PrincipalsByApp(_ context.Context, id string) (all []entra.Principal, _ error) {
	for _, q := range p.principals {
		if q.AppID == id {
			all = append(all, q)
		}
	}
	return all, nil
}
func (p *page) Principals(context.Context, schema.TenantID) ([]entra.Principal, error) {
	return p.principals, nil
}
func (p *page) AddPrincipal(_ context.Context, q entra.Principal) error {
	p.principals = append(p.principals, q)
	return nil
}
func (p *page) RemovePrincipal(_ context.Context, id string) error {
	for i, q := range p.principals {
		if q.ObjectID == id {
			p.principals = append(p.principals[:i:i], p.principals[i+1:]...)
			return nil
		}
	}
	return fs.ErrNotExist
}
func (p *page) AddSecret(_ context.Context, id string, s entra.Secret) error {
	p.secrets[id] = append(p.secrets[id], s)
	return nil
}
func (p *page) Secrets(_ context.Context, id string) ([]entra.Secret, error) {
	return p.secrets[id], nil
}

// signingKey is made once: it takes a while.
var signingKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

const server = "https://x.test:8443"

type directory struct {
	*page
	issuer *entra.Issuer
	tenant schema.TenantID
	app    entra.Principal
	secret string
}

func open(t *testing.T) *directory {
	t.Helper()
	signer, err := entra.NewKeySigner(signingKey())
	if err != nil {
		t.Fatal(err)
	}
	book := &page{secrets: map[string][]entra.Secret{}}
	tenant, err := entra.NewTenant(t.Context(), book, "T")
	if err != nil {
		t.Fatal(err)
	}
	app, secret, err := entra.AddApplication(t.Context(), book, tenant.ID, "app")
	if err != nil {
		t.Fatal(err)
	}
	return &directory{book, entra.NewIssuer(book, signer, server), tenant.ID, app, secret}
}

func (d *directory) form(change ...string) url.Values {
	f := url.Values{"grant_type": {"client_credentials"}, "client_id": {d.app.AppID}, "client_secret": {d.secret}, "scope": {server + "//.default"}}
	for i := 0; i < len(change); i += 2 {
		f.Set(change[i], change[i+1])
	}
	return f
}

func (d *directory) signIn(t *testing.T, change ...string) (entra.Token, error) {
	return d.issuer.SignIn(t.Context(), entra.Request{Base: server, Tenant: string(d.tenant), Form: d.form(change...)})
}

func TestSignInIsRefusedInEntrasWords(t *testing.T) {
	d := open(t)
	expired, err := entra.AddSecret(t.Context(), d, d.app.ObjectID, time.Now().Add(-time.Second))
	if err != nil {
		t.Fatal(err)
	}
	managed, err := entra.AddIdentity(t.Context(), d, entra.SystemAssigned, d.tenant, "/r", "r")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what   string
		change []string
		status int
		code   string
		number int
	}{
		{"a wrong secret", []string{"client_secret", d.secret + "x"}, 401, "invalid_client", 7000215},
		{"no secret", []string{"client_secret", ""}, 401, "invalid_client", 7000216},
		{"an expired secret", []string{"client_secret", expired}, 401, "invalid_client", 7000222},
		{"an unknown client", []string{"client_id", "nobody"}, 400, "unauthorized_client", 700016},
		{"a managed identity", []string{"client_id", managed.AppID}, 400, "unauthorized_client", 700016},
		{"a first-party principal", []string{"client_id", entra.CosmosDB}, 400, "unauthorized_client", 700016},
		{"no client", []string{"client_id", ""}, 400, "invalid_request", 900144},
		{"another grant", []string{"grant_type", "password"}, 400, "unsupported_grant_type", 70003},
		{"a scope of one permission", []string{"scope", server + "/read"}, 400, "invalid_scope", 1002012},
		{"two resources", []string{"scope", "https://a.test/.default https://b.test/.default"}, 400, "invalid_scope", 1002012},
		{"no scope", []string{"scope", ""}, 400, "invalid_scope", 1002012},
		{"a scope that is no URL", []string{"scope", "x y/.default"}, 400, "invalid_scope", 1002012},
	} {
		_, err := d.signIn(t, c.change...)
		r, ok := errors.AsType[*entra.Refusal](err)
		if !ok || r.Status != c.status || r.Code != c.code || r.Number != c.number || !strings.HasPrefix(r.Error(), "AADSTS") {
			t.Errorf("%s: %+v", c.what, err)
		}
		if err != nil && (strings.Contains(err.Error(), d.secret) || strings.Contains(err.Error(), expired)) {
			t.Errorf("%s: the secret is in the error", c.what)
		}
	}
	_, err = d.issuer.SignIn(t.Context(), entra.Request{Base: server, Tenant: "elsewhere", Form: d.form()})
	if r, ok := errors.AsType[*entra.Refusal](err); !ok || r.Number != 90002 {
		t.Errorf("an unknown tenant: %v", err)
	}
	other, err := entra.NewTenant(t.Context(), d, "other")
	if err != nil {
		t.Fatal(err)
	}
	_, err = d.issuer.SignIn(t.Context(), entra.Request{Base: server, Tenant: string(other.ID), Form: d.form()})
	if r, ok := errors.AsType[*entra.Refusal](err); !ok || r.Number != 700016 {
		t.Errorf("a client of another tenant: %v", err)
	}
}

func TestTokensAreForTheirAudienceUnderAllItsNames(t *testing.T) {
	d := open(t)
	arm := entra.ManagementAudiences(server, "https://localhost:8443")
	for scope, accepted := range map[string]bool{
		server + "/.default":                                  true,
		server + "//.default":                                 true,
		"https://X.TEST:8443/.default":                        true,
		"openid " + server + "/.default":                      true,
		"https://management.azure.com/.default":               true,
		"https://management.core.windows.net//.default":       true,
		"https://localhost:8443//.default":                    true,
		"https://x.test/.default":                             false,
		"https://x.test.evil.test:8443/.default":              false,
		"http://x.test:8443/.default":                         false,
		"https://api.loganalytics.io/.default":                false,
		"https://monitor.azure.com//.default":                 false,
		"api://11111111-2222-3333-4444-555555555555/.default": false,
		"11111111-2222-3333-4444-555555555555/.default":       false,
	} {
		token, err := d.signIn(t, "scope", scope)
		if err != nil {
			t.Errorf("%s: %v", scope, err)
			continue
		}
		caller, err := d.issuer.Verify(token.Text, arm)
		want := rbac.Caller{Tenant: d.tenant, ObjectID: d.app.ObjectID, AppID: d.app.AppID, Kind: rbac.Application}
		switch {
		case accepted && (err != nil || caller != want):
			t.Errorf("%s: %+v %v", scope, caller, err)
		case !accepted && (!errors.Is(err, fault.InvalidAuthenticationTokenAudience) || caller != rbac.Caller{}):
			t.Errorf("%s: %+v %v", scope, caller, err)
		}
	}
	adfs, err := d.issuer.SignIn(t.Context(), entra.Request{Base: server, Tenant: "adfs", Form: d.form("scope", "", "resource", server+"/")})
	if err != nil || adfs.Audience != server+"/" {
		t.Errorf("adfs with a resource: %+v %v", adfs, err)
	}
}

func TestTokensEnd(t *testing.T) {
	signingKey() // made outside of the bubble
	synctest.Test(t, func(t *testing.T) {
		d := open(t)
		token, err := d.signIn(t)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(entra.Lifetime - 2*time.Second)
		if _, err := d.issuer.Verify(token.Text, []string{server}); err != nil {
			t.Errorf("before the end: %v", err)
		}
		time.Sleep(2 * time.Second)
		if _, err := d.issuer.Verify(token.Text, []string{server}); !errors.Is(err, fault.ExpiredAuthenticationToken) {
			t.Errorf("after the end: %v", err)
		}
	})
}

func TestIdentitiesGetTokensWhileTheyExist(t *testing.T) {
	d := open(t)
	p, err := entra.AddIdentity(t.Context(), d, entra.SystemAssigned, d.tenant, "/r", "r")
	if err != nil {
		t.Fatal(err)
	}
	if again, err := entra.AddIdentity(t.Context(), d, entra.SystemAssigned, d.tenant, "/r", "r"); err != nil || again.ObjectID != p.ObjectID {
		t.Errorf("a second identity: %+v %v", again, err)
	}
	token, err := d.issuer.TokenFor(t.Context(), p.ObjectID, "https://vault.x.test:8443")
	if err != nil {
		t.Fatal(err)
	}
	if c, err := d.issuer.Verify(token.Text, entra.VaultAudiences("https://vault.x.test:8443/")); err != nil || c != p.Caller() || c.Kind != rbac.ManagedIdentity {
		t.Errorf("%+v %v", c, err)
	}
	if err := entra.RemoveIdentity(t.Context(), d, "/r"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.issuer.TokenFor(t.Context(), p.ObjectID, "https://vault.x.test:8443"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a token for an identity that is gone: %v", err)
	}
	if err := entra.RemoveIdentity(t.Context(), d, "/r"); err != nil {
		t.Errorf("removed twice: %v", err)
	}
}

func TestThePrincipalsOfTheProgramStandInNoDirectory(t *testing.T) {
	d := open(t)
	signer, err := entra.NewKeySigner(signingKey())
	if err != nil {
		t.Fatal(err)
	}
	own := entra.Principal{ObjectID: "the-service", AppID: "the-service", Tenant: "nowhere", Kind: entra.FirstParty}
	i := entra.NewIssuer(d, signer, server, own)
	token, err := i.TokenFor(t.Context(), "the-service", "https://vault.x.test")
	if err != nil {
		t.Fatal(err)
	}
	if c, err := i.Verify(token.Text, []string{"https://vault.x.test"}); err != nil || c != own.Caller() {
		t.Errorf("%+v %v", c, err)
	}
	form := d.form("client_id", "the-service")
	if _, err := i.SignIn(t.Context(), entra.Request{Base: server, Tenant: "nowhere", Form: form}); err == nil {
		t.Error("somebody signed in to a tenant that is none")
	}
	if _, err := i.SignIn(t.Context(), entra.Request{Base: server, Tenant: "adfs", Form: form}); err == nil {
		t.Error("somebody signed in as the program")
	}
}

// sign makes a token with any header and claims, as an attacker would.
func sign(t *testing.T, alg jose.SignatureAlgorithm, key any, kid string, claims map[string]any) string {
	t.Helper()
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: key, KeyID: kid}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := json.Marshal(claims)
	signed, err := s.Sign(b)
	if err != nil {
		t.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestForgedTokensAreRefused(t *testing.T) {
	d := open(t)
	good, err := d.signIn(t)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(good.Text, ".")
	payload, _ := base64.RawURLEncoding.DecodeString(parts[1])
	header, _ := base64.RawURLEncoding.DecodeString(parts[0])
	var kid struct{ Kid string }
	if err := json.Unmarshal(header, &kid); err != nil {
		t.Fatal(err)
	}
	claims := func(change ...any) map[string]any {
		m := map[string]any{}
		if err := json.Unmarshal(payload, &m); err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(change); i += 2 {
			m[change[i].(string)] = change[i+1]
		}
		return m
	}
	raw := func(b string) string { return base64.RawURLEncoding.EncodeToString([]byte(b)) }
	foreign, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ours := signingKey()
	for what, token := range map[string]string{
		"nothing":                "",
		"garbage":                "a.b.c",
		"too long":               strings.Repeat("a", 20<<10),
		"no signature":           parts[0] + "." + parts[1] + ".",
		"alg none":               raw(`{"alg":"none"}`) + "." + parts[1] + ".",
		"a changed payload":      parts[0] + "." + raw(strings.Replace(string(payload), d.app.ObjectID, "x"+d.app.ObjectID[1:], 1)) + "." + parts[2],
		"a foreign key":          sign(t, jose.RS256, foreign, kid.Kid, claims()),
		"an unknown key":         sign(t, jose.RS256, foreign, "other", claims()),
		"the public key as HMAC": sign(t, jose.HS256, ours.PublicKey.N.Bytes(), kid.Kid, claims()),
		"another algorithm":      sign(t, jose.PS256, ours, kid.Kid, claims()),
		"another tenant":         sign(t, jose.RS256, ours, kid.Kid, claims("tid", "other")),
		"no object id":           sign(t, jose.RS256, ours, kid.Kid, claims("oid", "")),
		"no times":               sign(t, jose.RS256, ours, kid.Kid, claims("exp", nil)),
		"a list of audiences":    sign(t, jose.RS256, ours, kid.Kid, claims("aud", []string{server})),
	} {
		if c, err := d.issuer.Verify(token, []string{server}); !errors.Is(err, fault.InvalidAuthenticationToken) || (c != rbac.Caller{}) {
			t.Errorf("%s: %+v %v", what, c, err)
		}
	}
	early := sign(t, jose.RS256, ours, kid.Kid, claims("nbf", time.Now().Add(time.Hour).Unix()))
	if _, err := d.issuer.Verify(early, []string{server}); !errors.Is(err, fault.ExpiredAuthenticationToken) {
		t.Errorf("not yet valid: %v", err)
	}
	if _, err := d.issuer.Verify(good.Text, []string{server}); err != nil {
		t.Errorf("the good one: %v", err)
	}
}

// A silence is a source of keys that stops answering.
type silence struct {
	*entra.KeySigner
	asked int
	quiet bool
}

func (s *silence) Keys(ctx context.Context) (jose.JSONWebKeySet, error) {
	s.asked++
	if s.quiet {
		return jose.JSONWebKeySet{}, errors.New("no answer")
	}
	return s.KeySigner.Keys(ctx)
}

func TestKnownKeysOutliveTheirSource(t *testing.T) {
	signingKey()
	synctest.Test(t, func(t *testing.T) {
		signer, err := entra.NewKeySigner(signingKey())
		if err != nil {
			t.Fatal(err)
		}
		s := &silence{KeySigner: signer}
		d := open(t)
		token, err := d.signIn(t)
		if err != nil {
			t.Fatal(err)
		}
		v := entra.NewVerifier(s)
		for range 3 {
			if _, err := v.Verify(token.Text, []string{server}); err != nil {
				t.Fatal(err)
			}
		}
		if s.asked != 1 {
			t.Errorf("asked %d times", s.asked)
		}
		s.quiet = true
		time.Sleep(15 * time.Minute)
		if _, err := v.Verify(token.Text, []string{server}); err != nil {
			t.Errorf("while the source is silent: %v", err)
		}
		fresh := entra.NewVerifier(s)
		if _, err := fresh.Verify(token.Text, []string{server}); err == nil || errors.Is(err, fault.InvalidAuthenticationToken) {
			t.Errorf("a verifier without keys: %v", err)
		}
	})
}

func TestSecretsAreNotKept(t *testing.T) {
	d := open(t)
	kept, err := json.Marshal(d.secrets)
	if err != nil || strings.Contains(string(kept), d.secret) || len(d.secret) != 52 {
		t.Errorf("%s %v", kept, err)
	}
	raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(d.secret)
	if err != nil || len(raw) != 32 {
		t.Errorf("a secret of %d bytes, %v", len(raw), err)
	}
	if strings.Trim(d.secret, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") != "" {
		t.Errorf("a secret that is awkward in files, shells and options: it has more than letters and digits")
	}
}

func FuzzVerify(f *testing.F) {
	signer, err := entra.NewKeySigner(signingKey())
	if err != nil {
		f.Fatal(err)
	}
	token, err := signer.Sign(context.Background(), map[string]any{"aud": server})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(token)
	f.Add("a.b.c")
	f.Add(`{"payload":"","signatures":[]}`)
	v := entra.NewVerifier(signer)
	f.Fuzz(func(t *testing.T, token string) {
		if c, err := v.Verify(token, []string{server}); err == nil {
			t.Fatalf("%q was accepted as %+v", token, c)
		}
	})
}
