package server_test

import (
	"encoding/json"
	"encoding/pem"
	"strings"
	"testing"

	"logkeep/internal/entra"
	"logkeep/internal/schema"
)

// TestWhoMayReadOneTableSeesNoOther: an analyst has a custom role that lets him
// query the workspace and another that lets him read one of its tables, at that
// table's scope (behaviour 22.1). To his queries, wildcards, searches and lists of
// tables the other is not there; a role on it makes it so.
func TestWhoMayReadOneTableSeesNoOther(t *testing.T) {
	t.Parallel()
	s := copied(t)
	issuer, token := abroad(t)
	s.Issuers = []entra.Trust{{URL: issuer.URL, Audiences: []string{"logkeep"}}}
	s.IssuerRoots = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: issuer.Certificate().Raw})
	s.serve()
	other := s.makeTable(s.Workspace, schema.Table{Name: "Secrets_CL", Columns: []schema.Column{{Name: schema.TimeGenerated, Type: schema.DateTime}, {Name: "Mark", Type: schema.String}, {Name: "N", Type: schema.Long}}}, "dcr-2")
	s.mustSend("open", 2)
	_, err := s.Upload(t.Context(), other, rows("hidden", 3), nil)
	must(t, err)

	analyst := token("analyst", "logkeep")
	id := entra.ObjectIDOf(issuer.URL, "analyst")
	admin := s.token("https://management.azure.com/.default")
	put := func(path, body string) {
		t.Helper()
		if status, text := s.with(admin, "PUT", s.URL+path+"?api-version=2022-04-01", body); status != 201 {
			t.Fatalf("%s: %d %s", path, status, text)
		}
	}
	role := func(name, title string, actions ...string) {
		t.Helper()
		list, err := json.Marshal(actions)
		must(t, err)
		put("/subscriptions/"+s.SubscriptionID+"/providers/Microsoft.Authorization/roleDefinitions/"+name,
			`{"properties":{"roleName":"`+title+`","type":"CustomRole","permissions":[{"actions":`+string(list)+`}],"assignableScopes":["/subscriptions/`+s.SubscriptionID+`"]}}`)
	}
	assign := func(name, role, at string) {
		t.Helper()
		put(at+"/providers/Microsoft.Authorization/roleAssignments/"+name,
			`{"properties":{"roleDefinitionId":"/subscriptions/`+s.SubscriptionID+`/providers/Microsoft.Authorization/roleDefinitions/`+role+`","principalId":"`+id+`","principalType":"User"}}`)
	}
	const asks, reads = "22222222-0000-4000-8000-000000000001", "22222222-0000-4000-8000-000000000002"
	role(asks, "asks", "Microsoft.OperationalInsights/workspaces/read", "Microsoft.OperationalInsights/workspaces/query/read")
	role(reads, "reads a table", "Microsoft.OperationalInsights/workspaces/tables/query/read")

	post := func(url, body string) (int, string) { return s.with(analyst, "POST", url, body) }
	query := func(text string) (int, string) {
		body, err := json.Marshal(map[string]string{"query": text})
		must(t, err)
		return post(s.URL+"/v1/workspaces/"+s.Workspace.CustomerID+"/query", string(body))
	}
	refused := func(why, text, code string) {
		t.Helper()
		if status, got := query(text); status < 400 || !strings.Contains(got, code) || strings.Contains(got, "hidden-") {
			t.Errorf("%s: %s: %d %s", why, text, status, got)
		}
	}
	answered := func(text, want string) {
		t.Helper()
		if status, got := query(text); status != 200 || !strings.Contains(got, want) || strings.Contains(got, "hidden-") || strings.Contains(got, "Secrets_CL") {
			t.Errorf("%s: %d %s, want %s", text, status, got, want)
		}
	}

	refused("no role", "Events_CL", "InsufficientAccessError")
	assign("33333333-0000-4000-8000-000000000001", reads, s.Workspace.ID+"/tables/Events_CL")
	refused("a role on the table alone", "Events_CL", "InsufficientAccessError")
	assign("33333333-0000-4000-8000-000000000002", asks, s.Workspace.ID)

	answered("Events_CL | count", `[[2]]`)
	answered("search * | count", `[[2]]`)
	answered("search 'hidden' | count", `[[0]]`)
	answered("union * | count", `[[2]]`)
	answered("union withsource=T * | distinct T", `[["Events_CL"]]`)
	answered("union isfuzzy=true Events_CL, Secret*_CL | count", `[[2]]`)
	answered("find in (*) where Mark startswith 'o' | count", `[[2]]`)
	answered("let f = () { Events_CL }; f | where N == 1 | project Mark", `open-1`)
	for _, text := range []string{"Secrets_CL", "table('Secrets_CL')", "Events_CL | union Secrets_CL", "Events_CL | join Secrets_CL on N", "Secrets_CL | getschema",
		"workspace('" + s.Workspace.Name + "').Secrets_CL", "Events_CL | where N in ((Secrets_CL | project N))", "print x = toscalar(Secrets_CL | count)", "search in (Secrets_CL) 'hidden'"} {
		refused("another table", text, "SEM0100")
	}

	for _, command := range []string{".show tables", ".show database schema", ".show schema as json"} {
		body, err := json.Marshal(map[string]string{"db": s.Workspace.CustomerID, "csl": command})
		must(t, err)
		if status, got := post(s.Host("api.kusto")+"/v1/rest/mgmt", string(body)); strings.Contains(got, "Secrets_CL") || status == 200 && !strings.Contains(got, "Events_CL") || status >= 500 {
			t.Errorf("%s: %d %s", command, status, got)
		}
	}
	if status, got := s.with(analyst, "GET", s.URL+s.Workspace.ID+"/tables?api-version=2022-10-01", ""); strings.Contains(got, "Secrets_CL") || status != 403 {
		t.Errorf("the list of tables: %d %s", status, got)
	}

	assign("33333333-0000-4000-8000-000000000003", reads, s.Workspace.ID+"/tables/Secrets_CL")
	if status, got := query("union Events_CL, Secrets_CL | count"); status != 200 || !strings.Contains(got, `[[5]]`) {
		t.Errorf("with a role on the other table: %d %s", status, got)
	}
}
