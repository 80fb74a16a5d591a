package api

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"logkeep/internal/rbac"
	"logkeep/internal/resource"
)

// gate is a plane whose every route is tried by people with chosen roles.
type gate struct {
	*plane
	h        http.Handler
	stranger string // object id of who has no role
	tried    string // of who has the role under trial
	fill     map[string]string
	tokens   map[[2]string]string
}

// token is one token a person and audience.
func (g *gate) token(t testing.TB, who, audience string) string {
	t.Helper()
	key := [2]string{who, audience}
	if g.tokens[key] == "" {
		g.tokens[key] = g.plane.token(t, who, audience)
	}
	return g.tokens[key]
}

const (
	trialRole       = "aaaaaaaa-0000-4000-8000-000000000001"
	trialAssignment = "aaaaaaaa-0000-4000-8000-000000000002"
	secretName      = "ws-nobodys-business"
)

func openGate(t *testing.T) *gate {
	t.Helper()
	p := openPlane(t)
	p.deps.Shared = openVaults(t)
	g := &gate{plane: p, h: New(p.deps), tokens: map[[2]string]string{}}
	p.makeGroup(t, g.h)
	stranger, _ := p.person(t, "stranger", "", "")
	tried, _ := p.person(t, "tried", "", "")
	g.stranger, g.tried = stranger.ObjectID, tried.ObjectID
	g.fill = map[string]string{"subscription": p.admin.SubscriptionID, "group": "rg", "name": secretName, "link": "cluster", "location": "westeurope",
		"tenant": string(p.admin.TenantID), "edit": "add", "namespace": "Microsoft.KeyVault", "operation": "aaaaaaaa-0000-4000-8000-000000000003"}
	w := g.send(t, p.admin.ObjectID, "https://localhost:8443/", "PUT", "/subscriptions/"+p.admin.SubscriptionID+"/resourceGroups/rg/providers/Microsoft.OperationalInsights/workspaces/"+secretName, `{"location":"westeurope"}`)
	if w.Code != http.StatusCreated {
		t.Fatal(w.Body)
	}
	return g
}

// path is a path that the route serves.
func (g *gate) path(r *compiled) string {
	path := ""
	for part := range strings.SplitSeq(strings.Trim(r.pattern, "/"), "/") {
		if part == "{scope...}" {
			path += "/subscriptions/" + g.admin.SubscriptionID + "/resourceGroups/rg"
			continue
		}
		if name, named := strings.CutPrefix(part, "{"); named {
			name = strings.TrimSuffix(name, "}")
			if part = g.fill[name]; part == "" {
				part = "x-" + name
			}
		}
		path += "/" + part
	}
	return path
}

func (g *gate) send(t *testing.T, who, audience, method, path, body string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, path+"?api-version=2023-09-01", strings.NewReader(body))
	r.Host = "localhost:8443"
	r.Header.Set("Authorization", "Bearer "+g.token(t, who, audience))
	w := httptest.NewRecorder()
	g.h.ServeHTTP(w, r)
	return w
}

// give gives the person under trial one role at one scope, and takes what the
// one before gave.
func (g *gate) give(t *testing.T, p rbac.Permission, scope resource.ID) {
	t.Helper()
	held := rbac.Assignment{Name: trialAssignment, Scope: scope, Tenant: g.admin.TenantID, Role: trialRole, Principal: g.tried, PrincipalType: "ServicePrincipal"}
	g.take(t)
	_, _, err := g.roles.Define(t.Context(), rbac.Definition{Name: trialRole, RoleName: "trial", Custom: true, Tenant: g.admin.TenantID,
		Permissions: []rbac.Permission{p}, AssignableScopes: []resource.ID{resource.SubscriptionID(g.admin.SubscriptionID)}})
	if err == nil {
		_, _, err = g.roles.Assign(t.Context(), held)
	}
	if err != nil {
		t.Fatalf("give %+v at %s: %v", p, scope, err)
	}
}

