package api

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strings"

	"logkeep/internal/fault"
	"logkeep/internal/resource"
	"logkeep/internal/vault/admin"
)

// Vaults keeps vault resources: the client of the vault's process. A refusal
// is a *admin.Problem, whose words the caller reads.
type Vaults interface {
	PutVault(ctx context.Context, r admin.Request) (v admin.Vault, created bool, err error)
	PatchVault(ctx context.Context, r admin.Request) (admin.Vault, error)
	EditPolicies(ctx context.Context, edit admin.Edit, r admin.Request) (admin.Vault, error)
	Vault(ctx context.Context, r admin.Request) (admin.Vault, error)
	Vaults(ctx context.Context, r admin.Request) ([]admin.Vault, error)
	DeleteVault(ctx context.Context, r admin.Request) error
	CheckName(ctx context.Context, name string) (admin.NameCheck, error)
	DeletedVaults(ctx context.Context, r admin.Request) ([]admin.DeletedVault, error)
	DeletedVault(ctx context.Context, r admin.Request) (admin.DeletedVault, error)
	PurgeVault(ctx context.Context, r admin.Request) error
	VaultKeys
}

func (s *server) vaultRoutes() []route {
	const (
		sub     = "/subscriptions/{subscription}"
		ns      = "/providers/Microsoft.KeyVault"
		all     = sub + "/resourceGroups/{group}" + ns + "/vaults"
		one     = all + "/{name}"
		deleted = sub + ns + "/locations/{location}/deletedVaults/{name}"
		read    = "Microsoft.KeyVault/vaults/read"
		put     = "Microsoft.KeyVault/vaults/write"
	)
	return []route{
		{method: "GET", pattern: sub + ns + "/vaults", action: read, handle: s.listVaults},
		{method: "GET", pattern: all, action: read, handle: s.listVaults},
		{method: "GET", pattern: one, action: read, handle: s.getVault},
		{method: "PUT", pattern: one, action: put, handle: s.putVault},
		{method: "PATCH", pattern: one, action: put, handle: s.patchVault},
		{method: "DELETE", pattern: one, action: "Microsoft.KeyVault/vaults/delete", handle: s.deleteVault},
		{method: "PUT", pattern: one + "/accessPolicies/{edit}", action: "Microsoft.KeyVault/vaults/accessPolicies/write", handle: s.editPolicies},
		{method: "GET", pattern: sub + ns + "/deletedVaults", action: "Microsoft.KeyVault/deletedVaults/read", handle: s.listDeletedVaults},
		{method: "GET", pattern: deleted, action: "Microsoft.KeyVault/locations/deletedVaults/read", handle: s.getDeletedVault},
		{method: "POST", pattern: deleted + "/purge", action: "Microsoft.KeyVault/locations/deletedVaults/purge/action", handle: s.purgeVault},
		{method: "POST", pattern: sub + ns + "/checkNameAvailability", action: "Microsoft.KeyVault/checkNameAvailability/read", handle: s.checkVaultName},
		// az lists both kinds whenever it lists vaults; there are no managed HSMs.
		{method: "GET", pattern: sub + ns + "/managedHSMs", action: "Microsoft.KeyVault/managedHSMs/read", handle: s.none},
		{method: "GET", pattern: sub + "/resourceGroups/{group}" + ns + "/managedHSMs", action: "Microsoft.KeyVault/managedHSMs/read", handle: s.none},
		{method: "GET", pattern: sub + ns + "/deletedManagedHSMs", action: "Microsoft.KeyVault/deletedManagedHsms/read", handle: s.none},
	}
}

// none is an empty list.
func (s *server) none(w http.ResponseWriter, _ *http.Request) error {
	return writeJSON(w, http.StatusOK, page[struct{}](nil))
}

// vaultRequest is what the vault's process is told of r. The body has gone
// through a parser, but is passed on as it came.
func (s *server) vaultRequest(r *http.Request, id resource.ID, withBody bool) (admin.Request, error) {
	c := callerOf(r)
	address, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		address = r.RemoteAddr
	}
	q := admin.Request{ID: id, Tenant: string(c.Tenant), APIVersion: versionOf(r.URL.Query()),
		Caller: admin.Caller{ObjectID: c.ObjectID, AppID: c.AppID, Address: address, Correlation: r.Header.Get("x-ms-client-request-id"), ClientInfo: r.UserAgent()}}
	if !withBody {
		return q, nil
	}
	b, err := readBody(r)
	if err != nil {
		return q, err
	}
	var object map[string]json.RawMessage
	if err := decodeBytes(b, &object); err != nil {
		return q, err
	}
	q.Body = trimBOM(b)
	return q, nil
}

// told turns a refusal of the vault's process into what the caller reads.
func told(err error) error {
	if p, ok := errors.AsType[*admin.Problem](err); ok {
		return fault.Passed(p.Status, fault.Code(p.Code), p.Message)
	}
	return err
}

// withVault calls f for the vault in the path.
func (s *server) withVault(r *http.Request, body bool, f func(admin.Request) error) error {
	id, err := idOf(r)
	if err != nil {
		return err
	}
	q, err := s.vaultRequest(r, id, body)
	if err != nil {
		return err
	}
	return told(f(q))
}

