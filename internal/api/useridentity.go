package api

import (
	"errors"
	"io/fs"
	"net/http"
	"regexp"
	"sync"

	"logkeep/internal/catalog"
	"logkeep/internal/entra"
	"logkeep/internal/fault"
	"logkeep/internal/resource"
)

// userIdentityRoutes serve user-assigned identities, and the system-assigned
// ones of resources to read.
func (s *server) userIdentityRoutes() []route {
	const (
		in   = "/providers/Microsoft.ManagedIdentity/userAssignedIdentities"
		all  = "/subscriptions/{subscription}/resourceGroups/{group}" + in
		one  = all + "/{name}"
		read = "Microsoft.ManagedIdentity/userAssignedIdentities/read"
		put  = "Microsoft.ManagedIdentity/userAssignedIdentities/write"
	)
	return []route{
		{method: "GET", pattern: "/subscriptions/{subscription}" + in, action: read, handle: s.listUserIdentities},
		{method: "GET", pattern: all, action: read, handle: s.listUserIdentities},
		{method: "GET", pattern: one, action: read, handle: s.getUserIdentity},
		{method: "PUT", pattern: one, action: put, handle: s.putUserIdentity},
		{method: "PATCH", pattern: one, action: put, handle: s.patchUserIdentity},
		{method: "DELETE", pattern: one, action: "Microsoft.ManagedIdentity/userAssignedIdentities/delete", handle: s.deleteUserIdentity},
		{method: "GET", pattern: one + "/federatedIdentityCredentials", action: read, handle: s.noFederation},
		{method: "GET", pattern: one + "/federatedIdentityCredentials/{credential}", action: read, handle: s.noSuchFederation},
		{method: "PUT", pattern: one + "/federatedIdentityCredentials/{credential}", action: put, handle: s.refuseFederation},
		{method: "DELETE", pattern: one + "/federatedIdentityCredentials/{credential}", action: put, handle: s.federationGone},
		{method: "GET", pattern: "{scope...}/providers/Microsoft.ManagedIdentity/identities/default", action: "Microsoft.ManagedIdentity/identities/read", handle: s.getSystemIdentity},
	}
}

type userIdentityView struct {
	ID         string            `json:"id"`
	Name       string            `json:"name"`
	Type       resource.Type     `json:"type"`
	Location   string            `json:"location"`
	Tags       map[string]string `json:"tags"`
	Properties struct {
		TenantID    string `json:"tenantId"`
		PrincipalID string `json:"principalId"`
		ClientID    string `json:"clientId"`
	} `json:"properties"`
}

func viewIdentity(res catalog.Resource, p entra.Principal) userIdentityView {
	v := userIdentityView{ID: res.ID, Name: res.Name, Type: resource.Type(res.Type), Location: res.Location, Tags: res.Tags}
	if v.Tags == nil {
		v.Tags = map[string]string{}
	}
	v.Properties.TenantID, v.Properties.PrincipalID, v.Properties.ClientID = string(p.Tenant), p.ObjectID, p.AppID
	return v
}

