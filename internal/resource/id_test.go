package resource

import (
	"strings"
	"testing"
)

const sub = "/subscriptions/11111111-2222-3333-4444-555555555555"

func TestIDsAreEchoedCanonically(t *testing.T) {
	for in, want := range map[string]string{
		"/": "/",
		"//subscriptions/11111111-2222-3333-4444-55555555555A":                                                 "/subscriptions/11111111-2222-3333-4444-55555555555a",
		sub + "/resourcegroups/RG":                                                                             sub + "/resourceGroups/RG",
		sub + "/resourcegroups/rg/PROVIDERS/microsoft.operationalinsights/CLUSTERS/C1":                         sub + "/resourceGroups/rg/providers/Microsoft.OperationalInsights/clusters/C1",
		sub + "/resourcegroups/rg/providers/microsoft.operationalinsights/workspaces/w/linkedservices/cluster": sub + "/resourceGroups/rg/providers/Microsoft.OperationalInsights/workspaces/w/linkedServices/cluster",
		sub + "/resourceGroups/rg/providers/Contoso.Things/boxes/b":                                            sub + "/resourceGroups/rg/providers/Contoso.Things/boxes/b",
	} {
		id, err := Parse(in)
		if err != nil || id.String() != want {
			t.Errorf("%s: %s, %v; want %s", in, id, err, want)
		}
	}
}

func TestPartsOfAnID(t *testing.T) {
	id, err := Parse(sub + "/resourceGroups/rg/providers/Microsoft.OperationalInsights/workspaces/w/providers/Microsoft.Authorization/roleAssignments/a")
	if err != nil {
		t.Fatal(err)
	}
	w := id.Parent()
	for _, c := range [][2]string{
		{string(id.Type()), string(RoleAssign)}, {id.Name(), "a"}, {id.Group(), "rg"}, {id.Subscription(), sub[15:]},
		{w.String(), sub + "/resourceGroups/rg/providers/Microsoft.OperationalInsights/workspaces/w"},
		{string(w.Type()), string(Workspace)},
		{w.Child("tables", "T_CL").Parent().String(), w.String()},
		{string(w.Child("tables", "T_CL").Type()), string(Table)},
		{w.Parent().String(), sub + "/resourceGroups/rg"}, {string(w.Parent().Type()), string(Group)},
		{w.GroupID().Parent().String(), sub}, {w.GroupID().Parent().Parent().String(), "/"},
		{Root().Resource(RoleDefine, "x").String(), "/providers/Microsoft.Authorization/roleDefinitions/x"},
		{Root().Resource(RoleDefine, "x").Parent().String(), "/"},
	} {
		if c[0] != c[1] {
			t.Errorf("got %q, want %q", c[0], c[1])
		}
	}
}

func TestWithinCountsWholeSegments(t *testing.T) {
	a, b := GroupID(sub[15:], "rg"), GroupID(sub[15:], "rg2")
	c, _ := Parse(strings.ToUpper(a.String()[:40]) + a.String()[40:] + "/providers/x.y/z/1")
	if b.Within(a) || !c.Within(a) || !c.Within(Root()) || !a.Within(a) || a.Within(c) {
		t.Error("Within does not follow segments")
	}
}

func TestWhatIsNoID(t *testing.T) {
	for _, s := range []string{"", "x", "subscriptions/1", "/subscriptions", sub + "/resourceGroups", sub + "/clusters/x",
		sub + "/providers/Microsoft.Insights", sub + "/resourceGroups/r/providers/A.B/c", sub + "/resourceGroups/a?b",
		sub + "/resourceGroups/ a", "/" + strings.Repeat("x", 3000)} {
		if id, err := Parse(s); err == nil {
			t.Errorf("%q was read as %s", s, id)
		}
	}
}

func FuzzParseIsAFixedPoint(f *testing.F) {
	f.Add(sub + "/resourcegroups/rg/providers/microsoft.keyvault/VAULTS/v")
	f.Add("/providers/a/b/c/providers/d/e/f")
	f.Fuzz(func(t *testing.T, s string) {
		id, err := Parse(s)
		if err != nil {
			return
		}
		again, err := Parse(id.String())
		if err != nil || again != id {
			t.Fatalf("%q: %q then %q (%v)", s, id, again, err)
		}
		for p := id; p != Root(); p = p.Parent() {
			if !id.Within(p) {
				t.Fatalf("%s is not within its parent %s", id, p)
			}
			_, _, _ = p.Type(), p.Group(), p.Name()
		}
	})
}

func TestETags(t *testing.T) {
	for _, c := range []struct {
		tag    ETag
		header string
		want   bool
	}{{"a", `"a"`, true}, {"a", `W/"a"`, true}, {"a", `"b", "a"`, true}, {"a", "*", true}, {"a", `"b"`, false}, {"", "*", false}} {
		if got := c.tag.Matches(c.header); got != c.want {
			t.Errorf("%q matches %q: %v", c.tag, c.header, got)
		}
	}
}
