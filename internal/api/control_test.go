package api

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/datadriven"

	"logkeep/internal/control"
	"logkeep/internal/fault"
	"logkeep/internal/ingest"
	"logkeep/internal/kek"
	"logkeep/internal/purge"
	"logkeep/internal/rbac"
	"logkeep/internal/resource"
	"logkeep/internal/schema"
	"logkeep/internal/seal"
	"logkeep/internal/vault/admin"
	"logkeep/internal/vault/armface"
	"logkeep/internal/vault/keyface"
	"logkeep/internal/vault/keystore"
)

// ring keeps keys in memory; a key's name says how its vault answers.
type ring struct {
	mu  sync.Mutex
	set map[schema.ClusterID]kek.ID
}

func (r *ring) Check(_ context.Context, _ control.Holder, id kek.ID, _ int32) error {
	switch id.Name {
	case "gone":
		return &kek.Unfit{Key: id, Why: kek.Unreadable, Detail: "the vault refused to show it: 404 KeyNotFound"}
	case "purgeable":
		return &kek.Unfit{Key: id, Why: kek.NotRecoverable, Detail: `its recovery level is "Recoverable+Purgeable"`}
	}
	return nil
}

func (r *ring) SetKey(ctx context.Context, h control.Holder, id kek.ID) error {
	if id.Name == "late" {
		return &kek.Denied{Op: "wrap", Key: id, Status: 403, Code: "KeyDisabled", Message: "Operation wrapKey is not allowed on a disabled key."}
	}
	return r.Watch(ctx, h, id)
}
func (r *ring) ClearKey(ctx context.Context, h control.Holder) error { return r.Forget(ctx, h.Cluster) }
func (r *ring) Watch(_ context.Context, h control.Holder, id kek.ID) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.set[h.Cluster] = id
	return nil
}
func (r *ring) Forget(_ context.Context, c schema.ClusterID) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.set, c)
	return nil
}
func (r *ring) Status(c schema.ClusterID) (control.KeyStatus, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.set[c]
	now := time.Now()
	return control.KeyStatus{State: "Active", Since: now, LastUnwrap: now, NextProbe: now, Version: "v1"}, ok
}

// ground is where accounts would be; all is done at once.
type ground struct{}

func (ground) EnsureCluster(context.Context, control.Cluster) error                 { return nil }
func (ground) EnsureWorkspace(context.Context, control.Workspace) error             { return nil }
func (ground) Link(context.Context, control.Workspace, control.Cluster) error       { return nil }
func (ground) Unlink(context.Context, control.Workspace, control.Cluster) error     { return nil }
func (ground) DropCluster(context.Context, control.Cluster) error                   { return nil }
func (ground) DropWorkspace(context.Context, control.Workspace) error               { return nil }
func (ground) DropTable(context.Context, control.Workspace, schema.TableName) error { return nil }
func (ground) Retain(context.Context, schema.WorkspaceID, func(schema.TableName) schema.Ticks) error {
	return nil
}
func (ground) Readable(context.Context, control.Workspace) error { return nil }
func (ground) Purge(context.Context, control.Workspace, string, schema.Table, []purge.Filter) (int64, error) {
	return 0, nil
}
func (ground) Readers(schema.ClusterID) []int                 { return nil }
func (ground) Worker(schema.ClusterID) (int, time.Time, bool) { return 4711, time.Now(), true }

// nowhere knows no vault: all are somebody else's.
type nowhere struct{}

func (nowhere) Locate(context.Context, string) (schema.TenantID, string, bool, error) {
	return "", "", false, nil
}

// rows keeps what was ingested and says what was asked.
type rows struct {
	mu   sync.Mutex
	text []string
	fail error
}

func (x *rows) Ingest(_ context.Context, q IngestRequest) error {
	body := q.Body
	if q.Encoding == "gzip" {
		z, err := gzip.NewReader(body)
		if err != nil {
			return fault.New(fault.MalformedJSON, "The body is not gzip.")
		}
		body = z
	}
	b, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.fail != nil {
		return x.fail
	}
	for _, to := range q.Rule.Routes(q.Stream) {
		x.text = append(x.text, fmt.Sprintf("%s %s %s", to.Workspace.Name(), to.Table, b))
	}
	return nil
}

