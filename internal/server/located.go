package server

import (
	"context"
	"strings"

	"logkeep/internal/catalog"
	"logkeep/internal/kek"
	"logkeep/internal/resource"
	"logkeep/internal/schema"
	"logkeep/internal/vault/admin"
)

// located finds built-in vaults by their address.
type located struct {
	vault *vaultProcess
	cat   *catalog.Catalog
}

// Locate implements control.Vaults.
func (l located) Locate(ctx context.Context, vaultURI string) (tenant schema.TenantID, location string, found bool, err error) {
	want, err := kek.NewID(vaultURI, "any", "")
	if err != nil {
		return "", "", false, nil
	}
	subscriptions, err := l.cat.List(ctx, "", catalog.SubscriptionType)
	if err != nil {
		return "", "", false, err
	}
	for _, s := range subscriptions {
		id, err := resource.Parse(s.ID)
		if err != nil {
			return "", "", false, err
		}
		vaults, err := l.vault.Vaults(ctx, admin.Request{ID: id, Tenant: string(s.Tenant)})
		if err != nil {
			return "", "", false, err
		}
		for _, v := range vaults {
			have, err := kek.NewID(v.Properties.VaultURI, "any", "")
			if err == nil && name(have) == name(want) {
				return schema.TenantID(v.Properties.TenantID), v.Location, true, nil
			}
		}
	}
	return "", "", false, nil
}

// name is a vault's host without the port.
func name(id kek.ID) string {
	host, _, _ := strings.Cut(id.Host(), ":")
	return host
}
