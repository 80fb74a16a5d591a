package catalog

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"logkeep/internal/entra"
	"logkeep/internal/rbac"
	"logkeep/internal/resource"
	"logkeep/internal/schema"
)

// An Administrator is the first principal of a new server. The secret is known
// to nobody else: the catalog keeps only what recognises it.
type Administrator struct {
	TenantID       schema.TenantID `json:"tenantId"`
	SubscriptionID string          `json:"subscriptionId"`
	ClientID       string          `json:"clientId"`
	ClientSecret   string          `json:"clientSecret"`
	ObjectID       string          `json:"objectId"`
}

// Format prints who it is, without the secret.
func (a Administrator) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "administrator %s of tenant %s (secret redacted)", a.ObjectID, a.TenantID)
}

// Bootstrap gives an empty catalog its first records: a tenant, a subscription
// and an administrator who is Owner of the subscription, and of nothing that
// keys protect. A catalog that has a tenant is left alone, made is false.
//
// save must put the administrator where the person who runs the server finds
// it, durably, and may be called again after a crash: it runs before the
// commit, so no administrator exists whose secret was lost.
func (c *Catalog) Bootstrap(ctx context.Context, save func(Administrator) error) (admin Administrator, made bool, err error) {
	err = c.Tx(ctx, func(tx *Tx) error {
		tenants, err := tx.Tenants(ctx)
		if err != nil || len(tenants) > 0 {
			return err
		}
		tenant, err := entra.NewTenant(ctx, tx, "Logkeep")
		if err != nil {
			return err
		}
		sub, err := tx.AddSubscription(ctx, tenant.ID, "Logkeep")
		if err != nil {
			return err
		}
		p, secret, err := entra.AddApplication(ctx, tx, tenant.ID, "administrator")
		if err != nil {
			return err
		}
		err = tx.ChangeRoles(ctx, func(rbac.Roles) (rbac.Change, error) {
			return rbac.Change{Put: []rbac.Assignment{{
				Name: uuid.NewString(), Scope: sub, Tenant: tenant.ID, Role: rbac.Owner,
				Principal: p.ObjectID, PrincipalType: "ServicePrincipal", Created: time.Now(), CreatedBy: p.ObjectID, UpdatedBy: p.ObjectID,
			}}}, nil
		})
		if err != nil {
			return err
		}
		admin = Administrator{tenant.ID, sub.Subscription(), p.AppID, secret, p.ObjectID}
		made = true
		return save(admin)
	})
	if err != nil {
		return Administrator{}, false, fmt.Errorf("make the first tenant: %w", err)
	}
	return admin, made, nil
}

// AddSubscription adds a subscription to a tenant and returns its id.
func (r Records) AddSubscription(ctx context.Context, tenant schema.TenantID, name string) (resource.ID, error) {
	guid := uuid.NewString()
	body, err := json.Marshal(Subscription{DisplayName: name})
	if err != nil {
		return resource.ID{}, err
	}
	id := resource.SubscriptionID(guid)
	_, err = r.Put(ctx, Resource{ID: id.String(), Type: SubscriptionType, Name: guid, Tenant: tenant, Body: body}, IfAbsent())
	return id, err
}

// A Subscription is the body of a resource of SubscriptionType. Registered are
// the namespaces that it was registered for, beside those that always are.
type Subscription struct {
	DisplayName string   `json:"displayName"`
	Registered  []string `json:"registered,omitempty"`
}
