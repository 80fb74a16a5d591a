package armface

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"logkeep/internal/resource"
	"logkeep/internal/vault/admin"
	"logkeep/internal/vault/keystore"
)

// document is what a client may write of a vault. What it echoes of the rest
// (vaultUri, provisioningState) is ignored.
type document struct {
	Location   string             `json:"location"`
	Tags       *map[string]string `json:"tags"`
	Properties struct {
		TenantID                     *string           `json:"tenantId"`
		SKU                          *admin.SKU        `json:"sku"`
		AccessPolicies               *[]admin.Policy   `json:"accessPolicies"`
		NetworkACLs                  *admin.NetworkACL `json:"networkAcls"`
		EnabledForDeployment         *bool             `json:"enabledForDeployment"`
		EnabledForDiskEncryption     *bool             `json:"enabledForDiskEncryption"`
		EnabledForTemplateDeployment *bool             `json:"enabledForTemplateDeployment"`
		EnableSoftDelete             *bool             `json:"enableSoftDelete"`
		SoftDeleteRetentionInDays    *int              `json:"softDeleteRetentionInDays"`
		EnableRBACAuthorization      *bool             `json:"enableRbacAuthorization"`
		EnablePurgeProtection        *bool             `json:"enablePurgeProtection"`
		PublicNetworkAccess          *string           `json:"publicNetworkAccess"`
		CreateMode                   string            `json:"createMode"`
	} `json:"properties"`
}

func bad(format string, args ...any) error {
	return admin.Refuse(http.StatusBadRequest, "BadRequest", format, args...)
}

func parse(body []byte) (document, error) {
	var d document
	err := json.Unmarshal(body, &d)
	switch wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); {
	case err == nil:
		return d, nil
	case ok && wrong.Field != "":
		return d, bad("Property %q has the wrong type: %s.", wrong.Field, wrong.Value)
	default:
		return d, admin.Refuse(http.StatusBadRequest, "InvalidRequestContent", "The request content was invalid and could not be deserialized.")
	}
}

// roleDefault is the api-version from which on a new vault uses roles unless it
// says otherwise.
const roleDefault = "2026-02-01"

func (f *Face) put(ctx context.Context, r admin.Request) (o outcome, err error) {
	d, err := parse(r.Body)
	if err != nil {
		return o, err
	}
	if r.ID.Type() != resource.Vault || !validName(r.ID.Name()) {
		return o, invalidName(r.ID.Name())
	}
	var answer admin.PutAnswer
	var before admin.Properties
	what := admin.VaultUpdated
	err = f.Store.Update(ctx, func(t *keystore.Tx) error {
		v, err := t.Vault(keystore.VaultName(r.ID.Name()))
		switch {
		case err == nil && v.Deleted.Over(time.Now()):
			if err := t.DropVault(v); err != nil {
				return err
			}
			fallthrough
		case errors.Is(err, keystore.ErrNotFound):
			if strings.EqualFold(d.Properties.CreateMode, "recover") {
				return notFound(r.ID)
			}
			v, what, answer.Created = fresh(r, d), admin.VaultCreated, true
			err = d.complete(r)
		case err != nil:
			return err
		case v.Service() || !v.ID.Equal(r.ID):
			return nameTaken(r.ID.Name())
		case v.Deleted != nil && !strings.EqualFold(d.Properties.CreateMode, "recover"):
			o.vault = v
			return admin.Refuse(http.StatusConflict, "ConflictError", "A vault with the same name already exists in deleted state. You need to either recover or purge existing key vault. Follow this link https://go.microsoft.com/fwlink/?linkid=2149745 for more information on soft delete.")
		case v.Deleted != nil:
			v.Deleted, what, o.operation = nil, admin.VaultRecovered, "VaultRecover"
			d = document{Location: d.Location} // recovering changes nothing else
			err = d.sameLocation(v)
		default:
			if err = d.complete(r); err == nil {
				err = d.sameLocation(v)
			}
		}
		o.vault, before = v, v.Properties
		if err != nil {
			return err
		}
		if what != admin.VaultRecovered && d.Tags == nil {
			v.Tags = nil // PUT replaces
		}
		if err := d.apply(r, &v, answer.Created); err != nil {
			return err
		}
		o.vault = v
		return t.PutVault(&o.vault)
	})
	if err != nil {
		if answer.Created {
			o.vault = keystore.Vault{} // it never was
		}
		return o, err
	}
	if !answer.Created {
		f.accessChanged(before, o.vault)
	}
	f.changed(ctx, o.vault, what)
	answer.Vault = f.show(o.vault)
	o.answer = answer
	return o, nil
}

