package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"sync"
	"time"

	"github.com/google/uuid"

	"logkeep/internal/catalog"
	"logkeep/internal/fault"
	"logkeep/internal/rbac"
	"logkeep/internal/resource"
)

// Subscriptions are made by whoever has a role at the tenant's root. Nobody has
// one in a new tenant: the Owner of its first subscription may elevate himself,
// as a Global Administrator may in Azure, and then give roles at the root.

const aliasType = "Microsoft.Subscription/aliases"

func (s *server) aliasRoutes() []route {
	const all = "/providers/Microsoft.Subscription/aliases"
	return []route{
		{method: "POST", pattern: "/providers/Microsoft.Authorization/elevateAccess", handle: s.elevate},
		{method: "GET", pattern: all, action: "Microsoft.Subscription/aliases/read", handle: s.listAliases},
		{method: "GET", pattern: all + "/{name}", action: "Microsoft.Subscription/aliases/read", handle: s.getAlias},
		{method: "PUT", pattern: all + "/{name}", action: "Microsoft.Subscription/aliases/write", handle: s.putAlias},
		{method: "DELETE", pattern: all + "/{name}", action: "Microsoft.Subscription/aliases/delete", handle: s.deleteAlias},
	}
}

// An aliasBody is what the catalog keeps of an alias.
type aliasBody struct {
	Subscription string `json:"subscription"`
	DisplayName  string `json:"displayName"`
}

