package api

import (
	"net/http"
	"slices"

	"logkeep/internal/control"
	"logkeep/internal/resource"
)

// identityBody is the identity of a resource as clients write it; they send
// back what they have read, principals included.
type identityBody struct {
	Type     string         `json:"type"`
	Assigned map[string]any `json:"userAssignedIdentities"`
}

func (b *identityBody) change() *control.IdentityChange {
	if b == nil {
		return nil
	}
	ch := &control.IdentityChange{Type: b.Type}
	for id, v := range b.Assigned {
		if v != nil || len(b.Assigned) == 1 { // null takes one away
			ch.Assigned = append(ch.Assigned, id)
		}
	}
	slices.Sort(ch.Assigned)
	return ch
}

// allowAssigning asks whether the caller may assign the identities.
func (s *server) allowAssigning(r *http.Request, ch *control.IdentityChange) error {
	if ch == nil {
		return nil
	}
	for _, text := range ch.Assigned {
		if id, err := resource.Parse(text); err == nil {
			if err := s.allow(r, "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action", false, id); err != nil {
				return err
			}
		}
	}
	return nil
}

type identityView struct {
	Type      string                      `json:"type"`
	Principal string                      `json:"principalId,omitempty"`
	Tenant    string                      `json:"tenantId,omitempty"`
	Assigned  map[string]assignedIdentity `json:"userAssignedIdentities,omitempty"`
}

type assignedIdentity struct {
	Principal string `json:"principalId"`
	Client    string `json:"clientId"`
}

func viewWorkspaceIdentity(w control.Workspace) *identityView {
	i := w.Identity
	v := &identityView{Type: i.Type}
	switch i.Type {
	case "":
		return nil
	case control.SystemAssigned:
		v.Principal, v.Tenant = i.Principal, string(w.Tenant)
	case control.UserAssigned:
		v.Assigned = map[string]assignedIdentity{}
		for _, a := range i.Assigned {
			v.Assigned[a.ID.String()] = assignedIdentity{a.Principal, a.AppID}
		}
	}
	return v
}
