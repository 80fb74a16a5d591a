package server_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/operationalinsights/armoperationalinsights/v2"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armresources"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"logkeep/internal/cli/client"
	"logkeep/internal/wrap"
)

// embrace asks that the customer's key cover existing data, too.
func (s *site) embrace() {
	s.t.Helper()
	c, err := armresources.NewClient(s.SubscriptionID, s.Credential(), s.ARM())
	must(s.t, err)
	poller, err := c.BeginUpdateByID(s.t.Context(), s.ClusterID, "2025-07-01", armresources.GenericResource{
		Properties: map[string]any{"logkeep": map[string]any{"coverExistingData": true}},
	}, nil)
	_, err = client.Wait(s.t.Context(), poller, err)
	must(s.t, err)
}

// A cluster's older generations go under its key, and what wrapped them before
// is in no file of the catalog any more.
func TestCoverExistingDataErasesTheServicesWraps(t *testing.T) {
	t.Parallel()
	s := copied(t)
	th := burgle(s)
	accounts, err := th.catalog.Accounts(t.Context(), "")
	must(t, err)
	const piece = 32
	var erased []string
	wraps := 0
	for _, a := range accounts {
		if a.Kind != "cluster" {
			continue
		}
		for _, r := range th.records(a.ID) {
			if r.Layer != wrap.Outer && r.Generation == 1 {
				text := base64.StdEncoding.EncodeToString(r.Wrapped)
				for ; len(text) >= piece; text = text[piece:] { // the file cuts long records at its pages
					erased = append(erased, text[:piece])
				}
				wraps++
			}
		}
	}
	th.vault.Close()
	th.catalog.Close()
	inFiles := func() (n int) {
		files, err := filepath.Glob(filepath.Join(s.DataDir, "catalog.db*"))
		must(t, err)
		for _, path := range files {
			b, err := os.ReadFile(path)
			must(t, err)
			for _, text := range erased {
				n += bytes.Count(b, []byte(text))
			}
		}
		return n
	}
	if n := inFiles(); wraps != 4 || n < len(erased)*3/4 {
		t.Fatalf("%d wraps in %d pieces, of which %d are in the files", wraps, len(erased), n)
	}
	s.serve()
	s.mustSend("a", 100)
	s.embrace()
	if n := inFiles(); n != 0 {
		t.Errorf("%d pieces of wraps under the service's key are in the catalog's files", n)
	}
	_, service := s.census()
	for _, k := range service {
		for _, w := range k.Wraps {
			if w.Layer != "Outer" && !strings.HasPrefix(w.Account, "ws-") {
				t.Errorf("generation %d of %s is still under the service's key", w.Generation, w.Account)
			}
		}
	}
	customer, _ := s.census()
	version := s.cluster().Logkeep.KeyState.KeyVersion
	if n := len(customer[version].Wraps); n != 8 {
		t.Errorf("%d keys under the customer's key, want 8", n)
	}
	s.killAll()
	eventually(t, limit, "the rows", func() error { _, err := s.count(); return err })
	s.holds(100)
	s.embrace() // again changes nothing
	s.holds(100)
}

// From one key to another in another vault: both work, the wraps change, no
// data does, and then the old key can go.
func TestMovingToAnotherVault(t *testing.T) {
	t.Parallel()
	s := linked(t)
	s.mustSend("a", 300)
	before := s.sealedFiles()
	oldVersion := s.cluster().Logkeep.KeyState.KeyVersion
	old := s.keys()
	s.makeVault("kv-2")
	s.grant(s.VaultID, client.RoleCryptoOfficer, s.ObjectID)
	s.grant(s.VaultID, client.RoleCryptoServiceUser, s.cluster().PrincipalID)
	eventually(t, limit, "the key in the other vault", func() error {
		_, err := s.keys().CreateKey(t.Context(), keyName, azkeys.CreateKeyParameters{Kty: to.Ptr(azkeys.KeyTypeRSA), KeySize: to.Ptr(int32(2048))}, nil)
		return err
	})
	s.setKey("")
	if now := s.cluster(); !strings.HasPrefix(now.VaultURI, s.VaultURI) {
		t.Fatalf("the key is at %s", now.VaultURI)
	}
	customer, _ := s.census()
	if k := customer[oldVersion]; !k.SafeToDisable || !strings.HasPrefix(k.KID, "https://kv-1.") {
		t.Errorf("%+v", k)
	}
	_, err := old.UpdateKey(t.Context(), keyName, oldVersion, azkeys.UpdateKeyParameters{KeyAttributes: &azkeys.KeyAttributes{Enabled: to.Ptr(false)}}, nil)
	must(t, err)
	s.killAll()
	eventually(t, limit, "the rows, with the new vault alone", func() error {
		if n, err := s.count(); err != nil || n != 300 {
			return fmt.Errorf("%d rows, %w", n, err)
		}
		return nil
	})
	after := s.sealedFiles()
	if len(before) == 0 {
		t.Fatal("the test looks in the wrong folders")
	}
	for name, size := range before {
		if now, there := after[name]; there && now < size { // a flush may have moved its rows on
			t.Errorf("%s was rewritten", name)
		}
	}
	s.enable(s.cluster().Logkeep.KeyState.KeyVersion, false)
	eventually(t, limit, "the revocation by the new vault", func() error {
		if _, err := s.count(); err == nil {
			return errNotYet
		}
		return nil
	})
}

// sealedFiles are the sizes of the journals and objects.
func (s *site) sealedFiles() map[string]int64 {
	s.t.Helper()
	found := map[string]int64{}
	for _, pattern := range []string{"journal/*.journal", "objects/[0-9a-f]*"} {
		files, err := filepath.Glob(filepath.Join(s.DataDir, "accounts", "*", "*", filepath.FromSlash(pattern)))
		must(s.t, err)
		for _, path := range files {
			info, err := os.Stat(path)
			must(s.t, err)
			found[path] = info.Size()
		}
	}
	return found
}

// A cluster whose key is refused can't be moved to another: that takes both.
func TestMovingARevokedClusterIsRefusedInWords(t *testing.T) {
	t.Parallel()
	s := linked(t)
	s.mustSend("a", 10)
	version := s.cluster().Logkeep.KeyState.KeyVersion
	s.enable(version, false)
	eventually(t, limit, "the revocation", func() error {
		if _, err := s.count(); err == nil {
			return errNotYet
		}
		return nil
	})
	_, err := s.keys().CreateKey(t.Context(), "other", azkeys.CreateKeyParameters{Kty: to.Ptr(azkeys.KeyTypeRSA), KeySize: to.Ptr(int32(2048))}, nil)
	must(t, err)
	poller, err := s.clusters().BeginUpdate(t.Context(), group, "cluster-1", armoperationalinsights.ClusterPatch{
		Properties: &armoperationalinsights.ClusterPatchProperties{KeyVaultProperties: &armoperationalinsights.KeyVaultProperties{
			KeyVaultURI: &s.VaultURI, KeyName: to.Ptr("other"), KeyVersion: to.Ptr(""),
		}},
	}, nil)
	_, err = client.Wait(t.Context(), poller, err)
	if f, ok := client.FailureOf(err); !ok || f.Code != client.KeyRevoked || !strings.Contains(f.Message, "cluster-1") {
		t.Errorf("%v", err)
	}
	s.enable(version, true)
	eventually(t, limit, "the rows", func() error { _, err := s.count(); return err })
	s.holds(10)
}