func (x *rows) Query(ctx context.Context, q QueryRequest) (io.ReadCloser, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case errors.Is(x.fail, fault.CustomerManagedKeyUnreachable):
		return nil, x.fail
	case x.fail != nil:
		return nil, fault.New(fault.InsufficientAccess, "The workspace can't be read.").WithInner(fault.Of(x.fail))
	case strings.Contains(q.Text, "|| "):
		inner := fault.New("SYN0002", "Query could not be parsed at '||' on line [1,8]")
		inner.Place = &fault.Place{Line: 1, Pos: 8, Token: "||"}
		return nil, badArgument("The request had some invalid properties").WithInner(fault.New(fault.SyntaxError, "A recognition error occurred in the query.").WithInner(inner))
	case q.Text == "sleep":
		<-ctx.Done()
		return nil, ctx.Err()
	}
	var names []string
	for _, w := range q.Workspaces {
		names = append(names, w.ID.Name())
	}
	span := "all"
	if q.From != 0 || q.To != 0 {
		span = (time.Duration(q.To-q.From) * 100).String()
	}
	return io.NopCloser(strings.NewReader(fmt.Sprintf(`{"tables":[{"name":"PrimaryResult","columns":[{"name":"n","type":"long"},{"name":"asked","type":"string"}],"rows":[[%d,"%s %s %s"]]}]}`,
		len(x.text), strings.Join(names, "+"), span, q.Wait))), nil
}

// A plane is an office with the whole control plane and a vault service.
type plane struct {
	*office
	control *control.Service
	rows    *rows
	keys    *ring
}

func openPlane(t testing.TB) *plane {
	t.Helper()
	p := &plane{office: openOffice(t), rows: &rows{}, keys: &ring{set: map[schema.ClusterID]kek.ID{}}}
	p.deps.Ingest, p.deps.Query, p.deps.Vaults = p.rows, p.rows, openVaults(t)
	told := &story{}
	p.deps.Activity = told
	p.control = control.New(control.Config{Ended: Ended(told.End), Catalog: p.catalog, Keys: p.keys, Domains: ground{}, Check: ingest.Check, Vaults: nowhere{},
		Limits:  control.Limits{DoubleEncryption: []string{"westeurope"}},
		KeyHost: func(host string) bool { return strings.HasSuffix(host, ".vault.x.test:8443") }})
	if err := p.control.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.control.Close)
	p.deps.Control = p.control
	return p
}

// openVaults is the real service of vault resources behind its real client.
func openVaults(t testing.TB) *admin.Client {
	t.Helper()
	root, err := seal.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	store, err := keystore.Open(t.Context(), t.TempDir(), root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	log := slog.New(slog.DiscardHandler)
	f := armface.New(armface.Config{Domain: "x.test", Port: 8443, Store: store, Log: log,
		Notice: func(context.Context, admin.Notice) {}, Audit: func(keystore.VaultUID, admin.Event) {}})
	calls := f.Calls()
	maps.Copy(calls, keyface.New(keyface.Config{Domain: "x.test", Port: 8443, Store: store, Log: log, Notice: func(context.Context, admin.Notice) {}}).Calls())
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: admin.Handler(log, calls)}
	go srv.Serve(l)
	t.Cleanup(func() { srv.Close() })
	c := admin.NewClient(path)
	t.Cleanup(c.Close)
	return c
}

// settle waits until no operation runs.
func (p *plane) settle(t testing.TB) {
	t.Helper()
	running, err := p.catalog.RunningOperations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, op := range running {
		id, err := resource.Parse(op.Resource)
		if err != nil {
			t.Fatal(err)
		}
		if o, err := p.control.Await(t.Context(), control.Operation{ID: op.ID, Resource: id}, 5*time.Second); err != nil || !o.Over() {
			t.Fatalf("operation %s is not over: %v", op.ID, err)
		}
	}
}

var planeMasks = []struct {
	pattern *regexp.Regexp
	name    string
}{
	{regexp.MustCompile(`[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} 20\d\d \d\d:\d\d:\d\d (GMT|UTC)`), "{date}"},
	{regexp.MustCompile(`(dc[er]-|"\\"|")[0-9a-f]{32}`), "$1{hex}"},
}