func (g *gate) take(t *testing.T) {
	t.Helper()
	all, err := g.roles.Assignments(t.Context(), g.admin.TenantID, resource.Root())
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		if a.Principal == g.tried {
			if _, _, err := g.roles.Unassign(t.Context(), g.admin.TenantID, a.ID()); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func denied(w *httptest.ResponseRecorder, action string) bool {
	return w.Code == http.StatusForbidden && strings.Contains(w.Body.String(), "AuthorizationFailed") && strings.Contains(w.Body.String(), "'"+action+"'")
}

// routes are all routes that the main host serves to somebody with a token.
func (g *gate) routes() (all []*compiled) {
	s := &server{Deps: g.deps}
	for _, f := range newRouter(s, s.faces()).faces {
		if !f.hosts("localhost") {
			continue
		}
		for i := range f.compiled {
			if r := &f.compiled[i]; !r.public {
				all = append(all, r)
			}
		}
	}
	return all
}

// TestEveryRouteAsksForItsAction tries each route with no role, with a role that
// has everything but the action, with one that has it elsewhere, and with one
// that has nothing else.
func TestEveryRouteAsksForItsAction(t *testing.T) {
	g := openGate(t)
	n := 0
	// What deletes comes last: it takes the ground from under the others.
	routes := g.routes()
	slices.SortStableFunc(routes, func(a, b *compiled) int { return boolInt(a.method == "DELETE") - boolInt(b.method == "DELETE") })
	for _, r := range routes {
		if r.action == "" {
			continue
		}
		n++
		path := g.path(r)
		name := r.method + " " + r.pattern
		parts := split(path)
		scope := scopeOf(parts)
		audience := r.face.audiences[0]
		try := func(who string) *httptest.ResponseRecorder { return g.send(t, who, audience, r.method, path, "{}") }
		if w := try(g.stranger); !denied(w, r.action) {
			t.Errorf("%s: no role: %d %s", name, w.Code, w.Body)
		}
		if scope.Subscription() == "" {
			continue // roles of tests are assignable in the subscription only
		}
		g.give(t, rbac.Permission{Actions: []string{"*"}, NotActions: []string{r.action}, DataActions: []string{"*"}}, scope)
		if w := try(g.tried); !denied(w, r.action) {
			t.Errorf("%s: everything but %s: %d %s", name, r.action, w.Code, w.Body)
		}
		if scope.Group() != "" {
			g.give(t, rbac.Permission{Actions: []string{r.action}}, resource.GroupID(g.admin.SubscriptionID, "elsewhere"))
			if w := try(g.tried); !denied(w, r.action) {
				t.Errorf("%s: %s in another group: %d %s", name, r.action, w.Code, w.Body)
			}
		}
		g.give(t, rbac.Permission{Actions: []string{r.action}}, scope)
		if w := try(g.tried); denied(w, r.action) || w.Code == http.StatusUnauthorized || w.Code >= 500 && w.Code != http.StatusServiceUnavailable {
			t.Errorf("%s: %s at %s: %d %s", name, r.action, scope, w.Code, w.Body)
		}
	}
	if n < 60 {
		t.Errorf("only %d routes were tried", n)
	}
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// TestAStrangerLearnsNothing: routes that name no action ask in their handlers,
// or show each caller what is theirs.
func TestAStrangerLearnsNothing(t *testing.T) {
	g := openGate(t)
	for _, r := range g.routes() {
		if r.action != "" {
			continue
		}
		w := g.send(t, g.stranger, r.face.audiences[0], r.method, g.path(r), `{"query":"print 1","ids":["`+g.admin.ObjectID+`"],"types":["servicePrincipal"]}`)
		told := w.Body.String()
		if w.Code < 300 && (strings.Contains(told, secretName) || strings.Contains(told, "/resourceGroups/rg") || strings.Contains(told, `"tables"`)) || w.Code >= 500 {
			t.Errorf("%s %s: %d %s", r.method, r.pattern, w.Code, told)
		}
	}
}

// TestRoles holds, for every route, its action and the built-in roles that have
// it, in a file to be read.
func TestRoles(t *testing.T) {
	g := openGate(t)
	datadriven.RunTest(t, "testdata/rbac/routes", func(t *testing.T, _ *datadriven.TestData) string {
		var lines []string
		for _, r := range g.routes() {
			if r.action == "" {
				lines = append(lines, fmt.Sprintf("%-6s %s\n       asked by the handler\n", r.method, r.pattern))
				continue
			}
			var have []string
			for _, d := range rbac.BuiltIn() {
				if d.Allows(r.action, r.data) {
					have = append(have, d.RoleName)
				}
			}
			lines = append(lines, fmt.Sprintf("%-6s %s\n       %s: %s\n", r.method, r.pattern, r.action, strings.Join(have, ", ")))
		}
		slices.Sort(lines)
		return strings.Join(slices.Compact(lines), "")
	})
}
