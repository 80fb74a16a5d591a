package api

import (
	"net/http"
	"strings"
	"testing"

	"logkeep/internal/rbac"
	"logkeep/internal/resource"
)

// TestAWorkspaceIsADatabaseOnlyToThoseWhoMayQueryIt: a stranger does not learn
// that it is there, a reader sees and queries it, and commands change nothing.
func TestAWorkspaceIsADatabaseOnlyToThoseWhoMayQueryIt(t *testing.T) {
	g := openGate(t)
	all, err := g.control.Workspaces(t.Context(), resource.Root())
	if err != nil || len(all) != 1 {
		t.Fatal(all, err)
	}
	ws := all[0]
	reader, _ := g.person(t, "kusto-reader", rbac.Reader, ws.ID.String())
	const audience = "https://kusto.kusto.windows.net"
	for _, test := range []struct {
		who, path, body string
		status          int
		words           string
	}{
		{g.stranger, "/v1/rest/mgmt", `{"db":"","csl":".show databases"}`, 200, `"Rows":[]`},
		{g.stranger, "/v2/rest/query", `{"db":"` + secretName + `","csl":"print 1"}`, 400, "was not found"},
		{g.stranger, "/v2/rest/query", `{"db":"` + string(ws.CustomerID) + `","csl":"print 1"}`, 403, "insufficient access"},
		{g.stranger, "/v1/rest/mgmt", `{"db":"` + string(ws.CustomerID) + `","csl":".show tables"}`, 403, "insufficient access"},
		{reader.ObjectID, "/v1/rest/mgmt", `{"db":"","csl":"// which are there?\n.show  databases ;"}`, 200, string(ws.CustomerID)},
		{reader.ObjectID, "/v1/rest/mgmt", `{"db":"` + secretName + `","csl":".show database ['` + secretName + `'] schema as json"}`, 200, `\"Tables\"`},
		{reader.ObjectID, "/v1/rest/mgmt", `{"db":"` + secretName + `","csl":".show table T cslschema"}`, 400, "'Table' was not found"},
		{reader.ObjectID, "/v1/rest/mgmt", `{"db":"` + secretName + `","csl":".create table T (a:string)"}`, 400, "is not supported"},
		{reader.ObjectID, "/v1/rest/query", `{"db":"` + secretName + `","csl":"print 1"}`, 200, "tables"},
		{reader.ObjectID, "/v2/rest/query", `{"db":"` + secretName + `","csl":"print 1","properties":"{\"Options\":{\"servertimeout\":\"00:01:00\"}}"}`, 200, "tables"},
		{reader.ObjectID, "/v2/rest/query", `{"db":"` + secretName + `","csl":"print 1","properties":{"Options":{"servertimeout":"soon"}}}`, 400, "is no timespan"},
		{reader.ObjectID, "/v2/rest/query", `{"db":"` + secretName + `","csl":" "}`, 400, "There is no query"},
		{reader.ObjectID, "/v2/rest/query", `[]`, 400, "error"},
	} {
		w := g.send(t, test.who, audience, "POST", test.path, test.body)
		if w.Code != test.status || !strings.Contains(w.Body.String(), test.words) {
			t.Errorf("%s %s: %d %s, want %d %s", test.path, test.body, w.Code, w.Body, test.status, test.words)
		}
		if test.status >= http.StatusBadRequest && !strings.Contains(w.Body.String(), `"@message"`) {
			t.Errorf("%s: not an error of the protocol: %s", test.body, w.Body)
		}
	}
}
