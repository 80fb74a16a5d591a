package vault

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"logkeep/internal/dsse"
	"logkeep/internal/seal"
	"logkeep/internal/vault/admin"
	"logkeep/internal/vault/keystore"
)

func TestReportsAreSignedByOneKeyThatIsSealed(t *testing.T) {
	dir, root := t.TempDir(), bytes.Repeat([]byte{9}, 32)
	open := func() reporter {
		key, err := seal.ImportKey(bytes.Clone(root))
		if err != nil {
			t.Fatal(err)
		}
		store, err := keystore.Open(t.Context(), dir, key)
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		r, err := openReporter(t.Context(), store)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	first := open()
	body, err := json.Marshal(admin.Document{Type: "application/x", Payload: []byte(`{"a":1}`)})
	if err != nil {
		t.Fatal(err)
	}
	signed, err := first.sign(t.Context(), body)
	if err != nil {
		t.Fatal(err)
	}
	again := open()
	keys := dsse.Keys{again.public.KeyID: again.public.Key}
	if payload, err := signed.(dsse.Envelope).Open("application/x", keys); err != nil || string(payload) != `{"a":1}` {
		t.Errorf("after a restart the key is another: %s, %v", payload, err)
	}
	if !again.public.IsPublic() {
		t.Error("what is shown is no public key")
	}
	for name, bad := range map[string]admin.Document{"no type": {Payload: []byte("x")}, "nothing": {Type: "x"}, "too much": {Type: "x", Payload: make([]byte, maxReport+1)}} {
		body, _ := json.Marshal(bad)
		var p *admin.Problem
		if _, err := first.sign(t.Context(), body); !errors.As(err, &p) || p.Status != 400 {
			t.Errorf("%s: %v", name, err)
		}
	}
}
