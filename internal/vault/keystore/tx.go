package keystore

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"logkeep/internal/seal"
	"logkeep/internal/vault/material"
)

// A Tx reads, and within Update writes, one state of the file.
type Tx struct {
	ctx  context.Context
	tx   *sql.Tx
	keys seal.Keys
	head *moving // once something was changed
}

// places, kinds and objects: they are bound into what is on disk.
func placeOf(kind, object string) seal.Place { return seal.Place{Kind: kind, Object: object} }

func vaultPlace(n VaultName) seal.Place { return placeOf("vault", n.fold()) }
func keyPlace(v VaultUID, n KeyName) seal.Place {
	return placeOf("vault-key-record", string(v)+"/"+n.fold())
}
func versionPlace(v VaultUID, n KeyName, id VersionID) seal.Place {
	return placeOf("vault-version-record", string(v)+"/"+n.fold()+"/"+string(id))
}
func secretPlace(v VaultUID, n KeyName, id VersionID) seal.Place {
	return placeOf("vault-key", string(v)+"/"+n.fold()+"/"+string(id))
}
func metaPlace(name string) seal.Place { return placeOf("vault-meta", name) }

func (t *Tx) exec(statement string, args ...any) error {
	_, err := t.tx.ExecContext(t.ctx, statement, args...)
	return err
}

// encode returns v as a record and the record's mac at p.
func (t *Tx) encode(p seal.Place, v any) (record, mac []byte, err error) {
	if record, err = json.Marshal(v); err != nil {
		return nil, nil, err
	}
	sum, err := t.keys.MAC(p, record)
	return record, sum[:], err
}

// decode reads a record into v if it belongs at p.
func (t *Tx) decode(p seal.Place, record, mac []byte, v any) error {
	if err := t.keys.VerifyMAC(p, record, mac); err != nil {
		return damaged(err)
	}
	if err := json.Unmarshal(record, v); err != nil {
		return damaged(fmt.Errorf("the record of %s %s: %w", p.Kind, p.Object, err))
	}
	return nil
}

func damaged(err error) error {
	if errors.Is(err, seal.ErrTampered) {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if errors.Is(err, seal.ErrDestroyed) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrDamaged, err)
}

// row reads one row's record and mac.
func (t *Tx) row(p seal.Place, v any, query string, args ...any) error {
	var record, mac []byte
	switch err := t.tx.QueryRowContext(t.ctx, query, args...).Scan(&record, &mac); {
	case errors.Is(err, sql.ErrNoRows):
		return ErrNotFound
	case err != nil:
		return err
	}
	return t.decode(p, record, mac, v)
}

// rows reads many: place tells from a row's name where its record belongs.
func rows[T any](t *Tx, place func(name string) seal.Place, query string, args ...any) (_ []T, err error) {
	found, err := t.tx.QueryContext(t.ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, found.Close()) }()
	var out []T
	for found.Next() {
		var name string
		var record, mac []byte
		if err := found.Scan(&name, &record, &mac); err != nil {
			return nil, err
		}
		var v T
		if err := t.decode(place(name), record, mac, &v); err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, found.Err()
}

// Vault returns the vault of that name, deleted or not.
func (t *Tx) Vault(name VaultName) (Vault, error) {
	var v Vault
	err := t.row(vaultPlace(name), &v, "SELECT record, mac FROM vaults WHERE name = ?", name.fold())
	return v, err
}

// Vaults returns all vaults by name, deleted ones and the service's own too.
func (t *Tx) Vaults() ([]Vault, error) {
	return rows[Vault](t, func(n string) seal.Place { return vaultPlace(VaultName(n)) }, "SELECT name, record, mac FROM vaults ORDER BY name")
}

// PutVault writes a vault. One without a UID is new and gets one.
func (t *Tx) PutVault(v *Vault) error {
	if v.UID == "" {
		v.UID = VaultUID(randomHex())
	}
	record, mac, err := t.encode(vaultPlace(v.Name), v)
	if err != nil {
		return err
	}
	at := []macs{{"SELECT mac FROM vaults WHERE name = ?", []any{v.Name.fold()}}}
	return t.change(at, `INSERT INTO vaults (name, uid, record, mac) VALUES (?, ?, ?, ?)
		ON CONFLICT (name) DO UPDATE SET record = excluded.record, mac = excluded.mac`, v.Name.fold(), string(v.UID), record, mac)
}

