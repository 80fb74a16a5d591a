package catalog

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"logkeep/internal/entra"
	"logkeep/internal/rbac"
	"logkeep/internal/resource"
	"logkeep/internal/schema"
)

// Role assignments and custom roles are resources; these methods make the
// catalog the rbac.Book of them.

// assignmentBody and definitionBody are on disk.
type assignmentBody struct {
	Role          string `json:"role"`
	Principal     string `json:"principal"`
	PrincipalType string `json:"principalType,omitempty"`
	Description   string `json:"description,omitempty"`
	CreatedBy     string `json:"createdBy,omitempty"`
	UpdatedBy     string `json:"updatedBy,omitempty"`
}

type definitionBody struct {
	RoleName    string            `json:"roleName"`
	Description string            `json:"description,omitempty"`
	Permissions []rbac.Permission `json:"permissions"`
	Scopes      []resource.ID     `json:"scopes"`
	CreatedBy   string            `json:"createdBy,omitempty"`
	UpdatedBy   string            `json:"updatedBy,omitempty"`
}

// RolesRevision grows with every change that Roles shows.
func (c *Catalog) RolesRevision() uint64 {
	return c.Revision(string(resource.RoleAssign)) + c.Revision(string(resource.RoleDefine)) +
		c.Revision(SubscriptionType) + c.Revision(principalsChanged)
}

// Roles returns all assignments and custom roles, the tenants of subscriptions
// and of principals.
func (c *Catalog) Roles(ctx context.Context) (roles rbac.Roles, err error) {
	err = c.View(ctx, func(tx *Tx) error {
		roles, err = tx.roles(ctx)
		return err
	})
	return roles, err
}

// ChangeRoles stores what f makes of the present roles.
func (c *Catalog) ChangeRoles(ctx context.Context, f func(rbac.Roles) (rbac.Change, error)) error {
	return c.Tx(ctx, func(tx *Tx) error { return tx.ChangeRoles(ctx, f) })
}

// ChangeRoles stores what f makes of the present roles.
func (t *Tx) ChangeRoles(ctx context.Context, f func(rbac.Roles) (rbac.Change, error)) error {
	present, err := t.roles(ctx)
	if err != nil {
		return err
	}
	change, err := f(present)
	if err != nil {
		return err
	}
	for _, a := range change.Put {
		body, err := json.Marshal(assignmentBody{a.Role, a.Principal, a.PrincipalType, a.Description, a.CreatedBy, a.UpdatedBy})
		if err != nil {
			return err
		}
		res := Resource{ID: a.ID().String(), Type: string(resource.RoleAssign), Name: a.Name, Tenant: a.Tenant, Body: body}
		if _, err := t.Put(ctx, res, Always()); err != nil {
			return err
		}
	}
	for _, d := range change.PutDefinition {
		body, err := json.Marshal(definitionBody{d.RoleName, d.Description, d.Permissions, d.AssignableScopes, d.CreatedBy, d.UpdatedBy})
		if err != nil {
			return err
		}
		res := Resource{ID: definitionID(d), Type: string(resource.RoleDefine), Name: d.Name, Tenant: d.Tenant, Body: body}
		if _, err := t.Put(ctx, res, Always()); err != nil {
			return err
		}
	}
	for _, a := range change.Remove {
		if err := t.Delete(ctx, a.ID().String(), Always()); err != nil {
			return err
		}
	}
	for _, d := range change.RemoveDefinition {
		if err := t.Delete(ctx, definitionID(d), Always()); err != nil {
			return err
		}
	}
	return nil
}

func definitionID(d rbac.Definition) string {
	return resource.Root().Resource(resource.RoleDefine, d.Name).String()
}

func (t *Tx) roles(ctx context.Context) (rbac.Roles, error) {
	r := rbac.Roles{Tenants: map[string]schema.TenantID{}, Principals: map[string]schema.TenantID{}, Outside: map[string]bool{}}
	rows, err := query(ctx, t.sql, scanResource, selectResource+"WHERE type_key IN (?,?,?) AND deleted IS NULL ORDER BY key",
		fold(string(resource.RoleAssign)), fold(string(resource.RoleDefine)), fold(SubscriptionType))
	if err != nil {
		return rbac.Roles{}, fmt.Errorf("read roles: %w", err)
	}
	for _, res := range rows {
		switch {
		case resource.RoleAssign.Equal(resource.Type(res.Type)):
			a, err := assignment(res)
			if err != nil {
				return rbac.Roles{}, err
			}
			r.Assignments = append(r.Assignments, a)
		case resource.RoleDefine.Equal(resource.Type(res.Type)):
			d, err := definition(res)
			if err != nil {
				return rbac.Roles{}, err
			}
			r.Custom = append(r.Custom, d)
		default:
			r.Tenants[strings.ToLower(res.Name)] = res.Tenant
		}
	}
	_, err = query(ctx, t.sql, func(scan func(...any) error) (none struct{}, err error) {
		var id string
		var tenant schema.TenantID
		var kind entra.Kind
		err = scan(&id, &tenant, &kind)
		r.Principals[id] = tenant
		if kind == entra.Outsider {
			r.Outside[id] = true
		}
		return none, err
	}, "SELECT object_id, tenant, kind FROM principals")
	if err != nil {
		return rbac.Roles{}, fmt.Errorf("read principals: %w", err)
	}
	return r, nil
}

func assignment(res Resource) (rbac.Assignment, error) {
	var b assignmentBody
	id, err := resource.Parse(res.ID)
	if err == nil {
		err = json.Unmarshal(res.Body, &b)
	}
	if err != nil {
		return rbac.Assignment{}, fmt.Errorf("%w: role assignment %s: %w", ErrDamaged, res.ID, err)
	}
	return rbac.Assignment{
		Name: res.Name, Scope: id.Parent(), Tenant: res.Tenant, Role: b.Role, Principal: b.Principal, PrincipalType: b.PrincipalType,
		Description: b.Description, Created: res.Created, Updated: res.Modified, CreatedBy: b.CreatedBy, UpdatedBy: b.UpdatedBy,
	}, nil
}

func definition(res Resource) (rbac.Definition, error) {
	var b definitionBody
	if err := json.Unmarshal(res.Body, &b); err != nil {
		return rbac.Definition{}, fmt.Errorf("%w: role definition %s: %w", ErrDamaged, res.ID, err)
	}
	return rbac.Definition{
		Name: res.Name, RoleName: b.RoleName, Description: b.Description, Custom: true, Tenant: res.Tenant, Permissions: b.Permissions,
		AssignableScopes: b.Scopes, Created: res.Created, Updated: res.Modified, CreatedBy: b.CreatedBy, UpdatedBy: b.UpdatedBy,
	}, nil
}

var _ rbac.Book = (*Catalog)(nil)
