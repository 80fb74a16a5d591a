package api

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"logkeep/internal/activity"
)

// TestEveryWriteRouteIsTold: whatever is not a read is in the activity log, with
// its action, its caller and its correlation, as begun and as ended, and a
// refused one as refused. What is no write of a resource stands in the list.
func TestEveryWriteRouteIsTold(t *testing.T) {
	g := openGate(t)
	log := g.deps.Activity.(*story)
	log.tell()
	quiet := []string{ // questions that are asked with POST, and what is no resource
		"/checkNameAvailability", "/directoryObjects/getByIds", "/search", "/schema", "/query", "/$batch", "/servicePrincipals", "/metadata",
	}
	routes := g.routes()
	slices.SortStableFunc(routes, func(a, b *compiled) int { return boolInt(a.method == "DELETE") - boolInt(b.method == "DELETE") })
	n := 0
	for _, r := range routes {
		if r.method == http.MethodGet || r.method == http.MethodHead || r.face.name != "arm" || slices.ContainsFunc(quiet, func(end string) bool { return strings.HasSuffix(r.pattern, end) }) {
			continue
		}
		n++
		name, correlation := r.method+" "+r.pattern, uuid.NewString()
		events := func(who string) []activity.Event {
			q := httptest.NewRequest(r.method, g.path(r)+"?api-version=2023-09-01", strings.NewReader("{}"))
			q.Host = "localhost:8443"
			q.Header.Set("Authorization", "Bearer "+g.token(t, who, r.face.audiences[0]))
			q.Header.Set("x-ms-correlation-request-id", correlation)
			w := httptest.NewRecorder()
			g.h.ServeHTTP(w, q)
			g.settle(t)
			log.mu.Lock()
			defer log.mu.Unlock()
			all := slices.Clone(log.events)
			log.events = nil
			for _, e := range all {
				if e.Correlation != correlation || e.Caller != who || r.action != "" && e.Operation != r.action || e.Method != r.method || !strings.HasSuffix(e.Operation, "/write") && !strings.HasSuffix(e.Operation, "/delete") && !strings.HasSuffix(strings.ToLower(e.Operation), "/action") {
					t.Errorf("%s: %+v", name, e)
				}
			}
			return all
		}
		if all := events(g.admin.ObjectID); (len(all) < 2 || all[0].Status != activity.Started) && strings.HasPrefix(r.pattern, "/subscriptions/") {
			t.Errorf("%s is not told: %v", name, all)
		}
		if all := events(g.stranger); len(all) == 0 || all[len(all)-1].Status != activity.Failed {
			t.Errorf("%s, refused, is not told: %v", name, all)
		}
	}
	if n < 25 {
		t.Errorf("only %d writes were tried", n)
	}
}

// TestEveryTypeIsInItsProvider: what a route serves is in the metadata of its
// provider, with versions that clients can send, the newest first.
func TestEveryTypeIsInItsProvider(t *testing.T) {
	g := openGate(t)
	version := regexp.MustCompile(`^20\d\d-\d\d-\d\d(-preview)?$`)
	known := map[string]bool{}
	for _, p := range providers {
		for _, typ := range p.types {
			known[strings.ToLower(p.namespace+"/"+typ.name)] = true
			if len(typ.versions) == 0 || !slices.IsSortedFunc(typ.versions, func(a, b string) int { return strings.Compare(b[:10], a[:10]) }) {
				t.Errorf("%s/%s: versions %v", p.namespace, typ.name, typ.versions)
			}
			for _, v := range typ.versions {
				if !version.MatchString(v) || checkVersion(map[string][]string{"api-version": {v}}) != nil {
					t.Errorf("%s/%s: %s is no version", p.namespace, typ.name, v)
				}
			}
		}
	}
	for _, r := range g.routes() {
		_, below, ok := strings.Cut(r.pattern, "/providers/")
		if r.face.name != "arm" || !ok || strings.HasPrefix(below, "{") {
			continue
		}
		parts := strings.Split(below, "/")
		typ := parts[0]
		for i := 1; i < len(parts); i += 2 {
			if i == len(parts)-1 && r.method == http.MethodPost {
				break // an action
			}
			typ += "/" + parts[i]
		}
		// Some addresses end in a word that is no name: they belong to what is before it.
		for typ = strings.ToLower(typ); !known[typ] && strings.Count(typ, "/") > 1; {
			typ = typ[:strings.LastIndexByte(typ, '/')]
		}
		if action := r.method == http.MethodPost && strings.Count(typ, "/") == 0; !known[typ] && !action {
			t.Errorf("%s %s: no provider has the type %s", r.method, r.pattern, typ)
		}
	}
}

// TestIdsOfRequests: every answer, whatever its status, has ids to ask the
// operator about, and gives back those of the client.
func TestIdsOfRequests(t *testing.T) {
	g := openGate(t)
	sub := "/subscriptions/" + g.admin.SubscriptionID
	for _, path := range []string{sub + "?api-version=2022-12-01", sub, "/nowhere", sub + "/providers/Microsoft.Nothing/things/x?api-version=2022-12-01", "/metadata/endpoints?api-version=2019-05-01"} {
		for _, method := range []string{"GET", "HEAD", "OPTIONS", "TRACE", "PUT"} {
			for _, token := range []string{"", "Bearer " + g.token(t, g.admin.ObjectID, "https://localhost:8443/"), "Bearer rubbish"} {
				correlation, client := uuid.NewString(), uuid.NewString()
				r := httptest.NewRequest(method, path, nil)
				r.Host = "localhost:8443"
				r.Header.Set("Authorization", token)
				r.Header.Set("x-ms-correlation-request-id", correlation)
				r.Header.Set("x-ms-client-request-id", client)
				w := httptest.NewRecorder()
				g.h.ServeHTTP(w, r)
				h := w.Header()
				if h.Get("x-ms-correlation-request-id") != correlation || h.Get("x-ms-client-request-id") != client || uuid.Validate(h.Get("x-ms-request-id")) != nil || w.Code >= 500 {
					t.Errorf("%s %s: %d %v", method, path, w.Code, h)
				}
			}
		}
	}
}

// A client that leaves is no failure of ours: nobody is to be woken for it.
func TestAClientThatLeavesIsNoError(t *testing.T) {
	p := openPlane(t)
	var log bytes.Buffer
	p.deps.Log = slog.New(slog.NewTextHandler(&log, nil))
	h := New(p.deps)
	p.makeGroup(t, h)
	path := "/subscriptions/" + p.admin.SubscriptionID + "/resourceGroups/rg?api-version=2021-04-01"
	r := httptest.NewRequest("DELETE", "https://localhost:8443"+path, nil)
	r.Header.Set("Authorization", "Bearer "+p.token(t, p.admin.ObjectID, "https://localhost:8443/"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	log.Reset()
	h.ServeHTTP(httptest.NewRecorder(), r.WithContext(ctx))
	if !strings.Contains(log.String(), "the client left before its answer") || strings.Contains(log.String(), "ERROR") {
		t.Errorf("logged:\n%s", log.String())
	}
}
