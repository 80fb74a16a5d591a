package keyface

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"logkeep/internal/vault/admin"
	"logkeep/internal/vault/keystore"
)

// What happens to keys without anybody's call.

// expiry is what is to be told of a key's newest version at a time.
func expiry(k keystore.Key, newest keystore.Version, now time.Time) keystore.Told {
	if newest.Expires == nil {
		return keystore.Told{}
	}
	end := time.Unix(*newest.Expires, 0).UTC()
	near, made := end, time.Unix(newest.Created, 0).UTC()
	r := keystore.RotationPolicy{}
	if k.Rotation != nil {
		r = *k.Rotation
	}
	switch before, after := r.NotifyBefore, r.NotifyAfter; {
	case after != "":
		if d, err := parseDuration(after); err == nil {
			near = d.after(made)
		}
	case before == "":
		before = defaultNotify
		fallthrough
	default:
		if d, err := parseDuration(before); err == nil {
			near = d.before(end)
		}
	}
	told := keystore.Told{Version: newest.ID, Expires: *newest.Expires, Near: !now.Before(near), Expired: !now.Before(end)}
	if !told.Near && !told.Expired {
		return keystore.Told{}
	}
	return told
}

// tellExpiry tells the keeper and the audit records of a key's expiry, as far
// as that was not done yet.
func (f *Face) tellExpiry(ctx context.Context, vault keystore.Vault, name keystore.KeyName) error {
	var k keystore.Key
	var newest keystore.Version
	var before keystore.Told
	err := f.Store.Update(ctx, func(t *keystore.Tx) (err error) {
		if k, newest, err = liveVersion(t, vault, name, ""); err != nil {
			return err
		}
		before, k.Told = k.Told, expiry(k, newest, time.Now())
		return t.PutKey(k)
	})
	if _, gone := err.(*refusal); gone {
		return nil // deleted meanwhile
	}
	if err != nil {
		return err
	}
	if before.Version != k.Told.Version || before.Expires != k.Told.Expires {
		before = keystore.Told{}
	}
	switch {
	case k.Told.Expired && !before.Expired:
		f.happened(vault, admin.GridExpired, k, newest)
		f.Notice(ctx, admin.Notice{VaultURI: f.uri(vault), Key: string(k.Name), Version: string(newest.ID), What: admin.KeyExpired})
	case k.Told.Near && !before.Near && !k.Told.Expired:
		f.happened(vault, admin.GridNearExpiry, k, newest)
		f.Notice(ctx, admin.Notice{VaultURI: f.uri(vault), Key: string(k.Name), Version: string(newest.ID), What: admin.KeyNearExpiry})
	}
	return nil
}

// happened records an event of a key's version.
func (f *Face) happened(vault keystore.Vault, what admin.GridType, k keystore.Key, v keystore.Version) {
	id := f.uri(vault) + "/keys/" + string(k.Name) + "/" + string(v.ID)
	e := f.event(vault, what.Operation(), id, time.Now())
	e.Properties.Grid = &admin.GridEvent{Type: what, Subject: string(k.Name), Data: admin.GridData{
		ID: id, VaultName: string(vault.Name), ObjectType: "Key", ObjectName: string(k.Name), Version: string(v.ID), NotBefore: v.NotBefore, Expires: v.Expires,
	}}
	f.Audit(vault.UID, e)
}

// itself records what the vault did by itself.
func (f *Face) itself(vault keystore.Vault, operation string, name keystore.KeyName, version keystore.VersionID, start time.Time) {
	id := f.uri(vault) + "/keys/" + string(name)
	if version != "" {
		id += "/" + string(version)
	}
	f.Audit(vault.UID, f.event(vault, operation, id, start))
}

// event is a record of something that nobody called for.
func (f *Face) event(vault keystore.Vault, operation, id string, start time.Time) admin.Event {
	return admin.Event{
		Time: start.UTC(), ResourceID: strings.ToUpper(vault.ID.String()), OperationName: operation, Category: "AuditEvent",
		ResultType: "Success", ResultSignature: http.StatusText(http.StatusOK), DurationMs: time.Since(start).Milliseconds(), CorrelationID: uuid.NewString(),
		Properties: admin.EventProps{ID: id, HTTPStatus: http.StatusOK},
	}
}
