package rbac

import (
	"context"
	"errors"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"logkeep/internal/fault"
	"logkeep/internal/resource"
	"logkeep/internal/schema"
)

// A page is a book in memory.
type page struct {
	roles    Roles
	revision uint64
	broken   error
}

func (p *page) Roles(context.Context) (Roles, error) {
	return Roles{slices.Clone(p.roles.Assignments), slices.Clone(p.roles.Custom), maps.Clone(p.roles.Tenants), maps.Clone(p.roles.Principals), maps.Clone(p.roles.Outside)}, p.broken
}
func (p *page) RolesRevision() uint64 { return p.revision }
func (p *page) ChangeRoles(ctx context.Context, f func(Roles) (Change, error)) error {
	c, err := f(p.roles)
	if err != nil {
		return err
	}
	p.revision++
	drop := func(gone []Assignment) {
		p.roles.Assignments = slices.DeleteFunc(p.roles.Assignments, func(a Assignment) bool {
			return slices.ContainsFunc(gone, func(b Assignment) bool { return a.ID().Equal(b.ID()) })
		})
	}
	drop(c.Put)
	drop(c.Remove)
	p.roles.Assignments = append(p.roles.Assignments, c.Put...)
	for _, d := range append(c.PutDefinition, c.RemoveDefinition...) {
		p.roles.Custom = slices.DeleteFunc(p.roles.Custom, func(e Definition) bool { return e.Name == d.Name })
	}
	p.roles.Custom = append(p.roles.Custom, c.PutDefinition...)
	return nil
}

const (
	tenant schema.TenantID = "aaaaaaaa-0000-0000-0000-000000000001"
	other  schema.TenantID = "aaaaaaaa-0000-0000-0000-000000000002"
	subA                   = "/subscriptions/11111111-0000-0000-0000-000000000001"
	subB                   = "/subscriptions/11111111-0000-0000-0000-000000000002"
	group                  = subA + "/resourceGroups/rg"
	vault                  = group + "/providers/Microsoft.KeyVault/vaults/kv"
)

var me = Caller{Tenant: tenant, ObjectID: "cccccccc-0000-0000-0000-000000000001", AppID: "app", Kind: Application}

func book() *page {
	return &page{roles: Roles{
		Tenants:    map[string]schema.TenantID{subA[15:]: tenant, subB[15:]: other},
		Principals: map[string]schema.TenantID{me.ObjectID: tenant},
	}}
}

func id(t interface{ Fatal(...any) }, s string) resource.ID {
	v, err := resource.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// with gives me a role at a scope.
func with(t *testing.T, role, scope string) (*Authority, *page) {
	t.Helper()
	p := book()
	a := New(p)
	_, created, err := a.Assign(t.Context(), Assignment{Name: "0f", Scope: id(t, scope), Tenant: tenant, Role: role, Principal: strings.ToUpper(me.ObjectID)})
	if err != nil || !created {
		t.Fatal(created, err)
	}
	return a, p
}

func TestDecisions(t *testing.T) {
	const contributor = "b24988ac-6180-42a0-ab88-20f7382dd24c"
	for _, c := range []struct {
		name     string
		role, at string
		caller   Caller
		action   string
		data     bool
		scope    string
		want     bool
	}{
		{"the scope itself", Reader, group, me, "Microsoft.KeyVault/vaults/read", false, group, true},
		{"inherited from above", Reader, subA, me, "Microsoft.KeyVault/vaults/read", false, vault, true},
		{"from the root", Reader, "/", me, "Microsoft.KeyVault/vaults/read", false, vault, true},
		{"no rights above the scope", Reader, group, me, "Microsoft.KeyVault/vaults/read", false, subA, false},
		{"a sibling whose name begins alike", Reader, group, me, "x/read", false, group + "2", false},
		{"ids and actions in any case", Reader, strings.ToUpper(vault), me, "MICROSOFT.KEYVAULT/VAULTS/READ", false, strings.ToLower(vault) + "/keys/k", true},
		{"the wildcard ends with read", Reader, subA, me, "Microsoft.KeyVault/vaults/write", false, vault, false},
		{"read is no middle", Reader, subA, me, "Microsoft.KeyVault/read/action", false, vault, false},
		{"owner", Owner, subA, me, "Microsoft.Authorization/roleAssignments/write", false, vault, true},
		{"notActions take away", contributor, subA, me, "Microsoft.Authorization/roleAssignments/write", false, vault, false},
		{"and leave the rest", contributor, subA, me, "Microsoft.KeyVault/vaults/write", false, vault, true},
		{"owner has no data actions", Owner, subA, me, "Microsoft.KeyVault/vaults/keys/read", true, vault, false},
		{"data roles have data actions", CryptoOfficer, vault, me, "Microsoft.KeyVault/vaults/keys/create/action", true, vault, true},
		{"data actions are no actions", CryptoServiceUser, vault, me, "Microsoft.KeyVault/vaults/keys/wrap/action", false, vault, false},
		{"service user unwraps", CryptoServiceUser, vault, me, "Microsoft.KeyVault/vaults/keys/unwrap/action", true, vault, true},
		{"service user does not create", CryptoServiceUser, vault, me, "Microsoft.KeyVault/vaults/keys/create/action", true, vault, false},
		{"somebody else", Owner, subA, Caller{tenant, "dddddddd-0000-0000-0000-000000000001", "app", Application, ""}, "x/read", false, vault, false},
		{"nobody", Owner, subA, Caller{}, "x/read", false, vault, false},
		{"another tenant's token", Owner, subA, Caller{other, me.ObjectID, "app", Application, ""}, "x/read", false, vault, false},
		{"another tenant's subscription", Owner, "/", me, "x/read", false, subB + "/resourceGroups/rg", false},
		{"an unknown subscription", Owner, "/", me, "x/read", false, "/subscriptions/ff", false},
		{"a scope that is no id", Owner, "/", me, "x/read", false, "vaults/kv", false},
		{"an action that is a pattern", Reader, "/", me, "*", false, subA, false},
		{"an unknown action", Reader, "/", me, "", false, subA, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, _ := with(t, c.role, c.at)
			got, err := a.Decide(t.Context(), c.caller, c.action, c.data, c.scope)
			if err != nil || got != c.want {
				t.Errorf("%v, %v; want %v", got, err, c.want)
			}
		})
	}
}

