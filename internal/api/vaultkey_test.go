package api

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/keyvault/armkeyvault"
)

// all reads every page.
func all[T any](t *testing.T, p *runtime.Pager[T]) (pages []T) {
	t.Helper()
	for p.More() {
		page, err := p.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, page)
	}
	return pages
}

func TestSDKMakesKeysAsResources(t *testing.T) {
	c, p := servePlane(t)
	ctx := t.Context()
	f, err := armkeyvault.NewClientFactory(p.admin.SubscriptionID, c.cred, &c.options)
	if err != nil {
		t.Fatal(err)
	}
	vaults, keys := f.NewVaultsClient(), f.NewKeysClient()
	if _, err := keys.Get(ctx, "rg", "kv-one", "k", nil); !coded(err, http.StatusNotFound, "ResourceNotFound") {
		t.Errorf("a key of no vault: %v", err)
	}
	poller, err := vaults.BeginCreateOrUpdate(ctx, "rg", "kv-one", armkeyvault.VaultCreateOrUpdateParameters{Location: new("westeurope"), Properties: &armkeyvault.VaultProperties{
		TenantID: new(string(p.admin.TenantID)), SKU: &armkeyvault.SKU{Family: new(armkeyvault.SKUFamilyA), Name: new(armkeyvault.SKUNameStandard)}}}, nil)
	done(t, poller, err)

	made, err := keys.CreateIfNotExist(ctx, "rg", "kv-one", "kek", armkeyvault.KeyCreateParameters{Tags: map[string]*string{"a": new("b")}, Properties: &armkeyvault.KeyProperties{
		Kty: new(armkeyvault.JSONWebKeyTypeRSA), KeySize: new(int32(2048)), KeyOps: []*armkeyvault.JSONWebKeyOperation{new(armkeyvault.JSONWebKeyOperationWrapKey), new(armkeyvault.JSONWebKeyOperationUnwrapKey)},
		Attributes: &armkeyvault.KeyAttributes{Expires: new(int64(4102444800))},
		RotationPolicy: &armkeyvault.RotationPolicy{Attributes: &armkeyvault.KeyRotationPolicyAttributes{ExpiryTime: new("P2Y")}, LifetimeActions: []*armkeyvault.LifetimeAction{{
			Action: &armkeyvault.Action{Type: new(armkeyvault.KeyRotationPolicyActionTypeRotate)}, Trigger: &armkeyvault.Trigger{TimeAfterCreate: new("P90D")}}}},
	}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	k := made.Properties
	if *made.Type != "Microsoft.KeyVault/vaults/keys" || *made.Location != "westeurope" || *made.Tags["a"] != "b" || *k.KeySize != 2048 || len(k.KeyOps) != 2 || *k.Attributes.Expires != 4102444800 ||
		!strings.HasSuffix(*k.KeyURI, "/keys/kek") || *k.RotationPolicy.LifetimeActions[0].Trigger.TimeAfterCreate != "P90D" || *k.RotationPolicy.Attributes.ExpiryTime != "P2Y" {
		t.Errorf("%+v", k)
	}
	// A key that is there is answered as it is.
	again, err := keys.CreateIfNotExist(ctx, "rg", "kv-one", "KEK", armkeyvault.KeyCreateParameters{Properties: &armkeyvault.KeyProperties{Kty: new(armkeyvault.JSONWebKeyTypeEC)}}, nil)
	if err != nil || *again.Properties.KeyURIWithVersion != *k.KeyURIWithVersion || *again.Properties.Kty != armkeyvault.JSONWebKeyTypeRSA {
		t.Errorf("%+v %v", again.Properties, err)
	}
	for _, name := range []string{"b", "c"} {
		if _, err := keys.CreateIfNotExist(ctx, "rg", "kv-one", name, armkeyvault.KeyCreateParameters{Properties: &armkeyvault.KeyProperties{Kty: new(armkeyvault.JSONWebKeyTypeEC)}}, nil); err != nil {
			t.Fatal(err)
		}
	}
	var names []string
	for _, page := range all(t, keys.NewListPager("rg", "kv-one", nil)) {
		for _, k := range page.Value {
			names = append(names, *k.Name)
		}
	}
	if !slices.Equal(names, []string{"b", "c", "kek"}) {
		t.Errorf("keys %q", names)
	}
	versions := all(t, keys.NewListVersionsPager("rg", "kv-one", "kek", nil))
	if len(versions) != 1 || len(versions[0].Value) != 1 {
		t.Fatalf("%+v", versions)
	}
	id := *versions[0].Value[0].Name
	if one, err := keys.GetVersion(ctx, "rg", "kv-one", "kek", id, nil); err != nil || *one.Properties.KeyURIWithVersion != *k.KeyURIWithVersion || *one.Type != "Microsoft.KeyVault/vaults/keys/versions" {
		t.Errorf("%+v %v", one.Key, err)
	}

	make := func(name string, p armkeyvault.KeyProperties) error {
		_, err := keys.CreateIfNotExist(ctx, "rg", "kv-one", name, armkeyvault.KeyCreateParameters{Properties: &p}, nil)
		return err
	}
	for _, refused := range []struct {
		what string
		err  error
	}{
		{"an HSM's key", make("x", armkeyvault.KeyProperties{Kty: new(armkeyvault.JSONWebKeyTypeRSAHSM)})},
		{"a size", make("x", armkeyvault.KeyProperties{Kty: new(armkeyvault.JSONWebKeyTypeRSA), KeySize: new(int32(1024))})},
		{"no type", make("x", armkeyvault.KeyProperties{})},
		{"a name", make("x_y", armkeyvault.KeyProperties{Kty: new(armkeyvault.JSONWebKeyTypeEC)})},
		{"a policy", make("x", armkeyvault.KeyProperties{Kty: new(armkeyvault.JSONWebKeyTypeEC), RotationPolicy: &armkeyvault.RotationPolicy{LifetimeActions: []*armkeyvault.LifetimeAction{{}}}})},
	} {
		if !coded(refused.err, http.StatusBadRequest, "BadParameter") {
			t.Errorf("%s: %v", refused.what, refused.err)
		}
	}
	if _, err := keys.Get(ctx, "rg", "kv-one", "nothing", nil); !coded(err, http.StatusNotFound, "KeyNotFound") {
		t.Errorf("a key that is not there: %v", err)
	}
	if _, err := keys.GetVersion(ctx, "rg", "kv-one", "kek", strings.Repeat("0", 32), nil); !coded(err, http.StatusNotFound, "KeyNotFound") {
		t.Errorf("a version that is not there: %v", err)
	}
}

// Vaults have no private endpoints, and there are no HSMs; both say so.
func TestSDKLearnsWhatThereIsNot(t *testing.T) {
	c, p := servePlane(t)
	ctx := t.Context()
	f, err := armkeyvault.NewClientFactory(p.admin.SubscriptionID, c.cred, &c.options)
	if err != nil {
		t.Fatal(err)
	}
	poller, err := f.NewVaultsClient().BeginCreateOrUpdate(ctx, "rg", "kv-one", armkeyvault.VaultCreateOrUpdateParameters{Location: new("westeurope"), Properties: &armkeyvault.VaultProperties{
		TenantID: new(string(p.admin.TenantID)), SKU: &armkeyvault.SKU{Family: new(armkeyvault.SKUFamilyA), Name: new(armkeyvault.SKUNameStandard)}}}, nil)
	done(t, poller, err)
	connections := f.NewPrivateEndpointConnectionsClient()
	if pages := all(t, connections.NewListByResourcePager("rg", "kv-one", nil)); len(pages) != 1 || len(pages[0].Value) != 0 {
		t.Errorf("%+v", pages)
	}
	if pager := connections.NewListByResourcePager("rg", "kv-two", nil); true {
		if _, err := pager.NextPage(ctx); !coded(err, http.StatusNotFound, "ResourceNotFound") {
			t.Error(err)
		}
	}
	if links, err := f.NewPrivateLinkResourcesClient().ListByVault(ctx, "rg", "kv-one", nil); err != nil || len(links.Value) != 0 {
		t.Errorf("%+v %v", links, err)
	}
	if _, err := connections.Put(ctx, "rg", "kv-one", "c", armkeyvault.PrivateEndpointConnection{}, nil); !coded(err, http.StatusBadRequest, "BadRequest") {
		t.Error(err)
	}
	hsms := f.NewManagedHsmsClient()
	if _, err := hsms.Get(ctx, "rg", "h", nil); !coded(err, http.StatusNotFound, "ResourceNotFound") {
		t.Error(err)
	}
	if _, err := hsms.BeginCreateOrUpdate(ctx, "rg", "h", armkeyvault.ManagedHsm{}, nil); !coded(err, http.StatusBadRequest, "BadRequest") {
		t.Error(err)
	}
	deletion, err := hsms.BeginDelete(ctx, "rg", "h", nil)
	done(t, deletion, err)
}