// DropVault removes a vault with all its keys and its audit log.
func (t *Tx) DropVault(v Vault) error {
	uid := []any{string(v.UID)}
	all := []macs{{"SELECT mac FROM vaults WHERE name = ?", []any{v.Name.fold()}}, {"SELECT mac FROM keys WHERE vault = ?", uid}, {"SELECT mac FROM versions WHERE vault = ?", uid}}
	return errors.Join(
		t.exec("DELETE FROM events WHERE vault = ?", string(v.UID)),
		t.change(all, "DELETE FROM vaults WHERE name = ?", v.Name.fold()))
}

// Key returns the key of that name, deleted or not.
func (t *Tx) Key(v VaultUID, name KeyName) (Key, error) {
	var k Key
	err := t.row(keyPlace(v, name), &k, "SELECT record, mac FROM keys WHERE vault = ? AND name = ?", string(v), name.fold())
	return k, err
}

// Keys returns at most limit keys of a vault by name, from the first after a
// name on, deleted ones too.
func (t *Tx) Keys(v VaultUID, after KeyName, limit int) ([]Key, error) {
	return rows[Key](t, func(n string) seal.Place { return keyPlace(v, KeyName(n)) },
		"SELECT name, record, mac FROM keys WHERE vault = ? AND name > ? ORDER BY name LIMIT ?", string(v), after.fold(), limit)
}

// PutKey writes a key's record.
func (t *Tx) PutKey(k Key) error {
	record, mac, err := t.encode(keyPlace(k.Vault, k.Name), k)
	if err != nil {
		return err
	}
	at := []macs{{"SELECT mac FROM keys WHERE vault = ? AND name = ?", []any{string(k.Vault), k.Name.fold()}}}
	return t.change(at, `INSERT INTO keys (vault, name, record, mac) VALUES (?, ?, ?, ?)
		ON CONFLICT (vault, name) DO UPDATE SET record = excluded.record, mac = excluded.mac`, string(k.Vault), k.Name.fold(), record, mac)
}

// DropKey removes a key with all its versions.
func (t *Tx) DropKey(k Key) error {
	which := []any{string(k.Vault), k.Name.fold()}
	all := []macs{{"SELECT mac FROM keys WHERE vault = ? AND name = ?", which}, {"SELECT mac FROM versions WHERE vault = ? AND key = ?", which}}
	return t.change(all, "DELETE FROM keys WHERE vault = ? AND name = ?", which...)
}

// Version returns a version of a key, the newest for "".
func (t *Tx) Version(k Key, id VersionID) (Version, error) {
	newest := id == "" || id == k.Newest
	if newest {
		id = k.Newest
	}
	var v Version
	err := t.row(versionPlace(k.Vault, k.Name, id), &v,
		"SELECT record, mac FROM versions WHERE vault = ? AND key = ? AND id = ?", string(k.Vault), k.Name.fold(), string(id))
	if newest && errors.Is(err, ErrNotFound) {
		return v, fmt.Errorf("%w: the newest version of key %s is missing", ErrDamaged, k.Name)
	}
	return v, err
}

// Versions returns all versions of a key, the newest first.
func (t *Tx) Versions(k Key) ([]Version, error) {
	all, err := rows[Version](t, func(id string) seal.Place { return versionPlace(k.Vault, k.Name, VersionID(id)) },
		"SELECT id, record, mac FROM versions WHERE vault = ? AND key = ?", string(k.Vault), k.Name.fold())
	slices.SortFunc(all, func(a, b Version) int { return int(b.Sequence - a.Sequence) })
	return all, err
}

// AddVersion gives k a new newest version with the private key, which is
// sealed, and writes both records. It sets the version's ID, Sequence, Kind and
// Public.
func (t *Tx) AddVersion(k *Key, v *Version, private *material.Private) error {
	public := private.Public()
	der, err := public.Marshal()
	if err != nil {
		return err
	}
	k.Sequence++
	v.ID, v.Sequence, v.Kind, v.Public = VersionID(randomHex()), k.Sequence, public.Spec().Kind, der
	k.Newest = v.ID
	if err := t.PutKey(*k); err != nil {
		return err
	}
	return t.insert(*k, *v, private)
}

