package client

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The first administrator's secret is no part of a backup, and may be kept elsewhere:
// a data directory without it still tells where its server is.
func TestADataDirectoryWithoutTheFirstSecret(t *testing.T) {
	dir := t.TempDir()
	env := map[string]string{"AZURE_TENANT_ID": "t", "AZURE_SUBSCRIPTION_ID": "s", "AZURE_CLIENT_ID": "c", "AZURE_CLIENT_SECRET": "secret", "SSL_CERT_FILE": "/elsewhere.pem"}
	find := func() (found, error) {
		return Where{DataDir: dir, Getenv: func(n string) string { return env[n] }}.find()
	}
	if _, err := find(); err == nil || !strings.Contains(err.Error(), "no data directory of a server that has started") {
		t.Errorf("an empty folder: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "endpoint"), []byte(`{"url":"https://localhost:1"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if f, err := find(); err != nil || f.url != "https://localhost:1" || f.identity.ClientID != "c" || f.caFile != filepath.Join(dir, "tls", "ca.pem") {
		t.Errorf("%+v, %v", f, err)
	}
	clear(env)
	if f, err := find(); !errors.Is(err, ErrNoIdentity) || f.url != "https://localhost:1" {
		t.Errorf("%+v, %v", f, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "bootstrap.json"), []byte(`{`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := find(); err == nil || !strings.Contains(err.Error(), "bootstrap.json is damaged") {
		t.Errorf("half a file: %v", err)
	}
}
