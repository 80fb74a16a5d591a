package api

import (
	"context"
	"net/http"

	"logkeep/internal/fault"
	"logkeep/internal/vault/admin"
)

// VaultKeys keeps keys as resources below their vault. What is done with keys
// is done at the vault itself.
type VaultKeys interface {
	MakeKey(ctx context.Context, r admin.Request) (admin.Key, error)
	Key(ctx context.Context, r admin.Request) (admin.Key, error)
	VaultKeys(ctx context.Context, r admin.Request) ([]admin.Key, error)
	KeyVersions(ctx context.Context, r admin.Request) ([]admin.Key, error)
}

// vaultKeyRoutes serve what is below a vault: its keys, and the private
// endpoints and links that no vault here has.
func (s *server) vaultKeyRoutes() []route {
	const (
		vault   = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.KeyVault/vaults/{vault}"
		keys    = vault + "/keys"
		one     = keys + "/{name}"
		private = vault + "/privateEndpointConnections"
		hsm     = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.KeyVault/managedHSMs/{name}"
		action  = "Microsoft.KeyVault/vaults/"
	)
	return []route{
		{method: "GET", pattern: keys, action: action + "keys/read", handle: s.listKeys},
		{method: "GET", pattern: one, action: action + "keys/read", handle: s.getKey},
		{method: "PUT", pattern: one, action: action + "keys/write", handle: s.putKey},
		{method: "GET", pattern: one + "/versions", action: action + "keys/versions/read", handle: s.listKeyVersions},
		{method: "GET", pattern: one + "/versions/{version}", action: action + "keys/versions/read", handle: s.getKey},
		{method: "GET", pattern: private, action: action + "privateEndpointConnections/read", handle: s.noneOfVault},
		{method: "GET", pattern: private + "/{name}", action: action + "privateEndpointConnections/read", handle: s.noSuchConnection},
		{method: "DELETE", pattern: private + "/{name}", action: action + "privateEndpointConnections/delete", handle: s.connectionGone},
		{method: "PUT", pattern: private + "/{name}", action: action + "privateEndpointConnections/write", handle: s.noConnection},
		{method: "GET", pattern: vault + "/privateLinkResources", action: action + "privateLinkResources/read", handle: s.noneOfVault},
		{method: "GET", pattern: hsm, action: "Microsoft.KeyVault/managedHSMs/read", handle: s.noSuchHSM},
		{method: "PUT", pattern: hsm, action: "Microsoft.KeyVault/managedHSMs/write", handle: s.noHSM},
		{method: "PATCH", pattern: hsm, action: "Microsoft.KeyVault/managedHSMs/write", handle: s.noSuchHSM},
		{method: "DELETE", pattern: hsm, action: "Microsoft.KeyVault/managedHSMs/delete", handle: s.connectionGone},
	}
}

func (s *server) getKey(w http.ResponseWriter, r *http.Request) error {
	return s.withVault(r, false, func(q admin.Request) error {
		k, err := s.Vaults.Key(r.Context(), q)
		if err != nil {
			return err
		}
		return writeJSON(w, http.StatusOK, k)
	})
}

// putKey makes a key, or answers with the one that is there: resources of
// this type are not changed.
func (s *server) putKey(w http.ResponseWriter, r *http.Request) error {
	return s.withVault(r, true, func(q admin.Request) error {
		k, err := s.Vaults.MakeKey(r.Context(), q)
		if err != nil {
			return err
		}
		return writeJSON(w, http.StatusOK, k)
	})
}

func (s *server) listKeys(w http.ResponseWriter, r *http.Request) error {
	return s.keyPage(w, r, s.Vaults.VaultKeys)
}

func (s *server) listKeyVersions(w http.ResponseWriter, r *http.Request) error {
	return s.keyPage(w, r, s.Vaults.KeyVersions)
}

func (s *server) keyPage(w http.ResponseWriter, r *http.Request, list func(context.Context, admin.Request) ([]admin.Key, error)) error {
	holder, err := holderOf(r)
	if err != nil {
		return err
	}
	q, err := s.vaultRequest(r, holder, false)
	if err != nil {
		return err
	}
	all, err := list(r.Context(), q)
	if err != nil {
		return told(err)
	}
	return writePage(s, w, r, pager{}, all, func(k admin.Key) string { return k.ID })
}

// noneOfVault is an empty list of a vault that is there.
func (s *server) noneOfVault(w http.ResponseWriter, r *http.Request) error {
	holder, err := holderOf(r)
	if err != nil {
		return err
	}
	q, err := s.vaultRequest(r, holder, false)
	if err != nil {
		return err
	}
	if _, err := s.Vaults.Vault(r.Context(), q); err != nil {
		return told(err)
	}
	return s.none(w, r)
}

func (s *server) noSuchConnection(_ http.ResponseWriter, r *http.Request) error {
	return fault.New(fault.ResourceNotFound, "The vault '%s' has no private endpoint connection '%.80s'.", r.PathValue("vault"), r.PathValue("name"))
}

func (s *server) connectionGone(w http.ResponseWriter, _ *http.Request) error { return gone(w, false) }

func (s *server) noConnection(http.ResponseWriter, *http.Request) error {
	return fault.New(fault.BadRequest, "Vaults of this server have no private endpoints. Restrict who reaches one with networkAcls or publicNetworkAccess.")
}

func (s *server) noSuchHSM(_ http.ResponseWriter, r *http.Request) error {
	return fault.New(fault.ResourceNotFound, "The Resource 'Microsoft.KeyVault/managedHSMs/%.80s' under resource group '%s' was not found.", r.PathValue("name"), r.PathValue("group"))
}

func (s *server) noHSM(http.ResponseWriter, *http.Request) error {
	return fault.New(fault.BadRequest, "There is no hardware security module behind this server, and it does not pretend to have one. Make a vault, Microsoft.KeyVault/vaults, instead.")
}
