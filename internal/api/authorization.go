package api

import (
	"errors"
	"io/fs"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"logkeep/internal/catalog"
	"logkeep/internal/entra"
	"logkeep/internal/fault"
	"logkeep/internal/rbac"
	"logkeep/internal/resource"
)

// roleAssignmentRoutes serve assignments at every scope. Older and newer
// api-versions differ in properties that they add, so one shape answers all.
func (s *server) roleAssignmentRoutes() []route {
	const all = "{scope...}/providers/Microsoft.Authorization/roleAssignments"
	const one = all + "/{name}"
	return []route{
		{method: "GET", pattern: all, action: "Microsoft.Authorization/roleAssignments/read", handle: s.listAssignments},
		{method: "GET", pattern: one, action: "Microsoft.Authorization/roleAssignments/read", handle: s.getAssignment},
		{method: "PUT", pattern: one, action: "Microsoft.Authorization/roleAssignments/write", handle: s.putAssignment},
		{method: "DELETE", pattern: one, action: "Microsoft.Authorization/roleAssignments/delete", handle: s.deleteAssignment},
	}
}

// An assignmentView is a role assignment as ARM shows it.
type assignmentView struct {
	ID         string               `json:"id"`
	Type       resource.Type        `json:"type"`
	Name       string               `json:"name"`
	Properties assignmentProperties `json:"properties"`

	around resource.ID // the scope of the list that it is in
}

type assignmentProperties struct {
	RoleDefinitionID string    `json:"roleDefinitionId"`
	PrincipalID      string    `json:"principalId"`
	PrincipalType    string    `json:"principalType"`
	Scope            string    `json:"scope"`
	Description      *string   `json:"description"`
	Condition        *string   `json:"condition"`
	ConditionVersion *string   `json:"conditionVersion"`
	CreatedOn        time.Time `json:"createdOn"`
	UpdatedOn        time.Time `json:"updatedOn"`
	CreatedBy        string    `json:"createdBy"`
	UpdatedBy        string    `json:"updatedBy"`
}

func viewAssignment(a rbac.Assignment, around resource.ID) assignmentView {
	v := assignmentView{ID: a.ID().String(), Type: resource.RoleAssign, Name: a.Name, around: around, Properties: assignmentProperties{
		RoleDefinitionID: definitionIDAt(a.Scope, a.Role), PrincipalID: a.Principal, PrincipalType: a.PrincipalType,
		Scope: a.Scope.String(), CreatedOn: a.Created, UpdatedOn: a.Updated, CreatedBy: a.CreatedBy, UpdatedBy: a.UpdatedBy,
	}}
	if a.Description != "" {
		v.Properties.Description = &a.Description
	}
	return v
}

func (v assignmentView) values(property string) ([]string, bool) {
	switch strings.ToLower(strings.TrimPrefix(strings.ToLower(property), "properties/")) {
	case "principalid":
		return []string{v.Properties.PrincipalID}, true
	case "roledefinitionid":
		return []string{v.Properties.RoleDefinitionID}, true
	case "principaltype":
		return []string{v.Properties.PrincipalType}, true
	}
	return nil, false
}

// call: atScope() leaves out what stands below the scope, assignedTo() what
// names another principal; there are no groups to look into.
func (v assignmentView) call(name string, args []string) (result, ok bool) {
	switch {
	case strings.EqualFold(name, "atScope") && len(args) == 0:
		scope, err := resource.Parse(v.Properties.Scope)
		return err == nil && v.around.Within(scope), true
	case strings.EqualFold(name, "assignedTo") && len(args) == 1:
		return strings.EqualFold(v.Properties.PrincipalID, args[0]), true
	}
	return false, false
}

// scopeParam is the id that stands before /providers/Microsoft.Authorization.
func scopeParam(r *http.Request) (resource.ID, error) {
	id, err := resource.Parse(r.PathValue("scope"))
	if err != nil {
		return resource.ID{}, fault.New(fault.BadRequest, "The scope is no resource id. %s", sentence(err))
	}
	return id, nil
}

func (s *server) listAssignments(w http.ResponseWriter, r *http.Request) error {
	scope, err := scopeParam(r)
	if err != nil {
		return err
	}
	all, err := s.Identity.Roles.Assignments(r.Context(), callerOf(r).Tenant, scope)
	if err != nil {
		return err
	}
	views := make([]assignmentView, len(all))
	for i, a := range all {
		views[i] = viewAssignment(a, scope)
	}
	if views, err = sieve(views, option(r, "$filter")); err != nil {
		return err
	}
	return writePage(s, w, r, pager{}, views, func(v assignmentView) string { return v.ID })
}

// assignmentID is the assignment that the path names. Its name is a guid.
func assignmentID(r *http.Request) (resource.ID, error) {
	scope, err := scopeParam(r)
	if err != nil {
		return resource.ID{}, err
	}
	guid, err := uuid.Parse(r.PathValue("name"))
	if err != nil {
		return resource.ID{}, fault.New(fault.InvalidResourceName, "The name '%.64s' of a role assignment is not a guid.", r.PathValue("name"))
	}
	return scope.Resource(resource.RoleAssign, guid.String()), nil
}