// fresh is a vault as it is before a document is applied to it.
func fresh(r admin.Request, d document) keystore.Vault {
	now := time.Now().UTC().Truncate(time.Millisecond)
	return keystore.Vault{
		Name: keystore.VaultName(r.ID.Name()), ID: r.ID, Location: place(d.Location),
		System: admin.SystemData{CreatedBy: r.Caller.ObjectID, CreatedByType: "Application", CreatedAt: now},
		Properties: admin.Properties{
			TenantID: strings.ToLower(r.Tenant), AccessPolicies: []admin.Policy{}, EnableSoftDelete: true, SoftDeleteRetentionInDays: 90,
			EnableRBACAuthorization: r.APIVersion >= roleDefault, PublicNetworkAccess: "Enabled",
		},
	}
}

// complete checks what a whole document must have.
func (d document) complete(r admin.Request) error {
	switch {
	case place(d.Location) == "":
		return admin.Refuse(http.StatusBadRequest, "LocationRequired", "The location property is required for this definition.")
	case d.Properties.TenantID == nil:
		return bad("The parameter tenantId is required: it is %s.", r.Tenant)
	case d.Properties.SKU == nil:
		return bad("The parameter sku is required: {\"family\":\"A\",\"name\":\"standard\"}.")
	}
	return nil
}

func (d document) sameLocation(v keystore.Vault) error {
	if d.Location != "" && place(d.Location) != place(v.Location) {
		return admin.Refuse(http.StatusConflict, "InvalidResourceLocation", "The resource '%s' already exists in location '%s' in resource group '%s'. A resource with the same name cannot be created in location '%s'. Please select a new resource name.", v.Name, v.Location, v.ID.Group(), d.Location)
	}
	return nil
}

func (f *Face) patch(ctx context.Context, r admin.Request) (outcome, error) {
	d, err := parse(r.Body)
	if err != nil {
		return outcome{}, err
	}
	return f.change(ctx, r, func(v *keystore.Vault) error {
		if err := d.sameLocation(*v); err != nil {
			return err
		}
		return d.apply(r, v, false)
	})
}

// change changes a live vault.
func (f *Face) change(ctx context.Context, r admin.Request, apply func(*keystore.Vault) error) (o outcome, err error) {
	var before admin.Properties
	err = f.Store.Update(ctx, func(t *keystore.Tx) (err error) {
		if o.vault, err = find(t, r.ID); err != nil {
			return err
		}
		changed := o.vault
		before = o.vault.Properties
		if err := apply(&changed); err != nil {
			return err
		}
		touch(r, &changed)
		o.vault = changed
		return t.PutVault(&changed)
	})
	if err != nil {
		return o, err
	}
	f.accessChanged(before, o.vault)
	f.changed(ctx, o.vault, admin.VaultUpdated)
	o.answer = f.show(o.vault)
	return o, nil
}

func touch(r admin.Request, v *keystore.Vault) {
	v.System.LastModifiedBy, v.System.LastModifiedByType = r.Caller.ObjectID, "Application"
	v.System.LastModifiedAt = time.Now().UTC().Truncate(time.Millisecond)
}

// remove deletes a vault softly.
func (f *Face) remove(ctx context.Context, r admin.Request) (o outcome, err error) {
	err = f.Store.Update(ctx, func(t *keystore.Tx) (err error) {
		if o.vault, err = find(t, r.ID); err != nil {
			return err
		}
		now := time.Now().UTC().Truncate(time.Second)
		o.vault.Deleted = &keystore.Deletion{At: now, Purge: now.Add(o.vault.Retention())}
		return t.PutVault(&o.vault)
	})
	if err != nil {
		return o, err
	}
	f.changed(ctx, o.vault, admin.VaultDeleted)
	o.answer = struct{}{}
	return o, nil
}

// purge destroys a deleted vault and its keys for ever.
func (f *Face) purge(ctx context.Context, r admin.Request) (o outcome, err error) {
	err = f.Store.Update(ctx, func(t *keystore.Tx) (err error) {
		if o.vault, err = findDeleted(t, r.ID); err != nil {
			return err
		}
		if o.vault.Properties.EnablePurgeProtection {
			return admin.Refuse(http.StatusBadRequest, "MethodNotAllowed", "Operation 'DeletedVaultPurge' is not allowed.")
		}
		return t.DropVault(o.vault)
	})
	if err != nil {
		return o, err
	}
	if err := f.Store.Forget(ctx); err != nil {
		f.Log.Warn("purged vault is still in the write-ahead log", "error", err)
	}
	f.changed(ctx, o.vault, admin.VaultPurged)
	o.answer = struct{}{}
	return o, nil
}
