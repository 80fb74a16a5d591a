package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	"logkeep/internal/catalog"
	"logkeep/internal/fault"
	"logkeep/internal/resource"
)

// A SavedSearch is a query that a workspace keeps. A query's text tells as much
// as rows do: the catalog has all that a person wrote sealed in the workspace's
// account, and only the name in the clear. While the key of the workspace's rows
// is away a search can be deleted, but neither read nor written.
type SavedSearch struct {
	ID       resource.ID
	ETag     resource.ETag
	Modified time.Time
	SearchText
}

// A SearchText is what a person wrote.
type SearchText struct {
	Category           string      `json:"category"`
	DisplayName        string      `json:"displayName"`
	Query              string      `json:"query"`
	FunctionAlias      string      `json:"functionAlias,omitempty"`
	FunctionParameters string      `json:"functionParameters,omitempty"`
	Version            int64       `json:"version,omitempty"`
	Tags               []SearchTag `json:"tags,omitempty"`
}

// A SearchTag is a name and a value.
type SearchTag struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Limits of saved searches, those of the older api; a text also has to be small
// enough for one record.
const (
	maxSearches   = 2000
	maxSearchText = 128 << 10
)

var (
	searchName    = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[^<>*%&:\\?+/#]{1,260}$`) })
	functionAlias = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,99}$`) })
)

func (t SearchText) check() error {
	var wrong []*fault.Error
	for name, v := range map[string]string{"category": t.Category, "displayName": t.DisplayName, "query": t.Query} {
		if strings.TrimSpace(v) == "" {
			wrong = append(wrong, fault.New(fault.InvalidParameter, "properties.%s is required.", name).WithTarget("properties."+name))
		}
	}
	if t.FunctionAlias != "" && !functionAlias().MatchString(t.FunctionAlias) {
		wrong = append(wrong, fault.New(fault.InvalidParameter, "properties.functionAlias is no name of a function: it begins with a letter and has letters, digits and underscores.").WithTarget("properties.functionAlias"))
	}
	return fault.Join(wrong...)
}

// place is what a sealed search is bound to.
func searchPlace(id resource.ID) string { return "savedSearch/" + strings.ToLower(id.Name()) }

// SaveSearch creates a saved search, or replaces one whose etag is given; "*" is
// any.
func (s *Service) SaveSearch(ctx context.Context, id resource.ID, etag resource.ETag, text SearchText) (SavedSearch, error) {
	w, err := s.Workspace(ctx, id.Parent())
	if err != nil {
		return SavedSearch{}, err
	}
	if !searchName().MatchString(id.Name()) {
		return SavedSearch{}, fault.New(fault.InvalidResourceName, "The name of the saved search isn't valid. It has up to 260 characters and none of <>*%%&:\\?+/#.").WithTarget("name")
	}
	if err := text.check(); err != nil {
		return SavedSearch{}, err
	}
	if w.ForceCMK {
		return SavedSearch{}, fault.New(fault.BadRequest, "The workspace demands that queries are saved in storage of its own (forceCmkForQuery), and none is linked for queries. Set properties.forceCmkForQuery to false; saved searches are sealed in any case.")
	}
	clearText, err := json.Marshal(text)
	if err != nil {
		return SavedSearch{}, err
	}
	defer clear(clearText)
	if len(clearText) > maxSearchText {
		return SavedSearch{}, fault.New(fault.InvalidParameter, "A saved search can have %d bytes with everything that it consists of.", maxSearchText)
	}
	if s.texts == nil {
		return SavedSearch{}, fault.New(fault.ServiceUnavailable, "Saved searches can't be sealed here.")
	}
	sealed, err := s.texts.SealText(ctx, w, searchPlace(id), clearText)
	if err != nil {
		return SavedSearch{}, err
	}
	var res catalog.Resource
	err = s.cat.Tx(ctx, func(tx *catalog.Tx) error {
		if _, err := s.workspace(ctx, tx.Records, id.Parent()); err != nil {
			return err
		}
		old, err := tx.Get(ctx, id.String())
		switch {
		case errors.Is(err, catalog.ErrNotFound):
			there, err := tx.List(ctx, w.ID.String(), string(resource.SavedSearch))
			if err != nil {
				return err
			}
			if len(there) >= maxSearches {
				return fault.New(fault.QuotaExceeded, "A workspace can have %d saved searches. Delete one first.", maxSearches)
			}
		case err != nil:
			return err
		case etag != "*" && string(etag) != old.ETag:
			return fault.New(fault.PreconditionFailed, "The saved search '%s' is there already and its etag is another. Send the etag of a GET, or \"*\", to replace it.", id.Name())
		}
		if res, err = record(id, "", nil, sealed); err != nil {
			return err
		}
		res, err = tx.Put(ctx, res, catalog.Always())
		return err
	})
	if err != nil {
		return SavedSearch{}, err
	}
	stored, err := idOf(res)
	return SavedSearch{ID: stored, ETag: resource.ETag(res.ETag), Modified: res.Modified, SearchText: text}, err
}

// SavedSearch returns one.
func (s *Service) SavedSearch(ctx context.Context, id resource.ID) (SavedSearch, error) {
	w, err := s.Workspace(ctx, id.Parent())
	if err != nil {
		return SavedSearch{}, err
	}
	res, err := s.cat.Get(ctx, id.String())
	if errors.Is(err, catalog.ErrNotFound) {
		return SavedSearch{}, noSearch(id)
	}
	if err != nil {
		return SavedSearch{}, err
	}
	all, err := s.openSearches(ctx, w, []catalog.Resource{res})
	if err != nil {
		return SavedSearch{}, err
	}
	return all[0], nil
}

// SavedSearches returns those of a workspace, in the order of their names.
func (s *Service) SavedSearches(ctx context.Context, workspace resource.ID) ([]SavedSearch, error) {
	w, err := s.Workspace(ctx, workspace)
	if err != nil {
		return nil, err
	}
	found, err := s.cat.List(ctx, workspace.String(), string(resource.SavedSearch))
	if err != nil {
		return nil, err
	}
	return s.openSearches(ctx, w, found)
}

func (s *Service) openSearches(ctx context.Context, w Workspace, found []catalog.Resource) ([]SavedSearch, error) {
	all, places, sealed := make([]SavedSearch, len(found)), make([]string, len(found)), make([]SealedText, len(found))
	for i, res := range found {
		id, err := idOf(res)
		if err == nil {
			err = decode(res, &sealed[i])
		}
		if err != nil {
			return nil, err
		}
		all[i], places[i] = SavedSearch{ID: id, ETag: resource.ETag(res.ETag), Modified: res.Modified}, searchPlace(id)
	}
	if len(found) == 0 {
		return nil, nil
	}
	if s.texts == nil {
		return nil, fault.New(fault.ServiceUnavailable, "Saved searches can't be opened here.")
	}
	texts, err := s.texts.OpenTexts(ctx, w, places, sealed)
	if err != nil {
		return nil, err
	}
	for i, text := range texts {
		err := json.Unmarshal(text, &all[i].SearchText)
		clear(text)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", all[i].ID, catalog.ErrDamaged)
		}
	}
	return all, nil
}

// SealedSearches returns the saved searches of a workspace as the catalog has
// them, for a query in which they can be functions: places and texts.
func (s *Service) SealedSearches(ctx context.Context, workspace resource.ID) (places []string, sealed []SealedText, err error) {
	found, err := s.cat.List(ctx, workspace.String(), string(resource.SavedSearch))
	if err != nil {
		return nil, nil, err
	}
	for _, res := range found {
		id, err := idOf(res)
		if err != nil {
			return nil, nil, err
		}
		var text SealedText
		if err := decode(res, &text); err != nil {
			return nil, nil, err
		}
		places, sealed = append(places, searchPlace(id)), append(sealed, text)
	}
	return places, sealed, nil
}

// DeleteSearch deletes one. It needs no key.
func (s *Service) DeleteSearch(ctx context.Context, id resource.ID) error {
	if _, err := s.Workspace(ctx, id.Parent()); err != nil {
		return err
	}
	err := s.cat.Delete(ctx, id.String(), catalog.Always())
	if errors.Is(err, catalog.ErrNotFound) {
		return noSearch(id)
	}
	return err
}

func noSearch(id resource.ID) error {
	return fault.New(fault.ResourceNotFound, "The saved search '%.120s' was not found in the workspace '%s'.", id.Name(), id.Parent().Name())
}
