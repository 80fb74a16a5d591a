package inventory

import (
	"os"
	"path/filepath"
	"testing"
)

func TestEveryKindIsFoundByItsOwnPattern(t *testing.T) {
	for name, want := range map[string]string{
		"accounts/c/c-0/objects/0123ab":                          Segment,
		"accounts/c/c-0/objects/.0123ab":                         Partial,
		"accounts/service/ws-1/journal/0000000000000001.journal": Journal,
		"accounts/service/ws-1/journal/lock":                     "journal lock",
		"catalog.db":                                             "catalog",
		"catalog.db-wal":                                         "catalog log",
		"vault/vault.db":                                         "vault",
		"tls/.write-12":                                          "being written",
	} {
		if k, ok := Classify(name); !ok || k.Name != want {
			t.Errorf("%s is %q", name, k.Name)
		}
	}
	for _, name := range []string{"dump", "accounts/c/c-0/rows.json", "accounts/c/c-0/objects/a/b", "accounts/x/x", "tls/key.pem", "vault/root.key"} {
		if k, ok := Classify(name); ok {
			t.Errorf("%s is taken for a %s", name, k.Name)
		}
	}
}

func TestAccount(t *testing.T) {
	dir := t.TempDir()
	if files, err := Account(dir); err != nil || len(files) != 0 {
		t.Fatalf("%v %v", files, err)
	}
	for name, text := range map[string]string{
		"journal/0000000000000001.journal": "LKJ\x01\x00\x00\x00\x02and more",
		"journal/0000000000000002.journal": "LK",
		"journal/lock":                     "",
		"objects/ab":                       "12345",
		"objects/.cd":                      "123",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	files, err := Account(dir)
	want := []File{{Journal, "0000000000000001.journal", 16, 2}, {Journal, "0000000000000002.journal", 2, 0}, {Partial, "cd", 3, 0}, {Segment, "ab", 5, 0}}
	if err != nil || len(files) != len(want) {
		t.Fatalf("%+v %v", files, err)
	}
	for i := range want {
		if files[i] != want[i] {
			t.Errorf("%+v, want %+v", files[i], want[i])
		}
	}
	os.WriteFile(filepath.Join(dir, "journal", "0000000000000003.journal"), []byte("something else"), 0o600)
	if _, err := Account(dir); err == nil {
		t.Error("a file that is no journal was counted as one")
	}
}
