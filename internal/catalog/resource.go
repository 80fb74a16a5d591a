package catalog

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"logkeep/internal/schema"
)

// SubscriptionType is the type of the resources that say to which tenant a
// subscription belongs.
const SubscriptionType = "Microsoft.Resources/subscriptions"

// A Resource is an ARM resource, or any document that is addressed like one.
type Resource struct {
	ID       string          // as first written; compared without regard to case
	Type     string          // Microsoft.KeyVault/vaults
	Name     string          // the last segment of the id
	Tenant   schema.TenantID // empty in Put: that of the subscription in ID
	Location string
	Tags     map[string]string
	Body     json.RawMessage // a JSON object of the owning service: properties, identity, sku…
	ETag     string          // made by Put
	Created  time.Time       // made by Put
	Modified time.Time       // made by Put
	Deleted  time.Time       // zero, or when it was soft-deleted
}

// A Condition says what must hold for a change to be made.
type Condition struct {
	etag   string
	absent bool
}

// Always makes the change whatever is there.
func Always() Condition { return Condition{} }

// IfMatch makes the change only if the resource exists with this etag; "*" is
// any. Otherwise the change fails with ErrConflict.
func IfMatch(etag string) Condition { return Condition{etag: etag} }

// IfAbsent makes the change only if there is no such resource, soft-deleted
// ones included. Otherwise the change fails with ErrExists.
func IfAbsent() Condition { return Condition{absent: true} }

func (c Condition) check(old Resource, exists bool) error {
	switch {
	case c.absent && exists:
		return fmt.Errorf("resource %s: %w", old.ID, ErrExists)
	case c.etag != "" && (!exists || !old.Deleted.IsZero()),
		c.etag != "" && c.etag != "*" && c.etag != old.ETag:
		return fmt.Errorf("resource etag %s: %w", c.etag, ErrConflict)
	}
	return nil
}

// Put writes a resource and returns it as stored: with its first id and
// creation time, a new etag and modification time. It brings a soft-deleted
// resource of the id back to life.
func (r Records) Put(ctx context.Context, res Resource, cond Condition) (Resource, error) {
	if err := res.valid(); err != nil {
		return Resource{}, err
	}
	err := r.change(ctx, func(tx *Tx) error {
		old, err := tx.find(ctx, res.ID)
		exists := err == nil
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		if err := demanded(ctx, res.ID, old, exists); err != nil {
			return err
		}
		if err := cond.check(old, exists); err != nil {
			return err
		}
		now := time.Now().UTC()
		res.Created, res.Modified, res.Deleted, res.ETag = now, now, time.Time{}, newETag()
		if exists {
			res.ID, res.Created = old.ID, old.Created
			if res.Tenant == "" {
				res.Tenant = old.Tenant
			}
		}
		if res.Tenant == "" {
			if res.Tenant, err = tx.tenantOf(ctx, res.ID); err != nil {
				return err
			}
		}
		return tx.store(ctx, res)
	})
	if err != nil {
		return Resource{}, err
	}
	return res, nil
}

func (res Resource) valid() error {
	switch {
	case !strings.HasPrefix(res.ID, "/") || strings.HasSuffix(res.ID, "/") || strings.Contains(res.ID, "//"):
		return fmt.Errorf("internal error: resource id %q is not canonical", res.ID)
	case res.Type == "" || res.Name == "":
		return fmt.Errorf("internal error: resource %s has no type or no name", res.ID)
	case len(res.Body) > 0 && !json.Valid(res.Body):
		return fmt.Errorf("internal error: resource %s has a body that is no JSON", res.ID)
	}
	return nil
}

func (t *Tx) store(ctx context.Context, res Resource) error {
	tags, err := json.Marshal(res.Tags)
	if err != nil {
		return err
	}
	if len(res.Body) == 0 {
		res.Body = json.RawMessage("{}")
	}
	t.touched[fold(res.ID)], t.types[fold(res.Type)] = true, true
	_, err = t.exec(ctx, `INSERT INTO resources (key, id, type_key, type, name, tenant, location, tags, body, etag, created, modified, deleted)
		VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)
		ON CONFLICT (key) DO UPDATE SET type_key=excluded.type_key, type=excluded.type, tenant=excluded.tenant, location=excluded.location,
			tags=excluded.tags, body=excluded.body, etag=excluded.etag, modified=excluded.modified, deleted=excluded.deleted`,
		fold(res.ID), res.ID, fold(res.Type), res.Type, res.Name, string(res.Tenant), res.Location, string(tags), string(res.Body),
		res.ETag, stamp(res.Created), stamp(res.Modified), stamp(res.Deleted))
	return err
}

// Get returns the resource with the id, or ErrNotFound; a soft-deleted one is
// not found.
func (r Records) Get(ctx context.Context, id string) (Resource, error) {
	res, err := r.find(ctx, id)
	if err == nil && !res.Deleted.IsZero() {
		return Resource{}, fmt.Errorf("resource %s: %w", id, ErrNotFound)
	}
	return res, err
}

// GetDeleted returns the soft-deleted resource with the id, or ErrNotFound.
func (r Records) GetDeleted(ctx context.Context, id string) (Resource, error) {
	res, err := r.find(ctx, id)
	if err == nil && res.Deleted.IsZero() {
		return Resource{}, fmt.Errorf("deleted resource %s: %w", id, ErrNotFound)
	}
	return res, err
}

