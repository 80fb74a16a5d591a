package control

import (
	"context"
	"errors"
	"strings"

	"logkeep/internal/fault"
	"logkeep/internal/kek"
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
	return translate(s.keys.Check(ctx, c.holder(), c.Key.ID))
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
