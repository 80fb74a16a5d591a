package rbac

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"logkeep/internal/fault"
	"logkeep/internal/resource"
	"logkeep/internal/schema"
)

// Assign writes an assignment and reports whether it is new. The same
// assignment again, under the same name, is no error. Its faults:
// RoleDefinitionDoesNotExist; RoleAssignmentExists for the same role, principal
// and scope under another name; RoleAssignmentUpdateNotPermitted for a name
// that stands for something else.
func (a *Authority) Assign(ctx context.Context, want Assignment) (got Assignment, created bool, err error) {
	err = a.book.ChangeRoles(ctx, func(r Roles) (Change, error) {
		got, created = want, true
		if _, ok := r.definition(want.Tenant, want.Role); !ok {
			return Change{}, fault.New(fault.RoleDefinitionDoesNotExist, "The specified role definition with ID '%s' does not exist. GET {scope}/providers/Microsoft.Authorization/roleDefinitions lists those that do.", want.Role)
		}
		got.Created = time.Now().UTC()
		for _, old := range r.Assignments {
			same := old.Scope.Equal(want.Scope) && strings.EqualFold(old.Role, want.Role) && strings.EqualFold(old.Principal, want.Principal)
			switch {
			case old.ID().Equal(want.ID()) && !same:
				return Change{}, fault.New(fault.RoleAssignmentUpdateNotPermitted, "Tenant ID, application ID, principal ID, and scope are not allowed to be updated. Delete the role assignment '%s' or choose a new guid.", want.Name)
			case old.ID().Equal(want.ID()):
				created = false
				got.Scope, got.Name, got.Created, got.CreatedBy = old.Scope, old.Name, old.Created, old.CreatedBy
			case same:
				return Change{}, fault.New(fault.RoleAssignmentExists, "The role assignment already exists. The ID of the conflicting role assignment is %s.", strings.ReplaceAll(old.Name, "-", ""))
			}
		}
		got.Updated, got.UpdatedBy = time.Now().UTC(), want.UpdatedBy
		if created {
			got.CreatedBy = want.UpdatedBy
		}
		return Change{Put: []Assignment{got}}, nil
	})
	if err != nil {
		return Assignment{}, false, err
	}
	return got, created, nil
}

// Unassign removes an assignment and returns it; ok is false if there is none.
func (a *Authority) Unassign(ctx context.Context, tenant schema.TenantID, id resource.ID) (gone Assignment, ok bool, err error) {
	err = a.book.ChangeRoles(ctx, func(r Roles) (Change, error) {
		gone, ok = r.assignment(tenant, id)
		if !ok {
			return Change{}, nil
		}
		return Change{Remove: []Assignment{gone}}, nil
	})
	return gone, ok && err == nil, err
}

// UnassignBelow removes the assignments at a scope and below: when a resource
// is gone, its name may come back with another owner.
func (a *Authority) UnassignBelow(ctx context.Context, scope resource.ID) error {
	return a.book.ChangeRoles(ctx, func(r Roles) (Change, error) {
		return Change{Remove: slices.DeleteFunc(slices.Clone(r.Assignments), func(x Assignment) bool { return !x.Scope.Within(scope) })}, nil
	})
}

// Assignment returns one assignment of a tenant.
func (a *Authority) Assignment(ctx context.Context, tenant schema.TenantID, id resource.ID) (Assignment, bool, error) {
	s, err := a.current(ctx)
	if err != nil {
		return Assignment{}, false, err
	}
	got, ok := s.roles.assignment(tenant, id)
	return got, ok, nil
}

// Assignments returns the assignments of a tenant that have to do with a
// scope: those above it, which it inherits, those at it and those below it.
func (a *Authority) Assignments(ctx context.Context, tenant schema.TenantID, scope resource.ID) ([]Assignment, error) {
	s, err := a.current(ctx)
	if err != nil {
		return nil, err
	}
	var all []Assignment
	for _, x := range s.roles.Assignments {
		if sameTenant(x.Tenant, tenant) && (scope.Within(x.Scope) || x.Scope.Within(scope)) {
			all = append(all, x)
		}
	}
	return all, nil
}

// Definitions returns the roles that can be assigned at a scope: the built-in
// ones and the tenant's own.
func (a *Authority) Definitions(ctx context.Context, tenant schema.TenantID, scope resource.ID) ([]Definition, error) {
	s, err := a.current(ctx)
	if err != nil {
		return nil, err
	}
	all := slices.Clone(BuiltIn())
	for _, d := range s.roles.Custom {
		if sameTenant(d.Tenant, tenant) && d.assignableAt(scope) {
			all = append(all, d)
		}
	}
	return all, nil
}

// Definition returns one role that the tenant can see.
func (a *Authority) Definition(ctx context.Context, tenant schema.TenantID, name string) (Definition, bool, error) {
	s, err := a.current(ctx)
	if err != nil {
		return Definition{}, false, err
	}
	d, ok := s.roles.definition(tenant, name)
	return d, ok, nil
}