var userIdentityName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{2,127}$`) })

func (s *server) listUserIdentities(w http.ResponseWriter, r *http.Request) error {
	scope := resource.SubscriptionID(r.PathValue("subscription"))
	if r.PathValue("group") != "" {
		if _, err := s.group(r); err != nil {
			return err
		}
		scope = groupOf(r)
	}
	var views []userIdentityView
	err := s.Identity.Catalog.View(r.Context(), func(tx *catalog.Tx) error {
		all, err := tx.List(r.Context(), scope.String(), string(resource.UserIdentity))
		if err != nil {
			return err
		}
		for _, res := range all {
			p, err := tx.PrincipalOf(r.Context(), res.ID)
			if err != nil {
				return err
			}
			views = append(views, viewIdentity(res, p))
		}
		return nil
	})
	if err != nil {
		return err
	}
	return writePage(s, w, r, pager{}, views, func(v userIdentityView) string { return v.ID })
}

// userIdentity reads the identity in the path and its principal.
func userIdentity(r *http.Request, tx catalog.Records) (catalog.Resource, entra.Principal, error) {
	id := groupOf(r).Resource(resource.UserIdentity, r.PathValue("name"))
	res, err := tx.Get(r.Context(), id.String())
	if errors.Is(err, catalog.ErrNotFound) {
		return res, entra.Principal{}, fault.New(fault.ResourceNotFound, "The Resource '%s/%s' under resource group '%s' was not found.", resource.UserIdentity, id.Name(), id.Group())
	}
	if err != nil {
		return res, entra.Principal{}, err
	}
	p, err := tx.PrincipalOf(r.Context(), res.ID)
	return res, p, err
}

func (s *server) getUserIdentity(w http.ResponseWriter, r *http.Request) error {
	res, p, err := userIdentity(r, s.Identity.Catalog.Records)
	if err != nil {
		return err
	}
	etagged(w, resource.ETag(res.ETag))
	return writeJSON(w, http.StatusOK, viewIdentity(res, p))
}

func (s *server) putUserIdentity(w http.ResponseWriter, r *http.Request) error {
	var body groupBody
	if err := decode(r, &body); err != nil {
		return err
	}
	group, err := s.group(r)
	if err != nil {
		return err
	}
	at, err := resource.Parse(group.ID) // the group's own spelling goes into the id
	if err != nil {
		return err
	}
	id := at.Resource(resource.UserIdentity, r.PathValue("name"))
	switch {
	case !userIdentityName().MatchString(id.Name()):
		return fault.New(fault.InvalidResourceName, "The name '%.130s' of an identity is not valid. Use 3 to 128 letters, digits, hyphens and underscores, starting with a letter or a digit.", id.Name())
	case regionName(body.Location) == "":
		return fault.New(fault.InvalidRequestContent, "The location property is required for this definition.").WithTarget("location")
	}
	status := http.StatusCreated
	var view userIdentityView
	err = s.Identity.Catalog.Tx(r.Context(), func(tx *catalog.Tx) error {
		want := catalog.Resource{ID: id.String(), Type: string(resource.UserIdentity), Name: id.Name(), Location: regionName(body.Location)}
		old, err := tx.Get(r.Context(), want.ID)
		switch {
		case errors.Is(err, catalog.ErrNotFound):
		case err != nil:
			return err
		case old.Location != want.Location:
			return fault.New(fault.InvalidLocation, "The identity already exists in location '%s'; a location can't be changed.", old.Location)
		default:
			status, want.Name, want.Tags = http.StatusOK, old.Name, old.Tags
		}
		if body.Tags != nil {
			want.Tags = *body.Tags
		}
		want, err = tx.Put(r.Context(), want, catalog.Always())
		if err != nil {
			return err
		}
		p, err := entra.AddIdentity(r.Context(), tx, entra.UserAssigned, group.Tenant, want.ID, want.Name)
		view = viewIdentity(want, p)
		return err
	})
	if err != nil {
		return err
	}
	return writeJSON(w, status, view)
}

func (s *server) patchUserIdentity(w http.ResponseWriter, r *http.Request) error {
	var body groupBody
	if err := decode(r, &body); err != nil {
		return err
	}
	var view userIdentityView
	err := s.Identity.Catalog.Tx(r.Context(), func(tx *catalog.Tx) error {
		res, p, err := userIdentity(r, tx.Records)
		if err == nil && body.Tags != nil {
			res.Tags = *body.Tags
			res, err = tx.Put(r.Context(), res, catalog.Always())
		}
		view = viewIdentity(res, p)
		return err
	})
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, view)
}

// deleteUserIdentity removes an identity and its principal. Resources that use
// it are not asked: as in Azure they lose it.
func (s *server) deleteUserIdentity(w http.ResponseWriter, r *http.Request) error {
	err := s.Identity.Catalog.Tx(r.Context(), func(tx *catalog.Tx) error {
		res, _, err := userIdentity(r, tx.Records)
		if err != nil {
			return err
		}
		if err := entra.RemoveIdentity(r.Context(), tx, res.ID); err != nil {
			return err
		}
		return tx.Delete(r.Context(), res.ID, catalog.Always())
	})
	if errors.Is(err, fault.ResourceNotFound) {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

// noFederation: nobody becomes an identity by another issuer's token here. Who
// comes from outside has roles of his own (docs/design/0029).
func (s *server) noFederation(w http.ResponseWriter, r *http.Request) error {
	if _, _, err := userIdentity(r, s.Identity.Catalog.Records); err != nil {
		return err
	}
	return s.none(w, r)
}

func (s *server) noSuchFederation(_ http.ResponseWriter, r *http.Request) error {
	return fault.New(fault.ResourceNotFound, "The identity '%.130s' has no federated credential '%.130s'.", r.PathValue("name"), r.PathValue("credential"))
}

func (s *server) refuseFederation(http.ResponseWriter, *http.Request) error {
	return fault.New(fault.BadRequest, "Federated credentials are not supported: an identity is not had by another issuer's token. Trust the issuer (--issuer) and give its principals roles instead.")
}

func (s *server) federationGone(w http.ResponseWriter, _ *http.Request) error {
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *server) getSystemIdentity(w http.ResponseWriter, r *http.Request) error {
	scope, err := scopeParam(r)
	if err != nil {
		return err
	}
	p, err := s.Identity.Catalog.PrincipalOf(r.Context(), scope.String())
	if errors.Is(err, fs.ErrNotExist) || err == nil && p.Kind != entra.SystemAssigned {
		return fault.New(fault.ResourceNotFound, "The resource '%s' has no system-assigned identity.", scope)
	}
	if err != nil {
		return err
	}
	id := scope.String() + "/providers/Microsoft.ManagedIdentity/identities/default"
	return writeJSON(w, http.StatusOK, viewIdentity(catalog.Resource{ID: id, Name: "default", Type: "Microsoft.ManagedIdentity/identities"}, p))
}
