package api

import (
	"net/http"
	"strings"

	"logkeep/internal/control"
	"logkeep/internal/resource"
)

func (s *server) searchRoutes() []route {
	const (
		all = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.OperationalInsights/workspaces/{workspace}/savedSearches"
		one = all + "/{name}"
		may = "Microsoft.OperationalInsights/workspaces/savedSearches/"
	)
	return []route{
		{method: "GET", pattern: all, action: may + "read", handle: s.listSearches},
		{method: "GET", pattern: one, action: may + "read", handle: s.getSearch},
		{method: "PUT", pattern: one, action: may + "write", handle: s.putSearch},
		{method: "DELETE", pattern: one, action: may + "delete", handle: s.deleteSearch},
	}
}

type searchView struct {
	ID         string             `json:"id"`
	Name       string             `json:"name"`
	Type       resource.Type      `json:"type"`
	ETag       string             `json:"etag"`
	Properties control.SearchText `json:"properties"`
}

func viewSearch(v control.SavedSearch) searchView {
	return searchView{v.ID.String(), v.ID.Name(), v.ID.Type(), `"` + string(v.ETag) + `"`, v.SearchText}
}

func (s *server) listSearches(w http.ResponseWriter, r *http.Request) error {
	id, err := holderOf(r)
	if err != nil {
		return err
	}
	found, err := s.Control.SavedSearches(r.Context(), id)
	if err != nil {
		return err
	}
	var views []searchView
	for _, v := range found {
		views = append(views, viewSearch(v))
	}
	return writeJSON(w, http.StatusOK, page(views))
}

func (s *server) getSearch(w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(r)
	if err != nil {
		return err
	}
	v, err := s.Control.SavedSearch(r.Context(), id)
	if err != nil {
		return err
	}
	etagged(w, v.ETag)
	return writeJSON(w, http.StatusOK, viewSearch(v))
}

func (s *server) putSearch(w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(r)
	if err != nil {
		return err
	}
	var body struct {
		ETag       string             `json:"etag"`
		Properties control.SearchText `json:"properties"`
	}
	if err := decode(r, &body); err != nil {
		return err
	}
	v, err := s.Control.SaveSearch(r.Context(), id, resource.ETag(strings.Trim(body.ETag, `"`)), body.Properties)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, viewSearch(v)) // never 201: clients refuse it
}

func (s *server) deleteSearch(w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(r)
	if err != nil {
		return err
	}
	if err := s.Control.DeleteSearch(r.Context(), id); err != nil {
		return err
	}
	w.WriteHeader(http.StatusOK)
	return nil
}
