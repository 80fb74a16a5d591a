package control

import (
	"context"
	"strings"

	"logkeep/internal/catalog"
	"logkeep/internal/entra"
	"logkeep/internal/fault"
	"logkeep/internal/resource"
)

// A WorkspaceIdentity is who a workspace is to others: its own principal, or
// user-assigned ones (behaviour 9.15). Nothing of the workspace's data hangs on it.
type WorkspaceIdentity struct {
	Type      string             `json:"type,omitempty"` // "" or None, SystemAssigned, UserAssigned
	Principal string             `json:"principal,omitempty"`
	AppID     string             `json:"appId,omitempty"`
	Assigned  []AssignedIdentity `json:"assigned,omitempty"`
}

// An AssignedIdentity is a user-assigned identity of a workspace.
type AssignedIdentity struct {
	ID        resource.ID `json:"id"`
	Principal string      `json:"principal"`
	AppID     string      `json:"appId"`
}

// maxIdentities is how many user-assigned identities a workspace can have.
const maxIdentities = 32

// wantedOf reads what a client asks for of a workspace.
func (ch IdentityChange) wantedOf(now WorkspaceIdentity) (WorkspaceIdentity, *fault.Error) {
	switch {
	case strings.EqualFold(ch.Type, NoIdentity):
		return WorkspaceIdentity{Type: NoIdentity}, nil
	case strings.EqualFold(ch.Type, SystemAssigned):
		if now.Type == SystemAssigned {
			return now, nil
		}
		return WorkspaceIdentity{Type: SystemAssigned}, nil
	case !strings.EqualFold(ch.Type, UserAssigned):
		return now, fault.New(fault.InvalidParameter, "identity.type '%.60s' is unknown; a workspace has SystemAssigned, UserAssigned or None.", ch.Type).WithTarget("identity.type")
	case len(ch.Assigned) == 0 && now.Type == UserAssigned:
		return now, nil // clients send the type alone
	case len(ch.Assigned) == 0 || len(ch.Assigned) > maxIdentities:
		return now, fault.New(fault.InvalidParameter, "identity.userAssignedIdentities names 1 to %d identities, not %d.", maxIdentities, len(ch.Assigned)).WithTarget("identity.userAssignedIdentities")
	}
	next := WorkspaceIdentity{Type: UserAssigned}
	for _, text := range ch.Assigned {
		id, err := resource.Parse(text)
		if err != nil || !id.Type().Equal(resource.UserIdentity) {
			return now, fault.New(fault.InvalidResourceID, "'%.200s' is not the id of a user-assigned identity: /subscriptions/…/resourceGroups/…/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}.", text).WithTarget("identity.userAssignedIdentities")
		}
		next.Assigned = append(next.Assigned, AssignedIdentity{ID: id})
	}
	return next, nil
}

// identifyWorkspace finds or makes the principals of a workspace's identity, and
// removes the own one of a workspace that has none any more.
func identifyWorkspace(ctx context.Context, tx *catalog.Tx, w *Workspace) error {
	if w.Identity.Type != SystemAssigned {
		if err := entra.RemoveIdentity(ctx, tx, w.ID.String()); err != nil {
			return err
		}
		for i, a := range w.Identity.Assigned {
			p, err := principalOf(ctx, tx.Records, w.Tenant, Identity{Type: UserAssigned, Assigned: a.ID})
			if err != nil {
				return err
			}
			w.Identity.Assigned[i].Principal, w.Identity.Assigned[i].AppID = p.Principal, p.AppID
		}
		return nil
	}
	p, err := entra.AddIdentity(ctx, tx, entra.SystemAssigned, w.Tenant, w.ID.String(), w.ID.Name())
	w.Identity.Principal, w.Identity.AppID = p.ObjectID, p.AppID
	return err
}
