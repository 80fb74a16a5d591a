package kql

import (
	"fmt"
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

type thousand struct{}

func (thousand) Tables() (out []string) {
	for i := range 1000 {
		out = append(out, fmt.Sprintf("T%d", i))
	}
	return out
}

func (thousand) Table(name string) (schema.Table, bool) {
	t := schema.Table{Name: schema.TableName(name), Columns: []schema.Column{{Name: "TimeGenerated", Type: schema.DateTime}}}
	for i := range 30 {
		t.Columns = append(t.Columns, schema.Column{Name: fmt.Sprintf("%s_%d", name, i), Type: schema.String})
	}
	return t, name[0] == 'T'
}

// BenchmarkUnionOfAll compiles a union of a thousand tables that have one
// column in common: work must grow with their columns, not with its square.
func BenchmarkUnionOfAll(b *testing.B) {
	for b.Loop() {
		p, err := Compile(`union withsource = T * | where TimeGenerated > ago(1d) | summarize count() by T`, thousand{}, Options{Now: 639028334450000000})
		if err != nil {
			b.Fatal(err)
		}
		p.Statement(func(Source) string { return "(t)" })
	}
}
