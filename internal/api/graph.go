package api

import (
	"net/http"
	"slices"
	"strings"

	"logkeep/internal/entra"
	"logkeep/internal/fault"
)

// graphDialect: like ARM's, without api-versions.
var graphDialect = dialect{
	unversioned: true,
	body:        armBody,
	unknown: func([]string) error {
		return fault.New(fault.NotFound, "The directory's API has nothing at this path. It serves servicePrincipals and directoryObjects/getByIds.")
	},
	challenge: armDialect.challenge,
}

// graphRoutes are the reads of Microsoft Graph that clients make when they
// assign roles. Everybody with a token sees the principals of the own tenant.
// There are no users and no groups here, and their lists say so.
func (s *server) graphRoutes() []route {
	return []route{
		{method: "GET", pattern: "/v1.0/me", handle: s.graphMe},
		{method: "GET", pattern: "/v1.0/servicePrincipals", handle: s.graphPrincipals},
		{method: "GET", pattern: "/v1.0/servicePrincipals/{id}", handle: s.graphPrincipal},
		{method: "POST", pattern: "/v1.0/directoryObjects/getByIds", handle: s.graphObjects},
		{method: "GET", pattern: "/v1.0/users", handle: s.graphNobody},
		{method: "GET", pattern: "/v1.0/groups", handle: s.graphNobody},
	}
}

// A graphObject is a service principal as Graph shows it.
type graphObject struct {
	ODataType              string   `json:"@odata.type,omitempty"`
	ID                     string   `json:"id"`
	AppID                  string   `json:"appId"`
	DisplayName            string   `json:"displayName"`
	AppDisplayName         string   `json:"appDisplayName"`
	AccountEnabled         bool     `json:"accountEnabled"`
	ServicePrincipalType   string   `json:"servicePrincipalType"`
	ServicePrincipalNames  []string `json:"servicePrincipalNames"`
	AlternativeNames       []string `json:"alternativeNames"`
	AppOwnerOrganizationID string   `json:"appOwnerOrganizationId,omitempty"`
}

func graphView(p entra.Principal) graphObject {
	o := graphObject{
		ID: p.ObjectID, AppID: p.AppID, DisplayName: p.Name, AppDisplayName: p.Name, AccountEnabled: true,
		ServicePrincipalType: "Application", ServicePrincipalNames: []string{p.AppID}, AlternativeNames: []string{}, AppOwnerOrganizationID: string(p.Tenant),
	}
	if p.Kind == entra.SystemAssigned || p.Kind == entra.UserAssigned {
		o.ServicePrincipalType = "ManagedIdentity"
		o.AlternativeNames = []string{"isExplicit=" + map[bool]string{true: "True", false: "False"}[p.Kind == entra.UserAssigned], p.Resource}
	}
	return o
}

func (o graphObject) values(property string) ([]string, bool) {
	switch strings.ToLower(property) {
	case "id":
		return []string{o.ID}, true
	case "appid":
		return []string{o.AppID}, true
	case "displayname":
		return []string{o.DisplayName}, true
	case "serviceprincipaltype":
		return []string{o.ServicePrincipalType}, true
	case "serviceprincipalnames":
		return o.ServicePrincipalNames, true
	case "alternativenames":
		return o.AlternativeNames, true
	}
	return nil, false
}

func (o graphObject) call(name string, args []string) (result, ok bool) {
	if !strings.EqualFold(name, "startswith") || len(args) != 2 {
		return false, false
	}
	values, ok := o.values(args[0])
	return slices.ContainsFunc(values, func(v string) bool {
		return strings.HasPrefix(strings.ToLower(v), strings.ToLower(args[1]))
	}), ok
}

// graphMe knows people, who come from outside. An application of this
// directory is none, and clients count on being told so (wire 1.7).
func (s *server) graphMe(w http.ResponseWriter, r *http.Request) error {
	if c := callerOf(r); c.Outside != "" {
		me := struct {
			Context     string `json:"@odata.context"`
			ID          string `json:"id"`
			DisplayName string `json:"displayName"`
			Principal   string `json:"userPrincipalName"`
		}{base(r) + "/v1.0/$metadata#users/$entity", c.ObjectID, c.ObjectID, c.ObjectID}
		if p, err := s.Identity.Catalog.Principal(r.Context(), c.ObjectID); err == nil {
			me.DisplayName = p.Name
		}
		return writeJSON(w, http.StatusOK, me)
	}
	return fault.New(fault.BadRequest, "/me request is only valid with delegated authentication flow. Ask for /servicePrincipals instead.")
}

func (s *server) graphAll(r *http.Request) ([]graphObject, error) {
	all, err := s.Identity.Catalog.Principals(r.Context(), callerOf(r).Tenant)
	objects := make([]graphObject, len(all))
	for i, p := range all {
		objects[i] = graphView(p)
	}
	return objects, err
}

func (s *server) graphPrincipals(w http.ResponseWriter, r *http.Request) error {
	all, err := s.graphAll(r)
	if err == nil {
		all, err = sieve(all, option(r, "$filter"))
	}
	if err != nil {
		return err
	}
	return writePage(s, w, r, pager{link: "@odata.nextLink", size: graphPage, most: graphMost}, all, func(o graphObject) string { return o.ID })
}

func (s *server) graphPrincipal(w http.ResponseWriter, r *http.Request) error {
	all, err := s.graphAll(r)
	if err != nil {
		return err
	}
	for _, o := range all {
		if strings.EqualFold(o.ID, r.PathValue("id")) {
			return writeJSON(w, http.StatusOK, o)
		}
	}
	return fault.New(fault.ResourceNotFound, "Resource '%.64s' does not exist or one of its queried reference-property objects are not present.", r.PathValue("id"))
}

func (s *server) graphObjects(w http.ResponseWriter, r *http.Request) error {
	var want struct{ IDs, Types []string }
	if err := decode(r, &want); err != nil {
		return err
	}
	if len(want.IDs) > 1000 {
		return fault.New(fault.BadRequest, "At most 1000 ids can be asked for at once.")
	}
	all, err := s.graphAll(r)
	if err != nil {
		return err
	}
	var found []graphObject
	for _, o := range all {
		named := slices.ContainsFunc(want.IDs, func(id string) bool { return strings.EqualFold(id, o.ID) })
		typed := len(want.Types) == 0 || slices.ContainsFunc(want.Types, func(t string) bool {
			return strings.EqualFold(t, "servicePrincipal") || strings.EqualFold(t, "directoryObject")
		})
		if named && typed {
			o.ODataType = "#microsoft.graph.servicePrincipal"
			found = append(found, o)
		}
	}
	return writeJSON(w, http.StatusOK, page(found))
}

func (s *server) graphNobody(w http.ResponseWriter, _ *http.Request) error {
	return writeJSON(w, http.StatusOK, page([]graphObject{}))
}
