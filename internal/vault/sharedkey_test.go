package vault

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"testing"

	"logkeep/internal/seal"
	"logkeep/internal/vault/admin"
	"logkeep/internal/vault/keystore"
)

func openShared(t *testing.T, dir string, root []byte) ([]byte, func()) {
	t.Helper()
	key, err := seal.ImportKey(bytes.Clone(root))
	if err != nil {
		t.Fatal(err)
	}
	store, err := keystore.Open(t.Context(), dir, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := sharedSecret(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	return secret, func() { store.Close() }
}

func TestTheSecretOfSharedKeysIsMadeOnceAndSealed(t *testing.T) {
	dir, root := t.TempDir(), bytes.Repeat([]byte{7}, 32)
	first, done := openShared(t, dir, root)
	done()
	second, done := openShared(t, dir, root)
	done()
	if len(first) != 64 || !bytes.Equal(first, second) {
		t.Error("the secret is another after a restart")
	}
}

func TestSharedKeysDifferByWorkspaceSlotAndGeneration(t *testing.T) {
	s := shared{bytes.Repeat([]byte{1}, 64)}
	call := func(of admin.SharedKeyOf) admin.SharedKeys {
		body, _ := json.Marshal(of)
		v, err := s.show(t.Context(), body)
		if err != nil {
			t.Fatal(err)
		}
		return v.(admin.SharedKeys)
	}
	a := call(admin.SharedKeyOf{Workspace: "w1"})
	seen := map[string]bool{}
	for _, k := range []admin.SharedKeys{a, call(admin.SharedKeyOf{Workspace: "w2"}), call(admin.SharedKeyOf{Workspace: "w1", Generation: 1})} {
		seen[k.Primary], seen[k.Secondary] = true, true
	}
	if raw, err := base64.StdEncoding.DecodeString(a.Primary); len(seen) != 6 || err != nil || len(raw) != 64 {
		t.Errorf("%d different keys of 6, %v", len(seen), err)
	}
	if _, err := s.show(t.Context(), []byte(`{}`)); err == nil {
		t.Error("nobody's key was shown")
	}

	key, _ := base64.StdEncoding.DecodeString(a.Secondary)
	h := hmac.New(sha256.New, key)
	h.Write([]byte("text"))
	good := admin.SharedSignature{SharedKeyOf: admin.SharedKeyOf{Workspace: "w1"}, Text: "text", Signature: h.Sum(nil)}
	for _, c := range []struct {
		name   string
		change func(*admin.SharedSignature)
		want   bool
	}{
		{"as it is", func(*admin.SharedSignature) {}, true},
		{"another text", func(s *admin.SharedSignature) { s.Text = "texu" }, false},
		{"another workspace", func(s *admin.SharedSignature) { s.Workspace = "w2" }, false},
		{"a key that was replaced", func(s *admin.SharedSignature) { s.Generation = 1 }, false},
		{"no signature", func(s *admin.SharedSignature) { s.Signature = nil }, false},
		{"a short one", func(s *admin.SharedSignature) { s.Signature = s.Signature[:31] }, false},
	} {
		q := good
		c.change(&q)
		body, _ := json.Marshal(q)
		if got, err := s.check(t.Context(), body); err != nil || got != c.want {
			t.Errorf("%s: %v, %v", c.name, got, err)
		}
	}
}
