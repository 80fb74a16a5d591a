package vault_test

import (
	"bytes"
	"crypto/sha256"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"logkeep/internal/vault/admin"
)

// The official client takes a key through its whole life.
func TestTheLifeOfAKey(t *testing.T) {
	ctx := t.Context()
	r := start(t, prepared(t))
	r.makeVault(t, "")
	c := r.keys(t, vaultURL, tenant, "alice")

	made, err := c.CreateKey(ctx, "kek", azkeys.CreateKeyParameters{Kty: to.Ptr(azkeys.KeyTypeRSA), KeySize: to.Ptr[int32](2048), Tags: map[string]*string{"team": to.Ptr("logs")}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := *made.Attributes.RecoveryLevel; got != "Recoverable" || *made.Attributes.RecoverableDays != 90 {
		t.Errorf("recovery level %s", got)
	}
	first := made.Key.KID.Version()
	if string(*made.Key.KID) != vaultURL+"/keys/kek/"+first {
		t.Errorf("kid %s", *made.Key.KID)
	}
	got, err := c.GetKey(ctx, "kek", "", nil)
	if err != nil || *got.Key.KID != *made.Key.KID || !bytes.Equal(got.Key.N, made.Key.N) || *got.Tags["team"] != "logs" {
		t.Fatalf("get: %+v, %v", got.Key, err)
	}

	secret := []byte("0123456789abcdef0123456789abcdef")
	for _, alg := range []azkeys.EncryptionAlgorithm{azkeys.EncryptionAlgorithmRSAOAEP, azkeys.EncryptionAlgorithmRSAOAEP256} {
		wrapped, err := c.WrapKey(ctx, "kek", "", azkeys.KeyOperationParameters{Algorithm: to.Ptr(alg), Value: secret}, nil)
		if err != nil || *wrapped.KID != *made.Key.KID {
			t.Fatal(wrapped.KID, err)
		}
		opened, err := c.UnwrapKey(ctx, "kek", first, azkeys.KeyOperationParameters{Algorithm: to.Ptr(alg), Value: wrapped.Result}, nil)
		if err != nil || !bytes.Equal(opened.Result, secret) {
			t.Fatal(err)
		}
	}
	sealed, err := c.Encrypt(ctx, "kek", first, azkeys.KeyOperationParameters{Algorithm: to.Ptr(azkeys.EncryptionAlgorithmRSAOAEP256), Value: secret}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if opened, err := c.Decrypt(ctx, "kek", first, azkeys.KeyOperationParameters{Algorithm: to.Ptr(azkeys.EncryptionAlgorithmRSAOAEP256), Value: sealed.Result}, nil); err != nil || !bytes.Equal(opened.Result, secret) {
		t.Fatal(err)
	}
	digest := sha256.Sum256(secret)
	signed, err := c.Sign(ctx, "kek", "", azkeys.SignParameters{Algorithm: to.Ptr(azkeys.SignatureAlgorithmPS256), Value: digest[:]}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := c.Verify(ctx, "kek", "", azkeys.VerifyParameters{Algorithm: to.Ptr(azkeys.SignatureAlgorithmPS256), Digest: digest[:], Signature: signed.Result}, nil); err != nil || !*ok.Value {
		t.Fatal(err)
	}

	// A rotated key wraps with the new version and still opens with the old.
	wrapped, err := c.WrapKey(ctx, "kek", first, azkeys.KeyOperationParameters{Algorithm: to.Ptr(azkeys.EncryptionAlgorithmRSAOAEP256), Value: secret}, nil)
	if err != nil {
		t.Fatal(err)
	}
	rotated, err := c.RotateKey(ctx, "kek", nil)
	if err != nil || rotated.Key.KID.Version() == first || *rotated.Tags["team"] != "logs" {
		t.Fatal(err)
	}
	if got, err := c.GetKey(ctx, "KEK", "", nil); err != nil || *got.Key.KID != *rotated.Key.KID {
		t.Fatal(err)
	}
	unwrap := azkeys.KeyOperationParameters{Algorithm: to.Ptr(azkeys.EncryptionAlgorithmRSAOAEP256), Value: wrapped.Result}
	if opened, err := c.UnwrapKey(ctx, "kek", first, unwrap, nil); err != nil || !bytes.Equal(opened.Result, secret) {
		t.Fatal(err)
	}
	_, err = c.UnwrapKey(ctx, "kek", rotated.Key.KID.Version(), unwrap, nil)
	refusedWith(t, err, http.StatusBadRequest, "BadParameter")
	if ids := versions(t, c, "kek"); len(ids) != 2 || !slices.Contains(ids, first) {
		t.Errorf("versions %v", ids)
	}

	// Disabled, enabled, deleted, recovered.
	if _, err := c.UpdateKey(ctx, "kek", first, azkeys.UpdateKeyParameters{KeyAttributes: &azkeys.KeyAttributes{Enabled: to.Ptr(false)}}, nil); err != nil {
		t.Fatal(err)
	}
	_, err = c.UnwrapKey(ctx, "kek", first, unwrap, nil)
	refusedWith(t, err, http.StatusForbidden, "Forbidden")
	if _, err := c.UpdateKey(ctx, "kek", first, azkeys.UpdateKeyParameters{KeyAttributes: &azkeys.KeyAttributes{Enabled: to.Ptr(true)}}, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := c.UnwrapKey(ctx, "kek", first, unwrap, nil); err != nil {
		t.Fatal(err)
	}
	deleted, err := c.DeleteKey(ctx, "kek", nil)
	if err != nil || *deleted.RecoveryID != vaultURL+"/deletedkeys/kek" || deleted.ScheduledPurgeDate.Sub(*deleted.DeletedDate) != 90*24*time.Hour {
		t.Fatalf("%+v, %v", deleted, err)
	}
	_, err = c.UnwrapKey(ctx, "kek", first, unwrap, nil)
	refusedWith(t, err, http.StatusNotFound, "KeyNotFound")
	_, err = c.CreateKey(ctx, "kek", azkeys.CreateKeyParameters{Kty: to.Ptr(azkeys.KeyTypeRSA)}, nil)
	refusedWith(t, err, http.StatusConflict, "Conflict")
	_, err = c.PurgeDeletedKey(ctx, "kek", nil)
	refusedWith(t, err, http.StatusForbidden, "Forbidden")
	if _, err := c.GetDeletedKey(ctx, "kek", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := c.RecoverDeletedKey(ctx, "kek", nil); err != nil {
		t.Fatal(err)
	}
	if opened, err := c.UnwrapKey(ctx, "kek", first, unwrap, nil); err != nil || !bytes.Equal(opened.Result, secret) {
		t.Fatal(err)
	}

	r.mu.Lock()
	defer r.mu.Unlock()
	var told []admin.Change
	for _, n := range r.notices {
		if n.VaultURI != vaultURL {
			t.Errorf("notice %+v", n)
		}
		told = append(told, n.What)
	}
	if want := []admin.Change{"VaultCreated", "KeyCreated", "KeyRotated", "KeyUpdated", "KeyUpdated", "KeyDeleted", "KeyRecovered"}; !slices.Equal(told, want) {
		t.Errorf("the keeper was told %v, want %v", told, want)
	}
	r.auditing.Lock()
	defer r.auditing.Unlock()
	denied := slices.IndexFunc(r.events, func(e admin.Event) bool {
		return e.OperationName == "KeyUnwrap" && e.Properties.HTTPStatus == http.StatusForbidden && e.ResultType == "Success" &&
			e.CallerIPAddress == "192.0.2.7" && e.Identity.Claim.ObjectID == "alice" && e.Properties.ID == vaultURL+"/keys/kek/"+first
	})
	if denied < 0 {
		t.Errorf("no audit record of the denied unwrap among %d", len(r.events))
	}
}

func versions(t *testing.T, c *azkeys.Client, name string) []string {
	t.Helper()
	var ids []string
	for p := c.NewListKeyPropertiesVersionsPager(name, nil); p.More(); {
		page, err := p.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range page.Value {
			ids = append(ids, k.KID.Version())
		}
	}
	return ids
}

// Lists come in pages that lose and repeat nothing.
func TestListsComeInPages(t *testing.T) {
	ctx := t.Context()
	r := start(t, prepared(t))
	r.makeVault(t, `"enableRbacAuthorization":true,"softDeleteRetentionInDays":7`)
	c := r.keys(t, vaultURL, tenant, "alice")
	const n = 60
	for i := range n {
		name := "key-" + string(rune('A'+i%26)) + string(rune('a'+i/26))
		made, err := c.CreateKey(ctx, name, azkeys.CreateKeyParameters{Kty: to.Ptr(azkeys.KeyTypeEC)}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if *made.Attributes.RecoveryLevel != "CustomizedRecoverable+Purgeable" {
			t.Fatal(*made.Attributes.RecoveryLevel)
		}
		if i%3 == 0 {
			if _, err := c.DeleteKey(ctx, name, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	live, deleted := map[string]bool{}, map[string]bool{}
	for p := c.NewListKeyPropertiesPager(nil); p.More(); {
		page, err := p.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Value) > 25 {
			t.Errorf("a page of %d", len(page.Value))
		}
		for _, k := range page.Value {
			if live[k.KID.Name()] || k.KID.Version() != "" {
				t.Errorf("%s comes twice or has a version", *k.KID)
			}
			live[k.KID.Name()] = true
		}
	}
	for p := c.NewListDeletedKeyPropertiesPager(nil); p.More(); {
		page, err := p.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range page.Value {
			deleted[k.KID.Name()] = true
		}
	}
	if len(live) != n*2/3 || len(deleted) != n/3 {
		t.Errorf("%d live and %d deleted", len(live), len(deleted))
	}
	for name := range deleted {
		if _, err := c.PurgeDeletedKey(ctx, name, nil); err != nil {
			t.Fatal(err)
		}
		_, err := c.GetDeletedKey(ctx, name, nil)
		refusedWith(t, err, http.StatusNotFound, "KeyNotFound")
		break
	}
}

func TestTheServiceVaultIsForTheServiceOnly(t *testing.T) {
	ctx := t.Context()
	r := start(t, prepared(t))
	const url = "https://logkeep-service.vault.logkeep.test:8443"
	c := r.keys(t, url, admin.ServiceTenant, admin.ServicePrincipal)
	secret := bytes.Repeat([]byte{3}, 32)
	oaep := to.Ptr(azkeys.EncryptionAlgorithmRSAOAEP256)
	wrapped, err := c.WrapKey(ctx, admin.WrapKey, "", azkeys.KeyOperationParameters{Algorithm: oaep, Value: secret}, nil)
	if err != nil || len(wrapped.Result) != 3072/8 {
		t.Fatal(err)
	}
	opened, err := c.UnwrapKey(ctx, admin.WrapKey, "", azkeys.KeyOperationParameters{Algorithm: oaep, Value: wrapped.Result}, nil)
	if err != nil || !bytes.Equal(opened.Result, secret) {
		t.Fatal(err)
	}
	digest := sha256.Sum256(secret)
	if s, err := c.Sign(ctx, admin.IntegrityKey, "", azkeys.SignParameters{Algorithm: to.Ptr(azkeys.SignatureAlgorithmES256), Value: digest[:]}, nil); err != nil || len(s.Result) != 64 {
		t.Fatal(err)
	}
	// Not even the service may destroy what protects everything.
	_, err = c.DeleteKey(ctx, admin.WrapKey, nil)
	refusedWith(t, err, http.StatusForbidden, "Forbidden")
	_, err = c.UpdateKey(ctx, admin.WrapKey, "", azkeys.UpdateKeyParameters{KeyAttributes: &azkeys.KeyAttributes{Enabled: to.Ptr(false)}}, nil)
	refusedWith(t, err, http.StatusForbidden, "Forbidden")
	// Nobody else gets in: neither with another name in the service's tenant,
	// nor with the service's name in another tenant.
	_, err = r.keys(t, url, admin.ServiceTenant, "alice").GetKey(ctx, admin.WrapKey, "", nil)
	refusedWith(t, err, http.StatusForbidden, "Forbidden")
	foreign := token{r.admin, tenant, admin.ServicePrincipal}
	_, err = foreignClient(t, r, url, foreign).GetKey(ctx, admin.WrapKey, "", nil)
	refusedWith(t, err, http.StatusUnauthorized, "Unauthorized")
	// And it is no resource.
	if list, err := r.admin.Vaults(ctx, admin.Request{ID: mustParse("/subscriptions/aaaa")}); err != nil || len(list) != 0 {
		t.Error(list, err)
	}
	if check, err := r.admin.CheckName(ctx, admin.ServiceVault); err != nil || check.Available {
		t.Error(check, err)
	}
}

// foreignClient uses a credential whatever tenant the challenge names.
func foreignClient(t *testing.T, r *running, url string, k token) *azkeys.Client {
	t.Helper()
	c, err := azkeys.NewClient(url, anyTenant{k}, &azkeys.ClientOptions{ClientOptions: azcore.ClientOptions{Transport: r.transport(t, "192.0.2.7:1")}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}
