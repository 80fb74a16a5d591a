package api

import (
	"bytes"
	"compress/gzip"
	"context"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	ingestion "github.com/Azure/azure-sdk-for-go/sdk/monitor/ingestion/azlogs"
	logs "github.com/Azure/azure-sdk-for-go/sdk/monitor/query/azlogs"

	"logkeep/internal/control"
	"logkeep/internal/fault"
	"logkeep/internal/rbac"
	"logkeep/internal/resource"
	"logkeep/internal/schema"
)

// anyHost makes the client open the server's address for every host name.
func (c *client) anyHost(t *testing.T) {
	t.Helper()
	transport, ok := c.options.Transport.(*http.Client).Transport.(*http.Transport)
	if !ok {
		t.Fatal("the test server's client has another transport")
	}
	transport = transport.Clone()
	at := strings.TrimPrefix(c.url, "https://")
	transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, at)
	}
	transport.TLSClientConfig.ServerName = "example.com" // of the test server's certificate
	c.options.Transport = &http.Client{Transport: transport}
}

func TestSDKSendsRowsAndAsksForThem(t *testing.T) {
	c, p := servePlane(t)
	c.anyHost(t)
	ctx := t.Context()
	group := resource.GroupID(p.admin.SubscriptionID, "rg")
	ws, o, _, err := p.control.PutWorkspace(ctx, group.Resource(resource.Workspace, "ws-1"), "me", control.WorkspaceChange{Location: new("westeurope")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.control.Await(ctx, o, soon); err != nil {
		t.Fatal(err)
	}
	columns := []control.Column{{Name: schema.TimeGenerated, Type: schema.DateTime}, {Name: "Message", Type: schema.String}}
	if _, err := p.control.PutTable(ctx, ws.ID.Child("tables", "App_CL"), control.TableChange{Columns: columns, Replace: true}); err != nil {
		t.Fatal(err)
	}
	rule, _, err := p.control.PutRule(ctx, group.Resource(resource.Rule, "dcr1"), control.RuleChange{Location: new("westeurope"), Kind: "Direct",
		Streams: map[string][]control.Column{"Custom-App_CL": columns}, Destinations: []control.DestinationChange{{Name: "d", Workspace: ws.ID.String()}},
		Flows: []control.Flow{{Streams: []string{"Custom-App_CL"}, Destinations: []string{"d"}}}})
	if err != nil {
		t.Fatal(err)
	}
	sender, secret := p.person(t, "sender", "3913510d-42f4-4e42-8a64-420c390055eb", rule.ID.String())

	host := "https://" + rule.Label + ".ingest.x.test:" + strconv.Itoa(p.deps.Port)
	options := &ingestion.ClientOptions{ClientOptions: c.options.ClientOptions}
	options.Cloud = cloud.AzurePublic // the SDK's own audience
	rows, err := ingestion.NewClient(host, c.signIn(t, string(p.admin.TenantID), sender.AppID, secret), options)
	if err != nil {
		t.Fatal(err)
	}
	text := []byte(`[{"Message":"one"}]`)
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write(text); err != nil || z.Close() != nil {
		t.Fatal(err)
	}
	if _, err := rows.Upload(ctx, rule.ImmutableID, "Custom-App_CL", text, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := rows.Upload(ctx, rule.ImmutableID, "Custom-App_CL", packed.Bytes(), &ingestion.UploadOptions{ContentEncoding: new("gzip")}); err != nil {
		t.Fatal(err)
	}
	for _, got := range p.rows.text {
		if got != `ws-1 App_CL [{"Message":"one"}]` {
			t.Errorf("stored %q", got)
		}
	}
	foreign, err := ingestion.NewClient(host, c.cred, options) // an owner has no data action
	if err != nil {
		t.Fatal(err)
	}
	if _, err := foreign.Upload(ctx, rule.ImmutableID, "Custom-App_CL", text, nil); !coded(err, http.StatusForbidden, "AuthorizationFailed") {
		t.Errorf("an owner sent rows: %v", err)
	}

	asking := &logs.ClientOptions{ClientOptions: c.options.ClientOptions}
	asking.Cloud = cloud.Configuration{ActiveDirectoryAuthorityHost: c.url, Services: map[cloud.ServiceName]cloud.ServiceConfiguration{
		logs.ServiceName: {Audience: "https://api.loganalytics.io", Endpoint: "https://api.loganalytics.x.test:" + strconv.Itoa(p.deps.Port)}}}
	reader, secret := p.person(t, "reader", rbac.Reader, ws.ID.String())
	query, err := logs.NewClient(c.signIn(t, string(p.admin.TenantID), reader.AppID, secret), asking)
	if err != nil {
		t.Fatal(err)
	}
	body := logs.QueryBody{Query: new("App_CL | count")}
	if v, err := query.QueryWorkspace(ctx, string(ws.CustomerID), body, nil); err != nil || v.Tables[0].Rows[0][0] != 2.0 {
		t.Errorf("%+v %v", v, err)
	}
	if v, err := query.QueryResource(ctx, ws.ID.String(), body, nil); err != nil || v.Tables[0].Rows[0][0] != 2.0 {
		t.Errorf("%+v %v", v, err)
	}
	batch := logs.BatchRequest{Requests: []logs.BatchQueryRequest{{ID: new("1"), WorkspaceID: new(string(ws.CustomerID)), Body: &body}, {ID: new("2"), WorkspaceID: new("none"), Body: &body}}}
	if v, err := query.QueryBatch(ctx, batch, nil); err != nil || *v.Responses[0].Status != 200 || *v.Responses[1].Status != 404 || v.Responses[1].Body.Error.Code != "PathNotFoundError" {
		t.Errorf("%+v %v", v, err)
	}
	p.rows.fail = fault.New(fault.CustomerManagedKeyRevoked, "denied")
	if _, err := query.QueryWorkspace(ctx, string(ws.CustomerID), body, nil); !coded(err, http.StatusForbidden, "CustomerManagedKeyRevoked") {
		t.Errorf("a query while the key is denied: %v", err)
	}
	if _, err := rows.Upload(ctx, rule.ImmutableID, "Custom-App_CL", text, nil); !coded(err, http.StatusServiceUnavailable, "CustomerManagedKeyRevoked") {
		t.Errorf("rows while the key is denied: %v", err)
	}
}
