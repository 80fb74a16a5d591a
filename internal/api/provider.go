package api

import (
	"net/http"
	"strings"

	"logkeep/internal/fault"
	"logkeep/internal/resource"
)

// A provider is a namespace and the resource types that are served in it. The
// first api-version that is no preview is the one that clients take when they
// are not told.
type provider struct {
	namespace string
	types     []providerType
}

type providerType struct {
	name     string // without the namespace
	tracked  bool   // listed among the resources of a group
	versions []string
}

// providers is the table of what is served. The versions are those that
// clients were seen to send and those of the published descriptions.
var providers = []provider{
	{"Microsoft.Authorization", []providerType{
		{"roleAssignments", false, []string{"2022-04-01", "2020-10-01-preview", "2020-08-01-preview", "2020-04-01-preview", "2018-09-01-preview", "2018-01-01-preview", "2015-07-01"}},
		{"roleDefinitions", false, []string{"2022-04-01", "2018-07-01", "2018-01-01-preview", "2015-07-01"}},
	}},
	{"Microsoft.Insights", []providerType{
		{"eventtypes", false, []string{"2017-03-01-preview", "2015-04-01", "2014-11-01", "2014-04-01"}},
		{"eventCategories", false, []string{"2017-03-01-preview", "2015-04-01", "2014-11-01", "2014-04-01"}},
		{"diagnosticSettings", false, []string{"2021-05-01-preview", "2017-05-01-preview", "2016-09-01", "2015-07-01"}},
		{"diagnosticSettingsCategories", false, []string{"2021-05-01-preview", "2017-05-01-preview"}},
		{"dataCollectionEndpoints", true, []string{"2024-03-11", "2023-03-11", "2022-06-01", "2021-09-01-preview", "2021-04-01"}},
		{"dataCollectionRules", true, []string{"2024-03-11", "2023-03-11", "2022-06-01", "2021-09-01-preview", "2021-04-01"}},
	}},
	{"Microsoft.KeyVault", []providerType{
		{"vaults", true, []string{"2026-02-01", "2025-05-01", "2024-11-01", "2023-07-01", "2023-02-01", "2022-11-01", "2022-07-01", "2021-10-01", "2019-09-01", "2018-02-14", "2016-10-01"}},
		{"vaults/accessPolicies", false, []string{"2026-02-01", "2024-11-01", "2023-07-01", "2023-02-01", "2022-07-01", "2019-09-01"}},
		{"vaults/keys", false, []string{"2026-02-01", "2024-11-01", "2023-07-01", "2023-02-01", "2022-07-01", "2021-10-01", "2019-09-01"}},
		{"vaults/keys/versions", false, []string{"2026-02-01", "2024-11-01", "2023-07-01", "2023-02-01", "2022-07-01", "2021-10-01", "2019-09-01"}},
		{"vaults/privateEndpointConnections", false, []string{"2026-02-01", "2024-11-01", "2023-07-01", "2022-07-01"}},
		{"vaults/privateLinkResources", false, []string{"2026-02-01", "2024-11-01", "2023-07-01", "2022-07-01"}},
		{"deletedVaults", false, []string{"2026-02-01", "2024-11-01", "2023-07-01", "2023-02-01", "2022-07-01", "2019-09-01"}},
		{"locations/deletedVaults", false, []string{"2026-02-01", "2024-11-01", "2023-07-01", "2023-02-01", "2022-07-01", "2019-09-01"}},
		{"checkNameAvailability", false, []string{"2026-02-01", "2024-11-01", "2023-07-01", "2022-07-01", "2019-09-01"}},
		{"managedHSMs", false, []string{"2026-02-01", "2024-11-01", "2023-07-01", "2022-07-01"}},
		{"deletedManagedHSMs", false, []string{"2026-02-01", "2024-11-01", "2023-07-01", "2022-07-01"}},
	}},
	{"Microsoft.ManagedIdentity", []providerType{
		{"userAssignedIdentities", true, []string{"2024-11-30", "2023-07-31-preview", "2023-01-31", "2022-01-31-preview", "2021-09-30-preview", "2018-11-30"}},
		{"identities", false, []string{"2024-11-30", "2023-01-31", "2018-11-30"}},
	}},
	{"Microsoft.OperationalInsights", []providerType{
		{"clusters", true, []string{"2025-07-01", "2025-02-01", "2023-09-01", "2022-10-01", "2021-06-01", "2020-10-01", "2020-08-01"}},
		{"workspaces", true, []string{"2025-07-01", "2025-02-01", "2023-09-01", "2022-10-01", "2021-12-01-preview", "2021-06-01", "2020-10-01", "2020-08-01"}},
		{"workspaces/tables", false, []string{"2025-07-01", "2025-02-01", "2023-09-01", "2022-10-01", "2021-12-01-preview"}},
		{"workspaces/linkedStorageAccounts", false, []string{"2025-07-01", "2025-02-01", "2023-09-01", "2020-08-01"}},
		{"workspaces/savedSearches", false, []string{"2025-07-01", "2025-02-01", "2023-09-01", "2020-08-01"}},
		{"workspaces/linkedServices", false, []string{"2025-07-01", "2025-02-01", "2023-09-01", "2020-08-01"}},
		{"workspaces/schema", false, []string{"2025-07-01", "2025-02-01", "2023-09-01", "2020-08-01"}},
		{"workspaces/usages", false, []string{"2025-07-01", "2025-02-01", "2023-09-01", "2020-08-01"}},
		{"workspaces/managementGroups", false, []string{"2025-07-01", "2025-02-01", "2023-09-01", "2020-08-01"}},
		{"workspaces/availableServiceTiers", false, []string{"2025-07-01", "2025-02-01", "2023-09-01", "2020-08-01"}},
		{"workspaces/intelligencePacks", false, []string{"2025-07-01", "2025-02-01", "2023-09-01", "2020-08-01"}},
		{"linkTargets", false, []string{"2020-03-01-preview", "2015-03-20"}},
		{"deletedWorkspaces", false, []string{"2025-07-01", "2025-02-01", "2023-09-01", "2022-10-01", "2021-12-01-preview", "2020-10-01"}},
		{"locations/operationResults", false, []string{"2025-07-01", "2025-02-01", "2023-09-01", "2022-10-01", "2021-06-01", "2020-08-01"}},
		{"locations/operationStatuses", false, []string{"2025-07-01", "2025-02-01", "2023-09-01", "2022-10-01", "2021-06-01", "2020-08-01"}},
	}},
	{"Microsoft.Subscription", []providerType{
		{"aliases", false, []string{"2021-10-01", "2020-09-01"}},
	}},
	{"Microsoft.Resources", []providerType{
		{"tenants", false, []string{"2022-12-01", "2020-01-01", "2016-06-01"}},
		{"subscriptions", false, []string{"2022-12-01", "2020-01-01", "2019-11-01", "2016-06-01"}},
		{"subscriptions/providers", false, []string{"2025-04-01", "2021-04-01", "2020-06-01"}},
		{"resources", false, []string{"2025-04-01", "2021-04-01", "2020-06-01", "2015-11-01"}},
		{"resourceGroups", false, []string{"2025-04-01", "2021-04-01", "2020-06-01"}},
	}},
}

