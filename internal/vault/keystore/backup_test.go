package keystore_test

import (
	"bytes"
	"errors"
	"testing"

	"logkeep/internal/vault/admin"
	"logkeep/internal/vault/keystore"
)

func TestABackupIsOpaqueBoundToItsSubscriptionAndComesBackWhole(t *testing.T) {
	s := open(t, t.TempDir())
	v, one, _ := fill(t, s)
	other := keystore.Vault{Name: "Other", Properties: admin.Properties{SoftDeleteRetentionInDays: 7}}
	var blob []byte
	update(t, s, func(tx *keystore.Tx) error {
		if err := tx.PutVault(&other); err != nil {
			return err
		}
		k, err := tx.Key(v.UID, "one")
		if err != nil {
			return err
		}
		blob, err = tx.Backup(k, "sub-1")
		return err
	})
	if bytes.Contains(blob, []byte("One")) || bytes.Contains(blob, []byte("versions")) {
		t.Error("a backup can be read")
	}
	restore := func(blob []byte, subscription string, into keystore.VaultUID) (k keystore.Key, newest keystore.Version, err error) {
		err = s.Update(t.Context(), func(tx *keystore.Tx) error {
			b, err := tx.OpenBackup(blob, subscription)
			if err != nil {
				return err
			}
			defer b.Forget()
			k, newest, err = tx.Restore(into, b)
			return err
		})
		return k, newest, err
	}
	for name, spoilt := range map[string][]byte{
		"nothing": nil, "its beginning": blob[:10], "another version": append([]byte("LKB\x02"), blob[4:]...), "a longer one": append(bytes.Clone(blob), 0),
		"an altered one": append(bytes.Clone(blob[:len(blob)-1]), blob[len(blob)-1]^1),
	} {
		if _, _, err := restore(spoilt, "sub-1", other.UID); !errors.Is(err, keystore.ErrBackup) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := restore(blob, "sub-2", other.UID); !errors.Is(err, keystore.ErrBackup) {
		t.Errorf("another subscription: %v", err)
	}
	if _, _, err := restore(blob, "sub-1", v.UID); err == nil {
		t.Error("a key was restored over one that is there")
	}
	k, newest, err := restore(blob, "sub-1", other.UID)
	if err != nil || newest.ID != one.Newest || k.Vault != other.UID {
		t.Fatalf("%+v, %+v, %v", k, newest, err)
	}
	err = s.View(t.Context(), func(tx *keystore.Tx) error {
		was, err := tx.Versions(one)
		if err != nil {
			return err
		}
		is, err := tx.Versions(k)
		if err != nil {
			return err
		}
		if len(is) != len(was) {
			t.Errorf("%d versions, want %d", len(is), len(was))
		}
		for i := range is {
			private, err := tx.Private(k, is[i])
			if err != nil || is[i].ID != was[i].ID || !bytes.Equal(is[i].Public, was[i].Public) || private == nil {
				t.Errorf("version %d: %v", i, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
