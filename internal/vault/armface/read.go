package armface

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"time"

	"logkeep/internal/resource"
	"logkeep/internal/vault/admin"
	"logkeep/internal/vault/keystore"
)

func notFound(id resource.ID) error {
	return admin.Refuse(http.StatusNotFound, "ResourceNotFound", "The Resource 'Microsoft.KeyVault/vaults/%s' under resource group '%s' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix", id.Name(), id.Group())
}

// find returns the live vault of that id.
func find(t *keystore.Tx, id resource.ID) (keystore.Vault, error) {
	v, err := t.Vault(keystore.VaultName(id.Name()))
	if errors.Is(err, keystore.ErrNotFound) || err == nil && (v.Deleted != nil || v.Service() || !v.ID.Equal(id)) {
		return keystore.Vault{}, notFound(id)
	}
	return v, err
}

// findDeleted returns the vault that an id of the form
// /subscriptions/{s}/providers/Microsoft.KeyVault/locations/{l}/deletedVaults/{n}
// names.
func findDeleted(t *keystore.Tx, id resource.ID) (keystore.Vault, error) {
	v, err := t.Vault(keystore.VaultName(id.Name()))
	if err != nil && !errors.Is(err, keystore.ErrNotFound) {
		return v, err
	}
	if err != nil || v.Deleted == nil || v.Deleted.Over(time.Now()) || v.Service() ||
		!strings.EqualFold(v.ID.Subscription(), id.Subscription()) || place(v.Location) != place(id.Parent().Name()) {
		return keystore.Vault{}, admin.Refuse(http.StatusNotFound, "DeletedVaultNotFound", "The specified deleted vault '%s' does not exist.", id.Name())
	}
	return v, nil
}

// place is a location as locations are compared.
func place(location string) string { return strings.ToLower(strings.ReplaceAll(location, " ", "")) }

func (f *Face) get(ctx context.Context, r admin.Request) (o outcome, err error) {
	err = f.Store.View(ctx, func(t *keystore.Tx) error {
		o.vault, err = find(t, r.ID)
		return err
	})
	o.answer = f.show(o.vault)
	return o, err
}

func (f *Face) list(ctx context.Context, r admin.Request) (outcome, error) {
	out := []admin.Vault{}
	err := f.each(ctx, func(v keystore.Vault) {
		if v.Deleted == nil && v.ID.Within(r.ID) {
			out = append(out, f.show(v))
		}
	})
	return outcome{answer: out}, err
}

// each gives every vault that is a resource.
func (f *Face) each(ctx context.Context, give func(keystore.Vault)) error {
	return f.Store.View(ctx, func(t *keystore.Tx) error {
		all, err := t.Vaults()
		for _, v := range all {
			if !v.Service() {
				give(v)
			}
		}
		return err
	})
}

func (f *Face) getDeleted(ctx context.Context, r admin.Request) (o outcome, err error) {
	err = f.Store.View(ctx, func(t *keystore.Tx) error {
		o.vault, err = findDeleted(t, r.ID)
		return err
	})
	if err != nil {
		return outcome{}, err
	}
	o.answer = showDeleted(o.vault)
	return o, nil
}

func (f *Face) listDeleted(ctx context.Context, r admin.Request) (outcome, error) {
	out, now := []admin.DeletedVault{}, time.Now()
	err := f.each(ctx, func(v keystore.Vault) {
		if v.Deleted != nil && !v.Deleted.Over(now) && v.ID.Within(resource.SubscriptionID(r.ID.Subscription())) {
			out = append(out, showDeleted(v))
		}
	})
	return outcome{answer: out}, err
}

var nameRule = regexp.MustCompile(`^[A-Za-z][0-9A-Za-z-]{1,22}[0-9A-Za-z]$`)

func validName(name string) bool { return nameRule.MatchString(name) && !strings.Contains(name, "--") }

func invalidName(name string) *admin.Problem {
	return admin.Refuse(http.StatusBadRequest, "VaultNameNotValid", "The vault name '%.80s' is invalid. A vault's name must be between 3-24 alphanumeric characters. The name must begin with a letter, end with a letter or digit, and not contain consecutive hyphens. Follow this link for more information: https://go.microsoft.com/fwlink/?linkid=2147742", name)
}

func nameTaken(name string) *admin.Problem {
	return admin.Refuse(http.StatusConflict, "VaultAlreadyExists", "The vault name '%s' is already in use. Vault names are globally unique so it is possible that the name is already taken. If you are sure that the vault name was not taken then it is possible that a vault with the same name was recently deleted but not purged after being placed in a recoverable state. If the vault is in a recoverable state then the vault will need to be purged before reusing the name. For more information on soft delete and purging a vault follow this link https://go.microsoft.com/fwlink/?linkid=2147740.", name)
}

func (f *Face) names(ctx context.Context, body []byte) (any, error) {
	name, err := admin.Read[string](body)
	if err != nil {
		return nil, err
	}
	if !validName(name) {
		return admin.NameCheck{Reason: "AccountNameInvalid", Message: invalidName(name).Message}, nil
	}
	free := false
	err = f.Store.View(ctx, func(t *keystore.Tx) error {
		v, err := t.Vault(keystore.VaultName(name))
		if errors.Is(err, keystore.ErrNotFound) || err == nil && v.Deleted.Over(time.Now()) {
			free = true
			return nil
		}
		return err
	})
	if err != nil || free {
		return admin.NameCheck{Available: free}, err
	}
	return admin.NameCheck{Reason: "AlreadyExists", Message: nameTaken(name).Message}, nil
}

func (f *Face) audit(ctx context.Context, body []byte) (any, error) {
	q, err := admin.Read[admin.AuditQuery](body)
	if err != nil {
		return nil, err
	}
	var v keystore.Vault
	err = f.Store.View(ctx, func(t *keystore.Tx) (err error) {
		v, err = t.Vault(keystore.VaultName(q.Vault.Name()))
		if errors.Is(err, keystore.ErrNotFound) || err == nil && (v.Service() || !v.ID.Equal(q.Vault)) {
			return notFound(q.Vault)
		}
		return err // a deleted vault's log can still be read
	})
	if err != nil {
		return nil, err
	}
	if q.Limit < 1 || q.Limit > 1000 {
		q.Limit = 1000
	}
	events, next, lost, err := f.Store.Events(ctx, v.UID, q.Reader, q.After, q.Limit)
	return admin.AuditPage{Events: events, Next: next, Lost: lost}, err
}
