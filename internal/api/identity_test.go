package api

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/datadriven"

	"logkeep/internal/catalog"
	"logkeep/internal/entra"
	"logkeep/internal/rbac"
	"logkeep/internal/resource"
	"logkeep/internal/vault/admin"
)

var tokenKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// vaults are a fixed list of vaults.
type vaults []admin.Vault

func (v vaults) Vaults(_ context.Context, r admin.Request) ([]admin.Vault, error) {
	return slices.DeleteFunc(slices.Clone(v), func(x admin.Vault) bool {
		id, err := resource.Parse(x.ID)
		return err != nil || !id.Within(r.ID)
	}), nil
}

// An office is a server's identity part in memory: real catalog, real tokens.
type office struct {
	catalog *catalog.Catalog
	issuer  *entra.Issuer
	roles   *rbac.Authority
	admin   catalog.Administrator
	deps    Deps
	vaults  vaults
}

func openOffice(t testing.TB) *office {
	t.Helper()
	c, err := catalog.Open(t.Context(), filepath.Join(t.TempDir(), "catalog.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	o := &office{catalog: c, roles: rbac.New(c)}
	if o.admin, _, err = c.Bootstrap(t.Context(), func(catalog.Administrator) error { return nil }); err != nil {
		t.Fatal(err)
	}
	signer, err := entra.NewKeySigner(tokenKey())
	if err != nil {
		t.Fatal(err)
	}
	o.issuer = entra.NewIssuer(c, signer, "https://x.test:8443")
	o.deps = Deps{Domain: "x.test", Port: 8443, Tokens: o.issuer, Access: o.roles,
		Identity: Identity{Issuer: o.issuer, Roles: o.roles, Catalog: c, Vaults: &o.vaults}}
	return o
}

// person makes an application that has one role, or none.
func (o *office) person(t testing.TB, name, role, scope string) (p entra.Principal, secret string) {
	t.Helper()
	p, secret, err := entra.AddApplication(t.Context(), o.catalog, o.admin.TenantID, name)
	if err == nil && role != "" {
		var at resource.ID
		if at, err = resource.Parse(scope); err == nil {
			_, _, err = o.roles.Assign(t.Context(), rbac.Assignment{Name: "00000000-0000-0000-0000-0000000000" + role[:2], Scope: at, Tenant: o.admin.TenantID, Role: role, Principal: p.ObjectID, PrincipalType: "ServicePrincipal"})
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return p, secret
}

// What differs from run to run is masked in golden files.
var masks = []struct {
	pattern *regexp.Regexp
	name    string
}{
	{regexp.MustCompile(`eyJ[\w.-]+`), "{token}"},
	{regexp.MustCompile(`20\d\d-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z?`), "{time}"},
	{regexp.MustCompile(`"n":"[\w-]+"`), `"n":"{modulus}"`},
	{regexp.MustCompile(`"kid":"[\w-]+"`), `"kid":"{thumbprint}"`},
}

// A random guid is masked unless it is one that everybody knows.
var guid = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`)

func maskGUID(s string) string {
	known := s == entra.CosmosDB || slices.ContainsFunc(rbac.BuiltIn(), func(d rbac.Definition) bool { return d.Name == s })
	if known {
		return s
	}
	return "{guid}"
}

// TestExchanges holds whole answers to requests in files, one story a file:
//
//	http [as=NAME] [audience=URL]
//	METHOD target
//	Header: value
//
//	body
//
// ${name} stands for an id of the office; a PUT's or GET's field can be kept
// with set=name:json.path. Rewrite the files with go test ./internal/api -rewrite.
func TestExchanges(t *testing.T) {
	datadriven.Walk(t, "testdata/identity", func(t *testing.T, path string) {
		o := openOffice(t)
		reader, _ := o.person(t, "reader", rbac.Reader, "/subscriptions/"+o.admin.SubscriptionID)
		stranger, _ := o.person(t, "stranger", "", "")
		cosmos, err := o.catalog.PrincipalsByApp(t.Context(), entra.CosmosDB)
		if err != nil {
			t.Fatal(err)
		}
		ids := map[string]string{
			"tenant": string(o.admin.TenantID), "sub": o.admin.SubscriptionID, "admin": o.admin.ObjectID, "client": o.admin.ClientID,
			"secret": o.admin.ClientSecret, "reader": reader.ObjectID, "readerApp": reader.AppID, "stranger": stranger.ObjectID,
			"strangerApp": stranger.AppID, "cosmos": cosmos[0].ObjectID,
		}
		o.vaults = vaults{{ID: "/subscriptions/" + o.admin.SubscriptionID + "/resourceGroups/kept/providers/Microsoft.KeyVault/vaults/kv", Name: "kv", Location: "westeurope"}}
		h := New(o.deps)
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			head, body, _ := strings.Cut(d.Input, "\n\n")
			lines := strings.Split(expand(head, ids), "\n")
			method, target, _ := strings.Cut(lines[0], " ")
			r := httptest.NewRequest(method, strings.ReplaceAll(target, " ", "%20"), strings.NewReader(expand(body, ids)))
			r.Host = "localhost:8443"
			for _, line := range lines[1:] {
				name, value, _ := strings.Cut(line, ": ")
				r.Header.Set(name, value)
				if name == "Host" {
					r.Host = value
				}
			}
			if who := argument(d, "as"); who != "" {
				audience := argument(d, "audience")
				if audience == "" {
					audience = "https://localhost:8443/"
				}
				token, err := o.issuer.TokenFor(t.Context(), ids[who], audience)
				if err != nil {
					d.Fatalf(t, "%v", err)
				}
				r.Header.Set("Authorization", "Bearer "+token.Text)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if keep := argument(d, "set"); keep != "" {
				name, field, _ := strings.Cut(keep, ":")
				ids[name] = lookUp(d, t, w.Body.Bytes(), field)
			}
			return shown(w, ids)
		})
	})
}

func argument(d *datadriven.TestData, key string) string {
	for _, a := range d.CmdArgs {
		if a.Key == key && len(a.Vals) > 0 {
			return a.Vals[0]
		}
	}
	return ""
}

func expand(s string, ids map[string]string) string {
	for name, value := range ids {
		s = strings.ReplaceAll(s, "${"+name+"}", value)
	}
	return s
}

func lookUp(d *datadriven.TestData, t *testing.T, body []byte, field string) string {
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		d.Fatalf(t, "%v in %s", err, body)
	}
	for part := range strings.SplitSeq(field, ".") {
		m, ok := v.(map[string]any)
		if !ok {
			d.Fatalf(t, "no %s in %s", field, body)
		}
		v = m[part]
	}
	return fmt.Sprint(v)
}

func shown(w *httptest.ResponseRecorder, ids map[string]string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d %s\n", w.Code, http.StatusText(w.Code))
	for _, name := range []string{"Allow", "Content-Type", "Retry-After", "Www-Authenticate", "X-Ms-Error-Code"} {
		if v := w.Header().Get(name); v != "" {
			fmt.Fprintf(&b, "%s: %s\n", name, v)
		}
	}
	b.WriteString("\n" + strings.ReplaceAll(w.Body.String(), "},{", "},\n{"))
	text := b.String()
	for name, value := range ids {
		text = strings.ReplaceAll(text, value, "${"+name+"}")
		text = strings.ReplaceAll(text, strings.ReplaceAll(value, "-", ""), "${"+name+"}")
	}
	for _, m := range masks {
		text = m.pattern.ReplaceAllString(text, m.name)
	}
	text = guid.ReplaceAllStringFunc(text, maskGUID)
	return strings.TrimRight(text, "\n") + "\n"
}

func TestTokenEndpointReadsOnlyTheBody(t *testing.T) {
	o := openOffice(t)
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {o.admin.ClientID}, "client_secret": {o.admin.ClientSecret}, "scope": {"https://localhost:8443//.default"}}
	r := httptest.NewRequest("POST", "/"+string(o.admin.TenantID)+"/oauth2/v2.0/token?"+form.Encode(), nil)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	New(o.deps).ServeHTTP(w, r)
	if w.Code == http.StatusOK {
		t.Error("a secret was taken out of the URL")
	}
}

func TestRemovedPrincipalsAreOutAtOnce(t *testing.T) {
	o := openOffice(t)
	p, _ := o.person(t, "p", rbac.Reader, "/subscriptions/"+o.admin.SubscriptionID)
	token, err := o.issuer.TokenFor(t.Context(), p.ObjectID, "https://localhost:8443")
	if err != nil {
		t.Fatal(err)
	}
	h := New(o.deps)
	get := func() int {
		r := httptest.NewRequest("GET", "/subscriptions/"+o.admin.SubscriptionID+"?api-version=2022-12-01", nil)
		r.Header.Set("Authorization", "Bearer "+token.Text)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code
	}
	if code := get(); code != http.StatusOK {
		t.Fatal(code)
	}
	if err := o.catalog.RemovePrincipal(t.Context(), p.ObjectID); err != nil {
		t.Fatal(err)
	}
	if code := get(); code != http.StatusNotFound {
		t.Errorf("status %d with a token that is still in time", code)
	}
}

func TestHostIdentityGivesOnlyWhatIsListed(t *testing.T) {
	o := openOffice(t)
	id := resource.GroupID(o.admin.SubscriptionID, "g").Resource(resource.UserIdentity, "listed").String()
	listed, err := entra.AddIdentity(t.Context(), o.catalog, entra.UserAssigned, o.admin.TenantID, id, "listed")
	if err != nil {
		t.Fatal(err)
	}
	hidden, err := entra.AddIdentity(t.Context(), o.catalog, entra.UserAssigned, o.admin.TenantID, id+"2", "hidden")
	if err != nil {
		t.Fatal(err)
	}
	system, err := entra.AddIdentity(t.Context(), o.catalog, entra.SystemAssigned, o.admin.TenantID, "/cluster", "cluster")
	if err != nil {
		t.Fatal(err)
	}
	host := HostIdentity{Issuer: o.issuer, Catalog: o.catalog, Identities: []string{strings.ToUpper(id), "/cluster"}, Header: "marker"}
	const imds = "/metadata/identity/oauth2/token/?api-version=2018-02-01&resource=https://vault.x.test:8443"
	for _, c := range []struct {
		what, method, target, header, form string
		status                             int
		has                                string
	}{
		{"by no name, as there is one", "GET", imds, "Metadata: true", "", 200, listed.AppID},
		{"by client id", "GET", imds + "&client_id=" + strings.ToUpper(listed.AppID), "Metadata: true", "", 200, listed.AppID},
		{"by object id", "GET", imds + "&object_id=" + listed.ObjectID, "Metadata: true", "", 200, listed.AppID},
		{"by resource id", "GET", imds + "&msi_res_id=" + id, "Metadata: true", "", 200, listed.AppID},
		{"one that is not listed", "GET", imds + "&client_id=" + hidden.AppID, "Metadata: true", "", 400, "Identity not found"},
		{"a cluster's own", "GET", imds + "&client_id=" + system.AppID, "Metadata: true", "", 400, "Identity not found"},
		{"the administrator", "GET", imds + "&client_id=" + o.admin.ClientID, "Metadata: true", "", 400, "Identity not found"},
		{"without the header", "GET", imds, "", "", 400, "metadata header"},
		{"through a proxy", "GET", imds, "X-Forwarded-For: 1.2.3.4", "", 400, "proxy"},
		{"without a resource", "GET", "/metadata/identity/oauth2/token?api-version=2018-02-01", "Metadata: true", "", 400, "resource"},
		{"without a version", "GET", "/metadata/identity/oauth2/token?resource=https://a.test", "Metadata: true", "", 400, "api-version"},
		{"App Service", "GET", "/msi/token?api-version=2019-08-01&resource=https://a.test", "X-IDENTITY-HEADER: marker", "", 200, listed.AppID},
		{"App Service, a wrong marker", "GET", "/msi/token?api-version=2019-08-01&resource=https://a.test", "X-IDENTITY-HEADER: x", "", 401, "X-IDENTITY-HEADER"},
		{"Cloud Shell", "POST", "/oauth2/token", "Metadata: true", "resource=https%3A%2F%2Fa.test", 200, listed.AppID},
		{"elsewhere", "GET", "/", "Metadata: true", "", 404, "not_found"},
	} {
		r := httptest.NewRequest(c.method, c.target, strings.NewReader(c.form))
		if c.form != "" {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		if name, value, ok := strings.Cut(c.header, ": "); ok {
			r.Header.Set(name, value)
		}
		w := httptest.NewRecorder()
		host.Handler().ServeHTTP(w, r)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.has) {
			t.Errorf("%s: %d %s", c.what, w.Code, w.Body)
		}
	}
	host.Header, host.Identities = "", nil
	for _, target := range []string{imds, "/msi/token?api-version=2019-08-01&resource=https://a.test"} {
		r := httptest.NewRequest("GET", target, nil)
		r.Header.Set("Metadata", "true")
		w := httptest.NewRecorder()
		host.Handler().ServeHTTP(w, r)
		if w.Code == http.StatusOK {
			t.Errorf("%s: a host without identities gave one", target)
		}
	}
}

func TestFilters(t *testing.T) {
	kv := resourceView{ID: "/subscriptions/s/resourceGroups/Rg/providers/Microsoft.KeyVault/vaults/o'k", Name: "o'k", Type: resource.Vault, Location: "westeurope", Tags: map[string]string{"env": "Prod"}}
	for text, want := range map[string]string{
		"": "yes",
		"resourceType eq 'Microsoft.KeyVault/vaults'":                           "yes",
		"RESOURCETYPE EQ 'microsoft.keyvault/VAULTS'":                           "yes",
		"resourceType ne 'Microsoft.KeyVault/vaults'":                           "no",
		"resourceGroup eq 'rg' and resourceType eq 'Microsoft.KeyVault/vaults'": "yes",
		"name eq 'o''k'": "yes",
		"name eq 'a' or (name eq 'b' or location eq 'westeurope')": "yes",
		"not name eq 'a' and not (location eq 'westeurope')":       "no",
		"substringof('K', name)":                                   "yes",
		"startswith(name,'k')":                                     "no",
		"tagName eq 'env' and tagValue eq 'prod'":                  "yes",
		"name/any(c:c eq 'o''k')":                                  "yes",
		"name":                                                     "is missing",
		"name eq":                                                  "is missing",
		"name eq 'a":                                               "not closed",
		"name gt 'a'":                                              "is missing",
		"nonsense eq 'a'":                                          "not known",
		"nonsense()":                                               "not known",
		"(name eq 'a'":                                             "is missing",
		"name eq 'a')":                                             "not expected",
		"and":                                                      "is missing",
		"name/any(c:d eq 'x')":                                     "is missing",
		strings.Repeat("(", 100):                                   "nested",
		strings.Repeat("x", 5000):                                  "longer",
	} {
		kept, err := sieve([]resourceView{kv}, text)
		got := "no"
		if len(kept) == 1 {
			got = "yes"
		}
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, want) || err != nil && len(want) < 5 {
			t.Errorf("%.60q: %s; want %s", text, got, want)
		}
	}
}

func FuzzFilter(f *testing.F) {
	for _, s := range []string{"atScope() and assignedTo('x')", "a/any(c:c eq 'x') or not (b ne 'y''z')", "a eq", "'", "((("} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parseFilter(text)
		if (p == nil) == (err == nil) {
			t.Fatalf("%q: filter %v, error %v", text, p != nil, err)
		}
		if err == nil {
			_, _ = p(groupView{Name: "g"})
			_, _ = p(assignmentView{})
		}
	})
}

func BenchmarkListSubscriptions(b *testing.B) {
	o := openOffice(b)
	token, err := o.issuer.TokenFor(b.Context(), o.admin.ObjectID, "https://localhost:8443")
	if err != nil {
		b.Fatal(err)
	}
	h := New(o.deps)
	for b.Loop() {
		r := httptest.NewRequest("GET", "/subscriptions?api-version=2022-12-01", nil)
		r.Header.Set("Authorization", "Bearer "+token.Text)
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, r); w.Code != http.StatusOK {
			b.Fatal(w.Code)
		}
	}
}
