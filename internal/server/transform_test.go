package server_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/operationalinsights/armoperationalinsights/v2"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armresources"

	"logkeep/internal/cli/client"
	"logkeep/internal/schema"
)

// rule makes a rule of streams and flows at the workspace and its endpoint, and
// sends rows to it from then on.
func (s *site) rule(name string, streams map[string]map[string]string, flows ...map[string]any) error {
	s.t.Helper()
	c, err := armresources.NewClient(s.SubscriptionID, s.Credential(), s.ARM())
	must(s.t, err)
	declared := map[string]any{}
	for stream, columns := range streams {
		var list []map[string]string
		for column, kind := range columns {
			list = append(list, map[string]string{"name": column, "type": kind})
		}
		declared[stream] = map[string]any{"columns": list}
	}
	id := "/subscriptions/" + s.SubscriptionID + "/resourceGroups/" + group + "/providers/Microsoft.Insights/dataCollectionRules/" + name
	poller, err := c.BeginCreateOrUpdateByID(s.t.Context(), id, "2023-03-11", armresources.GenericResource{
		Location: new(location), Kind: new("Direct"),
		Properties: map[string]any{
			"streamDeclarations": declared, "dataFlows": flows,
			"destinations": map[string]any{"logAnalytics": []any{map[string]any{"workspaceResourceId": s.Workspace.ID, "name": "d"}}},
		},
	}, nil)
	made, err := client.Wait(s.t.Context(), poller, err)
	if err != nil {
		return err
	}
	p := made.Properties.(map[string]any)
	s.Target.RuleID = p["immutableId"].(string)
	s.Target.Endpoint = p["endpoints"].(map[string]any)["logsIngestion"].(string)
	s.grant(id, client.RoleMetricsPublisher, s.ObjectID)
	return nil
}

func flow(stream, output, transform string) map[string]any {
	return map[string]any{"streams": []string{stream}, "destinations": []string{"d"}, "outputStream": output, "transformKql": transform}
}

// ask returns the answer to a query as JSON.
func (s *site) ask(query string) (string, error) {
	result, err := s.RunQuery(s.t.Context(), s.Workspace.CustomerID, query, "")
	if err != nil {
		return "", err
	}
	out, err := json.Marshal(result.Rows)
	return string(out), err
}

// asked is ask of what must be answered.
func (s *site) asked(query string) string {
	s.t.Helper()
	out, err := s.ask(query)
	if err != nil {
		s.t.Fatalf("%s: %v", query, err)
	}
	return out
}

