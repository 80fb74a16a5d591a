package standard

import (
	"slices"
	"strings"
	"testing"

	"logkeep/internal/schema"
)

func TestTablesAreWhatIsPublished(t *testing.T) {
	all := All()
	if len(all) != 988 {
		t.Errorf("%d tables", len(all))
	}
	columns := 0
	for i, table := range all {
		if i > 0 && all[i-1].Name >= table.Name {
			t.Errorf("%s stands behind %s", table.Name, all[i-1].Name)
		}
		seen := map[string]bool{}
		for _, c := range table.Columns {
			if c.Name == "" || c.Type == schema.Invalid || seen[strings.ToLower(c.Name)] {
				t.Errorf("%s: column %q of type %s", table.Name, c.Name, c.Type)
			}
			seen[strings.ToLower(c.Name)] = true
		}
		columns += len(table.Columns)
		if c, ok := (schema.Table{Columns: table.Columns}).Column(schema.TimeGenerated); !ok || c.Type != schema.DateTime {
			t.Errorf("%s has no time", table.Name)
		}
	}
	if columns < 34_000 || columns > 40_000 {
		t.Errorf("%d columns", columns)
	}
}

func TestATableIsFoundInAnyCase(t *testing.T) {
	syslog, ok := Lookup("syslog")
	if !ok || syslog.Name != "Syslog" || !syslog.Ingest || syslog.Basic || syslog.Sentinel {
		t.Fatalf("%+v %v", syslog, ok)
	}
	var names []string
	for _, c := range syslog.Columns {
		names = append(names, c.Name+":"+c.Type.String())
	}
	const want = "TenantId:guid TimeGenerated:datetime CollectorHostName:string Computer:string EventTime:datetime Facility:string HostIP:string HostName:string " +
		"ManagementGroupName:string MG:guid ProcessID:int ProcessName:string SeverityLevel:string SyslogMessage:string TimeCollected:datetime " +
		"SourceSystem:string Type:string _ResourceId:string _SubscriptionId:string _ItemId:string _TimeReceived:datetime _BilledSize:real _IsBillable:string"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for name, want := range map[string]bool{"SecurityEvent": true, "Nothing": false, "Syslog_CL": false, "": false} {
		if Is(name) != want {
			t.Errorf("%q: %v", name, !want)
		}
	}
	signin, _ := Lookup("SigninLogs")
	event, _ := Lookup("SecurityEvent")
	if !signin.Basic || signin.Ingest || !event.Sentinel || !slices.ContainsFunc(event.Columns, func(c schema.Column) bool { return c.Name == "EventID" && c.Type == schema.Int }) {
		t.Errorf("%+v %+v", signin, event)
	}
}

func BenchmarkLookup(b *testing.B) {
	for b.Loop() {
		Lookup("CommonSecurityLog")
	}
}
