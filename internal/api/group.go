package api

import (
	"errors"
	"net/http"
	"regexp"
	"strings"
	"sync"

	"logkeep/internal/catalog"
	"logkeep/internal/fault"
	"logkeep/internal/resource"
)

// groupRoutes serve resource groups. Everything about one is done when it is
// answered: there is nothing that would take longer.
func (s *server) groupRoutes() []route {
	const (
		all  = "/subscriptions/{subscription}/resourceGroups"
		one  = all + "/{group}"
		read = "Microsoft.Resources/subscriptions/resourceGroups/read"
		put  = "Microsoft.Resources/subscriptions/resourceGroups/write"
		move = "Microsoft.Resources/subscriptions/resourceGroups/moveResources/action"
	)
	return []route{
		{method: "GET", pattern: all, handle: s.listGroups},
		{method: "GET", pattern: one, action: read, handle: s.getGroup},
		{method: "HEAD", pattern: one, action: read, handle: s.headGroup},
		{method: "PUT", pattern: one, action: put, handle: s.putGroup},
		{method: "PATCH", pattern: one, action: put, handle: s.patchGroup},
		{method: "DELETE", pattern: one, action: "Microsoft.Resources/subscriptions/resourceGroups/delete", handle: s.deleteGroup},
		{method: "POST", pattern: one + "/moveResources", action: move, handle: s.moveResources},
		{method: "POST", pattern: one + "/validateMoveResources", action: move, handle: s.moveResources},
	}
}

type groupView struct {
	ID         string            `json:"id"`
	Name       string            `json:"name"`
	Type       resource.Type     `json:"type"`
	Location   string            `json:"location"`
	Tags       map[string]string `json:"tags,omitempty"`
	Properties struct {
		ProvisioningState resource.State `json:"provisioningState"`
	} `json:"properties"`
}

func viewGroup(res catalog.Resource) groupView {
	v := groupView{ID: res.ID, Name: res.Name, Type: resource.Group, Location: res.Location, Tags: res.Tags}
	v.Properties.ProvisioningState = resource.Succeeded
	return v
}

func (v groupView) values(property string) ([]string, bool) {
	return tagged(v.Name, v.Location, v.Tags, property)
}
func (v groupView) call(string, []string) (result, ok bool) { return false, false }

// tagged are the values of what groups and resources can both be found by.
func tagged(name, location string, tags map[string]string, property string) (values []string, ok bool) {
	switch strings.ToLower(property) {
	case "name":
		return []string{name}, true
	case "location":
		return []string{location}, true
	case "tagname":
		for k := range tags {
			values = append(values, k)
		}
		return values, true
	case "tagvalue":
		for _, v := range tags {
			values = append(values, v)
		}
		return values, true
	}
	return nil, false
}