// TestRulesChangeRows sends rows through transformations to custom and published
// tables, before and while the key is away.
func TestRulesChangeRows(t *testing.T) {
	t.Parallel()
	s := linked(t)
	// Published tables are there, and empty.
	if got := s.asked("Syslog | count"); got != "[[0]]" {
		t.Errorf("an unused table: %s", got)
	}
	if got := s.asked("union Syslog, SecurityEvent, Events_CL | where Computer == 'x' or EventID > 1 | count"); got != "[[0]]" {
		t.Errorf("unused tables: %s", got)
	}
	must(t, s.CreateTable(t.Context(), s.Workspace, schema.Table{Name: "Out_CL", Columns: []schema.Column{
		{Name: "TimeGenerated", Type: schema.DateTime}, {Name: "User", Type: schema.String}, {Name: "Level", Type: schema.Long},
		{Name: "Rest", Type: schema.Dynamic}, {Name: "Session", Type: schema.GUID}, {Name: "Score", Type: schema.Real},
	}}))
	raw := map[string]map[string]string{"Custom-Raw": {"Time": "string", "Text": "string", "Context": "dynamic", "TimeGenerated": "string"}}
	must(t, s.rule("changes", raw,
		flow("Custom-Raw", "Custom-Out_CL", `source | where Text !has "noise" | extend TimeGenerated = todatetime(Time) | parse Text with "user=" User:string " " *
			| project TimeGenerated, User, Level = toint(Context.level), Rest = Context.more, Session = toguid(Context.id), Score = tolong(Context.level) * 2, Other = 1`),
		flow("Custom-Raw", "Microsoft-Syslog", `source | project TimeGenerated = todatetime(Time), SyslogMessage = Text, Facility = iff(isempty(Text), "none", "user"), ProcessID = toint(7)`)))
	send := func(body string, want int) {
		t.Helper()
		if status, code, message, _ := s.post(post{stream: "Custom-Raw", body: strings.NewReader(body)}); status != want {
			t.Fatalf("%d %s %s", status, code, message)
		}
	}
	send(`[{"Time":"2026-11-22T01:00:00Z","Text":"user=ann did it","Context":{"level":3,"more":{"a":[1]},"id":"8145d822-13a7-44ad-859c-36f31a84f6dd"}},
		{"Time":"2026-11-22T02:00:00Z","Text":"noise","Context":{}},
		{"Time":"2026-11-22T03:00:00Z","Text":"other","Context":{"level":"4","id":"no guid"}},
		{"Text":"user=now x"}]`, http.StatusNoContent)
	const out = "Out_CL | order by TimeGenerated asc | project T = iff(TimeGenerated > ago(1h), 'now', tostring(TimeGenerated)), User, Level, Rest, Session, Score"
	const first = `[["2026-11-22T01:00:00.0000000Z","ann",3,"{\"a\":[1]}","8145d822-13a7-44ad-859c-36f31a84f6dd",6],["2026-11-22T03:00:00.0000000Z","",4,null,null,8],["now","now",null,null,null,null]]`
	if got := s.asked(out); got != first {
		t.Errorf("got  %s\nwant %s", got, first)
	}
	const syslog = "Syslog | summarize count() by Facility, ProcessID, Type, TenantId"
	if got, want := s.asked(syslog), `[["user",7,"Syslog","`+s.Workspace.CustomerID+`",4]]`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	// A custom table's are not stored either.
	const types = "union Syslog, Out_CL | summarize count() by Type, _ResourceId | order by Type asc"
	if got, want := s.asked(types), `[["Out_CL","",3],["Syslog","",4]]`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got, want := s.asked("Out_CL | distinct TenantId"), `[["`+s.Workspace.CustomerID+`"]]`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := s.asked("find where Type == 'Out_CL' and User == 'ann' project User, Type | project source_, User, Type"); got != `[["Out_CL","ann","Out_CL"]]` {
		t.Errorf("find: %s", got)
	}
	if got := s.asked("search 'ann' | where $table == 'Syslog' and Type == 'Syslog' | count"); got != "[[1]]" {
		t.Errorf("search: %s", got)
	}
	if got := s.asked("Syslog | where Type has 'syslog' | count"); got != "[[4]]" {
		t.Errorf("what is not stored is not looked for in segments: %s", got)
	}
	// Nothing is left of a request whose rows don't fit the stream.
	send(`[[],5]`, http.StatusBadRequest)
	// All rows may be dropped.
	must(t, s.rule("changes", raw, flow("Custom-Raw", "Custom-Out_CL", `source | where Text == "kept" | extend TimeGenerated = now()`)))
	send(`[{"Text":"dropped"}]`, http.StatusNoContent)
	send(`[]`, http.StatusNoContent)

	// While the key is away rows wait as they came, and are changed when it is back.
	s.whenRevoked("Seal")
	s.disabled()
	send(`[{"Text":"kept"},{"Text":"dropped"}]`, http.StatusNoContent)
	send(`[{"Text":"dropped"}]`, http.StatusNoContent)
	s.enable("", true)
	eventually(t, limit, "the import", func() error {
		if k := s.cluster().Logkeep.KeyState; k.State != "Active" || k.Spool != nil {
			return fmt.Errorf("%+v %+v", k, k.Spool)
		}
		return nil
	})
	if got := s.asked("Out_CL | where User == '' and isnull(Level) and TimeGenerated > ago(1h) | count"); got != "[[1]]" {
		t.Errorf("after the key came back: %s", got)
	}
}

