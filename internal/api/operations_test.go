package api

import (
	"cmp"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"logkeep/internal/entra"
	"logkeep/internal/rbac"
	"logkeep/internal/resource"
)

// A trial is a route with the built-in roles that it is tried with.
type trial struct {
	*compiled
	host, path string
	scope      resource.ID
	right      rbac.Definition // allows it, and the least of all else
	wrong      rbac.Definition // does not, and allows the most of what is near
}

// trials are all routes that name an action, of every face.
func (g *gate) trials() (all []trial) {
	s := &server{Deps: g.deps}
	for _, f := range newRouter(s, s.faces()).faces {
		host := "localhost:8443"
		for _, other := range []string{"x-endpoint.ingest.x.test", "api.loganalytics.x.test", "api.kusto.x.test"} {
			if f.hosts(other) && !f.hosts("localhost") {
				host = other + ":8443"
			}
		}
		for i := range f.compiled {
			if r := &f.compiled[i]; !r.public && r.action != "" {
				path := g.path(r)
				all = append(all, trial{compiled: r, host: host, path: path, scope: scopeOf(split(path))})
			}
		}
	}
	// What each role allows, once for all.
	roles, can, breadth := slices.Clone(rbac.BuiltIn()), map[string][]bool{}, map[string]int{}
	for _, d := range roles {
		for _, t := range all {
			yes := d.Allows(t.action, t.data)
			can[d.Name] = append(can[d.Name], yes)
			breadth[d.Name] += boolInt(yes)
		}
	}
	slices.SortStableFunc(roles, func(a, b rbac.Definition) int { return cmp.Compare(breadth[a.Name], breadth[b.Name]) })
	for i := range all {
		t, most := &all[i], -1
		kind := t.action[:strings.LastIndexByte(t.action, '/')]
		for _, d := range roles {
			if can[d.Name][i] {
				if t.right.Name == "" {
					t.right = d
				}
				continue
			}
			near := 0
			for j, yes := range can[d.Name] {
				near += boolInt(yes && strings.HasPrefix(all[j].action, kind))
			}
			if near >= most {
				t.wrong, most = d, near
			}
		}
	}
	return all
}

// assign gives the person under trial one built-in role at a scope, and takes
// what the one before gave.
func (g *gate) assign(t *testing.T, role string, scope resource.ID) {
	t.Helper()
	g.take(t)
	_, _, err := g.roles.Assign(t.Context(), rbac.Assignment{Name: trialAssignment, Scope: scope, Tenant: g.admin.TenantID, Role: role, Principal: g.tried, PrincipalType: "ServicePrincipal"})
	if err != nil {
		t.Fatalf("assign %s at %s: %v", role, scope, err)
	}
}

// TestEveryOperationAsksForARole tries each operation of the route tables with no
// role, with the nearest role that is wrong, and with one that is right, at the
// resource's scope and at the management group above all. The file names them
// all, so that a new operation is seen.
func TestEveryOperationAsksForARole(t *testing.T) {
	g := openGate(t)
	all := g.trials()
	// What deletes comes last: it takes the ground from under the others.
	slices.SortStableFunc(all, func(a, b trial) int { return boolInt(a.method == "DELETE") - boolInt(b.method == "DELETE") })
	var lines []string
	for _, x := range all {
		name := x.method + " " + x.host + x.path
		try := func(who string) *httptest.ResponseRecorder {
			r := httptest.NewRequest(x.method, x.path+"?api-version=2023-09-01", strings.NewReader("{}"))
			r.Host = x.host
			r.Header.Set("Authorization", "Bearer "+g.token(t, who, x.face.audiences[0]))
			w := httptest.NewRecorder()
			g.h.ServeHTTP(w, r)
			return w
		}
		refused := func(what, who string) {
			if w := try(who); !denied(w, x.action) {
				t.Errorf("%s: %s: %d %s", name, what, w.Code, w.Body)
			}
		}
		refused("no role", g.stranger)
		if x.wrong.Name != "" {
			g.assign(t, x.wrong.Name, resource.Root())
			refused("the wrong role "+x.wrong.RoleName, g.tried)
		}
		if x.right.Name != "" {
			for _, at := range []resource.ID{x.scope, resource.Root()} {
				g.assign(t, x.right.Name, at)
				if w := try(g.tried); denied(w, x.action) || w.Code == http.StatusUnauthorized || w.Code >= 500 && w.Code != http.StatusServiceUnavailable {
					t.Errorf("%s: the right role %s at %s: %d %s", name, x.right.RoleName, at, w.Code, w.Body)
				}
			}
		}
		lines = append(lines, fmt.Sprintf("%-6s %s\n       %s: %s, not %s\n", x.method, x.pattern, x.action, cmp.Or(x.right.RoleName, "no built-in role"), cmp.Or(x.wrong.RoleName, "everybody")))
	}
	datadriven.RunTest(t, "testdata/rbac/operations", func(t *testing.T, _ *datadriven.TestData) string {
		slices.Sort(lines)
		return strings.Join(slices.Compact(lines), "")
	})
}

