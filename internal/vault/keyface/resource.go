package keyface

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
	"logkeep/internal/vault/material"
)

// Keys as resources below their vault, for the keeper's resource manager: they
// can be made and read there, and nothing is done with them. Whoever is let in
// by the resource manager needs no permission of the vault's own.

// Calls returns the keeper's calls about keys by path.
func (f *Face) Calls() map[string]admin.Call {
	return map[string]admin.Call{
		"/keys/put":      f.keyCall("KeyCreate", (*call).makeResource),
		"/keys/get":      f.keyCall("KeyGet", (*call).getResource),
		"/keys/list":     f.keyCall("KeyList", (*call).listResources),
		"/keys/versions": f.keyCall("KeyListVersions", (*call).versionResources),
	}
}

// keyCall is a call about the vault, the key and the version that an id names.
func (f *Face) keyCall(operation string, serve func(*call, admin.Request) (any, error)) admin.Call {
	return func(ctx context.Context, body []byte) (any, error) {
		start := time.Now()
		r, err := admin.Read[admin.Request](body)
		if err != nil {
			return nil, err
		}
		c := &call{Face: f, ctx: ctx, version: r.APIVersion}
		c.caller = caller{tenant: strings.ToLower(r.Tenant), objectID: strings.ToLower(r.Caller.ObjectID), appID: strings.ToLower(r.Caller.AppID)}
		id := r.ID
		if strings.EqualFold(string(id.Type()), string(resource.Vault)+"/keys/versions") {
			c.target.version, id = keystore.VersionID(strings.ToLower(id.Name())), id.Parent()
		}
		if strings.EqualFold(string(id.Type()), string(resource.Vault)+"/keys") {
			c.target.name, id = keystore.KeyName(id.Name()), id.Parent()
		}
		err = f.Store.View(ctx, func(t *keystore.Tx) (err error) {
			c.vault, err = t.Vault(keystore.VaultName(id.Name()))
			return err
		})
		if errors.Is(err, keystore.ErrNotFound) || err == nil && (c.vault.Deleted != nil || c.vault.Service() || !c.vault.ID.Equal(id)) {
			return nil, admin.Refuse(http.StatusNotFound, "ResourceNotFound", "The Resource 'Microsoft.KeyVault/vaults/%s' under resource group '%s' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix", id.Name(), id.Group())
		}
		if err != nil {
			return nil, err
		}
		c.base = f.uri(c.vault)
		c.object = c.kid(c.target.name, c.target.version)
		answer, err := serve(c, r)
		status, told := http.StatusOK, (*refusal)(nil)
		if err != nil {
			told = c.told(err)
			status = told.status
		}
		c.recordAs(operation, start, r.Caller, r.ID.String(), status, told)
		if told != nil {
			return nil, admin.Refuse(told.status, told.code, "%s", told.message)
		}
		return answer, nil
	}
}

// keyDocument is what a client writes of a key.
type keyDocument struct {
	Tags       map[string]string `json:"tags"`
	Properties struct {
		Attributes struct {
			Enabled    *bool  `json:"enabled"`
			NotBefore  *int64 `json:"nbf"`
			Expires    *int64 `json:"exp"`
			Exportable *bool  `json:"exportable"`
		} `json:"attributes"`
		Kind     string    `json:"kty"`
		Ops      []string  `json:"keyOps"`
		Bits     *int      `json:"keySize"`
		Curve    string    `json:"curveName"`
		Rotation *policy   `json:"rotationPolicy"`
		Release  *struct{} `json:"release_policy"`
	} `json:"properties"`
}

func (c *call) makeResource(r admin.Request) (any, error) {
	if !nameRule().MatchString(string(c.target.name)) {
		return nil, bad("The key's name '%s' is invalid. A name has 1 to 127 letters, digits and hyphens.", clip(string(c.target.name)))
	}
	there, err := c.getResource(r)
	if refused, ok := errors.AsType[*refusal](err); !ok || refused.code != "KeyNotFound" {
		return there, err // as it is: this call makes keys and changes none
	}
	var d keyDocument
	if err := json.Unmarshal(r.Body, &d); err != nil {
		return nil, bad("The request's body has a value of the wrong form: %s.", clip(err.Error()))
	}
	p := d.Properties
	b := change{Kind: p.Kind, Bits: p.Bits, Curve: p.Curve, Ops: p.Ops, Tags: d.Tags, Release: p.Release}
	b.Attributes.Enabled, b.Attributes.NotBefore, b.Attributes.Expires, b.Attributes.Exportable = p.Attributes.Enabled, p.Attributes.NotBefore, p.Attributes.Expires, p.Attributes.Exportable
	v, spec, err := b.fresh()
	if err != nil {
		return nil, err
	}
	var rotation *keystore.RotationPolicy
	if p.Rotation != nil {
		checked, err := p.Rotation.rotation()
		if err != nil {
			return nil, err
		}
		checked.Created, checked.Updated = v.Created, v.Updated
		rotation = &checked
	}
	if err := c.Store.View(c.ctx, func(t *keystore.Tx) error { _, err := c.nameFree(t); return err }); err != nil {
		return nil, err
	}
	private, err := c.make(c.ctx, spec)
	if err != nil {
		return nil, err
	}
	if _, err := c.addWith(&v, private, rotation); err != nil {
		return nil, err
	}
	return c.getResource(r)
}