// insert writes a new version of a key that is there.
func (t *Tx) insert(k Key, v Version, private *material.Private) error {
	record, mac, err := t.encode(versionPlace(k.Vault, k.Name, v.ID), v)
	if err != nil {
		return err
	}
	clearText, err := private.Marshal()
	if err != nil {
		return err
	}
	defer clear(clearText)
	sealed, _, err := seal.SealMessage(t.keys, secretPlace(k.Vault, k.Name, v.ID), clearText)
	if err != nil {
		return err
	}
	return t.change(versionMAC(k, v), "INSERT INTO versions (vault, key, id, record, mac, secret) VALUES (?, ?, ?, ?, ?, ?)",
		string(k.Vault), k.Name.fold(), string(v.ID), record, mac, sealed.AppendTo(nil))
}

func versionMAC(k Key, v Version) []macs {
	return []macs{{"SELECT mac FROM versions WHERE vault = ? AND key = ? AND id = ?", []any{string(k.Vault), k.Name.fold(), string(v.ID)}}}
}

// PutVersion writes the record of a version that exists.
func (t *Tx) PutVersion(k Key, v Version) error {
	record, mac, err := t.encode(versionPlace(k.Vault, k.Name, v.ID), v)
	if err != nil {
		return err
	}
	return t.change(versionMAC(k, v), "UPDATE versions SET record = ?, mac = ? WHERE vault = ? AND key = ? AND id = ?",
		record, mac, string(k.Vault), k.Name.fold(), string(v.ID))
}

// Private opens a version's private key.
func (t *Tx) Private(k Key, v Version) (*material.Private, error) {
	var sealed []byte
	if err := t.tx.QueryRowContext(t.ctx, "SELECT secret FROM versions WHERE vault = ? AND key = ? AND id = ?",
		string(k.Vault), k.Name.fold(), string(v.ID)).Scan(&sealed); err != nil {
		return nil, err
	}
	der, _, err := seal.OpenMessage(t.keys, secretPlace(k.Vault, k.Name, v.ID), sealed)
	if err != nil {
		return nil, damaged(err)
	}
	defer clear(der)
	private, err := material.Parse(der)
	if err != nil {
		return nil, damaged(err)
	}
	public, err := material.ParsePublic(v.Public)
	if err != nil {
		return nil, damaged(err)
	}
	if !private.Matches(public) {
		return nil, fmt.Errorf("%w: the halves of version %s of key %s differ", ErrDamaged, v.ID, k.Name)
	}
	return private, nil
}

// Meta returns what PutMeta wrote, the secret in the clear: the caller clears
// it.
func (t *Tx) Meta(name string) (public, secret []byte, err error) {
	var mac, sealed []byte
	switch err := t.tx.QueryRowContext(t.ctx, "SELECT record, mac, secret FROM meta WHERE name = ?", name).Scan(&public, &mac, &sealed); {
	case errors.Is(err, sql.ErrNoRows):
		return nil, nil, ErrNotFound
	case err != nil:
		return nil, nil, err
	}
	if err := t.keys.VerifyMAC(metaPlace(name), public, mac); err != nil {
		return nil, nil, damaged(err)
	}
	if secret, _, err = seal.OpenMessage(t.keys, metaPlace(name), sealed); err != nil {
		return nil, nil, damaged(err)
	}
	return public, secret, nil
}

// PutMeta writes a secret of the vault itself with a public part.
func (t *Tx) PutMeta(name string, public, secret []byte) error {
	mac, err := t.keys.MAC(metaPlace(name), public)
	if err != nil {
		return err
	}
	sealed, _, err := seal.SealMessage(t.keys, metaPlace(name), secret)
	if err != nil {
		return err
	}
	at := []macs{{"SELECT mac FROM meta WHERE name = ?", []any{name}}}
	return t.change(at, "INSERT INTO meta (name, record, mac, secret) VALUES (?, ?, ?, ?)", name, public, mac[:], sealed.AppendTo(nil))
}

// randomHex returns 128 random bits as 32 digits.
func randomHex() string {
	var b [16]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}