// TestTenantsAreIsolated: whoever owns everything in another tenant does nothing
// in this one, whatever the route, and learns no name.
func TestTenantsAreIsolated(t *testing.T) {
	g := openGate(t)
	other, err := entra.NewTenant(t.Context(), g.catalog, "other")
	if err != nil {
		t.Fatal(err)
	}
	lord, _, err := entra.AddApplication(t.Context(), g.catalog, other.ID, "lord")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := g.roles.Assign(t.Context(), rbac.Assignment{Name: trialAssignment, Scope: resource.Root(), Tenant: other.ID, Role: rbac.Owner, Principal: lord.ObjectID, PrincipalType: "ServicePrincipal"}); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, r := range g.routes() {
		path := g.path(r)
		w := g.send(t, lord.ObjectID, r.face.audiences[0], r.method, path, `{"query":"print 1","ids":["`+g.admin.ObjectID+`"],"types":["servicePrincipal"],"db":"`+secretName+`"}`)
		told := w.Body.String()
		if scopeOf(split(path)).Subscription() != "" {
			n++
			if w.Code < 400 && !(strings.HasSuffix(r.pattern, "/roleDefinitions") && !strings.Contains(told, "CustomRole")) && !strings.Contains(r.pattern, "{namespace}") && !strings.HasSuffix(r.pattern, "/providers") && !strings.HasSuffix(r.pattern, "/locations") && !strings.HasSuffix(r.pattern, "/checkNameAvailability") {
				t.Errorf("%s %s: %d %.300s", r.method, path, w.Code, told)
			}
			continue
		}
		// What the refusal repeats of the request is no secret.
		if w.Code < 400 && (strings.Contains(told, secretName) || strings.Contains(told, g.admin.SubscriptionID) || strings.Contains(told, g.admin.ObjectID)) || w.Code >= 500 {
			t.Errorf("%s %s: %d %.300s", r.method, path, w.Code, told)
		}
	}
	if n < 50 {
		t.Errorf("only %d routes lie in a subscription", n)
	}
}

// TestALinkAsksAtBothEnds: an action at one resource that takes another into
// use is asked for at both (behaviour 8.17, 18.18).
func TestALinkAsksAtBothEnds(t *testing.T) {
	g := openGate(t)
	const la = "Microsoft.OperationalInsights/"
	rg := "/subscriptions/" + g.admin.SubscriptionID + "/resourceGroups/rg/providers/"
	ws := rg + la + "workspaces/" + secretName
	user := rg + "Microsoft.ManagedIdentity/userAssignedIdentities/user-1"
	for _, c := range []struct {
		name, method, path, body string
		actions                  []string
	}{
		{"link", "PUT", ws + "/linkedServices/cluster", `{"properties":{"writeAccessResourceId":"` + rg + la + `clusters/none"}}`,
			[]string{la + "workspaces/linkedServices/write", la + "workspaces/write", la + "clusters/write"}},
		{"linked storage", "PUT", ws + "/linkedStorageAccounts/Ingestion", `{"properties":{"storageAccountIds":["` + rg + `Microsoft.Storage/storageAccounts/a"]}}`,
			[]string{la + "workspaces/write", "Microsoft.Storage/storageAccounts/write"}},
		{"identity of a workspace", "PATCH", ws, `{"identity":{"type":"UserAssigned","userAssignedIdentities":{"` + user + `":{}}}}`,
			[]string{la + "workspaces/write", "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action"}},
		{"identity of a cluster", "PATCH", rg + la + "clusters/none", `{"identity":{"type":"UserAssigned","userAssignedIdentities":{"` + user + `":{}}}}`,
			[]string{la + "clusters/write", "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action"}},
	} {
		for i, missing := range c.actions {
			rest := slices.Delete(slices.Clone(c.actions), i, i+1)
			g.give(t, rbac.Permission{Actions: rest}, resource.SubscriptionID(g.admin.SubscriptionID))
			if w := g.send(t, g.tried, "https://localhost:8443/", c.method, c.path, c.body); !denied(w, missing) {
				t.Errorf("%s without %s: %d %s", c.name, missing, w.Code, w.Body)
			}
		}
		g.give(t, rbac.Permission{Actions: c.actions}, resource.SubscriptionID(g.admin.SubscriptionID))
		if w := g.send(t, g.tried, "https://localhost:8443/", c.method, c.path, c.body); w.Code == http.StatusForbidden {
			t.Errorf("%s with all of it: %d %s", c.name, w.Code, w.Body)
		}
	}
}
