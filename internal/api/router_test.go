package api

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"logkeep/internal/fault"
	"logkeep/internal/rbac"
)

// tokens knows one token and its audience.
type tokens map[string]string

func (t tokens) Verify(token string, audiences []string) (rbac.Caller, error) {
	aud, ok := t[token]
	if !ok {
		return rbac.Caller{}, fault.New(fault.InvalidAuthenticationToken, "The token is not ours.")
	}
	for _, a := range audiences {
		if a == aud {
			return rbac.Caller{Tenant: "t", ObjectID: token, AppID: "app"}, nil
		}
	}
	return rbac.Caller{}, fault.New(fault.InvalidAuthenticationTokenAudience, "The token is for %s.", aud)
}

// asked allows what starts with its prefix and remembers the last question.
type asked struct {
	prefix string
	last   string
}

func (a *asked) Decide(_ context.Context, _ rbac.Caller, action string, data bool, scope string) (bool, error) {
	a.last = action + " " + scope
	if data {
		a.last = "data " + a.last
	}
	if action == "broken" {
		return true, errors.New("no book")
	}
	return strings.HasPrefix(action, a.prefix), nil
}

func testRouter(t *testing.T) (http.Handler, *asked) {
	say := func(what string) handler {
		return func(w http.ResponseWriter, r *http.Request) error {
			return writeJSON(w, http.StatusOK, map[string]string{"route": what, "name": r.PathValue("name"), "scope": r.PathValue("scope")})
		}
	}
	access := &asked{prefix: "ok"}
	s := &server{Deps: Deps{Domain: "x.test", Tokens: tokens{"good": "arm", "other": "query"}, Access: access, Log: slog.New(slog.DiscardHandler)}}
	arm := &face{hosts: s.mainHost, audiences: []string{"arm"}, dialect: armDialect, routes: []route{
		{method: "GET", pattern: "/subscriptions/{s}/resourceGroups/{g}/providers/A.B/things/{name}", action: "ok/read", handle: say("one")},
		{method: "GET", pattern: "/subscriptions/{s}/resourceGroups/{g}/providers/A.B/things", action: "ok/list", handle: say("all")},
		{method: "POST", pattern: "/subscriptions/{s}/resourceGroups/{g}/providers/A.B/things/{name}/kick", action: "no/kick", handle: say("kick")},
		{method: "GET", pattern: "/subscriptions/{s}/resourceGroups/{g}/providers/A.B/things/Query", action: "ok/query", handle: say("literal")},
		{method: "GET", pattern: "{scope...}/providers/A.B/things/{name}", action: "ok/any", handle: say("extension")},
		{method: "GET", pattern: "/open", public: true, anyTime: true, handle: say("open")},
		{method: "GET", pattern: "/panics", public: true, anyTime: true, handle: func(http.ResponseWriter, *http.Request) error { panic("boo /secret") }},
		{method: "GET", pattern: "/broken", action: "broken", handle: say("never")},
		{method: "PUT", pattern: "/body", public: true, anyTime: true, maxBody: 10, handle: func(w http.ResponseWriter, r *http.Request) error {
			var v struct{ A struct{ B int } }
			if err := decode(r, &v); err != nil {
				return err
			}
			return writeJSON(w, http.StatusOK, v)
		}},
	}}
	query := &face{hosts: s.below("loganalytics"), audiences: []string{"query"}, dialect: queryDialect, routes: []route{
		{method: "POST", pattern: "/workspaces/{name}/query", handle: say("query")},
		{method: "POST", pattern: "/v1/{scope...}/query", handle: say("centric")},
	}}
	return newRouter(s, []*face{arm, query}), access
}

const group = "/subscriptions/S1/resourceGroups/g"