func TestChangesAreSeenByTheNextDecision(t *testing.T) {
	a, p := with(t, Owner, group)
	ctx := t.Context()
	may := func(want bool) {
		t.Helper()
		if got, err := a.Decide(ctx, me, "x/write", false, vault); err != nil || got != want {
			t.Errorf("%v, %v; want %v", got, err, want)
		}
	}
	may(true)
	if _, ok, err := a.Unassign(ctx, tenant, id(t, group).Resource(resource.RoleAssign, "0F")); err != nil || !ok {
		t.Fatal(ok, err)
	}
	may(false)
	role := Definition{Name: "ff", RoleName: "Mine", Tenant: tenant, Permissions: []Permission{{Actions: []string{"x/*"}}}, AssignableScopes: []resource.ID{id(t, subA)}}
	if _, created, err := a.Define(ctx, role); err != nil || !created {
		t.Fatal(created, err)
	}
	if _, _, err := a.Assign(ctx, Assignment{Name: "01", Scope: id(t, subA), Tenant: tenant, Role: "FF", Principal: me.ObjectID}); err != nil {
		t.Fatal(err)
	}
	may(true)
	role.Permissions = []Permission{{Actions: []string{"x/*"}, NotActions: []string{"X/write"}}}
	if _, created, err := a.Define(ctx, role); err != nil || created {
		t.Fatal(created, err)
	}
	may(false)
	if _, _, err := a.Undefine(ctx, tenant, "ff"); !errors.Is(err, fault.RoleDefinitionHasAssignments) {
		t.Errorf("an assigned role was removed: %v", err)
	}
	delete(p.roles.Principals, me.ObjectID)
	p.revision++
	if ok, err := a.Decide(ctx, me, "x/read", false, vault); ok || err != nil {
		t.Errorf("somebody who is gone may: %v %v", ok, err)
	}
	if err := a.UnassignBelow(ctx, id(t, subA)); err != nil || len(p.roles.Assignments) != 0 {
		t.Errorf("%v %v", p.roles.Assignments, err)
	}
	if _, ok, err := a.Undefine(ctx, tenant, "ff"); err != nil || !ok {
		t.Errorf("%v %v", ok, err)
	}
	p.broken, p.revision = errors.New("disk"), p.revision+1
	if ok, err := a.Decide(ctx, me, "x/read", false, vault); ok || err == nil {
		t.Errorf("a book that can't be read said %v, %v", ok, err)
	}
}

func TestAssignmentsThatAreRefused(t *testing.T) {
	a, _ := with(t, Reader, group)
	for _, c := range []struct {
		what string
		x    Assignment
		want fault.Code
	}{
		{"the same under another name", Assignment{Name: "02", Scope: id(t, group), Role: Reader, Principal: me.ObjectID}, fault.RoleAssignmentExists},
		{"another role under the name", Assignment{Name: "0f", Scope: id(t, group), Role: Owner, Principal: me.ObjectID}, fault.RoleAssignmentUpdateNotPermitted},
		{"an unknown role", Assignment{Name: "03", Scope: id(t, group), Role: "none", Principal: me.ObjectID}, fault.RoleDefinitionDoesNotExist},
	} {
		c.x.Tenant = tenant
		if _, _, err := a.Assign(t.Context(), c.x); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.what, err)
		}
	}
	if _, created, err := a.Assign(t.Context(), Assignment{Name: "0F", Scope: id(t, strings.ToUpper(group[:20])+group[20:]), Tenant: tenant, Role: Reader, Principal: me.ObjectID}); err != nil || created {
		t.Errorf("the same again: %v %v", created, err)
	}
	for _, d := range []Definition{{Name: Owner, RoleName: "x"}, {Name: strings.ToUpper(Owner), RoleName: "x"}} {
		if _, _, err := a.Define(t.Context(), d); !errors.Is(err, fault.InvalidRoleDefinition) {
			t.Errorf("a built-in role was changed: %v", err)
		}
	}
}