var groupName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[\p{L}\p{N}_().-]{0,89}[\p{L}\p{N}_()-]$`) })

func groupOf(r *http.Request) resource.ID {
	return resource.GroupID(r.PathValue("subscription"), r.PathValue("group"))
}

func (s *server) group(r *http.Request) (catalog.Resource, error) {
	res, err := s.Identity.Catalog.Get(r.Context(), groupOf(r).String())
	if errors.Is(err, catalog.ErrNotFound) {
		return res, fault.New(fault.ResourceGroupNotFound, "Resource group '%.90s' could not be found.", r.PathValue("group"))
	}
	return res, err
}

func (s *server) listGroups(w http.ResponseWriter, r *http.Request) error {
	sub, err := s.subscription(r)
	if err != nil {
		return err
	}
	all, err := s.Identity.Catalog.List(r.Context(), sub.ID, string(resource.Group))
	if err != nil {
		return err
	}
	var views []groupView
	for _, res := range all {
		may, err := s.Access.Decide(r.Context(), callerOf(r), "Microsoft.Resources/subscriptions/resourceGroups/read", false, res.ID)
		if err != nil {
			return err
		}
		if may {
			views = append(views, viewGroup(res))
		}
	}
	if views, err = sieve(views, option(r, "$filter")); err != nil {
		return err
	}
	return writePage(s, w, r, pager{}, views, func(v groupView) string { return v.ID })
}

func (s *server) getGroup(w http.ResponseWriter, r *http.Request) error {
	res, err := s.group(r)
	if err != nil {
		return err
	}
	etagged(w, resource.ETag(res.ETag))
	return writeJSON(w, http.StatusOK, viewGroup(res))
}

func (s *server) headGroup(w http.ResponseWriter, r *http.Request) error {
	switch _, err := s.group(r); {
	case errors.Is(err, fault.ResourceGroupNotFound):
		w.WriteHeader(http.StatusNotFound)
	case err != nil:
		return err
	default:
		w.WriteHeader(http.StatusNoContent)
	}
	return nil
}

type groupBody struct {
	Location string
	Tags     *map[string]string
}

func (s *server) putGroup(w http.ResponseWriter, r *http.Request) error {
	var body groupBody
	if err := decode(r, &body); err != nil {
		return err
	}
	id := groupOf(r)
	if !groupName().MatchString(id.Name()) {
		return fault.New(fault.InvalidResourceName, "The resource group name '%.100s' is not valid. Use up to 90 letters, digits, underscores, parentheses, hyphens and periods, not ending with a period.", id.Name())
	}
	location := regionName(body.Location)
	if location == "" {
		return fault.New(fault.InvalidRequestContent, "The location property is required for this definition.").WithTarget("location")
	}
	want := catalog.Resource{ID: id.String(), Type: string(resource.Group), Name: id.Name(), Location: location}
	if body.Tags != nil {
		want.Tags = *body.Tags
	}
	status := http.StatusCreated
	err := s.Identity.Catalog.Tx(r.Context(), func(tx *catalog.Tx) error {
		old, err := tx.Get(r.Context(), want.ID)
		switch {
		case errors.Is(err, catalog.ErrNotFound):
		case err != nil:
			return err
		case old.Location != location:
			return fault.New(fault.InvalidLocation, "Invalid resource group location '%.40s'. The resource group already exists in location '%s'.", body.Location, old.Location)
		default:
			status, want.Name = http.StatusOK, old.Name
		}
		want, err = tx.Put(r.Context(), want, catalog.Always())
		return err
	})
	if err != nil {
		return err
	}
	return writeJSON(w, status, viewGroup(want))
}

func (s *server) patchGroup(w http.ResponseWriter, r *http.Request) error {
	var body groupBody
	if err := decode(r, &body); err != nil {
		return err
	}
	res, err := s.group(r)
	if err != nil {
		return err
	}
	if body.Tags != nil {
		res.Tags = *body.Tags
		if res, err = s.Identity.Catalog.Put(r.Context(), res, catalog.IfMatch(res.ETag)); err != nil {
			return conflicting(err)
		}
	}
	return writeJSON(w, http.StatusOK, viewGroup(res))
}

// conflicting words the catalog's conflict for callers.
func conflicting(err error) error {
	if errors.Is(err, catalog.ErrConflict) {
		return fault.New(fault.Conflict, "The resource was changed by another request at the same time. Read it and try again.").Because(err)
	}
	return err
}

// deleteGroup deletes a group that holds nothing. One with resources is
// refused: deleting logs and vaults is asked for resource by resource.
func (s *server) deleteGroup(w http.ResponseWriter, r *http.Request) error {
	group, err := s.group(r)
	if err != nil {
		return err
	}
	id := groupOf(r)
	held, err := s.resourcesBelow(r, id)
	if err != nil {
		return err
	}
	if len(held) > 0 {
		return fault.New(fault.Conflict, "The resource group '%s' is not empty: it holds %s. Delete its resources first.", group.Name, held[0].ID)
	}
	err = s.Identity.Catalog.Tx(r.Context(), func(tx *catalog.Tx) error {
		left, err := tx.List(r.Context(), id.String(), "")
		if err != nil {
			return err
		}
		for _, res := range left {
			if tracked(resource.Type(res.Type)) {
				return fault.New(fault.Conflict, "The resource group '%s' is not empty: it holds %s. Delete its resources first.", group.Name, res.ID)
			}
		}
		return tx.Delete(r.Context(), id.String(), catalog.IfMatch(group.ETag))
	})
	if err != nil {
		return conflicting(err)
	}
	if err := s.Identity.Roles.UnassignBelow(r.Context(), id); err != nil {
		return err
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

func (s *server) moveResources(http.ResponseWriter, *http.Request) error {
	return fault.New(fault.ResourceMoveNotSupported, "Resources can't be moved to another group or subscription: their ids are part of what their data is sealed to.")
}
