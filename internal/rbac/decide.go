package rbac

import (
	"strings"

	"logkeep/internal/resource"
	"logkeep/internal/schema"
)

// state is a book made ready for decisions. It never changes.
type state struct {
	revision uint64
	roles    Roles
	grants   map[string][]grant // by lower-case object id
}

// A grant is an assignment whose role was looked up.
type grant struct {
	scope       resource.ID
	tenant      schema.TenantID
	permissions []rights
}

// rights are a Permission with its patterns in lower case.
type rights struct {
	control, data side
}

type side struct{ allow, except []string }

func compile(roles Roles, revision uint64) *state {
	s := &state{revision: revision, roles: roles, grants: make(map[string][]grant)}
	byName := make(map[string][]rights)
	for _, d := range BuiltIn() {
		byName[d.Name] = lower(d.Permissions)
	}
	for _, d := range roles.Custom {
		byName[strings.ToLower(d.Name)] = lower(d.Permissions)
	}
	for _, a := range roles.Assignments {
		who := strings.ToLower(a.Principal)
		// A role that is gone gives nothing.
		s.grants[who] = append(s.grants[who], grant{a.Scope, a.Tenant, byName[strings.ToLower(a.Role)]})
	}
	return s
}

func lower(permissions []Permission) []rights {
	all := make([]rights, len(permissions))
	for i, p := range permissions {
		all[i] = rights{
			control: side{folded(p.Actions), folded(p.NotActions)},
			data:    side{folded(p.DataActions), folded(p.NotDataActions)},
		}
	}
	return all
}

func folded(patterns []string) []string {
	all := make([]string, len(patterns))
	for i, p := range patterns {
		all[i] = strings.ToLower(p)
	}
	return all
}

// allows decides about an action in lower case.
func (s *state) allows(caller Caller, action string, data bool, scope resource.ID) bool {
	who := strings.ToLower(caller.ObjectID)
	// The token of a principal that was removed is still in time, and its
	// assignments stay for administrators to see; neither is a right.
	if !s.speaks(caller) || !s.inTenant(caller, scope) {
		return false
	}
	for _, g := range s.grants[who] {
		if !sameTenant(g.tenant, caller.Tenant) || !scope.Within(g.scope) {
			continue
		}
		for _, r := range g.permissions {
			side := r.control
			if data {
				side = r.data
			}
			if side.has(action) {
				return true
			}
		}
	}
	return false
}

// speaks reports whether the caller's token can speak for its principal: it is
// in the directory, and known from outside if the token is from there.
func (s *state) speaks(caller Caller) bool {
	who := strings.ToLower(caller.ObjectID)
	return sameTenant(s.roles.Principals[who], caller.Tenant) && s.roles.Outside[who] == (caller.Outside != "")
}

// inTenant reports whether a scope is of the caller's tenant. Scopes outside
// of subscriptions are: every tenant has its own root.
func (s *state) inTenant(caller Caller, scope resource.ID) bool {
	sub := scope.Subscription()
	if sub == "" {
		return true
	}
	tenant, known := s.roles.Tenants[strings.ToLower(sub)]
	return known && sameTenant(tenant, caller.Tenant)
}

func sameTenant(a, b schema.TenantID) bool {
	return a != "" && strings.EqualFold(string(a), string(b))
}

// Allows tells whether the role by itself gives an action.
func (d Definition) Allows(action string, data bool) bool {
	for _, r := range lower(d.Permissions) {
		if !data && r.control.has(strings.ToLower(action)) || data && r.data.has(strings.ToLower(action)) {
			return true
		}
	}
	return false
}

func (s side) has(action string) bool {
	return matchesAny(s.allow, action) && !matchesAny(s.except, action)
}

func matchesAny(patterns []string, action string) bool {
	for _, p := range patterns {
		if matches(p, action) {
			return true
		}
	}
	return false
}

// matches reports whether a pattern, whose * stands for any text, covers all
// of action. Both are in lower case. It takes time proportional to the product
// of the lengths at worst: it goes back to the last * only.
func matches(pattern, action string) bool {
	p, a := 0, 0
	star, mark := -1, 0
	for a < len(action) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, a
			p++
		case p < len(pattern) && pattern[p] == action[a]:
			p++
			a++
		case star >= 0:
			mark++
			p, a = star+1, mark
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}