func (r Records) find(ctx context.Context, id string) (Resource, error) {
	if r.tx != nil {
		return r.fetch(ctx, id)
	}
	key := fold(id)
	res, ok, now := r.cat.recent.get(key)
	if ok {
		return res, ctx.Err()
	}
	res, err := r.fetch(ctx, id)
	if err == nil {
		r.cat.recent.keep(key, res, now)
	}
	return res, err
}

func (r Records) fetch(ctx context.Context, id string) (Resource, error) {
	res, err := scanResource(r.read().QueryRowContext(ctx, selectResource+"WHERE key = ?", fold(id)).Scan)
	if err != nil {
		return Resource{}, fmt.Errorf("resource %s: %w", id, worded(err))
	}
	return res, nil
}

// List returns the living resources of a type below a scope, or all types if
// typ is empty, in the order of their ids. The scope itself is not among them;
// an empty scope is everything.
func (r Records) List(ctx context.Context, scope, typ string) ([]Resource, error) {
	return r.list(ctx, scope, typ, "deleted IS NULL")
}

// ListDeleted is List for soft-deleted resources.
func (r Records) ListDeleted(ctx context.Context, scope, typ string) ([]Resource, error) {
	return r.list(ctx, scope, typ, "deleted IS NOT NULL")
}

func (r Records) list(ctx context.Context, scope, typ, state string) ([]Resource, error) {
	// '0' is the character after '/': the descendants are one range of keys.
	below := strings.TrimSuffix(fold(scope), "/")
	text, args := selectResource+"WHERE key > ? AND key < ? AND "+state, []any{below + "/", below + "0"}
	if typ != "" {
		text, args = text+" AND type_key = ?", append(args, fold(typ))
	}
	all, err := query(ctx, r.read(), scanResource, text+" ORDER BY key", args...)
	if err != nil {
		return nil, fmt.Errorf("list resources below %q: %w", scope, err)
	}
	return all, nil
}

// Delete removes a resource for good, living or soft-deleted. Its children
// stay: see DeleteBelow.
func (r Records) Delete(ctx context.Context, id string, cond Condition) error {
	return r.change(ctx, func(tx *Tx) error {
		old, err := tx.find(ctx, id)
		if err != nil {
			return err
		}
		if err := demanded(ctx, id, old, true); err != nil {
			return err
		}
		if err := cond.check(old, true); err != nil {
			return err
		}
		tx.touched[fold(old.ID)], tx.types[fold(old.Type)] = true, true
		_, err = tx.exec(ctx, "DELETE FROM resources WHERE key = ?", fold(id))
		return err
	})
}

// DeleteBelow removes every descendant of a scope, living or soft-deleted, and
// returns what it removed.
func (r Records) DeleteBelow(ctx context.Context, scope string) ([]Resource, error) {
	var gone []Resource
	err := r.change(ctx, func(tx *Tx) (err error) {
		if gone, err = tx.list(ctx, scope, "", "TRUE"); err != nil {
			return err
		}
		for _, res := range gone {
			tx.touched[fold(res.ID)], tx.types[fold(res.Type)] = true, true
		}
		below := strings.TrimSuffix(fold(scope), "/")
		_, err = tx.exec(ctx, "DELETE FROM resources WHERE key > ? AND key < ?", below+"/", below+"0")
		return err
	})
	return gone, err
}

// SoftDelete hides a resource from Get and List until Put brings it back or
// Delete removes it.
func (r Records) SoftDelete(ctx context.Context, id string, cond Condition) (Resource, error) {
	var res Resource
	err := r.change(ctx, func(tx *Tx) (err error) {
		if res, err = tx.Get(ctx, id); err != nil {
			return err
		}
		if err := demanded(ctx, id, res, true); err != nil {
			return err
		}
		if err := cond.check(res, true); err != nil {
			return err
		}
		res.Deleted, res.ETag = time.Now().UTC(), newETag()
		return tx.store(ctx, res)
	})
	return res, err
}

// tenantOf returns the tenant of the subscription that an id names; an id
// outside of subscriptions belongs to none.
func (r Records) tenantOf(ctx context.Context, id string) (schema.TenantID, error) {
	parts := strings.SplitN(strings.TrimPrefix(fold(id), "/"), "/", 3)
	if len(parts) < 3 || parts[0] != "subscriptions" {
		return "", nil
	}
	sub, err := r.Get(ctx, "/subscriptions/"+parts[1])
	if errors.Is(err, ErrNotFound) {
		return "", nil
	}
	return sub.Tenant, err
}

const selectResource = "SELECT id, type, name, tenant, location, tags, body, etag, created, modified, deleted FROM resources "

func scanResource(scan func(...any) error) (Resource, error) {
	var (
		res                        Resource
		tags, body                 string
		created, modified, deleted sql.NullInt64
	)
	if err := scan(&res.ID, &res.Type, &res.Name, &res.Tenant, &res.Location, &tags, &body, &res.ETag, &created, &modified, &deleted); err != nil {
		return Resource{}, err
	}
	if err := json.Unmarshal([]byte(tags), &res.Tags); err != nil {
		return Resource{}, fmt.Errorf("%w: tags of %s: %w", ErrDamaged, res.ID, err)
	}
	res.Body = json.RawMessage(body)
	res.Created, res.Modified, res.Deleted = moment(created), moment(modified), moment(deleted)
	return res, nil
}

// fold is how ids and types are compared.
func fold(s string) string { return strings.ToLower(s) }

func newETag() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}
