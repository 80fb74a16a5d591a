package acceptance

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/operationalinsights/armoperationalinsights/v2"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armresources"
	"github.com/klauspost/compress/gzip"

	"logkeep/internal/cli/client"
	"logkeep/internal/schema"
)

// TestBadInputIsAnsweredInWords sends what no client should. Each answer has the
// status, a code, and a message; and afterwards nothing has changed.
func TestBadInputIsAnsweredInWords(t *testing.T) {
	s := startServer(t)
	ctx := t.Context()
	c, err := client.Open(ctx, client.Where{DataDir: s.dir}, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	b := badInput{Server: c, tokens: map[string]string{}}
	b.prepare(t)

	arm, query, ingest := c.URL+"/", "https://api.loganalytics.io", "https://monitor.azure.com"
	group := c.URL + "/subscriptions/" + c.SubscriptionID + "/resourcegroups/bad-input"
	clusters := group + "/providers/Microsoft.OperationalInsights/clusters/"
	rows := b.target.Endpoint + "/dataCollectionRules/" + b.target.RuleID + "/streams/" + b.target.Stream + "?api-version=2023-01-01"
	ask := c.Query + "/v1/workspaces/" + b.workspace.CustomerID + "/query"
	big := []byte("[" + strings.Repeat(`{"Message":"`+strings.Repeat("x", 1000)+`"},`, 30_000) + "{}]")
	ask30 := []byte(`{"query":"` + strings.Repeat("x", 30_000_000) + `"}`)

	for _, test := range []struct {
		name     string
		method   string
		url      string
		audience string // "" sends no token
		body     []byte
		gzip     bool
		status   int
		code     string // the innermost
	}{
		{"no token", "GET", group + "?api-version=2024-11-01", "", nil, false, 401, "AuthenticationFailed"},
		{"a token that is none", "GET", group + "?api-version=2024-11-01", "!not.a.token", nil, false, 401, "InvalidAuthenticationToken"},
		{"a token for another audience", "GET", group + "?api-version=2024-11-01", ingest, nil, false, 401, "InvalidAuthenticationTokenAudience"},
		{"no api-version", "GET", group, arm, nil, false, 400, "InvalidApiVersionParameter"},
		{"an api-version that is none", "GET", group + "?api-version=new", arm, nil, false, 400, "InvalidApiVersionParameter"},
		{"broken JSON", "PUT", clusters + "bad-cluster?api-version=2025-07-01", arm, []byte(`{"location":`), false, 400, "InvalidRequestContent"},
		{"JSON of another shape", "PUT", clusters + "bad-cluster?api-version=2025-07-01", arm, []byte(`["location"]`), false, 400, "InvalidRequestContent"},
		{"30 MB", "PUT", clusters + "bad-cluster?api-version=2025-07-01", arm, big, false, 413, "RequestEntityTooLarge"},
		{"a cluster that is not there", "GET", clusters + "no-such-cluster?api-version=2025-07-01", arm, nil, false, 404, ""},

		{"rows without a token", "POST", rows, "", []byte(`[{}]`), false, 401, ""},
		{"rows with a token for another audience", "POST", rows, query, []byte(`[{}]`), false, 401, "InvalidAuthenticationTokenAudience"},
		{"broken JSON as rows", "POST", rows, ingest, []byte(`[{"Message":"one"},{"Message":`), false, 400, "MalformedJson"},
		{"a row that is no object", "POST", rows, ingest, []byte(`[7]`), false, 400, "InvalidRow"},
		{"a value of another type", "POST", rows, ingest, []byte(`[{"Size":"many"},{"Size":{}}]`), false, 400, "InvalidRow"},
		{"30 MB of rows", "POST", rows, ingest, big, false, 413, "ContentLengthLimitExceeded"},
		{"30 MB of rows, packed", "POST", rows, ingest, pack(t, big), true, 413, "ContentLengthLimitExceeded"},
		{"rows that are not packed, though they say so", "POST", rows, ingest, []byte(`[{}]`), true, 400, ""},
		{"a rule that is not there", "POST", strings.Replace(rows, "dcr-", "dcr-0", 1), ingest, []byte(`[{}]`), false, 404, ""},
		{"a stream that is not declared", "POST", strings.Replace(rows, b.target.Stream, "Custom-None_CL", 1), ingest, []byte(`[{}]`), false, 400, "InvalidStream"},

		{"a query without a token", "POST", ask, "", []byte(`{"query":"print 1"}`), false, 401, ""},
		{"broken JSON as a query", "POST", ask, query, []byte(`{"query":`), false, 400, ""},
		{"no query", "POST", ask, query, []byte(`{}`), false, 400, ""},
		{"a query that is none", "POST", ask, query, []byte(`{"query":"Bad_CL | wheree x"}`), false, 400, ""},
		{"a table that is not there", "POST", ask, query, []byte(`{"query":"None_CL | count"}`), false, 400, ""},
		{"a column that is not there", "POST", ask, query, []byte(`{"query":"Bad_CL | where None == 1"}`), false, 400, ""},
		{"a time that is none", "POST", ask, query, []byte(`{"query":"print 1","timespan":"yesterday"}`), false, 400, ""},
		{"30 MB of query", "POST", ask, query, ask30, false, 413, ""},
		{"a workspace that is not there", "POST", strings.Replace(ask, b.workspace.CustomerID, "00000000-0000-4000-8000-000000000000", 1), query, []byte(`{"query":"print 1"}`), false, 404, ""},

		{"a vault that is not there", "GET", c.Host("kv-nowhere.vault") + "/keys?api-version=7.4", "https://vault.azure.net", nil, false, 404, ""},
		{"nothing is served there", "GET", c.URL + "/nothing/here", arm, nil, false, 404, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			status, body := b.send(t, test.method, test.url, test.audience, test.body, test.gzip)
			var answer struct{ Error *detail }
			if err := json.Unmarshal(body, &answer); err != nil || answer.Error == nil || answer.Error.Code == "" || answer.Error.Message == "" {
				t.Fatalf("%d %.300s: not an error in words (%v)", status, body, err)
			}
			code := answer.Error.innermost()
			if status != test.status || test.code != "" && code != test.code {
				t.Errorf("%d %s, want %d %s: %s", status, code, test.status, test.code, body)
			}
			for _, internal := range []string{"goroutine", "internal/", ".go:", "sql:", s.dir} {
				if strings.Contains(string(body), internal) {
					t.Errorf("the answer shows the inside: %s", body)
				}
			}
		})
	}

	if n, err := c.Count(ctx, b.workspace.CustomerID, "Bad_CL | count"); err != nil || n != 1 {
		t.Errorf("%d rows (%v): bad input was half taken", n, err)
	}
	if list, err := c.Clusters(ctx); err != nil || len(list) != 0 {
		t.Errorf("clusters %v (%v): bad input was half taken", list, err)
	}
}