func (s *server) listVaults(w http.ResponseWriter, r *http.Request) error {
	scope, err := s.listScope(r)
	if err != nil {
		return err
	}
	q, err := s.vaultRequest(r, scope, false)
	if err != nil {
		return err
	}
	all, err := s.Vaults.Vaults(r.Context(), q)
	if err != nil {
		return told(err)
	}
	return writePage(s, w, r, pager{}, all, func(v admin.Vault) string { return v.ID })
}

func (s *server) getVault(w http.ResponseWriter, r *http.Request) error {
	return s.withVault(r, false, func(q admin.Request) error {
		v, err := s.Vaults.Vault(r.Context(), q)
		if err != nil {
			return err
		}
		return writeJSON(w, http.StatusOK, v)
	})
}

func (s *server) putVault(w http.ResponseWriter, r *http.Request) error {
	if _, err := s.group(r); err != nil {
		return err
	}
	return s.withVault(r, true, func(q admin.Request) error {
		if err := s.mayChangeModel(r, q); err != nil {
			return err
		}
		v, _, err := s.Vaults.PutVault(r.Context(), q)
		if err != nil {
			return err
		}
		return writeJSON(w, http.StatusOK, v) // 200 for a new one, too: clients refuse 202 and some 201
	})
}

func (s *server) patchVault(w http.ResponseWriter, r *http.Request) error {
	return s.withVault(r, true, func(q admin.Request) error {
		if err := s.mayChangeModel(r, q); err != nil {
			return err
		}
		v, err := s.Vaults.PatchVault(r.Context(), q)
		if err != nil {
			return err
		}
		return writeJSON(w, http.StatusOK, v)
	})
}

// mayChangeModel refuses a change of an existing vault's permission model by
// somebody who may not give out roles: it would give out the keys.
func (s *server) mayChangeModel(r *http.Request, q admin.Request) error {
	var body struct {
		Properties struct {
			RBAC *bool `json:"enableRbacAuthorization"`
		} `json:"properties"`
	}
	if err := json.Unmarshal(q.Body, &body); err != nil {
		return nil // the vault's process says what is wrong with it
	}
	now, err := s.Vaults.Vault(r.Context(), q)
	if p, ok := errors.AsType[*admin.Problem](err); ok && p.Status == http.StatusNotFound {
		return nil
	}
	if err != nil {
		return err
	}
	if v := body.Properties.RBAC; v == nil || *v == now.Properties.EnableRBACAuthorization {
		return nil
	}
	return s.allow(r, "Microsoft.Authorization/roleAssignments/write", false, q.ID)
}

func (s *server) editPolicies(w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(r)
	if err != nil {
		return err
	}
	q, err := s.vaultRequest(r, id.Parent(), true)
	if err != nil {
		return err
	}
	edit := admin.Edit(strings.ToLower(r.PathValue("edit")))
	if edit != admin.AddPolicies && edit != admin.ReplacePolicies && edit != admin.RemovePolicies {
		return fault.New(fault.InvalidParameter, "The operation '%.40s' on access policies is unknown; use add, replace or remove.", r.PathValue("edit"))
	}
	v, err := s.Vaults.EditPolicies(r.Context(), edit, q)
	if err != nil {
		return told(err)
	}
	return writeJSON(w, http.StatusOK, v)
}

// deleteVault deletes softly. Role assignments at the vault and its keys go,
// and do not come back when the vault is recovered.
func (s *server) deleteVault(w http.ResponseWriter, r *http.Request) error {
	return s.withVault(r, false, func(q admin.Request) error {
		err := s.Vaults.DeleteVault(r.Context(), q)
		if p, ok := errors.AsType[*admin.Problem](err); ok && p.Status == http.StatusNotFound {
			return gone(w, false)
		}
		if err != nil {
			return err
		}
		if err := s.Identity.Roles.UnassignBelow(r.Context(), q.ID); err != nil {
			return err
		}
		return gone(w, true)
	})
}

func (s *server) listDeletedVaults(w http.ResponseWriter, r *http.Request) error {
	q, err := s.vaultRequest(r, resource.SubscriptionID(r.PathValue("subscription")), false)
	if err != nil {
		return err
	}
	all, err := s.Vaults.DeletedVaults(r.Context(), q)
	if err != nil {
		return told(err)
	}
	return writePage(s, w, r, pager{}, all, func(v admin.DeletedVault) string { return v.ID })
}

func (s *server) getDeletedVault(w http.ResponseWriter, r *http.Request) error {
	return s.withVault(r, false, func(q admin.Request) error {
		v, err := s.Vaults.DeletedVault(r.Context(), q)
		if err != nil {
			return err
		}
		return writeJSON(w, http.StatusOK, v)
	})
}

func (s *server) purgeVault(w http.ResponseWriter, r *http.Request) error {
	id, err := holderOf(r)
	if err != nil {
		return err
	}
	q, err := s.vaultRequest(r, id, false)
	if err != nil {
		return err
	}
	if err := s.Vaults.PurgeVault(r.Context(), q); err != nil {
		return told(err)
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

func (s *server) checkVaultName(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Name string `json:"name"`
	}
	if err := decode(r, &body); err != nil {
		return err
	}
	v, err := s.Vaults.CheckName(r.Context(), body.Name)
	if err != nil {
		return told(err)
	}
	return writeJSON(w, http.StatusOK, v)
}
