package api

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"logkeep/internal/control"
	"logkeep/internal/fault"
	"logkeep/internal/resource"
	"logkeep/internal/vault/admin"
)

// desk derives keys that anybody could, and keeps what is collected.
type desk struct {
	got  []string
	fail error
}

func (*desk) key(of admin.SharedKeyOf) []byte {
	return fmt.Appendf(nil, "%s/%d", of.Workspace, of.Generation)
}

func (d *desk) SharedKeys(_ context.Context, of admin.SharedKeyOf) (admin.SharedKeys, error) {
	return admin.SharedKeys{Primary: base64.StdEncoding.EncodeToString(d.key(of)), Secondary: "none"}, nil
}

func (d *desk) SharedKeySigned(_ context.Context, s admin.SharedSignature) (bool, error) {
	h := hmac.New(sha256.New, d.key(s.SharedKeyOf))
	io.WriteString(h, s.Text)
	return hmac.Equal(h.Sum(nil), s.Signature), nil
}

func (d *desk) Collect(_ context.Context, q CollectRequest) error {
	if d.fail == nil {
		d.got = append(d.got, fmt.Sprintf("%s %s %s %s", q.Table, q.TimeField, q.Resource, q.Body))
	}
	return d.fail
}

func TestTheCollectorAPI(t *testing.T) {
	g, d := openGate(t), &desk{}
	g.deps.Shared, g.deps.Collector = d, d
	h := New(g.deps)
	found, err := g.control.Workspaces(t.Context(), resource.GroupID(g.admin.SubscriptionID, "rg"))
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	w := found[0]
	const body = `[{"a":1}]`
	send := func(change func(*http.Request)) *httptest.ResponseRecorder {
		r := httptest.NewRequest("POST", "/api/logs?api-version=2016-04-01", strings.NewReader(body))
		r.Host = string(w.CustomerID) + ".ods.x.test:8443"
		date := time.Now().UTC().Format(http.TimeFormat)
		mac := hmac.New(sha256.New, d.key(keysOf(w)))
		fmt.Fprintf(mac, "POST\n%d\napplication/json\nx-ms-date:%s\n/api/logs", len(body), date)
		r.Header = http.Header{"Content-Type": {"application/json"}, "Log-Type": {"Rows"}, "X-Ms-Date": {date},
			"Authorization": {"SharedKey " + string(w.CustomerID) + ":" + base64.StdEncoding.EncodeToString(mac.Sum(nil))}}
		change(r)
		a := httptest.NewRecorder()
		h.ServeHTTP(a, r)
		return a
	}
	set := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	for name, c := range map[string]struct {
		change func(*http.Request)
		status int
		code   fault.Code
	}{
		"no version":           {func(r *http.Request) { r.URL.RawQuery = "" }, 400, fault.MissingApiVersion},
		"another version":      {func(r *http.Request) { r.URL.RawQuery = "api-version=2020-08-01" }, 400, fault.InvalidApiVersion},
		"no content type":      {set("Content-Type", ""), 400, fault.MissingContentType},
		"another content type": {set("Content-Type", "text/csv"), 400, fault.UnsupportedContentType},
		"packed":               {set("Content-Encoding", "gzip"), 400, fault.UnsupportedContentType},
		"no log type":          {set("Log-Type", ""), 400, fault.MissingLogType},
		"a bad log type":       {set("Log-Type", "a-b"), 400, fault.InvalidLogType},
		"a long log type":      {set("Log-Type", strings.Repeat("a", 101)), 400, fault.InvalidLogType},
		"no resource":          {set("x-ms-AzureResourceId", "here"), 400, fault.InvalidDataFormat},
		"no signature":         {set("Authorization", ""), 403, fault.InvalidAuthorization},
		"a token":              {set("Authorization", "Bearer x"), 403, fault.InvalidAuthorization},
		"another's signature":  {set("Authorization", "SharedKey aaaaaaaa-0000-4000-8000-000000000003:AAAA"), 403, fault.InvalidAuthorization},
		"a wrong signature":    {set("Authorization", "SharedKey "+string(w.CustomerID)+":AAAA"), 403, fault.InvalidAuthorization},
		"no date":              {set("X-Ms-Date", ""), 403, fault.InvalidAuthorization},
		"an old date":          {set("X-Ms-Date", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat)), 403, fault.InvalidAuthorization},
		"another date":         {set("X-Ms-Date", time.Now().Add(-time.Minute).UTC().Format(http.TimeFormat)), 403, fault.InvalidAuthorization},
		"another length":       {func(r *http.Request) { r.ContentLength = 3 }, 403, fault.InvalidAuthorization},
		"no workspace":         {func(r *http.Request) { r.Host = "aaaaaaaa-0000-4000-8000-000000000003.ods.x.test" }, 400, fault.InvalidCustomerID},
		"no id":                {func(r *http.Request) { r.Host = "me.ods.x.test" }, 400, fault.InvalidCustomerID},
		"elsewhere":            {func(r *http.Request) { r.URL.Path, r.URL.RawPath = "/api/other", "" }, 404, fault.NotFound},
	} {
		a := send(c.change)
		if a.Code != c.status || !strings.Contains(a.Body.String(), `"Error":"`+string(c.code)+`"`) || a.Header().Get("x-ms-error-code") != string(c.code) {
			t.Errorf("%s: %d %s", name, a.Code, a.Body)
		}
	}
	if len(d.got) != 0 {
		t.Fatalf("collected %q", d.got)
	}
	if a := send(func(r *http.Request) { r.Header.Set("time-generated-field", "when") }); a.Code != 200 || a.Body.Len() != 0 {
		t.Errorf("%d %s", a.Code, a.Body)
	}
	if a := send(func(r *http.Request) { r.ContentLength, r.Body = -1, io.NopCloser(bytes.NewReader([]byte(body))) }); a.Code != 200 {
		t.Errorf("a body without length: %d %s", a.Code, a.Body)
	}
	if want := []string{"Rows_CL when  " + body, "Rows_CL   " + body}; fmt.Sprint(d.got) != fmt.Sprint(want) {
		t.Errorf("%q, want %q", d.got, want)
	}
	d.fail = fault.New(fault.CustomerManagedKeyRevoked, "The key was denied.")
	if a := send(func(*http.Request) {}); a.Code != 503 || a.Header().Get("Retry-After") != "5" {
		t.Errorf("without the key: %d %v", a.Code, a.Header())
	}
	d.fail = nil

	// Other keys, and none.
	next, err := g.control.RegenerateKeys(t.Context(), w.ID)
	if err != nil {
		t.Fatal(err)
	}
	if a := send(func(*http.Request) {}); a.Code != 403 {
		t.Errorf("with a replaced key: %d", a.Code)
	}
	w = next
	if a := send(func(*http.Request) {}); a.Code != 200 {
		t.Errorf("with the new key: %d %s", a.Code, a.Body)
	}
	if _, err := g.control.PatchWorkspace(t.Context(), w.ID, control.WorkspaceChange{Features: map[string]any{"disableLocalAuth": true}}); err != nil {
		t.Fatal(err)
	}
	if a := send(func(*http.Request) {}); a.Code != 403 || !strings.Contains(a.Body.String(), "disableLocalAuth") {
		t.Errorf("with shared keys switched off: %d %s", a.Code, a.Body)
	}
}