func TestRouting(t *testing.T) {
	h, access := testRouter(t)
	for _, c := range []struct {
		what, method, target, host, token string
		status                            int
		has, asks                         string
	}{
		{"a resource", "GET", group + "/providers/A.B/things/T1?api-version=2023-01-01", "", "good", 200, `"name":"T1"`, "ok/read /subscriptions/s1/resourceGroups/g/providers/A.B/things/T1"},
		{"every casing", "GET", "/SUBSCRIPTIONS/S1/resourcegroups/g/Providers/a.b/THINGS/t?API-version=2023-01-01-preview", "", "good", 200, `"route":"one"`, ""},
		{"empty segments and encoded names", "GET", "//subscriptions/S1/resourceGroups/g//providers/A.B/things/a%20b/?api%2Dversion=2023-01-01", "", "good", 200, `"name":"a b"`, ""},
		{"a literal wins over a name", "GET", group + "/providers/A.B/things/query?api-version=2023-01-01", "", "good", 200, `"route":"literal"`, ""},
		{"an extension of any scope", "GET", group + "/providers/X.Y/z/1/providers/A.B/things/e?api-version=2023-01-01", "", "good", 200, `"scope":"/subscriptions/S1/resourceGroups/g/providers/X.Y/z/1"`, ""},
		{"an extension of the tenant", "GET", "/providers/A.B/things/e?api-version=2023-01-01", "", "good", 200, `"route":"extension"`, ""},
		{"a list is about what holds it", "GET", group + "/providers/A.B/things?api-version=2023-01-01", "", "good", 200, `"route":"all"`, "ok/list /subscriptions/s1/resourceGroups/g"},
		{"an action is about its resource", "POST", group + "/providers/A.B/things/t/kick?api-version=2023-01-01", "", "good", 403, "AuthorizationFailed", "no/kick /subscriptions/s1/resourceGroups/g/providers/A.B/things/t"},
		{"no token", "GET", group + "/providers/A.B/things/t?api-version=2023-01-01", "", "", 401, "AuthenticationFailed", ""},
		{"a foreign token", "GET", group + "/providers/A.B/things/t?api-version=2023-01-01", "", "bad", 401, "InvalidAuthenticationToken", ""},
		{"a token for another service", "GET", group + "/providers/A.B/things/t?api-version=2023-01-01", "", "other", 401, "InvalidAuthenticationTokenAudience", ""},
		{"the query API says 403", "POST", "/workspaces/w/query", "api.loganalytics.x.test:8443", "good", 403, "correlationId", ""},
		{"another face, no api-version", "POST", "/workspaces/w/query", "api.loganalytics.x.test:8443", "other", 200, `"route":"query"`, ""},
		{"an id after a prefix", "POST", "/v1//subscriptions/s/resourceGroups/g/query", "api.loganalytics.x.test", "other", 200, `"scope":"/subscriptions/s/resourceGroups/g"`, ""},
		{"no api-version", "GET", group + "/providers/A.B/things/t", "", "good", 400, "InvalidApiVersionParameter", ""},
		{"a malformed api-version", "GET", group + "/providers/A.B/things/t?api-version=v1", "", "good", 400, "InvalidApiVersionParameter", ""},
		{"a wrong method", "DELETE", group + "/providers/A.B/things/t?api-version=2023-01-01", "", "good", 405, "MethodNotAllowed", ""},
		{"an unknown type", "GET", group + "/providers/Microsoft.KeyVault/boxes/t?api-version=2023-01-01", "", "good", 404, "InvalidResourceType", ""},
		{"an unknown provider", "GET", group + "/providers/A.B/boxes/t?api-version=2023-01-01", "", "good", 404, "InvalidResourceNamespace", ""},
		{"an unknown path", "GET", "/x", "", "good", 404, "NotFound", ""},
		{"an unknown host", "GET", "/open", "a.b.c.x.test", "", 404, "NotFound", ""},
		{"an escaped slash", "GET", group + "/providers/A.B/things/a%2Fb?api-version=2023-01-01", "", "good", 400, "BadRequest", ""},
		{"a dot segment", "GET", group + "/providers/A.B/things/%2E%2E?api-version=2023-01-01", "", "good", 400, "BadRequest", ""},
		{"a panic", "GET", "/panics", "", "", 500, "InternalServerError", ""},
		{"an authority that can't tell", "GET", "/broken?api-version=2023-01-01", "", "good", 500, "InternalServerError", ""},
	} {
		r := httptest.NewRequest(c.method, c.target, nil)
		if c.host != "" {
			r.Host = c.host
		}
		if c.token != "" {
			r.Header.Set("Authorization", "Bearer "+c.token)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		body := w.Body.String()
		if w.Code != c.status || !strings.Contains(body, c.has) || strings.Contains(body, "secret") {
			t.Errorf("%s: %d %s", c.what, w.Code, body)
		}
		if w.Code >= 400 && (w.Header().Get("x-ms-error-code") == "" || !strings.HasPrefix(w.Header().Get("Content-Type"), "application/json")) {
			t.Errorf("%s: headers %v", c.what, w.Header())
		}
		if w.Code == 401 && w.Header().Get("WWW-Authenticate") == "" {
			t.Errorf("%s: no challenge", c.what)
		}
		if c.asks != "" && access.last != c.asks {
			t.Errorf("%s: asked %q", c.what, access.last)
		}
	}
}

func TestBodies(t *testing.T) {
	h, _ := testRouter(t)
	for body, want := range map[string]int{
		"": 400, "null": 400, "[]": 400, "7": 400, "{": 400, `{"a":1}`: 400, `{"a":`: 400, "{}": 200, "\xef\xbb\xbf {}": 200, `{"c":1}`: 200,
		`{"a":{"b":1}}`: 413,
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("PUT", "/body", strings.NewReader(body)))
		if w.Code != want {
			t.Errorf("%q: %d %s", body, w.Code, w.Body)
		}
	}
}

func TestAnAnswerThatHasBegunIsCutOff(t *testing.T) {
	s := &server{Deps: Deps{Domain: "x.test", Log: slog.New(slog.DiscardHandler)}}
	h := newRouter(s, []*face{{hosts: s.mainHost, dialect: armDialect, routes: []route{
		{method: "GET", pattern: "/half", public: true, anyTime: true, handle: func(w http.ResponseWriter, _ *http.Request) error {
			io.WriteString(w, strings.Repeat("x", 8192))
			return errors.New("the rest is lost")
		}},
	}}})
	srv := httptest.NewServer(h)
	defer srv.Close()
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	resp, err := http.Get(srv.URL + "/half")
	if err != nil {
		return // cut before the header: as good
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); err == nil {
		t.Errorf("read %d bytes as a whole answer", len(b))
	}
}
