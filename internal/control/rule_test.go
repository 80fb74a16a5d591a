package control

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"logkeep/internal/fault"
	"logkeep/internal/resource"
	"logkeep/internal/schema"
)

var logColumns = []Column{{Name: "TimeGenerated", Type: schema.DateTime}, {Name: "Message", Type: schema.String}, {Name: "Level", Type: schema.Int}}

func TestTables(t *testing.T) {
	w := newWorld(t)
	ws := w.makeWorkspace("ws-1")
	id := ws.ID.Child("tables", "App_CL")
	put := func(c ...Column) (Table, error) {
		return w.PutTable(t.Context(), id, TableChange{Columns: c, Replace: true})
	}
	for what, c := range map[string]struct {
		columns []Column
		text    string
	}{
		"no columns":   {nil, "needs properties.schema.columns"},
		"no time":      {[]Column{{Name: "A", Type: schema.Int}}, "TimeGenerated of type dateTime"},
		"no type":      {append([]Column{{Name: "A"}}, logColumns...), "no valid type"},
		"timespan":     {append([]Column{{Name: "A", Type: schema.TimeSpan}}, logColumns...), "no valid type"},
		"twice":        {append([]Column{{Name: "message", Type: schema.Int}}, logColumns...), "twice"},
		"reserved":     {append([]Column{{Name: "tenantid", Type: schema.GUID}}, logColumns...), "reserved"},
		"odd name":     {append([]Column{{Name: "a-b", Type: schema.Int}}, logColumns...), "isn't valid"},
		"a long name":  {append([]Column{{Name: strings.Repeat("a", 46), Type: schema.Int}}, logColumns...), "up to 45"},
		"several":      {append([]Column{{Name: "a-b", Type: schema.Int}, {Name: "Title", Type: schema.Int}}, logColumns...), "2 properties"},
		"a wrong type": {[]Column{{Name: "TimeGenerated", Type: schema.String}}, "TimeGenerated of type dateTime"},
	} {
		_, err := put(c.columns...)
		if err == nil || !strings.Contains(fault.Of(err).Message, c.text) {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err := w.PutTable(t.Context(), ws.ID.Child("tables", "App"), TableChange{Columns: logColumns, Replace: true})
	wants(t, "name", err, fault.InvalidTableSchema, "ends in _CL")
	if _, err := put(logColumns...); err != nil {
		t.Fatal(err)
	}
	if v, err := put(logColumns[:2]...); err != nil || len(v.Schema().Columns) != 2 {
		t.Errorf("a column can be removed: %+v %v", v, err)
	}
	_, err = put(append([]Column{{Name: "Level", Type: schema.String}}, logColumns[:2]...)...)
	wants(t, "another type for a name that was used", err, fault.InvalidTableSchema, "can't be changed")
	if v, err := put(logColumns...); err != nil || len(v.Columns) != 3 || len(v.Retired) != 0 {
		t.Errorf("a column comes back: %+v %v", v, err)
	}
	v, err := w.PutTable(t.Context(), id, TableChange{Retention: new(int32(10)), Total: new(int32(1095))})
	if err != nil || *v.Retention != 10 || *v.Total != 1095 || len(v.Columns) != 3 {
		t.Errorf("%+v %v", v, err)
	}
	_, err = w.PutTable(t.Context(), id, TableChange{Total: new(int32(1000))})
	wants(t, "total", err, fault.InvalidTableSchema, "totalRetentionInDays")
	o, found, err := w.DeleteTable(t.Context(), id, "me")
	if w.finish(o, err); !found || !w.places.did("drop table ws-1 App_CL") {
		t.Error("not dropped")
	}
	_, err = w.Table(t.Context(), id)
	wants(t, "deleted", err, fault.TableNotFound, "App_CL")
}

func TestRulesRouteStreamsToTables(t *testing.T) {
	w := newWorld(t)
	ws := w.makeWorkspace("ws-1")
	if _, err := w.PutTable(t.Context(), ws.ID.Child("tables", "App_CL"), TableChange{Columns: logColumns, Replace: true}); err != nil {
		t.Fatal(err)
	}
	e, created, err := w.PutEndpoint(t.Context(), w.id(resource.Endpoint, "My_Dce"), EndpointChange{Location: new("westeurope")})
	if err != nil || !created || e.Label != "my-dce" {
		t.Fatalf("%+v %v", e, err)
	}
	if e2, _, err := w.PutEndpoint(t.Context(), w.id(resource.Endpoint, "my.dce"), EndpointChange{Location: new("westeurope")}); err != nil || e2.Label == e.Label {
		t.Errorf("two endpoints at one host: %+v %v", e2, err)
	}
	good := func() RuleChange {
		return RuleChange{Location: new("westeurope"), Endpoint: e.ID.String(), Streams: map[string][]Column{"Custom-In": logColumns},
			Destinations: []DestinationChange{{"d", ws.ID.String()}},
			Flows:        []Flow{{Streams: []string{"custom-in"}, Destinations: []string{"d"}, Transform: "source", Output: "Custom-App_CL"}}}
	}
	id := w.id(resource.Rule, "dcr-1")
	for what, c := range map[string]struct {
		change func(*RuleChange)
		text   string
	}{
		"transformation":               {func(c *RuleChange) { c.Flows[0].Transform = "source | where bad" }, "InvalidTransformQuery properties.dataFlows[0]: 3 columns of 3"},
		"a long one":                   {func(c *RuleChange) { c.Flows[0].Transform = strings.Repeat(" ", 15361) }, "15360 characters"},
		"endpoint":                     {func(c *RuleChange) { c.Endpoint += "x" }, "does not exist"},
		"workspace":                    {func(c *RuleChange) { c.Destinations[0].Workspace += "x" }, "does not exist"},
		"table":                        {func(c *RuleChange) { c.Flows[0].Output = "Custom-app_CL" }, "not available for destination 'd'"},
		"stream":                       {func(c *RuleChange) { c.Flows[0].Streams = []string{"Custom-Out"} }, "not in streamDeclarations"},
		"stream name":                  {func(c *RuleChange) { c.Streams["Foo"] = logColumns }, "begins with Custom-"},
		"destination":                  {func(c *RuleChange) { c.Flows[0].Destinations = []string{"e"} }, "not in destinations"},
		"other parts":                  {func(c *RuleChange) { c.Others = []Unserved{{"properties.dataSources", "send rows"}} }, "properties.dataSources is not supported; send rows"},
		"transformation of workspaces": {func(c *RuleChange) { c.Kind = "WorkspaceTransforms" }, "The kind 'WorkspaceTransforms' is not supported"},
		"a table":                      {func(c *RuleChange) { c.Flows[0].Output = "App_CL" }, "InvalidOutputTable properties.dataFlows[0]: outputStream 'App_CL' isn't valid"},
		"no such":                      {func(c *RuleChange) { c.Flows[0].Output = "Microsoft-Nothing" }, "not available for destination 'd'"},
		"not for rules":                {func(c *RuleChange) { c.Flows[0].Output = "Microsoft-Heartbeat" }, "doesn't take rows through"},
		"no such stream":               {func(c *RuleChange) { c.Flows[0].Streams = []string{"Microsoft-Heartbeat"} }, "InvalidStream"},
		"no flow":                      {func(c *RuleChange) { c.Flows = nil }, "1 to 10 data flows"},
		"several":                      {func(c *RuleChange) { c.Flows[0].Transform, c.Endpoint = "bad", "y" }, "3 columns of 3"},
	} {
		ch := good()
		c.change(&ch)
		_, _, err := w.PutRule(t.Context(), id, ch)
		var told strings.Builder
		for _, d := range fault.Of(err).Details {
			fmt.Fprintf(&told, "%s %s: %s\n", d.Code, d.Target, d.Message)
		}
		if !errors.Is(err, fault.InvalidPayload) || !strings.Contains(told.String(), c.text) {
			t.Errorf("%s: %v\n%s", what, err, &told)
		}
	}
	r, created, err := w.PutRule(t.Context(), id, good())
	if err != nil || !created || !strings.HasPrefix(r.ImmutableID, "dcr-") || len(r.ImmutableID) != 36 || r.Label != "" {
		t.Fatalf("%+v %v", r, err)
	}
	stream, columns, ok := r.Stream("CUSTOM-IN")
	if routes := r.Routes(stream); !ok || len(columns) != 3 || len(routes) != 1 || routes[0].Table != "App_CL" || !routes[0].Workspace.Equal(ws.ID) {
		t.Errorf("%s %v %v", stream, columns, routes)
	}
	if again, created, err := w.PutRule(t.Context(), id, good()); err != nil || created || again.ImmutableID != r.ImmutableID {
		t.Errorf("%+v %v", again, err)
	}
	if found, err := w.RuleAt(t.Context(), "my-dce", strings.ToUpper(r.ImmutableID)); err != nil || found.ID != r.ID {
		t.Errorf("%+v %v", found, err)
	}
	_, err = w.RuleAt(t.Context(), "elsewhere", r.ImmutableID)
	wants(t, "another host", err, fault.EndpointMismatch, "")
	_, err = w.RuleAt(t.Context(), "my-dce", "dcr-none")
	wants(t, "no rule", err, fault.RuleNotFound, "")
	_, err = w.DeleteEndpoint(t.Context(), e.ID)
	wants(t, "endpoint in use", err, fault.Conflict, "dcr-1")

	// Rows of a declared stream, and those of the table's own, go to a published table.
	both := good()
	both.Flows = []Flow{{Streams: []string{"Custom-In"}, Destinations: []string{"d"}, Transform: "source | where x", Output: "Microsoft-syslog"},
		{Streams: []string{"Microsoft-SYSLOG"}, Destinations: []string{"d"}}}
	b, _, err := w.PutRule(t.Context(), w.id(resource.Rule, "published"), both)
	if err != nil {
		t.Fatal(err, fault.Of(err).Details)
	}
	if routes := b.Routes("Custom-In"); len(routes) != 1 || routes[0].Table != "Syslog" || routes[0].Transform != "source | where x" {
		t.Errorf("%+v", routes)
	}
	name, columns, ok := b.Stream("microsoft-syslog")
	if routes := b.Routes(name); !ok || name != "Microsoft-Syslog" || len(routes) != 1 || routes[0].Table != "Syslog" || routes[0].Transform != "" {
		t.Errorf("%s %v %+v", name, ok, routes)
	}
	for _, c := range columns {
		if c.Name == "TenantId" || c.Name == "Type" {
			t.Errorf("senders give %s", c.Name)
		}
	}

	own := good()
	own.Kind, own.Endpoint = "Direct", ""
	d, _, err := w.PutRule(t.Context(), w.id(resource.Rule, "my-dce"), own)
	if err != nil || !strings.HasPrefix(d.Label, "my-dce-") {
		t.Fatalf("%+v %v", d, err)
	}
	if found, err := w.RuleAt(t.Context(), d.Label, d.ImmutableID); err != nil || found.ID != d.ID {
		t.Errorf("%+v %v", found, err)
	}
	if found, err := w.DeleteRule(t.Context(), d.ID); err != nil || !found {
		t.Error(found, err)
	}
}
