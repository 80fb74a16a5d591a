package vault

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"time"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/sync/errgroup"

	"logkeep/internal/vault/admin"
	"logkeep/internal/vault/keystore"
	"logkeep/internal/vault/material"
)

// held are the secrets of the process itself.
type held struct {
	authority *authority
	tokens    *tokens
	shared    shared
	reports   reporter
	store     *keystore.Store
}

// Names in the table meta. They are on disk: never change one.
const (
	metaAuthority = "authority"
	metaTokens    = "tokens"
)

// servicePermissions are what the service may do with its own keys. It may not
// delete, disable or purge one: whoever gets hold of its token can't destroy
// what the keys protect.
var servicePermissions = []string{"get", "list", "wrapKey", "unwrapKey", "sign", "verify", "rotate"}

// provision opens the process's secrets, and makes them if there are none.
func provision(ctx context.Context, store *keystore.Store) (*held, error) {
	h := held{store: store}
	open := func(t *keystore.Tx) error {
		certificate, key, err := t.Meta(metaAuthority)
		if err != nil {
			return err
		}
		defer clear(key)
		if h.authority, err = openAuthority(certificate, key); err != nil {
			return err
		}
		_, tokenKey, err := t.Meta(metaTokens)
		if err != nil {
			return err
		}
		defer clear(tokenKey)
		h.tokens, err = openTokens(tokenKey)
		return err
	}
	err := store.View(ctx, open)
	if errors.Is(err, keystore.ErrNotFound) {
		if err = firstStart(ctx, store); err == nil {
			err = store.View(ctx, open)
		}
	}
	if err != nil {
		return nil, err
	}
	if h.shared.secret, err = sharedSecret(ctx, store); err != nil {
		return nil, err
	}
	h.reports, err = openReporter(ctx, store)
	return &h, err
}

// firstStart makes the secrets, all or none. A vault that has some of them lost
// others: it is damaged, and making new ones would hide that.
func firstStart(ctx context.Context, store *keystore.Store) error {
	var group errgroup.Group // making keys takes a second
	var tokenPublic, tokenPrivate []byte
	var wrapping, signing *material.Private
	group.Go(func() (err error) { tokenPublic, tokenPrivate, err = newTokenKey(); return err })
	group.Go(func() (err error) {
		wrapping, err = material.Generate(material.Spec{Kind: material.RSA, Bits: 3072})
		return err
	})
	group.Go(func() (err error) {
		signing, err = material.Generate(material.Spec{Kind: material.EC, Curve: "P-256"})
		return err
	})
	now := time.Now().UTC()
	certificate, key, err := newAuthority(now)
	if err := errors.Join(err, group.Wait()); err != nil {
		return err
	}
	defer clear(key)
	defer clear(tokenPrivate)
	return store.Update(ctx, func(t *keystore.Tx) error {
		vaults, err := t.Vaults()
		if err != nil {
			return err
		}
		if len(vaults) > 0 {
			return keystore.ErrDamaged
		}
		v := keystore.Vault{Name: admin.ServiceVault, System: admin.SystemData{CreatedAt: now, LastModifiedAt: now}, Properties: admin.Properties{
			TenantID: admin.ServiceTenant, SKU: admin.SKU{Family: "A", Name: "standard"}, EnableSoftDelete: true, SoftDeleteRetentionInDays: 90,
			EnablePurgeProtection: true, PublicNetworkAccess: "Enabled",
			AccessPolicies: []admin.Policy{{TenantID: admin.ServiceTenant, ObjectID: admin.ServicePrincipal, Permissions: admin.Permissions{Keys: servicePermissions}}},
		}}
		if err := t.PutVault(&v); err != nil {
			return err
		}
		for _, k := range []struct {
			name    keystore.KeyName
			private *material.Private
			ops     []string
		}{{admin.WrapKey, wrapping, []string{"wrapKey", "unwrapKey"}}, {admin.IntegrityKey, signing, []string{"sign", "verify"}}} {
			record := keystore.Key{Vault: v.UID, Name: k.name}
			version := keystore.Version{Ops: k.ops, Enabled: true, Created: now.Unix(), Updated: now.Unix()}
			if err := t.AddVersion(&record, &version, k.private); err != nil {
				return err
			}
		}
		return errors.Join(t.PutMeta(metaAuthority, certificate, key), t.PutMeta(metaTokens, tokenPublic, tokenPrivate))
	})
}

// maxNames bounds a certificate.
const maxNames = 100

// serve adds the calls that use the secrets.
func (h *held) serve(calls map[string]admin.Call) {
	calls["/health"] = func(context.Context, []byte) (any, error) { return struct{}{}, nil }
	calls["/ca"] = func(context.Context, []byte) (any, error) {
		return admin.Certificate{Certificate: certificatePEM(h.authority.certificate.Raw)}, nil
	}
	calls["/certificates"] = h.issue
	calls["/shared-keys"] = h.shared.show
	calls["/shared-keys/check"] = h.shared.check
	calls["/reports/sign"] = h.reports.sign
	calls["/reports/keys"] = h.reports.keys
	calls["/head"] = h.heads
	calls["/copy"] = h.copy
	calls["/integrity"] = h.integrity
	calls["/tokens"] = h.sign
	calls["/tokens/keys"] = func(context.Context, []byte) (any, error) {
		return jose.JSONWebKeySet{Keys: []jose.JSONWebKey{h.tokens.public}}, nil
	}
}

func (h *held) issue(_ context.Context, body []byte) (any, error) {
	names, err := admin.Read[[]string](body)
	if err != nil {
		return nil, err
	}
	if len(names) == 0 || len(names) > maxNames {
		return nil, admin.Refuse(http.StatusBadRequest, "BadRequest", "A certificate is for 1 to %d names.", maxNames)
	}
	der, key, err := h.authority.issue(names, time.Now())
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	defer clear(private)
	return admin.Certificate{Certificate: certificatePEM(der), Key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})}, nil
}

func (h *held) sign(_ context.Context, body []byte) (any, error) {
	claims, err := admin.Read[map[string]json.RawMessage](body)
	if err != nil {
		return nil, err
	}
	if claims["exp"] == nil || claims["aud"] == nil {
		return nil, admin.Refuse(http.StatusBadRequest, "BadRequest", "Claims must have exp and aud: a token is for someone, and ends.")
	}
	return h.tokens.sign(body)
}

// heads tells how far the vault has come.
func (h *held) heads(ctx context.Context, _ []byte) (any, error) {
	now, err := h.store.Head(ctx)
	return admin.Heads{Opened: admin.Head(h.store.Opened()), Now: admin.Head(now)}, err
}

// copy writes the store to a new file.
func (h *held) copy(ctx context.Context, body []byte) (any, error) {
	to, err := admin.Read[admin.Place](body)
	if err != nil {
		return nil, err
	}
	return struct{}{}, h.store.Copy(ctx, to.Path)
}

// integrity is the public half of the key that signs records.
func (h *held) integrity(ctx context.Context, _ []byte) (der any, err error) {
	err = h.store.View(ctx, func(t *keystore.Tx) error {
		v, err := t.Vault(admin.ServiceVault)
		if err != nil {
			return err
		}
		k, err := t.Key(v.UID, admin.IntegrityKey)
		if err != nil {
			return err
		}
		version, err := t.Version(k, "")
		der = version.Public
		return err
	})
	return der, err
}
