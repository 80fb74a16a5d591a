package server_test

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/monitor/armmonitor"
)

// activity reads the log with the SDK's client.
func (s *site) activity(filter string) (all []*armmonitor.EventData) {
	s.t.Helper()
	c, err := armmonitor.NewActivityLogsClient(s.SubscriptionID, s.Credential(), s.ARM())
	must(s.t, err)
	pages := c.NewListPager("eventTimestamp ge '"+time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)+"'"+filter, nil)
	for pages.More() {
		page, err := pages.NextPage(s.t.Context())
		must(s.t, err)
		all = append(all, page.Value...)
	}
	return all
}

func TestActivityIsSealedAndFound(t *testing.T) {
	t.Parallel()
	s := copied(t)
	s.serve()
	w := s.makeWorkspace("told-of-1")
	found := s.activity(" and resourceId eq '" + w.ID + "'")
	if len(found) == 3 && *found[1].Status.Value == "Accepted" { // the answer was 202, since it took long
		found = slices.Delete(found, 1, 2)
	}
	if len(found) != 2 {
		t.Fatalf("%d events", len(found))
	}
	end, begin := found[0], found[1]
	if *end.Status.Value != "Succeeded" || *begin.Status.Value != "Started" || *end.CorrelationID != *begin.CorrelationID ||
		*end.OperationName.Value != "Microsoft.OperationalInsights/workspaces/write" || *end.Caller != s.ObjectID || *end.HTTPRequest.ClientIPAddress != "127.0.0.1" ||
		*end.ResourceGroupName != group || *end.SubscriptionID != strings.ToLower(s.SubscriptionID) {
		t.Errorf("%+v", end)
	}
	ask := func() (rows int, cell string) {
		t.Helper()
		r, err := s.RunQuery(t.Context(), w.CustomerID, `AzureActivity | where ResourceId =~ "`+w.ID+`" and ActivityStatusValue == "Success" | project OperationNameValue, tostring(Claims_d.oid), ResourceGroup`, "")
		must(t, err)
		if len(r.Rows) > 0 {
			var cells []string
			for _, c := range r.Rows[0] {
				var text string
				must(t, json.Unmarshal(c, &text))
				cells = append(cells, text)
			}
			cell = strings.Join(cells, " ")
		}
		return len(r.Rows), cell
	}
	if n, cell := ask(); n != 1 || cell != "MICROSOFT.OPERATIONALINSIGHTS/WORKSPACES/WRITE "+s.ObjectID+" "+group {
		t.Errorf("%d rows: %s", n, cell)
	}
	// It is there after a restart, and in no file.
	s.halt()
	for _, name := range []string{"catalog.db", "catalog.db-wal"} {
		b, err := os.ReadFile(s.DataDir + "/" + name)
		if err == nil && strings.Contains(string(b), `"status":"Succeeded","http":201`) {
			t.Errorf("%s still has events", name)
		}
	}
	s.serve()
	if n, _ := ask(); n != 1 {
		t.Errorf("%d rows after a restart", n)
	}
	if all := s.activity(""); len(all) < 2 {
		t.Errorf("%d events after a restart", len(all))
	}
}
