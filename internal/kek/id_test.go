package kek_test

import (
	"encoding/json"
	"testing"

	"logkeep/internal/kek"
)

func TestKeyIdentifiers(t *testing.T) {
	for in, want := range map[string]kek.ID{
		"https://Contoso.Vault.Azure.net/keys/k/0123":        {VaultURI: "https://contoso.vault.azure.net", Name: "k", Version: "0123"},
		"https://contoso.vault.azure.net:443/keys/k":         {VaultURI: "https://contoso.vault.azure.net", Name: "k"},
		"https://kv.vault.logkeep.test:8443/keys/My-Key/abc": {VaultURI: "https://kv.vault.logkeep.test:8443", Name: "My-Key", Version: "abc"},
	} {
		id, err := kek.ParseKID(in)
		if err != nil || id != want {
			t.Errorf("%s: %+v %v", in, id, err)
		}
		b, _ := json.Marshal(id)
		var back kek.ID
		if err := json.Unmarshal(b, &back); err != nil || back != id {
			t.Errorf("%s: %+v %v", b, back, err)
		}
	}
	for _, uri := range []string{
		"", "contoso.vault.azure.net", "http://contoso.vault.azure.net", "https://", "https://localhost", "https://10.0.0.1", "https://[::1]", "https://1.2",
		"https://user:pass@contoso.vault.azure.net", "https://contoso.vault.azure.net/x", "https://contoso.vault.azure.net?x", "https://contoso.vault.azure.net#x",
		"https://contoso.vault.azure.net:", "https://contoso..net", "https://-a.b", "https://a\\b.c", "https://contoso.vault.azure.net/%2e",
	} {
		if id, err := kek.NewID(uri, "k", ""); err == nil {
			t.Errorf("vault %q was read as %v", uri, id)
		}
	}
	for _, kid := range []string{"", "https://a.b/keys/", "https://a.b/keys/k/", "https://a.b/keys/k/1/2", "https://a.b/secrets/k", "https://a.b/keys/k?x", "https://a.b/keys/a b"} {
		if id, err := kek.ParseKID(kid); err == nil {
			t.Errorf("%q was read as %v", kid, id)
		}
	}
}

func FuzzParseKID(f *testing.F) {
	f.Add("https://contoso.vault.azure.net/keys/k/0123")
	f.Add("https://kv.vault.logkeep.test:8443/keys/k")
	f.Fuzz(func(t *testing.T, s string) {
		id, err := kek.ParseKID(s)
		if err != nil {
			return
		}
		if again, err := kek.ParseKID(id.String()); err != nil || again != id {
			t.Errorf("%q: %v, then %v %v", s, id, again, err)
		}
	})
}