// Define writes a custom role and reports whether it is new. A built-in role
// can't be changed (InvalidRoleDefinition), and a tenant can't have two roles
// of one name (RoleDefinitionWithSameNameExists).
func (a *Authority) Define(ctx context.Context, want Definition) (got Definition, created bool, err error) {
	err = a.book.ChangeRoles(ctx, func(r Roles) (Change, error) {
		got, created = want, true
		got.Custom, got.Created = true, time.Now().UTC()
		for _, d := range BuiltIn() {
			if d.Name == strings.ToLower(want.Name) {
				return Change{}, fault.New(fault.InvalidRoleDefinition, "The role '%s' is built in and can't be changed. Choose a new guid for a custom role.", d.RoleName)
			}
		}
		for _, old := range r.Custom {
			switch same := strings.EqualFold(old.Name, want.Name); {
			case same && !sameTenant(old.Tenant, want.Tenant):
				return Change{}, fault.New(fault.InvalidRoleDefinition, "The guid '%s' is taken. Choose another.", want.Name)
			case same:
				created = false
				got.Name, got.Created, got.CreatedBy = old.Name, old.Created, old.CreatedBy
			case sameTenant(old.Tenant, want.Tenant) && strings.EqualFold(old.RoleName, want.RoleName):
				return Change{}, fault.New(fault.RoleDefinitionWithSameNameExists, "A custom role with the name '%s' already exists in this directory. Use a different name.", want.RoleName)
			}
		}
		got.Updated = time.Now().UTC()
		if created {
			got.CreatedBy = want.UpdatedBy
		}
		return Change{PutDefinition: []Definition{got}}, nil
	})
	if err != nil {
		return Definition{}, false, err
	}
	return got, created, nil
}

// Undefine removes a custom role and returns it. A role that is assigned stays:
// RoleDefinitionHasAssignments.
func (a *Authority) Undefine(ctx context.Context, tenant schema.TenantID, name string) (gone Definition, ok bool, err error) {
	err = a.book.ChangeRoles(ctx, func(r Roles) (Change, error) {
		gone, ok = r.definition(tenant, name)
		if !ok {
			return Change{}, nil
		}
		if !gone.Custom {
			return Change{}, fault.New(fault.InvalidRoleDefinition, "The role '%s' is built in and can't be deleted.", gone.RoleName)
		}
		if n := r.uses(name); n > 0 {
			return Change{}, fault.New(fault.RoleDefinitionHasAssignments, "There are %d role assignments that refer to the role '%s'. Delete them first.", n, gone.RoleName)
		}
		return Change{RemoveDefinition: []Definition{gone}}, nil
	})
	return gone, ok && err == nil, err
}

func (r Roles) uses(role string) (n int) {
	for _, a := range r.Assignments {
		if strings.EqualFold(a.Role, role) {
			n++
		}
	}
	return n
}

func (r Roles) assignment(tenant schema.TenantID, id resource.ID) (Assignment, bool) {
	for _, a := range r.Assignments {
		if sameTenant(a.Tenant, tenant) && a.ID().Equal(id) {
			return a, true
		}
	}
	return Assignment{}, false
}

func (r Roles) definition(tenant schema.TenantID, name string) (Definition, bool) {
	for _, d := range BuiltIn() {
		if strings.EqualFold(d.Name, name) {
			return d, true
		}
	}
	for _, d := range r.Custom {
		if strings.EqualFold(d.Name, name) && sameTenant(d.Tenant, tenant) {
			return d, true
		}
	}
	return Definition{}, false
}

func (d Definition) assignableAt(scope resource.ID) bool {
	for _, s := range d.AssignableScopes {
		if scope.Within(s) || s.Within(scope) {
			return true
		}
	}
	return false
}

// Valid reports what is wrong with a custom role, as a fault.
func (d Definition) Valid() error {
	var wrong []error
	if strings.TrimSpace(d.RoleName) == "" {
		wrong = append(wrong, errors.New("properties.roleName is missing"))
	}
	if len(d.AssignableScopes) == 0 {
		wrong = append(wrong, errors.New("properties.assignableScopes is empty; name at least one scope"))
	}
	if len(d.Permissions) == 0 {
		wrong = append(wrong, errors.New("properties.permissions is empty; name what the role allows"))
	}
	if err := errors.Join(wrong...); err != nil {
		return fault.New(fault.InvalidRoleDefinition, "The role definition is not valid: %s.", strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	return nil
}

// Sees reports whether a caller has a role at a scope, above it or below it:
// whether the scope exists as far as the caller is concerned.
func (a *Authority) Sees(ctx context.Context, caller Caller, scope resource.ID) (bool, error) {
	s, err := a.current(ctx)
	if err != nil {
		return false, err
	}
	who := strings.ToLower(caller.ObjectID)
	if !s.speaks(caller) || !s.inTenant(caller, scope) {
		return false, nil
	}
	return slices.ContainsFunc(s.grants[who], func(g grant) bool {
		return sameTenant(g.tenant, caller.Tenant) && (scope.Within(g.scope) || g.scope.Within(scope))
	}), nil
}