type detail struct {
	Code, Message string
	Inner         *detail `json:"innererror"`
}

func (d *detail) innermost() string {
	for d.Inner != nil && d.Inner.Code != "" {
		d = d.Inner
	}
	return d.Code
}

type badInput struct {
	*client.Server
	workspace client.Workspace
	target    client.Target
	tokens    map[string]string
}

// prepare makes a workspace with a table that has one row.
func (b *badInput) prepare(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	groups, err := armresources.NewResourceGroupsClient(b.SubscriptionID, b.Credential(), b.ARM())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := groups.CreateOrUpdate(ctx, "bad-input", armresources.ResourceGroup{Location: to.Ptr(location)}, nil); err != nil {
		t.Fatal(err)
	}
	workspaces, err := armoperationalinsights.NewWorkspacesClient(b.SubscriptionID, b.Credential(), b.ARM())
	if err != nil {
		t.Fatal(err)
	}
	poller, err := workspaces.BeginCreateOrUpdate(ctx, "bad-input", "bad-input", armoperationalinsights.Workspace{Location: to.Ptr(location)}, nil)
	if _, err := client.Wait(ctx, poller, err); err != nil {
		t.Fatal(err)
	}
	if b.workspace, err = b.FindWorkspace(ctx, "bad-input"); err != nil {
		t.Fatal(err)
	}
	table := schema.Table{Name: "Bad_CL", Columns: []schema.Column{{Name: schema.TimeGenerated, Type: schema.DateTime}, {Name: "Message", Type: schema.String}, {Name: "Size", Type: schema.Long}}}
	if err := b.CreateTable(ctx, b.workspace, table); err != nil {
		t.Fatal(err)
	}
	if b.target, err = b.Collect(ctx, b.workspace, table, "bad-input"); err != nil {
		t.Fatal(err)
	}
	done, err := b.Upload(ctx, b.target, func(yield func([]byte, error) bool) { yield([]byte(`{"Message":"the one good row"}`), nil) }, nil)
	if err != nil || done.Rows != 1 {
		t.Fatalf("%d rows: %v", done.Rows, err)
	}
}

func (b *badInput) send(t *testing.T, method, url, audience string, body []byte, packed bool) (int, []byte) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	if packed {
		request.Header.Set("Content-Encoding", "gzip")
	}
	if audience != "" {
		request.Header.Set("Authorization", "Bearer "+b.token(t, audience))
	}
	response, err := b.ARM().Transport.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, answer
}

// token is a token for an audience; what begins with ! is sent as it is.
func (b *badInput) token(t *testing.T, audience string) string {
	t.Helper()
	if raw, ok := strings.CutPrefix(audience, "!"); ok {
		return raw
	}
	if b.tokens[audience] == "" {
		got, err := b.Credential().GetToken(context.WithoutCancel(t.Context()), policy.TokenRequestOptions{Scopes: []string{audience + "/.default"}})
		if err != nil {
			t.Fatal(fmt.Errorf("token for %s: %w", audience, err))
		}
		b.tokens[audience] = got.Token
	}
	return b.tokens[audience]
}

func pack(t *testing.T, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