// tracked reports whether resources of a type are listed among those of a group.
func tracked(t resource.Type) bool {
	for _, p := range providers {
		for _, pt := range p.types {
			if pt.tracked && t.Equal(resource.Type(p.namespace+"/"+pt.name)) {
				return true
			}
		}
	}
	return false
}

// providerRoutes serve the table. Every namespace is registered always: there
// is nothing to set up for a subscription, so nothing can be missing.
func (s *server) providerRoutes() []route {
	const all = "/subscriptions/{subscription}/providers"
	return []route{
		{method: "GET", pattern: "/providers", handle: s.listProviders},
		{method: "GET", pattern: "/providers/{namespace}", handle: s.getProvider},
		{method: "GET", pattern: all, handle: s.listProviders},
		{method: "GET", pattern: all + "/{namespace}", handle: s.getProvider},
		{method: "POST", pattern: all + "/{namespace}/register", handle: s.registerProvider},
		{method: "POST", pattern: all + "/{namespace}/unregister", handle: s.unregisterProvider},
	}
}

type providerView struct {
	ID                 string             `json:"id,omitempty"`
	Namespace          string             `json:"namespace"`
	RegistrationState  string             `json:"registrationState"`
	RegistrationPolicy string             `json:"registrationPolicy"`
	ResourceTypes      []providerTypeView `json:"resourceTypes"`
}

