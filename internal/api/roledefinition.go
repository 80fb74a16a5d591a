package api

import (
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"logkeep/internal/fault"
	"logkeep/internal/rbac"
	"logkeep/internal/resource"
)

// roleDefinitionRoutes serve roles at every scope. Everybody with a token may
// read them: built-in roles are public knowledge, custom ones of the tenant.
func (s *server) roleDefinitionRoutes() []route {
	const all = "{scope...}/providers/Microsoft.Authorization/roleDefinitions"
	const one = all + "/{name}"
	return []route{
		{method: "GET", pattern: all, handle: s.listDefinitions},
		{method: "GET", pattern: one, handle: s.getDefinition},
		{method: "PUT", pattern: one, action: "Microsoft.Authorization/roleDefinitions/write", handle: s.putDefinition},
		{method: "DELETE", pattern: one, action: "Microsoft.Authorization/roleDefinitions/delete", handle: s.deleteDefinition},
	}
}

// A definitionView is a role as ARM shows it.
type definitionView struct {
	ID         string               `json:"id"`
	Type       resource.Type        `json:"type"`
	Name       string               `json:"name"`
	Properties definitionProperties `json:"properties"`
}

type definitionProperties struct {
	RoleName         string            `json:"roleName"`
	Type             string            `json:"type"`
	Description      string            `json:"description"`
	AssignableScopes []resource.ID     `json:"assignableScopes"`
	Permissions      []rbac.Permission `json:"permissions"`
	CreatedOn        *time.Time        `json:"createdOn"`
	UpdatedOn        *time.Time        `json:"updatedOn"`
	CreatedBy        *string           `json:"createdBy"`
	UpdatedBy        *string           `json:"updatedBy"`
}

// definitionIDAt is a role's id as it is shown at a scope: below the scope's
// subscription, if it has one.
func definitionIDAt(scope resource.ID, name string) string {
	at := resource.Root()
	if sub := scope.Subscription(); sub != "" {
		at = resource.SubscriptionID(sub)
	}
	return at.Resource(resource.RoleDefine, name).String()
}

func viewDefinition(d rbac.Definition, scope resource.ID) definitionView {
	v := definitionView{ID: definitionIDAt(scope, d.Name), Type: resource.RoleDefine, Name: d.Name, Properties: definitionProperties{
		RoleName: d.RoleName, Type: "BuiltInRole", Description: d.Description, AssignableScopes: d.AssignableScopes, Permissions: d.Permissions,
	}}
	if d.Custom {
		v.Properties.Type = "CustomRole"
		v.Properties.CreatedOn, v.Properties.UpdatedOn = &d.Created, &d.Updated
		v.Properties.CreatedBy, v.Properties.UpdatedBy = &d.CreatedBy, &d.UpdatedBy
	}
	return v
}

func (v definitionView) values(property string) ([]string, bool) {
	switch strings.ToLower(property) {
	case "rolename", "properties/rolename":
		return []string{v.Properties.RoleName}, true
	case "type":
		return []string{v.Properties.Type}, true
	case "name":
		return []string{v.Name}, true
	}
	return nil, false
}

func (v definitionView) call(name string, args []string) (result, ok bool) {
	at := strings.EqualFold(name, "atScope") || strings.EqualFold(name, "atScopeAndBelow")
	return at, at && len(args) == 0 // the list is of what can be assigned at the scope anyway
}

func (s *server) listDefinitions(w http.ResponseWriter, r *http.Request) error {
	scope, err := scopeParam(r)
	if err != nil {
		return err
	}
	all, err := s.Identity.Roles.Definitions(r.Context(), callerOf(r).Tenant, scope)
	if err != nil {
		return err
	}
	views := make([]definitionView, len(all))
	for i, d := range all {
		views[i] = viewDefinition(d, scope)
	}
	if views, err = sieve(views, option(r, "$filter")); err != nil {
		return err
	}
	return writePage(s, w, r, pager{}, views, func(v definitionView) string { return v.Properties.RoleName + "\x00" + v.Name })
}

