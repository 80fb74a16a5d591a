package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"logkeep/internal/fault"
	"logkeep/internal/resource"
)

// A siege is a plane of which every route is struck with whatever may come.
type siege struct {
	*plane
	rt     *router
	h      http.Handler
	routes []*compiled
	bodies map[*compiled][]string // good ones, from the exchanges
	codes  map[string]bool        // of docs/errors.md
	fill   map[string][]string    // good names
	tokens map[string]string      // by audience
	log    *faults
}

// faults keeps what the server logs as an error of its own.
type faults struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (f *faults) Write(b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.b.Write(b)
}

func (f *faults) take() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	defer f.b.Reset()
	return f.b.String()
}

var (
	exchanged  = regexp.MustCompile(`(?m)^(GET|PUT|POST|PATCH|DELETE) (\S+)\n(?:[A-Za-z-]+: .*\n)*\n((?:.+\n)+)----`)
	documented = regexp.MustCompile("(?m)^\\| (?:[^|`]+\\| [45]\\d\\d \\| )?`([A-Za-z ]+)` \\|")
)

func besiege(t testing.TB) *siege {
	t.Helper()
	p, d := openPlane(t), &desk{}
	s := &siege{plane: p, log: &faults{}, bodies: map[*compiled][]string{}, codes: map[string]bool{}, tokens: map[string]string{}}
	p.deps.Shared, p.deps.Collector = d, d
	p.deps.Metrics = func(w io.Writer) error { _, err := io.WriteString(w, "up 1\n"); return err }
	p.deps.Log = slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelError}))
	s.h = New(p.deps)
	p.makeGroup(t, s.h)
	of := &server{Deps: p.deps}
	s.rt = newRouter(of, of.faces())
	for _, f := range s.rt.faces {
		for i := range f.compiled {
			s.routes = append(s.routes, &f.compiled[i])
		}
	}
	document, err := os.ReadFile("../../docs/errors.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range documented.FindAllSubmatch(document, -1) {
		s.codes[string(m[1])] = true
	}
	s.fill = map[string][]string{"subscription": {p.admin.SubscriptionID}, "group": {"rg", "rg", "rg", "other"}, "name": {"ws-1", "cluster-1", "dce-1", "dcr-1", "kv-1", "user-1"}, "link": {"cluster"},
		"location": {"westeurope"}, "tenant": {string(p.admin.TenantID)}, "edit": {"add", "replace", "remove"}, "namespace": {"Microsoft.KeyVault", "Microsoft.OperationalInsights"},
		"workspace": {"ws-1"}, "table": {"App_CL", "Heartbeat", "SecurityEvent"}, "cluster": {"cluster-1"}, "vault": {"kv-1"}, "key": {"logs"}, "stream": {"Custom-App_CL", "Microsoft-SecurityEvent"}}
	s.learn(t)
	if len(s.codes) < 80 || len(s.routes) < 150 || len(s.bodies) < 30 {
		t.Fatalf("%d codes, %d routes, bodies for %d of them", len(s.codes), len(s.routes), len(s.bodies))
	}
	return s
}

// learn takes good bodies of routes from the exchanges.
func (s *siege) learn(t testing.TB) {
	t.Helper()
	ids := map[string]string{"sub": s.admin.SubscriptionID, "tenant": string(s.admin.TenantID), "admin": s.admin.ObjectID, "client": s.admin.ClientID, "adminApp": s.admin.ClientID}
	for _, pattern := range []string{"testdata/control/*", "testdata/identity/*"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range exchanged.FindAllStringSubmatch(string(text), -1) {
				u, err := url.Parse(strings.ReplaceAll(expand(m[2], ids), "${", "x-{"))
				if err != nil || strings.Contains(m[3], "sleep") {
					continue
				}
				path, err := segments(u)
				if err != nil {
					continue
				}
				for _, f := range s.rt.faces {
					for i := range f.compiled {
						if _, _, ok := f.compiled[i].match(path); ok && f.compiled[i].method == m[1] {
							s.bodies[&f.compiled[i]] = append(s.bodies[&f.compiled[i]], strings.TrimSpace(expand(m[3], ids)))
						}
					}
				}
			}
		}
	}
}