var keyState = regexp.MustCompile(`"keyState":\{.*?\},("worker")`)

// TestControlExchanges is TestExchanges for clusters, workspaces, tables,
// rules, rows and queries. Two commands more: settle waits for operations,
// key state=Revoked|Unreachable|Active is how rows and queries are answered.
func TestControlExchanges(t *testing.T) {
	datadriven.Walk(t, "testdata/control", func(t *testing.T, path string) {
		p := openPlane(t)
		sub := "/subscriptions/" + p.admin.SubscriptionID
		reader, _ := p.person(t, "reader", rbac.Reader, sub)
		sender, _ := p.person(t, "sender", "3913510d-42f4-4e42-8a64-420c390055eb", sub)
		stranger, _ := p.person(t, "stranger", "", "")
		ids := map[string]string{"tenant": string(p.admin.TenantID), "sub": p.admin.SubscriptionID, "admin": p.admin.ObjectID, "adminApp": p.admin.ClientID,
			"reader": reader.ObjectID, "readerApp": reader.AppID, "sender": sender.ObjectID, "stranger": stranger.ObjectID, "strangerApp": stranger.AppID}
		h := New(p.deps)
		p.makeGroup(t, h)
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "settle":
				p.settle(t)
				return "settled\n"
			case "key":
				p.rows.mu.Lock()
				defer p.rows.mu.Unlock()
				p.rows.fail = map[string]error{"Revoked": fault.New(fault.CustomerManagedKeyRevoked, "The key of cluster 'c' was denied: 403 KeyDisabled. Enable it."),
					"Unreachable": fault.New(fault.CustomerManagedKeyUnreachable, "The vault of cluster 'c' has been silent for 1 h.")}[argument(d, "state")]
				return argument(d, "state") + "\n"
			}
			w := p.exchange(t, d, h, ids)
			text := shown(w, ids)
			if w.Code == http.StatusAccepted { // the work may be done already, or not
				text = keyState.ReplaceAllString(text, "$1")
			}
			var more strings.Builder
			for _, name := range []string{"Azure-Asyncoperation", "Location"} {
				if v := w.Header().Get(name); v != "" {
					fmt.Fprintf(&more, "%s: %s\n", name, guid.ReplaceAllStringFunc(strings.ReplaceAll(v, p.admin.SubscriptionID, "${sub}"), maskGUID))
				}
			}
			first, rest, _ := strings.Cut(text, "\n")
			text = first + "\n" + more.String() + rest
			for _, m := range planeMasks {
				text = m.pattern.ReplaceAllString(text, m.name)
			}
			return text
		})
	})
}

func (p *plane) makeGroup(t testing.TB, h http.Handler) {
	t.Helper()
	r := httptest.NewRequest("PUT", "/subscriptions/"+p.admin.SubscriptionID+"/resourceGroups/rg?api-version=2021-04-01", strings.NewReader(`{"location":"westeurope"}`))
	r.Header.Set("Authorization", "Bearer "+p.token(t, p.admin.ObjectID, "https://localhost:8443/"))
	w := httptest.NewRecorder()
	if h.ServeHTTP(w, r); w.Code != http.StatusCreated {
		t.Fatal(w.Body)
	}
}

func (p *plane) token(t testing.TB, who, audience string) string {
	t.Helper()
	token, err := p.issuer.TokenFor(t.Context(), who, audience)
	if err != nil {
		t.Fatal(err)
	}
	return token.Text
}