func (s *server) getDefinition(w http.ResponseWriter, r *http.Request) error {
	scope, err := scopeParam(r)
	if err != nil {
		return err
	}
	d, ok, err := s.Identity.Roles.Definition(r.Context(), callerOf(r).Tenant, r.PathValue("name"))
	if err != nil {
		return err
	}
	if !ok {
		// The code that assignments give is 400; a role that is asked for by id is not found.
		return fault.New(fault.ResourceNotFound, "The specified role definition with ID '%.64s' does not exist.", r.PathValue("name"))
	}
	return writeJSON(w, http.StatusOK, viewDefinition(d, scope))
}

func (s *server) putDefinition(w http.ResponseWriter, r *http.Request) error {
	scope, err := scopeParam(r)
	if err != nil {
		return err
	}
	guid, err := uuid.Parse(r.PathValue("name"))
	if err != nil {
		return fault.New(fault.InvalidResourceName, "The name '%.64s' of a role definition is not a guid.", r.PathValue("name"))
	}
	var body struct {
		Properties struct {
			RoleName         string
			Description      string
			AssignableScopes []string
			Permissions      []rbac.Permission
		}
	}
	if err := decode(r, &body); err != nil {
		return err
	}
	caller := callerOf(r)
	d := rbac.Definition{Name: guid.String(), RoleName: body.Properties.RoleName, Description: body.Properties.Description, Tenant: caller.Tenant, UpdatedBy: caller.ObjectID}
	for _, p := range body.Properties.Permissions {
		d.Permissions = append(d.Permissions, rbac.Permission{Actions: some(p.Actions), NotActions: some(p.NotActions), DataActions: some(p.DataActions), NotDataActions: some(p.NotDataActions)})
	}
	for _, text := range body.Properties.AssignableScopes {
		id, err := resource.Parse(text)
		if err != nil {
			return fault.New(fault.InvalidRoleDefinition, "An assignable scope is no resource id. %s", sentence(err)).WithTarget("properties.assignableScopes")
		}
		// Whoever makes a role for a scope must be allowed to make it there.
		if err := s.allow(r, "Microsoft.Authorization/roleDefinitions/write", false, id); err != nil {
			return err
		}
		d.AssignableScopes = append(d.AssignableScopes, id)
	}
	if err := d.Valid(); err != nil {
		return err
	}
	// And whoever changes one, wherever it counted until now.
	old, exists, err := s.Identity.Roles.Definition(r.Context(), caller.Tenant, d.Name)
	if err != nil {
		return err
	}
	for _, id := range old.AssignableScopes {
		if exists && old.Custom {
			if err := s.allow(r, "Microsoft.Authorization/roleDefinitions/write", false, id); err != nil {
				return err
			}
		}
	}
	d, created, err := s.Identity.Roles.Define(r.Context(), d)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if created {
		status = http.StatusCreated
	}
	return writeJSON(w, status, viewDefinition(d, scope))
}

// some is list, never nil, so that it is [] in JSON.
func some(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

func (s *server) deleteDefinition(w http.ResponseWriter, r *http.Request) error {
	scope, err := scopeParam(r)
	if err != nil {
		return err
	}
	caller := callerOf(r)
	d, ok, err := s.Identity.Roles.Definition(r.Context(), caller.Tenant, r.PathValue("name"))
	if err != nil {
		return err
	}
	if !ok {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	for _, at := range d.AssignableScopes {
		if d.Custom {
			if err := s.allow(r, "Microsoft.Authorization/roleDefinitions/delete", false, at); err != nil {
				return err
			}
		}
	}
	gone, ok, err := s.Identity.Roles.Undefine(r.Context(), caller.Tenant, d.Name)
	if err != nil {
		return err
	}
	if !ok {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return writeJSON(w, http.StatusOK, viewDefinition(gone, scope))
}
