package kql

import (
	"testing"

	"logkeep/internal/schema"
)

type wide struct{}

func (wide) Tables() []string { return []string{"SigninLogs"} }
func (wide) Table(name string) (schema.Table, bool) {
	t := schema.Table{Name: "SigninLogs", Columns: []schema.Column{{Name: "TimeGenerated", Type: schema.DateTime}}}
	for _, c := range []string{"UserPrincipalName", "IPAddress", "AppDisplayName", "ResultType", "Location"} {
		t.Columns = append(t.Columns, schema.Column{Name: c, Type: schema.String})
	}
	t.Columns = append(t.Columns, schema.Column{Name: "DeviceDetail", Type: schema.Dynamic})
	return t, name == "SigninLogs"
}

// BenchmarkCompile compiles a query of the size of an analytic rule.
func BenchmarkCompile(b *testing.B) {
	const q = `let failures = SigninLogs
| where TimeGenerated > ago(1d)
| where ResultType !in ("0", "50125", "50140")
| extend OS = tostring(DeviceDetail.operatingSystem), Browser = tostring(DeviceDetail.browser)
| summarize Failures = count(), First = min(TimeGenerated), Last = max(TimeGenerated), Apps = make_set(AppDisplayName) by UserPrincipalName, IPAddress, OS, Browser
| where Failures > 10;
SigninLogs
| where TimeGenerated > ago(1h) and ResultType == "0"
| join kind=inner failures on UserPrincipalName, IPAddress
| where AppDisplayName has_any ("Azure", "Office 365") and Location !startswith "D"
| project TimeGenerated, UserPrincipalName, IPAddress, Failures, First, Last, Apps, OS, Browser
| sort by Failures desc`
	for b.Loop() {
		p, err := Compile(q, wide{}, Options{Now: 639028334450000000})
		if err != nil {
			b.Fatal(err)
		}
		p.Statement(func(Source) string { return "(t)" })
	}
}