// exchange sends the request that d describes.
func (p *plane) exchange(t *testing.T, d *datadriven.TestData, h http.Handler, ids map[string]string) *httptest.ResponseRecorder {
	head, body, _ := strings.Cut(d.Input, "\n\n")
	lines := strings.Split(expand(head, ids), "\n")
	method, target, _ := strings.Cut(lines[0], " ")
	content := []byte(expand(body, ids))
	if size := argument(d, "size"); size != "" {
		n := 0
		if _, err := fmt.Sscan(size, &n); err != nil {
			d.Fatalf(t, "size: %v", err)
		}
		content = bytes.Repeat([]byte(" "), n)
	}
	if d.HasArg("gzip") {
		var z bytes.Buffer
		w := gzip.NewWriter(&z)
		if _, err := w.Write(content); err != nil || w.Close() != nil {
			d.Fatalf(t, "gzip: %v", err)
		}
		content = z.Bytes()
	}
	r := httptest.NewRequest(method, strings.ReplaceAll(target, " ", "%20"), bytes.NewReader(content))
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
		r.Header.Set("Authorization", "Bearer "+p.token(t, ids[who], audience))
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if keep := argument(d, "set"); keep != "" {
		name, field, _ := strings.Cut(keep, ":")
		ids[name] = lookUp(d, t, w.Body.Bytes(), field)
	}
	if name := argument(d, "operation"); name != "" {
		at := w.Header().Get("Azure-AsyncOperation")
		at = at[strings.LastIndexByte(at, '/')+1:]
		ids[name], _, _ = strings.Cut(at, "?")
	}
	return w
}

// TestNoRouteAnswers500 sends hostile bodies and names to every route.
func TestNoRouteAnswers500(t *testing.T) {
	p := openPlane(t)
	var log bytes.Buffer
	p.deps.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelError}))
	h := New(p.deps)
	s := &server{Deps: p.deps}
	p.makeGroup(t, h)
	bodies := []string{"", "null", "[]", "{}", "{", `{"properties":null}`, `{"properties":[]}`, `{"location":7}`, `{"location":"westeurope"}`,
		`{"location":"westeurope","properties":{"keyVaultProperties":{"keyVaultUri":"\u0000"},"schema":{"columns":[{}]},"dataFlows":[{}],"destinations":{"logAnalytics":7},"features":{"a":null}}}`,
		`{"location":"westeurope","sku":{"name":"CapacityReservation","capacity":500},"identity":{"type":"UserAssigned","userAssignedIdentities":{"x":{}}}}`,
		`{"requests":[{"id":"1","workspace":"x","body":{"query":"x"}}]}`, `{"query":"x","workspaces":["y","/z"],"timespan":"P"}`, "\xff\xfe", strings.Repeat("[", 20000)}
	names := []string{"rg", "a", "x%20y", "%C3%A9%00", "..%2f", strings.Repeat("n", 300), "{x}", "'", "cluster"}
	hole := regexp.MustCompile(`\{[^}]*\}`)
	tokens := map[string]string{}
	for _, audience := range []string{"https://localhost:8443/", "https://monitor.azure.com"} {
		tokens[audience] = "Bearer " + p.token(t, p.admin.ObjectID, audience)
	}
	n := 0
	for _, f := range s.faces() {
		for _, route := range f.routes {
			for i, name := range names {
				path := route.pattern
				path = strings.ReplaceAll(path, "{subscription}", p.admin.SubscriptionID)
				path = strings.ReplaceAll(path, "{group}", "rg")
				path = strings.ReplaceAll(path, "{scope...}", "subscriptions/"+p.admin.SubscriptionID)
				path = hole.ReplaceAllString(path, name)
				if !strings.HasPrefix(path, "/") {
					path = "/" + path
				}
				for j := range bodies {
					if (i+j)%3 != 0 && i > 1 {
						continue
					}
					r, err := http.NewRequest(route.method, "https://localhost:8443"+path+"?api-version=2023-09-01&%24filter="+name, strings.NewReader(bodies[j]))
					if err != nil {
						continue
					}
					audience := "https://localhost:8443/"
					if f.name == "ingest" {
						r.Host, audience = "a.ingest.x.test:8443", "https://monitor.azure.com"
					}
					r.Header.Set("Authorization", tokens[audience])
					w := httptest.NewRecorder()
					h.ServeHTTP(w, r)
					if n++; w.Code >= 500 {
						t.Errorf("%s %s %.60q: %d %s", route.method, path, bodies[j], w.Code, w.Body)
					}
				}
			}
		}
	}
	if log.Len() > 0 || n < 1000 {
		t.Errorf("after %d requests: %.2000s", n, log.String())
	}
}

