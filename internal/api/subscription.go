package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"logkeep/internal/catalog"
	"logkeep/internal/fault"
	"logkeep/internal/resource"
)

// subscriptionRoutes serve tenants, subscriptions and their regions. A caller
// sees a subscription if it has a role anywhere in it.
func (s *server) subscriptionRoutes() []route {
	return []route{
		{method: "GET", pattern: "/tenants", handle: s.listTenants},
		{method: "GET", pattern: "/subscriptions", handle: s.listSubscriptions},
		{method: "GET", pattern: "/subscriptions/{subscription}", handle: s.getSubscription},
		{method: "GET", pattern: "/subscriptions/{subscription}/locations", handle: s.listLocations},
	}
}

type subscriptionView struct {
	ID                   string         `json:"id"`
	AuthorizationSource  string         `json:"authorizationSource"`
	ManagedByTenants     []string       `json:"managedByTenants"`
	SubscriptionID       string         `json:"subscriptionId"`
	TenantID             string         `json:"tenantId"`
	DisplayName          string         `json:"displayName"`
	State                string         `json:"state"`
	SubscriptionPolicies map[string]any `json:"subscriptionPolicies"`
}

func viewSubscription(res catalog.Resource) (subscriptionView, error) {
	var body catalog.Subscription
	if err := json.Unmarshal(res.Body, &body); err != nil {
		return subscriptionView{}, err
	}
	return subscriptionView{
		ID: res.ID, AuthorizationSource: "RoleBased", ManagedByTenants: []string{}, SubscriptionID: res.Name, TenantID: string(res.Tenant),
		DisplayName: body.DisplayName, State: "Enabled",
		SubscriptionPolicies: map[string]any{"locationPlacementId": "Public_2014-09-01", "quotaId": "PayAsYouGo_2014-09-01", "spendingLimit": "Off"},
	}, nil
}

func (s *server) listSubscriptions(w http.ResponseWriter, r *http.Request) error {
	all, err := s.Identity.Catalog.List(r.Context(), "/subscriptions", catalog.SubscriptionType)
	if err != nil {
		return err
	}
	var views []subscriptionView
	for _, res := range all {
		sees, err := s.Identity.Roles.Sees(r.Context(), callerOf(r), resource.SubscriptionID(res.Name))
		if err != nil {
			return err
		}
		if sees {
			v, err := viewSubscription(res)
			if err != nil {
				return err
			}
			views = append(views, v)
		}
	}
	return writePage(s, w, r, pager{count: true}, views, func(v subscriptionView) string { return v.ID })
}

// subscription returns the subscription in the path, if the caller sees it.
func (s *server) subscription(r *http.Request) (catalog.Resource, error) {
	id := resource.SubscriptionID(r.PathValue("subscription"))
	missing := fault.New(fault.SubscriptionNotFound, "The subscription '%.64s' could not be found.", r.PathValue("subscription"))
	sees, err := s.Identity.Roles.Sees(r.Context(), callerOf(r), id)
	if err != nil {
		return catalog.Resource{}, err
	}
	if !sees {
		return catalog.Resource{}, missing
	}
	res, err := s.Identity.Catalog.Get(r.Context(), id.String())
	if errors.Is(err, catalog.ErrNotFound) {
		return catalog.Resource{}, missing
	}
	return res, err
}

func (s *server) getSubscription(w http.ResponseWriter, r *http.Request) error {
	res, err := s.subscription(r)
	if err != nil {
		return err
	}
	v, err := viewSubscription(res)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, v)
}

func (s *server) listTenants(w http.ResponseWriter, r *http.Request) error {
	t, ok, err := s.Identity.Issuer.Tenant(r.Context(), string(callerOf(r).Tenant))
	if err != nil {
		return err
	}
	if !ok {
		return writeJSON(w, http.StatusOK, page([]any{}))
	}
	return writeJSON(w, http.StatusOK, page([]any{map[string]any{
		"id": "/tenants/" + string(t.ID), "tenantId": t.ID, "displayName": t.Name, "tenantCategory": "Home", "defaultDomain": s.Domain, "domains": []string{s.Domain},
	}}))
}

// regions are names that resources are placed under. There is one server; a
// region is a label by which vaults and clusters are kept together, and any
// other name is accepted, too.
var regions = []string{
	"Local", "West Europe", "North Europe", "East US", "East US 2", "Central US", "West US 2", "West US 3", "UK South", "France Central",
	"Germany West Central", "Switzerland North", "Sweden Central", "Norway East", "Canada Central", "Brazil South", "Japan East",
	"Korea Central", "Southeast Asia", "Australia East", "Central India", "UAE North", "South Africa North",
}

// regionName is a region as ids have it: West Europe is westeurope.
func regionName(display string) string {
	return strings.ToLower(strings.ReplaceAll(display, " ", ""))
}

func (s *server) listLocations(w http.ResponseWriter, r *http.Request) error {
	res, err := s.subscription(r)
	if err != nil {
		return err
	}
	var all []any
	for _, display := range regions {
		all = append(all, map[string]any{
			"id": res.ID + "/locations/" + regionName(display), "subscriptionId": res.Name, "name": regionName(display), "type": "Region",
			"displayName": display, "regionalDisplayName": display,
			"metadata": map[string]any{"regionType": "Physical", "regionCategory": "Recommended"},
		})
	}
	return writeJSON(w, http.StatusOK, page(all))
}