func TestARuleWithABadTransformationIsRefusedAsAWhole(t *testing.T) {
	t.Parallel()
	s := linked(t)
	stream := map[string]map[string]string{"Custom-Raw": {"TimeGenerated": "datetime", "Mark": "string", "N": "long"}}
	must(t, s.rule("bad", stream, flow("Custom-Raw", "Custom-Events_CL", `source | extend Mark = toupper(Mark)`)))
	for transform, want := range map[string]string{
		"source | project TimeGenerated,":                         "SyntaxError:0x00000001 at 1:32",
		"source | where Nothing == 1":                             "SemanticError:0x00000006 at 1:16",
		"source | summarize count()":                              "The operator summarize is not supported in transformations",
		"source | project Mark":                                   "must contain the column 'TimeGenerated'",
		"source | project TimeGenerated = tostring(Mark)":         "TimeGenerated [produced:'String', output:'DateTime']",
		"source | extend N = todouble(N), Mark = parse_json('1')": "Mark [produced:'Dynamic', output:'String'], N [produced:'Real', output:'Long']",
	} {
		err := s.rule("bad", stream, flow("Custom-Raw", "Custom-Events_CL", "source | extend Mark = strcat(Mark, '!')"), flow("Custom-Raw", "Custom-Events_CL", transform))
		answer, ok := errors.AsType[*azcore.ResponseError](err)
		if !ok || answer.StatusCode != http.StatusBadRequest || answer.ErrorCode != "InvalidPayload" || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "properties.dataFlows[1]") {
			t.Errorf("%s: %v", transform, err)
		}
	}
	// The rule is what it was before.
	if status, code, message, _ := s.post(post{stream: "Custom-Raw", body: strings.NewReader(`[{"Mark":"a"}]`)}); status != http.StatusNoContent {
		t.Fatal(status, code, message)
	}
	if got := s.asked("Events_CL | project Mark"); got != `[["A"]]` {
		t.Error(got)
	}
}

// TestPlansLimitQueries asks tables with the plan Basic what their plan allows.
func TestPlansLimitQueries(t *testing.T) {
	t.Parallel()
	s := linked(t)
	s.mustSend("a", 3)
	c, err := armoperationalinsights.NewTablesClient(s.SubscriptionID, s.Credential(), s.ARM())
	must(t, err)
	plan := func(name string) {
		t.Helper()
		poller, err := c.BeginUpdate(t.Context(), group, s.Workspace.Name, name, armoperationalinsights.Table{
			Properties: &armoperationalinsights.TableProperties{Plan: new(armoperationalinsights.TablePlanEnumBasic)},
		}, nil)
		_, err = client.Wait(t.Context(), poller, err)
		must(t, err)
	}
	plan("Events_CL")
	plan("AWSCloudWatch")
	for query, want := range map[string]string{
		"Events_CL | where Mark startswith 'a' | summarize count()":          "[[3]]",
		"Events_CL | lookup Syslog on $left.Mark == $right.Computer | count": "[[3]]",
		"union Events_CL, Syslog, SecurityEvent | count":                     "[[3]]",
	} {
		if got := s.asked(query); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	for query, want := range map[string]string{
		"Events_CL | join Syslog on $left.Mark == $right.Computer":              "do not support join",
		"search in (Events_CL) 'a'":                                             "do not support search",
		"let f = () { Events_CL }; f() | count":                                 "do not support a user-defined function",
		"union Events_CL, AWSCloudWatch":                                        "and not 'AWSCloudWatch' as well",
		"union Events_CL, Syslog, SecurityEvent, Heartbeat, Usage, Event, Perf": "up to five Analytics tables",
	} {
		if _, err := s.RunQuery(t.Context(), s.Workspace.CustomerID, query, ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want a message with %q", query, err, want)
		}
	}
}
