package catalog

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"logkeep/internal/entra"
	"logkeep/internal/schema"
)

// principalsChanged is counted like a resource type in revisions.
const principalsChanged = "principals"

// PutTenant adds a directory.
func (r Records) PutTenant(ctx context.Context, t entra.Tenant) error {
	if t.Created.IsZero() {
		t.Created = time.Now()
	}
	return r.change(ctx, func(tx *Tx) error {
		_, err := tx.exec(ctx, "INSERT INTO tenants (id, name, created) VALUES (?,?,?)", fold(string(t.ID)), t.Name, stamp(t.Created))
		return err
	})
}

// Tenants returns the directories, oldest first.
func (r Records) Tenants(ctx context.Context) ([]entra.Tenant, error) {
	return query(ctx, r.read(), func(scan func(...any) error) (t entra.Tenant, err error) {
		var created sql.NullInt64
		err = scan(&t.ID, &t.Name, &created)
		t.Created = moment(created)
		return t, err
	}, "SELECT id, name, created FROM tenants ORDER BY created, id")
}

// AddPrincipal adds a principal. Object ids, app ids within a tenant, and
// resources are unique: ErrExists.
func (r Records) AddPrincipal(ctx context.Context, p entra.Principal) error {
	if p.Created.IsZero() {
		p.Created = time.Now()
	}
	return r.change(ctx, func(tx *Tx) error {
		tx.types[principalsChanged] = true
		_, err := tx.exec(ctx, "INSERT INTO principals (object_id, tenant, app_id, kind, name, resource, key, created) VALUES (?,?,?,?,?,?,?,?)",
			fold(p.ObjectID), fold(string(p.Tenant)), fold(p.AppID), string(p.Kind), p.Name, p.Resource, fold(p.Resource), stamp(p.Created))
		if err != nil {
			return fmt.Errorf("add principal %s: %w", p.ObjectID, err)
		}
		return nil
	})
}

// Principal returns the principal with the object id.
func (r Records) Principal(ctx context.Context, objectID string) (entra.Principal, error) {
	p, err := scanPrincipal(r.read().QueryRowContext(ctx, selectPrincipal+"WHERE object_id = ?", fold(objectID)).Scan)
	if err != nil {
		return entra.Principal{}, fmt.Errorf("principal %s: %w", objectID, worded(err))
	}
	return p, nil
}

// PrincipalOf returns the identity of a resource.
func (r Records) PrincipalOf(ctx context.Context, resource string) (entra.Principal, error) {
	p, err := scanPrincipal(r.read().QueryRowContext(ctx, selectPrincipal+"WHERE key = ? AND key <> ''", fold(resource)).Scan)
	if err != nil {
		return entra.Principal{}, fmt.Errorf("principal of %s: %w", resource, worded(err))
	}
	return p, nil
}

// PrincipalsByApp returns the principals of an app id: one a tenant.
func (r Records) PrincipalsByApp(ctx context.Context, appID string) ([]entra.Principal, error) {
	return query(ctx, r.read(), scanPrincipal, selectPrincipal+"WHERE app_id = ? ORDER BY created, object_id", fold(appID))
}

// Principals returns the principals of a tenant, oldest first.
func (r Records) Principals(ctx context.Context, tenant schema.TenantID) ([]entra.Principal, error) {
	return query(ctx, r.read(), scanPrincipal, selectPrincipal+"WHERE tenant = ? ORDER BY created, object_id", fold(string(tenant)))
}

// RemovePrincipal removes a principal and its secrets.
func (r Records) RemovePrincipal(ctx context.Context, objectID string) error {
	return r.change(ctx, func(tx *Tx) error {
		tx.types[principalsChanged] = true
		n, err := tx.exec(ctx, "DELETE FROM principals WHERE object_id = ?", fold(objectID))
		if err == nil && n == 0 {
			err = ErrNotFound
		}
		if err != nil {
			return fmt.Errorf("remove principal %s: %w", objectID, err)
		}
		return nil
	})
}

// AddSecret adds a secret to a principal.
func (r Records) AddSecret(ctx context.Context, objectID string, s entra.Secret) error {
	if s.Created.IsZero() {
		s.Created = time.Now()
	}
	return r.change(ctx, func(tx *Tx) error {
		_, err := tx.exec(ctx, "INSERT INTO secrets (object_id, id, salt, hash, created, expires) VALUES (?,?,?,?,?,?)",
			fold(objectID), s.ID, s.Salt, s.Hash, stamp(s.Created), stamp(s.Expires))
		return err
	})
}

// Secrets returns what is kept of a principal's secrets, oldest first.
func (r Records) Secrets(ctx context.Context, objectID string) ([]entra.Secret, error) {
	return query(ctx, r.read(), func(scan func(...any) error) (s entra.Secret, err error) {
		var created, expires sql.NullInt64
		err = scan(&s.ID, &s.Salt, &s.Hash, &created, &expires)
		s.Created, s.Expires = moment(created), moment(expires)
		return s, err
	}, "SELECT id, salt, hash, created, expires FROM secrets WHERE object_id = ? ORDER BY created, id", fold(objectID))
}

// RemoveSecret removes one secret of a principal.
func (r Records) RemoveSecret(ctx context.Context, objectID, id string) error {
	return r.change(ctx, func(tx *Tx) error {
		n, err := tx.exec(ctx, "DELETE FROM secrets WHERE object_id = ? AND id = ?", fold(objectID), id)
		if err == nil && n == 0 {
			err = ErrNotFound
		}
		return err
	})
}

const selectPrincipal = "SELECT object_id, app_id, tenant, kind, name, resource, created FROM principals "

func scanPrincipal(scan func(...any) error) (entra.Principal, error) {
	var (
		p       entra.Principal
		created sql.NullInt64
	)
	err := scan(&p.ObjectID, &p.AppID, &p.Tenant, &p.Kind, &p.Name, &p.Resource, &created)
	p.Created = moment(created)
	return p, err
}