func (c *call) getResource(admin.Request) (any, error) {
	k, v, err := c.live()
	if err != nil {
		return nil, err
	}
	c.object = c.kid(k.Name, v.ID)
	return c.resource(k, v, c.target.version != "")
}

func (c *call) listResources(admin.Request) (any, error) {
	out := []admin.Key{}
	err := c.Store.View(c.ctx, func(t *keystore.Tx) error {
		for after := keystore.KeyName(""); ; {
			keys, err := t.Keys(c.vault.UID, after, 100)
			if err != nil {
				return err
			}
			for _, k := range keys {
				after = k.Name
				if k.Deleted != nil {
					continue
				}
				v, err := t.Version(k, "")
				if err != nil {
					return err
				}
				shown, err := c.resource(k, v, false)
				if err != nil {
					return err
				}
				out = append(out, shown)
			}
			if len(keys) < 100 {
				return nil
			}
		}
	})
	return out, err
}

func (c *call) versionResources(admin.Request) (any, error) {
	out := []admin.Key{}
	err := c.Store.View(c.ctx, func(t *keystore.Tx) error {
		k, err := live(t, c.vault, c.target.name)
		if err != nil {
			return err
		}
		all, err := t.Versions(k)
		if err != nil {
			return err
		}
		for _, v := range all {
			shown, err := c.resource(k, v, true)
			if err != nil {
				return err
			}
			out = append(out, shown)
		}
		return nil
	})
	return out, err
}

// resource is a key as a resource: with its newest version's properties, or
// one of its versions.
func (c *call) resource(k keystore.Key, v keystore.Version, version bool) (admin.Key, error) {
	public, err := material.ParsePublic(v.Public)
	if err != nil {
		return admin.Key{}, err
	}
	a, spec := c.attributes(v), public.Spec()
	out := admin.Key{
		ID: c.vault.ID.Child("keys", string(k.Name)).String(), Name: string(k.Name), Type: string(resource.Vault) + "/keys", Location: c.vault.Location, Tags: v.Tags,
		Properties: admin.KeyProperties{
			Attributes: admin.KeyAttributes{Enabled: a.Enabled, NotBefore: a.NotBefore, Expires: a.Expires, Created: a.Created, Updated: a.Updated, RecoveryLevel: a.RecoveryLevel},
			Kind:       string(v.Kind), Ops: v.Ops, Bits: spec.Bits, Curve: spec.Curve, URI: c.kid(k.Name, ""), URIWithVersion: c.kid(k.Name, v.ID),
		},
	}
	if out.Tags == nil {
		out.Tags = map[string]string{}
	}
	if version {
		out.ID, out.Name, out.Type = out.ID+"/versions/"+string(v.ID), string(v.ID), out.Type+"/versions"
		return out, nil
	}
	if k.Rotation != nil {
		out.Properties.Rotation = rotationResource(*k.Rotation)
	}
	return out, nil
}

func rotationResource(r keystore.RotationPolicy) *admin.RotationPolicy {
	p := &admin.RotationPolicy{Attributes: admin.RotationAttributes{Created: r.Created, Updated: r.Updated, Expiry: r.Expiry}, Actions: []admin.LifetimeAction{}}
	for _, t := range []struct{ kind, after, before string }{{"rotate", r.AfterCreate, r.BeforeExpiry}, {"notify", r.NotifyAfter, r.NotifyBefore}} {
		if t.after != "" || t.before != "" {
			var a admin.LifetimeAction
			a.Action.Type, a.Trigger.AfterCreate, a.Trigger.BeforeExpiry = t.kind, t.after, t.before
			p.Actions = append(p.Actions, a)
		}
	}
	return p
}
