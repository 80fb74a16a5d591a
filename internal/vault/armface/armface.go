// Package armface keeps the rules of the resource type
// Microsoft.KeyVault/vaults, for the keeper's resource manager:
//
//   - a name is free in the whole service or taken, and stays taken while a
//     deleted vault can be recovered
//   - soft delete is always on; its retention, 7 to 90 days, is set once
//   - purge protection, once on, stays on, and then only time purges
//   - location and tenant never change
//
// The service's own vault is no resource: here its name is taken and it is not
// found.
package armface

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/google/uuid"

	"logkeep/internal/resource"
	"logkeep/internal/vault/admin"
	"logkeep/internal/vault/keystore"
)

// Config is what a Face works with.
type Config struct {
	Domain string
	Port   int
	Store  *keystore.Store

	Notice func(context.Context, admin.Notice)
	Audit  func(keystore.VaultUID, admin.Event)
	Log    *slog.Logger
}

// A Face serves the keeper's calls about vaults.
type Face struct{ Config }

// New returns a Face.
func New(cfg Config) *Face { return &Face{cfg} }

// Calls returns the calls by path.
func (f *Face) Calls() map[string]admin.Call {
	return map[string]admin.Call{
		"/vaults/get":              f.call("VaultGet", f.get),
		"/vaults/put":              f.call("VaultPut", f.put),
		"/vaults/patch":            f.call("VaultPatch", f.patch),
		"/vaults/policies/add":     f.call("VaultPatch", f.edit(add)),
		"/vaults/policies/replace": f.call("VaultPatch", f.edit(replace)),
		"/vaults/policies/remove":  f.call("VaultPatch", f.edit(remove)),
		"/vaults/delete":           f.call("VaultDelete", f.remove),
		"/vaults/list":             f.call("VaultList", f.list),
		"/vaults/names":            f.names,
		"/deleted/get":             f.call("VaultGetDeleted", f.getDeleted),
		"/deleted/list":            f.call("VaultListDeleted", f.listDeleted),
		"/deleted/purge":           f.call("VaultPurge", f.purge),
		"/audit":                   f.audit,
	}
}

// An outcome is an answer and the vault that it is about, for the audit record.
type outcome struct {
	answer    any
	vault     keystore.Vault
	operation string // when it is not the call's own
}

func (f *Face) call(operation string, serve func(context.Context, admin.Request) (outcome, error)) admin.Call {
	return func(ctx context.Context, body []byte) (any, error) {
		start := time.Now()
		r, err := admin.Read[admin.Request](body)
		if err != nil {
			return nil, err
		}
		o, err := serve(ctx, r)
		if errors.Is(err, keystore.ErrFull) {
			err = admin.Refuse(http.StatusServiceUnavailable, "ServiceUnavailable", "The disk of the vault is full; nothing was changed. The server's operator must make room.")
		}
		if o.operation == "" {
			o.operation = operation
		}
		f.record(start, r, o, err)
		return o.answer, err
	}
}

// record hands the call's audit record on, if it was about a vault.
func (f *Face) record(start time.Time, r admin.Request, o outcome, err error) {
	if o.vault.UID == "" {
		return
	}
	status, description := http.StatusOK, ""
	if p, ok := errors.AsType[*admin.Problem](err); ok {
		status, description = p.Status, p.Message
	} else if err != nil {
		status = http.StatusInternalServerError
	}
	id := r.Caller.Correlation
	if id == "" {
		id = uuid.NewString()
	}
	f.Audit(o.vault.UID, admin.Event{
		Time: start.UTC(), ResourceID: strings.ToUpper(o.vault.ID.String()), OperationName: o.operation, OperationVersion: r.APIVersion,
		Category: "AuditEvent", ResultType: "Success", ResultSignature: http.StatusText(status), ResultDescription: description,
		DurationMs: time.Since(start).Milliseconds(), CallerIPAddress: r.Caller.Address, CorrelationID: id,
		Identity:   admin.Identity{Claim: admin.Claim{ObjectID: r.Caller.ObjectID, AppID: r.Caller.AppID, TenantID: r.Tenant}},
		Properties: admin.EventProps{ClientInfo: r.Caller.ClientInfo, RequestURI: r.ID.String(), ID: o.vault.URI(f.Domain, f.Port), HTTPStatus: status},
	})
}

// accessChanged records that other principals than before may use a vault's keys.
func (f *Face) accessChanged(before admin.Properties, v keystore.Vault) {
	if before.EnableRBACAuthorization == v.Properties.EnableRBACAuthorization && reflect.DeepEqual(before.AccessPolicies, v.Properties.AccessPolicies) {
		return
	}
	uri := v.URI(f.Domain, f.Port)
	f.Audit(v.UID, admin.Event{
		Time: time.Now().UTC(), ResourceID: strings.ToUpper(v.ID.String()), OperationName: admin.GridAccessChange.Operation(), Category: "AuditEvent",
		ResultType: "Success", ResultSignature: http.StatusText(http.StatusOK), CorrelationID: uuid.NewString(),
		Properties: admin.EventProps{ID: uri, HTTPStatus: http.StatusOK, Grid: &admin.GridEvent{
			Type: admin.GridAccessChange, Subject: string(v.Name), Data: admin.GridData{ID: uri, VaultName: string(v.Name), ObjectType: "Vault", ObjectName: string(v.Name)},
		}},
	})
}

func (f *Face) changed(ctx context.Context, v keystore.Vault, what admin.Change) {
	f.Notice(ctx, admin.Notice{VaultURI: v.URI(f.Domain, f.Port), What: what})
}

// show is the vault as a resource.
func (f *Face) show(v keystore.Vault) admin.Vault {
	out := admin.Vault{
		ID: v.ID.String(), Name: string(v.Name), Type: string(resource.Vault), Location: v.Location,
		Tags: v.Tags, SystemData: v.System, Properties: v.Properties,
	}
	if out.Tags == nil {
		out.Tags = map[string]string{}
	}
	out.Properties.VaultURI, out.Properties.ProvisioningState = v.URI(f.Domain, f.Port)+"/", "Succeeded"
	return out
}

func showDeleted(v keystore.Vault) admin.DeletedVault {
	id := "/subscriptions/" + v.ID.Subscription() + "/providers/Microsoft.KeyVault/locations/" + v.Location + "/deletedVaults/" + string(v.Name)
	return admin.DeletedVault{ID: id, Name: string(v.Name), Type: "Microsoft.KeyVault/deletedVaults", Properties: admin.DeletedProperties{
		VaultID: v.ID.String(), Location: v.Location, Tags: v.Tags, DeletionDate: v.Deleted.At, ScheduledPurgeDate: v.Deleted.Purge,
		PurgeProtectionEnabled: v.Properties.EnablePurgeProtection,
	}}
}