// target is the host and the path of a route, good or not.
func (s *siege) target(r *rand.Rand, c *compiled) (host, path string) {
	host = "localhost:8443"
	for _, other := range []string{"x-endpoint.ingest.x.test", "aaaaaaaa-0000-4000-8000-000000000003.ods.x.test", "api.loganalytics.x.test", "api.kusto.x.test"} {
		if c.face.hosts(other) && !c.face.hosts("localhost") {
			host = other + ":8443"
		}
	}
	for part := range strings.SplitSeq(strings.Trim(c.pattern, "/"), "/") {
		name, named := strings.CutPrefix(part, "{")
		name = strings.TrimSuffix(name, "}")
		good := s.fill[name]
		switch {
		case part == "{scope...}":
			part = strings.TrimPrefix(pick(r, []string{"", "/subscriptions/" + s.admin.SubscriptionID, "/subscriptions/" + s.admin.SubscriptionID + "/resourceGroups/rg",
				"/subscriptions/" + s.admin.SubscriptionID + "/resourceGroups/rg/providers/Microsoft.OperationalInsights/workspaces/ws-1", "/a", "/" + pick(r, hostileNames) + "/" + pick(r, hostileNames)}), "/")
		case named && (r.IntN(8) == 0 || len(good) == 0 && r.IntN(2) == 0):
			part = pick(r, hostileNames)
		case named && len(good) > 0:
			part = pick(r, good)
		case named:
			part = "x-" + name
		case r.IntN(200) == 0:
			part = strings.ToUpper(part)
		}
		path += "/" + part
	}
	return host, path
}

// aim lets rows reach a rule and queries a workspace, if there are any.
func (s *siege) aim(t testing.TB, r *rand.Rand, c *compiled, host, path string) (string, string) {
	ctx := t.Context()
	switch {
	case c.face.name == "ingest" && r.IntN(4) > 0:
		labels, err := s.control.Hosts(ctx)
		rules, err2 := s.control.Rules(ctx, resource.Root())
		if err == nil && err2 == nil && len(labels) > 0 && len(rules) > 0 {
			rule := pick(r, rules)
			streams := append(slices.Sorted(maps.Keys(rule.Streams)), "Microsoft-Syslog")
			return pick(r, labels) + ".ingest.x.test:8443", "/dataCollectionRules/" + rule.ImmutableID + "/streams/" + url.PathEscape(pick(r, streams))
		}
	case strings.Contains(c.pattern, "/workspaces/{workspace}/query") && r.IntN(4) > 0:
		if all, err := s.control.Workspaces(ctx, resource.Root()); err == nil && len(all) > 0 {
			path = strings.Replace(c.pattern, "{workspace}", string(pick(r, all).CustomerID), 1)
		}
	}
	return host, path
}

// strike sends one request and judges the answer. n chooses the route and the
// method, seed what else is random.
func (s *siege) strike(t testing.TB, n uint32, seed uint64, query string, body []byte) (status int) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, uint64(n)))
	c := s.routes[int(n)%len(s.routes)]
	method := c.method
	if k := int(n) / len(s.routes) % 32; k < len(allMethods) {
		method = allMethods[k]
	}
	host, path := s.target(r, c)
	host, path = s.aim(t, r, c, host, path)
	u, err := url.Parse("https://" + strings.TrimSuffix(host, ":8443") + path)
	if err != nil {
		return 0 // no client and no server reads such a line
	}
	u.RawQuery = query
	q := &http.Request{Method: method, URL: u, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Host: host, RemoteAddr: "127.0.0.1:4711", RequestURI: u.RequestURI(), Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body))}
	q = q.WithContext(t.Context())
	q.Header.Set("Content-Type", "application/json")
	for range r.IntN(3) {
		h := pick(r, hostileHeaders)
		q.Header.Set(h[0], h[1])
	}
	audience := "https://localhost:8443/"
	if len(c.face.audiences) > 0 {
		audience = c.face.audiences[0]
	}
	if s.tokens[audience] == "" {
		s.tokens[audience] = "Bearer " + s.token(t, s.admin.ObjectID, audience)
	}
	q.Header.Set("Authorization", s.tokens[audience])
	w := httptest.NewRecorder()
	wrong := func(format string, args ...any) {
		t.Errorf("%s %s%s?%s (route %d, seed %d) %.300q\n%s\nanswered %d %.600s", method, host, path, query, n, seed, body, fmt.Sprintf(format, args...), w.Code, w.Body)
	}
	func() {
		defer func() {
			if p := recover(); p != nil {
				wrong("panic: %v", p)
			}
		}()
		s.h.ServeHTTP(w, q)
	}()
	if told := s.log.take(); told != "" {
		wrong("the log: %.3000s", told)
	}
	if w.Code < 400 {
		if strings.HasPrefix(w.Header().Get("Content-Type"), "application/json") && w.Body.Len() > 0 && !json.Valid(w.Body.Bytes()) {
			wrong("the answer is not JSON")
		}
		return w.Code
	}
	code := fault.Code(w.Header().Get("x-ms-error-code"))
	if w.Code >= 500 && !expected[code] {
		wrong("a failure of the server's own")
	}
	f := s.rt.faces[0]
	if path, err := segments(u); err == nil {
		if best, _, _, other := s.rt.find(method, hostname(q), path); best != nil {
			f = best.face
		} else if other != nil {
			f = other
		}
	} else if _, _, _, other := s.rt.find(method, hostname(q), nil); other != nil {
		f = other
	}
	if text := s.shape(f, w); text != "" && method != http.MethodHead {
		wrong("%s: %s", f.name, text)
	}
	if bare := method == http.MethodHead && w.Code == http.StatusNotFound; !s.codes[string(code)] && f.name != "entra" && !bare {
		wrong("docs/errors.md has no code %q", code)
	}
	return w.Code
}

