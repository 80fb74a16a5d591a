package control

import (
	"context"
	"errors"
	"strings"

	"logkeep/internal/catalog"
	"logkeep/internal/fault"
	"logkeep/internal/kek"
	"logkeep/internal/resource"
)

// checkKey finds out whether the cluster may have the key that it wishes for:
// identity, region and tenant, then what the vault says.
func (s *Service) checkKey(ctx context.Context, c Cluster) error {
	if c.Identity.holder() == "" {
		return keyNotValid("The cluster has no identity that could use a key; set identity first, grant it access to the vault, then set the key.")
	}
	tenant, location, builtIn, err := s.vaults.Locate(ctx, c.Key.ID.VaultURI)
	if err != nil {
		return err
	}
	if builtIn && tenant != c.Tenant {
		return fault.New(fault.InvalidParameter, "The vault '%s' is in another tenant. Key Vault and cluster must be in the same tenant.", c.Key.ID.VaultURI).WithTarget("properties.keyVaultProperties.keyVaultUri")
	}
	if builtIn && normalLocation(location) != c.Location {
		return fault.New(fault.InvalidParameter, "The vault '%s' is in region '%s' and the cluster in '%s'. Key Vault, cluster and workspaces must be in the same region.", c.Key.ID.VaultURI, location, c.Location).WithTarget("properties.keyVaultProperties.keyVaultUri")
	}
	return translate(s.keys.Check(ctx, c.holder(), c.Key.ID, c.Key.RSASize))
}

// RestoreIdentity gives a cluster a new system-assigned identity after its own
// was set to None: what support does, and no update can. The new identity has
// no rights yet; when it is granted access to the vault, the data comes back.
func (s *Service) RestoreIdentity(ctx context.Context, id resource.ID) (c Cluster, err error) {
	err = s.cat.Tx(ctx, func(tx *catalog.Tx) error {
		if c, err = s.cluster(ctx, tx.Records, id); err != nil {
			return err
		}
		switch {
		case !c.State.Settled():
			return inProgress()
		case !c.IdentityRemoved:
			return fault.New(fault.Conflict, "The identity of cluster '%s' was not removed; there is nothing to restore.", id.Name())
		}
		c.IdentityRemoved, c.Identity = false, Identity{Type: SystemAssigned}
		if err := identify(ctx, tx, &c); err != nil {
			return err
		}
		c, err = putCluster(ctx, tx, c)
		return err
	})
	if err != nil {
		return Cluster{}, err
	}
	return c, s.keys.Watch(ctx, c.holder(), c.Key.ID)
}

// translate turns what keys say into faults. Other errors pass.
func translate(err error) error {
	if unfit, ok := errors.AsType[*kek.Unfit](err); ok {
		if unfit.Why == kek.NotRecoverable {
			return fault.New(fault.KeyNotRecoverable, "Key isn't recoverable. Key Vault must be set to Soft-delete and Purge-protection. For key '%s': %s", unfit.Key, stopped(unfit.Detail)).
				WithTarget("properties.keyVaultProperties").Because(err)
		}
		return keyNotValid("For key '" + unfit.Key.String() + "': " + stopped(unfit.Detail)).Because(err)
	}
	if silent, ok := errors.AsType[*kek.Silent](err); ok {
		return keyNotValid("The vault of key '" + silent.Key.String() + "' did not answer; check its address and try again.").Because(err)
	}
	if denied, ok := errors.AsType[*kek.Denied](err); ok {
		return keyNotValid("For key '" + denied.Key.String() + "' the vault answered: " + stopped(denied.Answer())).Because(err)
	}
	if damaged, ok := errors.AsType[*kek.Damaged](err); ok {
		return keyNotValid("For key '" + damaged.Key.String() + "' the vault answered: " + stopped(damaged.Answer())).Because(err)
	}
	return err
}

// stopped ends a sentence with one full stop.
func stopped(s string) string { return strings.TrimSuffix(s, ".") + "." }

func keyNotValid(more string) *fault.Error {
	return fault.New(fault.KeyValidationFailed, "Failed to validate key in Key Vault. Could be due to lack of permissions or when key doesn't exist. %s", more).WithTarget("properties.keyVaultProperties")
}
