package keystore

import (
	"encoding/json"
	"errors"
	"fmt"

	"logkeep/internal/seal"
	"logkeep/internal/vault/material"
)

// A backup of a key is opaque to who holds it: everything about the key, sealed
// under the root key and bound to the subscription of its vault. It can be
// restored into any vault of that subscription, on a server with this root key.
//
//	"LKB" 1, then one sealed message: JSON of a backup
const backupMagic = "LKB\x01"

// ErrBackup is bytes that are no backup that this vault could restore.
var ErrBackup = errors.New("this is no backup of a key of this subscription, or it was altered")

type backup struct {
	Key      Key             `json:"key"`
	Versions []backupVersion `json:"versions"` // oldest first
}

type backupVersion struct {
	Version
	Secret []byte `json:"secret"` // PKCS #8
}

func backupPlace(subscription string) seal.Place { return placeOf("vault-key-backup", subscription) }

// Backup returns a key with all its versions.
func (t *Tx) Backup(k Key, subscription string) ([]byte, error) {
	versions, err := t.Versions(k)
	if err != nil {
		return nil, err
	}
	b := backup{Key: k}
	defer func() {
		for _, v := range b.Versions {
			clear(v.Secret)
		}
	}()
	for _, v := range versions {
		private, err := t.Private(k, v)
		if err != nil {
			return nil, err
		}
		secret, err := private.Marshal()
		if err != nil {
			return nil, err
		}
		b.Versions = append(b.Versions, backupVersion{v, secret})
	}
	text, err := json.Marshal(b)
	if err != nil {
		return nil, err
	}
	defer clear(text)
	sealed, _, err := seal.SealMessage(t.keys, backupPlace(subscription), text)
	if err != nil {
		return nil, err
	}
	return sealed.AppendTo([]byte(backupMagic)), nil
}

// OpenBackup tells which key is in a backup.
func (t *Tx) OpenBackup(blob []byte, subscription string) (Backup, error) {
	if len(blob) < len(backupMagic) || string(blob[:len(backupMagic)]) != backupMagic {
		return Backup{}, ErrBackup
	}
	text, _, err := seal.OpenMessage(t.keys, backupPlace(subscription), blob[len(backupMagic):])
	if errors.Is(err, seal.ErrDestroyed) {
		return Backup{}, err
	}
	if err != nil {
		return Backup{}, ErrBackup
	}
	defer clear(text)
	var b backup
	if err := json.Unmarshal(text, &b); err != nil || len(b.Versions) == 0 {
		return Backup{}, ErrBackup
	}
	return Backup{b}, nil
}

// A Backup is one that was opened. Forget it when done.
type Backup struct{ content backup }

// Name is the key's.
func (b Backup) Name() KeyName { return b.content.Key.Name }

// Forget clears what is secret in it.
func (b Backup) Forget() {
	for _, v := range b.content.Versions {
		clear(v.Secret)
	}
}

// Restore puts the key, as it was, into a vault that has none of that name.
func (t *Tx) Restore(vault VaultUID, b Backup) (Key, Version, error) {
	k := b.content.Key
	k.Vault, k.Deleted = vault, nil
	if _, err := t.Key(vault, k.Name); !errors.Is(err, ErrNotFound) {
		return k, Version{}, fmt.Errorf("restore key %s: the vault has one of that name: %w", k.Name, err)
	}
	if err := t.PutKey(k); err != nil {
		return k, Version{}, err
	}
	var newest Version
	for _, v := range b.content.Versions {
		private, err := material.Parse(v.Secret)
		if err != nil {
			return k, newest, err
		}
		if err := t.insert(k, v.Version, private); err != nil {
			return k, newest, err
		}
		if v.ID == k.Newest {
			newest = v.Version
		}
	}
	return k, newest, nil
}