// shape tells what an error lacks of its face's shape.
func (s *siege) shape(f *face, w *httptest.ResponseRecorder) string {
	var body map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		return "the error is no JSON object: " + err.Error()
	}
	text := func(o map[string]any, names ...string) string {
		for _, name := range names {
			if v, ok := o[name].(string); !ok || v == "" {
				return "the error has no " + name
			}
		}
		return ""
	}
	inner, _ := body["error"].(map[string]any)
	switch f.name {
	case "entra":
		return text(body, "error", "error_description")
	case "collector":
		return text(body, "Error", "Message")
	case "query":
		return text(inner, "code", "message", "correlationId")
	case "kusto":
		return text(inner, "code", "message", "@type", "@message")
	}
	if _, ok := inner["details"].([]any); !ok {
		return "the error has no details"
	}
	if lack := text(inner, "code", "message"); lack != "" {
		return lack
	}
	if code, _ := inner["code"].(string); !s.codes[code] {
		return "docs/errors.md has no code " + code
	}
	return ""
}

// answers insists that the server still does.
func (s *siege) answers(t testing.TB) {
	t.Helper()
	r := httptest.NewRequest("GET", "https://localhost:8443/subscriptions/"+s.admin.SubscriptionID+"?api-version=2021-01-01", nil)
	r.Header.Set("Authorization", "Bearer "+s.token(t, s.admin.ObjectID, "https://localhost:8443/"))
	w := httptest.NewRecorder()
	if s.h.ServeHTTP(w, r); w.Code != http.StatusOK {
		t.Errorf("afterwards: %d %s", w.Code, w.Body)
	}
}

// body is a body for a route: mostly one that was good.
func (s *siege) body(r *rand.Rand, c *compiled) []byte {
	if good := s.bodies[c]; len(good) > 0 {
		return []byte(pick(r, good))
	}
	return []byte(`{"location":"westeurope","properties":{}}`)
}

func (s *siege) query(r *rand.Rand) string {
	version := "api-version=" + pick(r, []string{"2023-09-01", "2022-10-01", "2025-02-01", "2021-06-01", "2020-08-01", "2016-04-01"})
	switch r.IntN(6) {
	case 0:
		return pick(r, hostileQueries)
	case 1:
		return version + "&" + pick(r, hostileQueries)
	}
	return version
}

// TestHostileRequests strikes every route with every method and then with
// what chance brings; the same on every run.
func TestHostileRequests(t *testing.T) {
	s := besiege(t)
	r := rand.New(rand.NewPCG(4, 4711))
	met := map[int]int{}
	strike := func(n int) {
		c := s.routes[n%len(s.routes)]
		body := s.body(r, c)
		if r.IntN(4) > 0 {
			body = spoil(r, body)
		}
		met[s.strike(t, uint32(n), r.Uint64(), s.query(r), body)/100]++
	}
	for n := range len(s.routes) * (len(allMethods) + 1) {
		strike(n)
	}
	const own = 31 // the method that the route has
	for range 20 {
		for n := range s.routes {
			if !t.Failed() {
				strike(n + own*len(s.routes))
			}
		}
	}
	s.answers(t)
	t.Logf("answers by class: %v", met)
	if met[2] < 100 || met[4] < 1000 {
		t.Errorf("answers by class: %v", met)
	}
}

// FuzzRoutes is the same for as long as one likes.
func FuzzRoutes(f *testing.F) {
	siege := sync.OnceValue(func() *siege { return besiege(f) })
	s := siege()
	for n, c := range s.routes {
		for i, body := range append(s.bodies[c], "{}") {
			f.Add(uint32(n+31*len(s.routes)), uint64(i), "api-version=2023-09-01", []byte(body))
		}
	}
	f.Fuzz(func(t *testing.T, n uint32, seed uint64, query string, body []byte) {
		r := rand.New(rand.NewPCG(seed, 1))
		if seed%2 == 1 {
			body = spoil(r, body)
		}
		s.strike(t, n, seed, query, body)
		if seed%64 == 0 {
			s.answers(t)
		}
	})
}