var aliasName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9_.()-]{1,64}$`) })

func (s *server) aliasID(r *http.Request) (string, error) {
	if !aliasName().MatchString(r.PathValue("name")) {
		return "", fault.New(fault.InvalidResourceName, "The alias '%.64s' is not valid: up to 64 letters, digits, hyphens, underscores, periods and parentheses.", r.PathValue("name"))
	}
	// An alias is of a tenant: two tenants may use one name.
	return "/tenants/" + string(callerOf(r).Tenant) + "/providers/" + aliasType + "/" + r.PathValue("name"), nil
}

func viewAlias(res catalog.Resource) (map[string]any, error) {
	var b aliasBody
	if err := json.Unmarshal(res.Body, &b); err != nil {
		return nil, err
	}
	return map[string]any{"id": "/providers/" + aliasType + "/" + res.Name, "name": res.Name, "type": aliasType, "properties": map[string]any{
		"subscriptionId": b.Subscription, "displayName": b.DisplayName, "provisioningState": resource.Succeeded, "acceptOwnershipState": "Completed",
		"createdTime": res.Created.Format(time.RFC3339), "workload": "Production"}}, nil
}

func (s *server) putAlias(w http.ResponseWriter, r *http.Request) error {
	id, err := s.aliasID(r)
	if err != nil {
		return err
	}
	var body struct {
		Properties struct {
			DisplayName    string `json:"displayName"`
			SubscriptionID string `json:"subscriptionId"`
		} `json:"properties"`
	}
	if err := decode(r, &body); err != nil {
		return err
	}
	if body.Properties.SubscriptionID != "" {
		return fault.New(fault.InvalidParameter, "An alias is made together with its subscription; leave properties.subscriptionId out.").WithTarget("properties.subscriptionId")
	}
	name := body.Properties.DisplayName
	if name == "" || len(name) > 64 {
		return fault.New(fault.InvalidParameter, "A subscription needs properties.displayName of up to 64 characters.").WithTarget("properties.displayName")
	}
	caller, status := callerOf(r), http.StatusCreated
	var made catalog.Resource
	err = s.Identity.Catalog.Tx(r.Context(), func(tx *catalog.Tx) error {
		if old, err := tx.Get(r.Context(), id); err == nil {
			status, made = http.StatusOK, old // the same request again makes no second subscription
			return nil
		} else if !errors.Is(err, catalog.ErrNotFound) {
			return err
		}
		sub, err := tx.AddSubscription(r.Context(), caller.Tenant, name)
		if err != nil {
			return err
		}
		owner := rbac.Assignment{Name: uuid.NewString(), Scope: sub, Tenant: caller.Tenant, Role: rbac.Owner, Principal: caller.ObjectID, PrincipalType: "ServicePrincipal",
			CreatedBy: caller.ObjectID, UpdatedBy: caller.ObjectID}
		if err := tx.ChangeRoles(r.Context(), func(rbac.Roles) (rbac.Change, error) { return rbac.Change{Put: []rbac.Assignment{owner}}, nil }); err != nil {
			return err
		}
		text, err := json.Marshal(aliasBody{sub.Subscription(), name})
		if err != nil {
			return err
		}
		made, err = tx.Put(r.Context(), catalog.Resource{ID: id, Type: aliasType, Name: r.PathValue("name"), Tenant: caller.Tenant, Body: text}, catalog.IfAbsent())
		return err
	})
	if err != nil {
		return err
	}
	v, err := viewAlias(made)
	if err != nil {
		return err
	}
	return writeJSON(w, status, v)
}

func (s *server) alias(r *http.Request) (catalog.Resource, error) {
	id, err := s.aliasID(r)
	if err != nil {
		return catalog.Resource{}, err
	}
	res, err := s.Identity.Catalog.Get(r.Context(), id)
	if errors.Is(err, catalog.ErrNotFound) {
		return res, fault.New(fault.ResourceNotFound, "There is no alias '%.64s'.", r.PathValue("name"))
	}
	return res, err
}

func (s *server) getAlias(w http.ResponseWriter, r *http.Request) error {
	res, err := s.alias(r)
	if err != nil {
		return err
	}
	v, err := viewAlias(res)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, v)
}

func (s *server) listAliases(w http.ResponseWriter, r *http.Request) error {
	all, err := s.Identity.Catalog.List(r.Context(), "/tenants/"+string(callerOf(r).Tenant), aliasType)
	if err != nil {
		return err
	}
	views := make([]map[string]any, len(all))
	for i, res := range all {
		if views[i], err = viewAlias(res); err != nil {
			return err
		}
	}
	return writePage(s, w, r, pager{}, views, func(v map[string]any) string { return v["name"].(string) })
}

// deleteAlias forgets the name; the subscription stays.
func (s *server) deleteAlias(w http.ResponseWriter, r *http.Request) error {
	id, err := s.aliasID(r)
	if err != nil {
		return err
	}
	err = s.Identity.Catalog.Delete(r.Context(), id, catalog.Always())
	if errors.Is(err, catalog.ErrNotFound) {
		return gone(w, false)
	}
	if err != nil {
		return err
	}
	return gone(w, true)
}

// elevate makes the Owner of the tenant's first subscription User Access
// Administrator at its root.
func (s *server) elevate(w http.ResponseWriter, r *http.Request) error {
	caller := callerOf(r)
	all, err := s.Identity.Catalog.List(r.Context(), "/subscriptions", catalog.SubscriptionType)
	if err != nil {
		return err
	}
	var first catalog.Resource
	for _, sub := range all {
		if sub.Tenant == caller.Tenant && (first.ID == "" || sub.Created.Before(first.Created)) {
			first = sub
		}
	}
	may := false
	if first.ID != "" {
		if may, err = s.Access.Decide(r.Context(), caller, "Microsoft.Authorization/elevateAccess/action", false, first.ID); err != nil {
			return err
		}
	}
	if !may {
		return fault.New(fault.AuthorizationFailed, "The client '%s' with object id '%s' does not have authorization to perform action 'Microsoft.Authorization/elevateAccess/action'. Ask an Owner of the tenant's first subscription.", caller.AppID, caller.ObjectID)
	}
	_, _, err = s.Identity.Roles.Assign(r.Context(), rbac.Assignment{Name: uuid.NewString(), Scope: resource.Root(), Tenant: caller.Tenant, Role: rbac.UserAccessAdministrator,
		Principal: caller.ObjectID, PrincipalType: "ServicePrincipal", UpdatedBy: caller.ObjectID})
	if err != nil && !errors.Is(err, fault.RoleAssignmentExists) {
		return err
	}
	w.WriteHeader(http.StatusOK)
	return nil
}
