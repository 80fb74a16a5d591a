package api

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"logkeep/internal/catalog"
	"logkeep/internal/fault"
	"logkeep/internal/resource"
	"logkeep/internal/vault/admin"
)

// resourceRoutes list resources of every service. A caller is shown those that
// it may read.
func (s *server) resourceRoutes() []route {
	return []route{
		{method: "GET", pattern: "/subscriptions/{subscription}/resources", handle: s.listResources},
		{method: "GET", pattern: "/subscriptions/{subscription}/resourceGroups/{group}/resources", handle: s.listGroupResources},
	}
}

// A resourceView is a resource without its properties.
type resourceView struct {
	ID       string            `json:"id"`
	Name     string            `json:"name"`
	Type     resource.Type     `json:"type"`
	Location string            `json:"location"`
	Tags     map[string]string `json:"tags,omitempty"`
	SKU      json.RawMessage   `json:"sku,omitempty"`
	Kind     string            `json:"kind,omitempty"`
}

func (v resourceView) values(property string) ([]string, bool) {
	switch strings.ToLower(property) {
	case "resourcetype", "type":
		return []string{string(v.Type)}, true
	case "id":
		return []string{v.ID}, true
	case "kind":
		return []string{v.Kind}, true
	case "resourcegroup":
		id, err := resource.Parse(v.ID)
		return []string{id.Group()}, err == nil
	}
	return tagged(v.Name, v.Location, v.Tags, property)
}

func (v resourceView) call(name string, args []string) (result, ok bool) {
	if len(args) != 2 {
		return false, false
	}
	// substringof('text', property) and startswith(property, 'text')
	text, property, test := args[0], args[1], strings.Contains
	switch strings.ToLower(name) {
	case "substringof":
	case "startswith":
		text, property, test = args[1], args[0], strings.HasPrefix
	default:
		return false, false
	}
	values, ok := v.values(property)
	return slices.ContainsFunc(values, func(s string) bool { return test(strings.ToLower(s), strings.ToLower(text)) }), ok
}

// resourcesBelow returns the resources in a scope, in the order of their ids,
// whoever asks.
func (s *server) resourcesBelow(r *http.Request, scope resource.ID) ([]resourceView, error) {
	all, err := s.Identity.Catalog.List(r.Context(), scope.String(), "")
	if err != nil {
		return nil, err
	}
	var views []resourceView
	for _, res := range all {
		if tracked(resource.Type(res.Type)) {
			views = append(views, viewResource(res))
		}
	}
	if s.Identity.Vaults != nil {
		vaults, err := s.Identity.Vaults.Vaults(r.Context(), admin.Request{ID: scope, Tenant: string(callerOf(r).Tenant)})
		if err != nil {
			return nil, err
		}
		for _, v := range vaults {
			views = append(views, resourceView{ID: v.ID, Name: v.Name, Type: resource.Vault, Location: v.Location, Tags: v.Tags})
		}
	}
	slices.SortFunc(views, func(a, b resourceView) int { return strings.Compare(strings.ToLower(a.ID), strings.ToLower(b.ID)) })
	return views, nil
}

func viewResource(res catalog.Resource) resourceView {
	v := resourceView{ID: res.ID, Name: res.Name, Type: resource.Type(res.Type), Location: res.Location, Tags: res.Tags}
	var body struct {
		SKU  json.RawMessage `json:"sku"`
		Kind string          `json:"kind"`
	}
	if json.Unmarshal(res.Body, &body) == nil { // bodies belong to their services; these two are what lists show
		v.SKU, v.Kind = body.SKU, body.Kind
		if len(v.SKU) > 0 && v.SKU[0] == '"' { // stored by its name alone; clients know an object
			v.SKU = slices.Concat([]byte(`{"name":`), v.SKU, []byte("}"))
		}
	}
	return v
}

func (s *server) listResources(w http.ResponseWriter, r *http.Request) error {
	sub, err := s.subscription(r)
	if err != nil {
		return err
	}
	return s.writeResources(w, r, resource.SubscriptionID(sub.Name))
}

func (s *server) listGroupResources(w http.ResponseWriter, r *http.Request) error {
	sees, err := s.Identity.Roles.Sees(r.Context(), callerOf(r), groupOf(r))
	if err != nil {
		return err
	}
	if sees {
		_, err = s.group(r)
	} else {
		err = fault.New(fault.ResourceGroupNotFound, "Resource group '%.90s' could not be found.", r.PathValue("group"))
	}
	if err != nil {
		return err
	}
	return s.writeResources(w, r, groupOf(r))
}

func (s *server) writeResources(w http.ResponseWriter, r *http.Request, scope resource.ID) error {
	all, err := s.resourcesBelow(r, scope)
	if err != nil {
		return err
	}
	visible := all[:0]
	for _, v := range all {
		may, err := s.Access.Decide(r.Context(), callerOf(r), string(v.Type)+"/read", false, v.ID)
		if err != nil {
			return err
		}
		if may {
			visible = append(visible, v)
		}
	}
	if visible, err = sieve(visible, option(r, "$filter")); err != nil {
		return err
	}
	return writePage(s, w, r, pager{}, visible, func(v resourceView) string { return v.ID })
}