func (s *server) getAssignment(w http.ResponseWriter, r *http.Request) error {
	id, err := assignmentID(r)
	if err != nil {
		return err
	}
	a, ok, err := s.Identity.Roles.Assignment(r.Context(), callerOf(r).Tenant, id)
	if err != nil {
		return err
	}
	if !ok {
		return fault.New(fault.ResourceNotFound, "The role assignment '%s' was not found at the scope '%s'.", id.Name(), id.Parent())
	}
	return writeJSON(w, http.StatusOK, viewAssignment(a, a.Scope))
}

func (s *server) putAssignment(w http.ResponseWriter, r *http.Request) error {
	id, err := assignmentID(r)
	if err != nil {
		return err
	}
	var body struct {
		Properties struct {
			RoleDefinitionID                   string
			PrincipalID                        string
			PrincipalType                      string
			Description                        string
			Condition                          string
			DelegatedManagedIdentityResourceID string
		}
	}
	if err := decode(r, &body); err != nil {
		return err
	}
	p := body.Properties
	caller := callerOf(r)
	role := p.RoleDefinitionID[strings.LastIndexByte(p.RoleDefinitionID, '/')+1:]
	switch {
	case role == "":
		return fault.New(fault.InvalidRequestContent, "The role assignment has no role. Send properties.roleDefinitionId.").WithTarget("properties.roleDefinitionId")
	case uuid.Validate(p.PrincipalID) != nil:
		return fault.New(fault.InvalidRequestContent, "The principal '%.64s' is not an object id, which is a guid. Send properties.principalId.", p.PrincipalID).WithTarget("properties.principalId")
	case p.Condition != "":
		// A condition that is not evaluated would give more than was meant.
		return fault.New(fault.InvalidParameter, "Conditions on role assignments are not supported. Leave out properties.condition and choose a narrower scope or role.").WithTarget("properties.condition")
	}
	if err := s.exists(r, id.Parent()); err != nil {
		return err
	}
	kind := "ServicePrincipal" // of the directory's own; managed identities are service principals, too
	who, err := s.Identity.Catalog.Principal(r.Context(), p.PrincipalID)
	if errors.Is(err, fs.ErrNotExist) && s.Identity.Outside.Trusts(caller.Tenant) {
		// An issuer from outside may know whom the directory does not (design 0029).
		who, err = entra.AddOutsider(r.Context(), s.Identity.Catalog, caller.Tenant, strings.ToLower(p.PrincipalID), "outside principal "+p.PrincipalID)
	}
	if err == nil && who.Kind == entra.Outsider {
		if kind = "User"; strings.EqualFold(p.PrincipalType, "ServicePrincipal") {
			kind = "ServicePrincipal"
		}
	}
	if errors.Is(err, fs.ErrNotExist) || err == nil && !strings.EqualFold(string(who.Tenant), string(caller.Tenant)) {
		return fault.New(fault.PrincipalNotFound, "Principal %s does not exist in the directory %s. Check that you have the correct principal ID: it is the object id, not the application id.", strings.ReplaceAll(p.PrincipalID, "-", ""), caller.Tenant)
	}
	if err != nil {
		return err
	}
	if p.PrincipalType != "" && !strings.EqualFold(p.PrincipalType, kind) {
		return fault.New(fault.InvalidParameter, "The principal '%s' is a %s, not a '%.40s'.", p.PrincipalID, kind, p.PrincipalType).WithTarget("properties.principalType")
	}
	a, created, err := s.Identity.Roles.Assign(r.Context(), rbac.Assignment{
		Name: id.Name(), Scope: id.Parent(), Tenant: caller.Tenant, Role: strings.ToLower(role), Principal: who.ObjectID,
		PrincipalType: kind, Description: p.Description, UpdatedBy: caller.ObjectID,
	})
	if err != nil {
		return err
	}
	status := http.StatusOK
	if created {
		status = http.StatusCreated
	}
	return writeJSON(w, status, viewAssignment(a, a.Scope))
}

func (s *server) deleteAssignment(w http.ResponseWriter, r *http.Request) error {
	id, err := assignmentID(r)
	if err != nil {
		return err
	}
	gone, ok, err := s.Identity.Roles.Unassign(r.Context(), callerOf(r).Tenant, id)
	if err != nil {
		return err
	}
	if !ok {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return writeJSON(w, http.StatusOK, viewAssignment(gone, gone.Scope))
}

// exists refuses scopes in resource groups that are not there. The resources
// themselves are not looked for: they belong to many services, and a role on
// one that comes later does no harm.
func (s *server) exists(r *http.Request, scope resource.ID) error {
	group := scope.GroupID()
	if group.IsZero() {
		return nil
	}
	_, err := s.Identity.Catalog.Get(r.Context(), group.String())
	if errors.Is(err, catalog.ErrNotFound) {
		return fault.New(fault.ResourceGroupNotFound, "Resource group '%s' could not be found.", scope.Group())
	}
	return err
}