type providerTypeView struct {
	ResourceType      string   `json:"resourceType"`
	Locations         []string `json:"locations"`
	APIVersions       []string `json:"apiVersions"`
	DefaultAPIVersion string   `json:"defaultApiVersion"`
	Capabilities      string   `json:"capabilities"`
}

func viewProvider(p provider, subscription string) providerView {
	v := providerView{Namespace: p.namespace, RegistrationState: "Registered", RegistrationPolicy: "RegistrationFree"}
	if subscription != "" {
		v.ID = resource.SubscriptionID(subscription).String() + "/providers/" + p.namespace
	}
	for _, t := range p.types {
		capabilities := "None"
		switch {
		case t.tracked && t.name == "clusters":
			capabilities = "SystemAssignedResourceIdentity, SupportsTags, SupportsLocation"
		case t.tracked:
			capabilities = "SupportsTags, SupportsLocation"
		}
		v.ResourceTypes = append(v.ResourceTypes, providerTypeView{t.name, regions, t.versions, t.versions[0], capabilities})
	}
	return v
}

func (s *server) listProviders(w http.ResponseWriter, r *http.Request) error {
	if r.PathValue("subscription") != "" {
		if _, err := s.subscription(r); err != nil {
			return err
		}
	}
	var all []providerView
	for _, p := range providers {
		all = append(all, viewProvider(p, r.PathValue("subscription")))
	}
	return writePage(s, w, r, pager{}, all, func(v providerView) string { return v.Namespace })
}

func providerOf(r *http.Request) (provider, error) {
	p, known := namespace(r.PathValue("namespace"))
	if !known {
		return provider{}, noNamespace(r.PathValue("namespace"))
	}
	return p, nil
}

func namespace(name string) (provider, bool) {
	for _, p := range providers {
		if strings.EqualFold(p.namespace, name) {
			return p, true
		}
	}
	return provider{}, false
}

func noNamespace(name string) error {
	return fault.New(fault.InvalidResourceNamespace, "The resource namespace '%.64s' is invalid. GET /subscriptions/{id}/providers lists those that are served.", name)
}

func (s *server) getProvider(w http.ResponseWriter, r *http.Request) error {
	if r.PathValue("subscription") != "" {
		if _, err := s.subscription(r); err != nil {
			return err
		}
	}
	p, err := providerOf(r)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, viewProvider(p, r.PathValue("subscription")))
}

func (s *server) registerProvider(w http.ResponseWriter, r *http.Request) error {
	p, err := providerOf(r)
	if err != nil {
		return err
	}
	if err := s.allow(r, p.namespace+"/register/action", false, resource.SubscriptionID(r.PathValue("subscription"))); err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, viewProvider(p, r.PathValue("subscription")))
}

func (s *server) unregisterProvider(w http.ResponseWriter, r *http.Request) error {
	p, err := providerOf(r)
	if err != nil {
		return err
	}
	if err := s.allow(r, p.namespace+"/unregister/action", false, resource.SubscriptionID(r.PathValue("subscription"))); err != nil {
		return err
	}
	return fault.New(fault.Conflict, "The provider '%s' is registered for every subscription and can't be unregistered.", p.namespace)
}
