package acceptance

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/Azure/azure-kusto-go/azkustodata"
	kustoerrors "github.com/Azure/azure-kusto-go/azkustodata/errors"
	"github.com/Azure/azure-kusto-go/azkustodata/kql"
	trusted "github.com/Azure/azure-kusto-go/azkustodata/trusted_endpoints"

	"logkeep/internal/cli/client"
)

// kustoStatement is a query that stands in a test.
func kustoStatement(text string) azkustodata.Statement {
	return kql.New("").AddUnsafe(text)
}

// TestTheGoClientOfAzureDataExplorer queries a workspace by the Kusto protocol,
// whole and in fragments, and reads errors of each kind.
func TestTheGoClientOfAzureDataExplorer(t *testing.T) {
	s := startServer(t)
	ctx := t.Context()
	c, err := client.Open(ctx, client.Where{DataDir: s.dir}, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	b := badInput{Server: c, tokens: map[string]string{}}
	b.prepare(t)

	suffix := c.Host("kusto")[len("https://"):]
	host, _, _ := strings.Cut(suffix, ":")
	if err := trusted.Instance.AddTrustedHosts([]trusted.MatchRule{{Suffix: "." + host}}, false); err != nil {
		t.Fatal(err)
	}
	web := c.Web()
	connect := func(label string) *azkustodata.Client {
		builder := azkustodata.NewConnectionStringBuilder("https://" + label + "." + suffix).WithTokenCredential(c.Credential())
		k, err := azkustodata.New(builder, azkustodata.WithHttpClient(web))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { k.Close() })
		return k
	}
	own, every := connect(b.workspace.CustomerID), connect("api")

	answer, err := own.Query(ctx, "bad-input", kustoStatement("Bad_CL | count; print s = 'x', d = dynamic({'a':1}), t = 1h, b = false, r = 0.5, n = long(null), at = datetime(2026-01-02), g = guid(00000000-0000-0000-0000-000000000001), m = decimal(1.25)"))
	if err != nil {
		t.Fatal(err)
	}
	tables := answer.Tables()
	if len(tables) < 2 || tables[0].Rows()[0].Values()[0].String() != "1" {
		t.Fatalf("tables %v", tables)
	}
	var line []string
	for _, v := range tables[1].Rows()[0].Values() {
		line = append(line, string(v.GetType())+" "+v.String())
	}
	want := "string x|dynamic {\"a\":1}|timespan 1h0m0s|bool false|real 0.5|long |datetime 2026-01-02T00:00:00Z|guid 00000000-0000-0000-0000-000000000001|decimal 1.25"
	if got := strings.Join(line, "|"); got != want {
		t.Errorf("row\n%s\nwant\n%s", got, want)
	}

	parts, err := every.IterativeQuery(ctx, b.workspace.CustomerID, kustoStatement("range x from 1 to 5 step 1"))
	if err != nil {
		t.Fatal(err)
	}
	defer parts.Close()
	n := 0
	for table := range parts.Tables() {
		if table.Err() != nil {
			t.Fatal(table.Err())
		}
		for row := range table.Table().Rows() {
			if row.Err() != nil {
				t.Fatal(row.Err())
			}
			if table.Table().IsPrimaryResult() {
				n++
			}
		}
	}
	if n != 5 {
		t.Errorf("%d rows came in fragments, want 5", n)
	}

	named := kql.NewParameters().AddString("s", "it's; print 2").AddLong("n", 7)
	answer, err = own.Query(ctx, "", kustoStatement("print strcat(s, n)"), azkustodata.QueryParameters(named))
	if err != nil || answer.Tables()[0].Rows()[0].Values()[0].String() != "it's; print 27" {
		t.Errorf("parameters: %v %v", answer, err)
	}

	shown, err := every.Mgmt(ctx, "", kustoStatement(".show databases"))
	if err != nil || shown.Tables()[0].Rows()[0].Values()[0].String() != "bad-input" {
		t.Errorf("databases: %v %v", shown, err)
	}
	for text, words := range map[string]string{
		"Bad_CL | where None == 1": "None",
		"Bad_CL | where":           "SYN0002",
		"print 1 + ''":             "SEM",
	} {
		if _, err := own.Query(ctx, "", kustoStatement(text)); !refusedBy(err) || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v", text, err)
		}
	}
	if _, err := every.Query(ctx, "elsewhere", kustoStatement("print 1")); err == nil || !strings.Contains(err.Error(), "was not found") {
		t.Errorf("another database: %v", err)
	}
	if _, err := own.Mgmt(ctx, "", kustoStatement(".drop table Bad_CL")); err == nil || !strings.Contains(err.Error(), "not supported") {
		t.Errorf("a command: %v", err)
	}
	stopped, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := own.Query(stopped, "", kustoStatement("print 1")); err == nil {
		t.Error("a query that was given up was answered")
	}
}

// refusedBy reports whether the service refused a request for good.
func refusedBy(err error) bool {
	e, ok := errors.AsType[*kustoerrors.HttpError](err)
	return ok && e.StatusCode == http.StatusBadRequest
}
