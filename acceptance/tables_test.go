package acceptance

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestTablesWithAz makes, changes and lists tables with az, and sends rows through
// rules that change them.
func TestTablesWithAz(t *testing.T) {
	program := findAz(t)
	s := startServer(t)
	d := &documents{az: newAz(t, program, s), server: s}
	d.signIn(t)
	workspace := d.run(t, "monitor", "log-analytics", "workspace", "create", "-g", d.group, "-n", "tables", "-l", location)
	d.workspaceID, d.customerID = workspace.at("id").text(), workspace.at("customerId").text()
	table := func(verb string, more ...string) []string {
		return append([]string{"monitor", "log-analytics", "workspace", "table", verb, "-g", d.group, "--workspace-name", "tables"}, more...)
	}

	made := d.run(t, table("create", "-n", "Raw_CL", "--columns", "TimeGenerated=datetime", "User=string", "Level=int", "--retention-time", "60", "--total-retention-time", "1095")...)
	for name, want := range map[string]string{"provisioningState": "Succeeded", "plan": "Analytics", "retentionInDays": "60", "totalRetentionInDays": "1095", "archiveRetentionInDays": "1035",
		"schema.tableType": "CustomLog", "schema.tableSubType": "DataCollectionRuleBased", "schema.columns.2.type": "int"} {
		made.is(t, name, want)
	}
	changed := d.run(t, table("update", "-n", "Raw_CL", "--plan", "Basic")...)
	changed.is(t, "plan", "Basic")
	changed.is(t, "retentionInDays", "30")
	changed.is(t, "totalRetentionInDays", "1095")
	d.fails(t, "once a week", table("update", "-n", "Raw_CL", "--plan", "Analytics")...)
	d.fails(t, "can't be changed to string", table("update", "-n", "Raw_CL", "--columns", "TimeGenerated=datetime", "Level=string")...)
	d.fails(t, "is reserved", table("create", "-n", "Odd_CL", "--columns", "TimeGenerated=datetime", "TenantId=string")...)
	d.fails(t, "ends in _CL", table("create", "-n", "Odd", "--columns", "TimeGenerated=datetime")...)

	syslog := d.run(t, table("update", "-n", "Syslog", "--columns", "Site_CF=string", "--retention-time", "90")...)
	syslog.is(t, "schema.tableType", "Microsoft")
	syslog.is(t, "schema.columns.0.name", "Site_CF")
	syslog.is(t, "retentionInDays", "90")
	d.run(t, table("show", "-n", "SecurityEvent")...).is(t, "schema.source", "microsoft")
	d.fails(t, "doesn't support the Basic table plan", table("update", "-n", "Syslog", "--plan", "Basic")...)
	d.fails(t, "Azure table", append(table("delete", "-n", "Syslog"), "--yes")...)
	all := d.run(t, append(table("list"), "--query", "[].name")...)
	var names []string
	for i := range 2000 {
		name := all.at(fmt.Sprint(i)).text()
		if name == "" || name == "null" {
			break
		}
		names = append(names, name)
	}
	for _, name := range []string{"Raw_CL", "Syslog", "SecurityEvent", "Heartbeat"} {
		if !slices.Contains(names, name) {
			t.Errorf("%d tables without %s", len(names), name)
		}
	}

	// A rule that changes rows, and one that can't be.
	base := "/subscriptions/" + s.env["AZURE_SUBSCRIPTION_ID"] + "/resourceGroups/" + d.group + "/providers/Microsoft.Insights/"
	rule := func(transform string) []string {
		body := fmt.Sprintf(`{"location":%q,"kind":"Direct","properties":{
			"streamDeclarations":{"Custom-Raw":{"columns":[{"name":"Time","type":"datetime"},{"name":"Text","type":"string"}]}},
			"destinations":{"logAnalytics":[{"name":"ws","workspaceResourceId":%q}]},
			"dataFlows":[{"streams":["Custom-Raw"],"destinations":["ws"],"transformKql":%q,"outputStream":"Custom-Raw_CL"},
				{"streams":["Custom-Raw"],"destinations":["ws"],"transformKql":"source | project TimeGenerated = Time, SyslogMessage = Text, Site_CF = 'here'","outputStream":"Microsoft-Syslog"}]}}`, location, d.workspaceID, transform)
		return []string{"rest", "--method", "put", "--uri", base + "dataCollectionRules/changes?api-version=2023-03-11", "--body", body}
	}
	d.fails(t, "InvalidTransformQuery", rule("source | summarize count()")...)
	d.fails(t, "TimeGenerated [produced:'String', output:'DateTime']", rule("source | project TimeGenerated = tostring(Time)")...)
	good := d.run(t, rule(`source | where Text has "user" | parse Text with * "user=" User:string " level=" Level:int | project TimeGenerated = Time, User, Level`)...)
	d.ruleID, d.endpoint = good.at("properties.immutableId").text(), good.at("properties.endpoints.logsIngestion").text()
	d.run(t, "role", "assignment", "create", "--role", "Monitoring Metrics Publisher", "--assignee-object-id", d.me(t), "--assignee-principal-type", "ServicePrincipal", "--scope", good.at("id").text())
	rows := []string{`{"Time":"2026-11-22T01:00:00Z","Text":"login user=ann level=3"}`, `{"Time":"2026-11-22T02:00:00Z","Text":"noise"}`}
	d.run(t, "rest", "--method", "post", "--uri", d.endpoint+"/dataCollectionRules/"+d.ruleID+"/streams/Custom-Raw?api-version=2023-01-01",
		"--resource", "https://monitor.azure.com", "--headers", "Content-Type=application/json", "--body", "["+strings.Join(rows, ",")+"]")
	answer := d.run(t, d.ask("Raw_CL | project User, Level")...)
	answer.is(t, "tables.0.rows.0.0", "ann")
	answer.is(t, "tables.0.rows.0.1", "3")
	answer.is(t, "tables.0.rows.1", "")
	answer = d.run(t, d.ask("Syslog | summarize count() by Site_CF, Type")...)
	answer.is(t, "tables.0.rows.0.0", "here")
	answer.is(t, "tables.0.rows.0.1", "Syslog")
	answer.is(t, "tables.0.rows.0.2", "2")
	d.run(t, d.ask("SecurityEvent | where EventID == 4624 | count")...).is(t, "tables.0.rows.0.0", "0")
	d.run(t, append(table("delete", "-n", "Raw_CL"), "--yes")...)
	d.fails(t, "Raw_CL", table("show", "-n", "Raw_CL")...)
}
