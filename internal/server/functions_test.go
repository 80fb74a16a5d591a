package server_test

import (
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/operationalinsights/armoperationalinsights/v2"
)

// TestSavedSearchesAreFunctionsOfQueries saves searches with aliases by the
// SDK and calls them, with parameters and from one another.
func TestSavedSearchesAreFunctionsOfQueries(t *testing.T) {
	s := linked(t)
	c, err := armoperationalinsights.NewSavedSearchesClient(s.SubscriptionID, s.Credential(), s.ARM())
	must(t, err)
	save := func(name, alias, parameters, query string) {
		t.Helper()
		p := &armoperationalinsights.SavedSearchProperties{Category: to.Ptr("f"), DisplayName: to.Ptr(name), Query: to.Ptr(query), FunctionAlias: to.Ptr(alias)}
		if parameters != "" {
			p.FunctionParameters = to.Ptr(parameters)
		}
		_, err := c.CreateOrUpdate(t.Context(), group, s.Workspace.Name, name, armoperationalinsights.SavedSearch{Properties: p}, nil)
		must(t, err)
	}
	s.mustSend("a", 3)
	save("marks", "_Im_Marks", "least:long=0, mark:string='*'", "let all = Events_CL;\nall | where N >= least | where mark == '*' or Mark == mark // of one kind")
	save("numbers", "Double", "x:long", "x * 2")
	save("above", "Above", "", "_Im_Marks(least=Double(1)) | project Mark")
	save("broken", "Broken", "", "Events_CL | where Nothing == 1")
	save("torn", "Torn", "x:long", "Events_CL | where (")
	for query, want := range map[string]string{
		"_Im_Marks() | count":                                     "[[3]]",
		"_Im_Marks(2) | project Mark":                             `[["a-2"]]`,
		"_Im_Marks(mark='a-1') | project N":                       "[[1]]",
		"Above":                                                   `[["a-2"]]`,
		"print y = Double(21)":                                    "[[42]]",
		"union _Im_Marks, (Above()) | summarize count()":          "[[4]]",
		"workspace('" + s.Workspace.Name + "').Events_CL | count": "[[3]]",
		"resource('" + s.Workspace.ID + "').table('Events_CL') | where N > 1 | count": "[[1]]",
	} {
		if got, err := s.ask(query); err != nil || got != want {
			t.Errorf("%s: %s (%v), want %s", query, got, err, want)
		}
	}
	for query, want := range map[string]string{
		"Broken":                       "Nothing",
		"Torn(1)":                      "The saved function 'Torn' can't be read",
		"_Im_Mark()":                   "Unknown function: '_Im_Mark'",
		"workspace('other').Events_CL": "workspace('other') is not among the workspaces that this request may read",
		"cluster('c').database('d').T": "Reading from another place is supported as workspace",
	} {
		if _, err := s.ask(query); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want a message with %q", query, err, want)
		}
	}
}