func TestAssignmentsAroundAScope(t *testing.T) {
	a, _ := with(t, Reader, subA)
	for i, at := range []string{vault, group + "2"} {
		if _, _, err := a.Assign(t.Context(), Assignment{Name: string(rune('a' + i)), Scope: id(t, at), Tenant: tenant, Role: Reader, Principal: me.ObjectID}); err != nil {
			t.Fatal(err)
		}
	}
	if all, err := a.Assignments(t.Context(), tenant, id(t, group)); err != nil || len(all) != 2 {
		t.Errorf("%v %v", all, err)
	}
	if all, _ := a.Assignments(t.Context(), other, id(t, "/")); len(all) != 0 {
		t.Errorf("another tenant sees %v", all)
	}
}

func TestBuiltInRolesAreWhole(t *testing.T) {
	names := map[string]bool{}
	for _, d := range BuiltIn() {
		if len(d.Name) != 36 || d.RoleName == "" || len(d.Permissions) == 0 || names[d.Name] || d.Name != strings.ToLower(d.Name) {
			t.Errorf("%+v", d)
		}
		names[d.Name] = true
	}
	for _, n := range []string{Owner, Reader, CryptoOfficer, CryptoServiceUser, MetricsPublisher, LogAnalyticsReader, UserAccessAdministrator} {
		if !names[n] {
			t.Errorf("no built-in role %s", n)
		}
	}
}

// A pattern without slashes in the text means the same to path.Match.
func TestPatternsMatchLikeShells(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pattern := rapid.StringMatching(`[ab*]{0,8}`).Draw(t, "pattern")
		text := rapid.StringMatching(`[ab]{0,10}`).Draw(t, "text")
		want, err := path.Match(pattern, text)
		if err != nil {
			t.Fatal(err)
		}
		if got := matches(pattern, text); got != want {
			t.Fatalf("matches(%q, %q) = %v", pattern, text, got)
		}
	})
}

// Whatever is granted at a scope holds at every scope below and at none beside.
func TestRightsFollowTheTree(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		names := rapid.SampledFrom([]string{"a", "b", "ab"})
		scope := func(label string) string {
			s := subA
			n := rapid.IntRange(0, 3).Draw(rt, label)
			if n > 0 {
				s += "/resourceGroups/" + names.Draw(rt, label+"g")
			}
			if n > 1 {
				s += "/providers/N.S/t/" + names.Draw(rt, label+"r")
			}
			if n > 2 {
				s += "/c/" + names.Draw(rt, label+"c")
			}
			return s
		}
		at, asked := scope("at"), scope("asked")
		a, _ := with(t, Reader, at)
		got, err := a.Decide(t.Context(), me, "N.S/t/read", false, asked)
		if want := asked == at || strings.HasPrefix(asked, at+"/"); err != nil || got != want {
			rt.Fatalf("granted at %s, asked at %s: %v %v", at, asked, got, err)
		}
	})
}

func BenchmarkDecide(b *testing.B) {
	p := book()
	for range 100 {
		p.roles.Assignments = append(p.roles.Assignments, Assignment{Scope: id(b, group), Tenant: tenant, Role: LogAnalyticsReader, Principal: "x"})
	}
	p.roles.Assignments = append(p.roles.Assignments, Assignment{Scope: id(b, subA), Tenant: tenant, Role: CryptoServiceUser, Principal: me.ObjectID})
	a := New(p)
	for b.Loop() {
		if ok, _ := a.Decide(b.Context(), me, "Microsoft.KeyVault/vaults/keys/unwrap/action", true, vault); !ok {
			b.Fatal("denied")
		}
	}
}

// TestOutsidersAndOthersAreNotMixedUp: an object id is no proof of where its
// owner is known.
func TestOutsidersAndOthersAreNotMixedUp(t *testing.T) {
	sub := resource.SubscriptionID("aaaaaaaa-0000-0000-0000-0000000000aa")
	p := &page{roles: Roles{
		Tenants:    map[string]schema.TenantID{sub.Subscription(): "t1"},
		Principals: map[string]schema.TenantID{"inside": "t1", "outside": "t1"}, Outside: map[string]bool{"outside": true},
		Assignments: []Assignment{{Name: "1", Scope: sub, Tenant: "t1", Role: Reader, Principal: "inside"}, {Name: "2", Scope: sub, Tenant: "t1", Role: Reader, Principal: "outside"}},
	}}
	a := New(p)
	for _, c := range []struct {
		who, issuer string
		want        bool
	}{{"inside", "", true}, {"outside", "https://issuer", true}, {"inside", "https://issuer", false}, {"outside", "", false}} {
		caller := Caller{Tenant: "t1", ObjectID: c.who, Outside: c.issuer}
		got, err := a.Decide(t.Context(), caller, "x/read", false, sub.String())
		sees, err2 := a.Sees(t.Context(), caller, sub)
		if err != nil || err2 != nil || got != c.want || sees != c.want {
			t.Errorf("%+v: %v %v %v %v", c, got, sees, err, err2)
		}
	}
}