func TestTimespans(t *testing.T) {
	now, err := schema.ParseTicks("2026-01-10T00:00:00Z")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"":                                "0001-01-01T00:00:00Z 0001-01-01T00:00:00Z",
		"P1D":                             "2026-01-09T00:00:00Z 2026-01-10T00:00:00Z",
		"p1w":                             "2026-01-03T00:00:00Z 2026-01-10T00:00:00Z",
		"PT86400.0S":                      "2026-01-09T00:00:00Z 2026-01-10T00:00:00Z",
		"2026-01-01T00:00:00Z/2026-01-02": "2026-01-01T00:00:00Z 2026-01-02T00:00:00Z",
		"2026-01-01/PT1H30M":              "2026-01-01T00:00:00Z 2026-01-01T01:30:00Z",
		"PT1H/2026-01-01T00:00:00Z":       "2025-12-31T23:00:00Z 2026-01-01T00:00:00Z",
		"9999-12-31/P2D":                  "9999-12-31T00:00:00Z 9999-12-31T23:59:59.9999999Z",
	} {
		from, to, err := parseTimespan(text, now)
		if got := from.String() + " " + to.String(); err != nil || got != want {
			t.Errorf("%q: %s %v", text, got, err)
		}
	}
	for _, text := range []string{"P", "PT", "1D", "P1Y", "P1D/", "/", "P1D/P1D", "2026-01-02/2026-01-01", "x/y", "P99999999999999D"} {
		if from, to, err := parseTimespan(text, now); err == nil {
			t.Errorf("%q: %s %s", text, from, to)
		}
	}
	for _, d := range []time.Duration{0, time.Second, 90 * time.Second, time.Hour, 25*time.Hour + 1500*time.Millisecond} {
		if v, err := parseDuration(formatDuration(d)); err != nil || v != d {
			t.Errorf("%s: %s %s %v", d, formatDuration(d), v, err)
		}
	}
}

func TestAQueryThatTakesTooLongIsToldSo(t *testing.T) {
	p := openPlane(t)
	h := New(p.deps)
	p.makeGroup(t, h)
	ws, o, _, err := p.control.PutWorkspace(t.Context(), resource.GroupID(p.admin.SubscriptionID, "rg").Resource(resource.Workspace, "ws-1"), "me", control.WorkspaceChange{Location: new("westeurope")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.control.Await(t.Context(), o, time.Minute); err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("POST", "/v1/workspaces/"+string(ws.CustomerID)+"/query", strings.NewReader(`{"query":"sleep"}`))
	r.Header.Set("Authorization", "Bearer "+p.token(t, p.admin.ObjectID, "https://localhost:8443/"))
	r.Header.Set("Prefer", "wait=1")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != http.StatusGatewayTimeout || !strings.Contains(w.Body.String(), "QueryTimeout") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// Nobody waits longer than ten minutes, whatever he asks for, and three if he does
// not (behaviour 24.2): what runs has that much time and then ends.
func TestTheLongestAQueryMayTake(t *testing.T) {
	for prefer, want := range map[string]time.Duration{
		"": 3 * time.Minute, "wait=1": time.Second, "wait=600": 10 * time.Minute, "wait=601": 10 * time.Minute,
		"include-statistics=true, wait=100000": 10 * time.Minute, "wait=9223372036854775807": 10 * time.Minute,
	} {
		synctest.Test(t, func(t *testing.T) {
			var q QueryRequest
			if err := q.preferences(prefer); err != nil || q.Wait != want {
				t.Fatalf("%q: %v, %v", prefer, q.Wait, err)
			}
			s := &server{Deps: Deps{Query: hanging{}, Log: slog.New(slog.DiscardHandler)}}
			begin := time.Now()
			_, cancel, err := s.begin(httptest.NewRequest("POST", "/", nil), q)
			cancel()
			if took := time.Since(begin); took != want || !errors.Is(err, fault.QueryTimeout) {
				t.Errorf("%q: ended after %v with %v", prefer, took, err)
			}
		})
	}
}

// hanging answers when nobody waits any more.
type hanging struct{}

func (hanging) Query(ctx context.Context, _ QueryRequest) (io.ReadCloser, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}
