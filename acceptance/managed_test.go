package acceptance

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/keyvault/armkeyvault"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/msi/armmsi"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armresources"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"logkeep/internal/cli/client"
)

// TestManagedIdentitiesInEveryForm: programs on the server's host use a key as
// a user-assigned identity, by the instance metadata service, by App Service's
// endpoint and by Cloud Shell's, with the npm SDK.
func TestManagedIdentitiesInEveryForm(t *testing.T) {
	home, err := filepath.Abs("../.cache/node")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(home, "ready")); err != nil {
		t.Skipf("the SDKs are not prepared: `make node-sdk` installs them (%v)", err)
	}
	binary, dir := build(t), filepath.Join(t.TempDir(), "data")
	first := launch(t, binary, dir)
	subscription := bootstrap(t, dir)
	first.stop(t)
	first.killed = true // it is gone already

	secret, settings := filepath.Join(t.TempDir(), "header"), filepath.Join(t.TempDir(), "logkeep.yaml")
	id := "/subscriptions/" + subscription + "/resourceGroups/hosts/providers/Microsoft.ManagedIdentity/userAssignedIdentities/host"
	for file, text := range map[string]string{secret: "a-header-that-nobody-else-knows\n", settings: fmt.Sprintf("imds-header-file: %s\nimds-identities:\n  - %s\n", secret, id)} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	imds := free.Addr().String()
	free.Close()
	s := launch(t, binary, dir, "--config", settings, "--imds", imds)
	exports := s.exports(t)
	mine, vault := hostIdentity(t, s, dir)

	for form, variables := range map[string][]string{
		"imds":        {"AZURE_POD_IDENTITY_AUTHORITY_HOST=http://" + imds},
		"app-service": {"IDENTITY_ENDPOINT=http://" + imds + "/msi/token", "IDENTITY_HEADER=a-header-that-nobody-else-knows"},
		"cloud-shell": {"MSI_ENDPOINT=http://" + imds + "/oauth2/token"},
	} {
		c := exec.CommandContext(t.Context(), "node", "--require", "./node/hosts.cjs", "node/managed.cjs")
		c.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "NODE_PATH=" + filepath.Join(home, "node_modules"), "NODE_EXTRA_CA_CERTS=" + exports["NODE_EXTRA_CA_CERTS"],
			"MI_FORM=" + form, "MI_CLIENT=" + *mine.Properties.ClientID, "MI_OBJECT=" + *mine.Properties.PrincipalID, "MI_RESOURCE=" + *mine.ID, "VAULT=" + vault}, variables...)
		if said, err := c.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", form, err, said)
		} else {
			t.Logf("%s", said)
		}
	}
}

// hostIdentity makes the identity, a vault that lets it use keys, and a key.
func hostIdentity(t *testing.T, s *server, dir string) (armmsi.Identity, string) {
	t.Helper()
	ctx := t.Context()
	c, err := client.Open(ctx, client.Where{DataDir: dir}, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	groups, err := armresources.NewResourceGroupsClient(c.SubscriptionID, c.Credential(), c.ARM())
	check(err)
	_, err = groups.CreateOrUpdate(ctx, "hosts", armresources.ResourceGroup{Location: to.Ptr(location)}, nil)
	check(err)
	identities, err := armmsi.NewUserAssignedIdentitiesClient(c.SubscriptionID, c.Credential(), c.ARM())
	check(err)
	made, err := identities.CreateOrUpdate(ctx, "hosts", "host", armmsi.Identity{Location: to.Ptr(location)}, nil)
	check(err)
	vaults, err := armkeyvault.NewVaultsClient(c.SubscriptionID, c.Credential(), c.ARM())
	check(err)
	policy := func(object string) *armkeyvault.AccessPolicyEntry {
		return &armkeyvault.AccessPolicyEntry{TenantID: &c.TenantID, ObjectID: &object, Permissions: &armkeyvault.Permissions{Keys: []*armkeyvault.KeyPermissions{to.Ptr(armkeyvault.KeyPermissionsAll)}}}
	}
	poller, err := vaults.BeginCreateOrUpdate(ctx, "hosts", "kv-hosts", armkeyvault.VaultCreateOrUpdateParameters{Location: to.Ptr(location), Properties: &armkeyvault.VaultProperties{
		TenantID: &c.TenantID, SKU: &armkeyvault.SKU{Family: to.Ptr(armkeyvault.SKUFamilyA), Name: to.Ptr(armkeyvault.SKUNameStandard)}, EnableRbacAuthorization: to.Ptr(false),
		AccessPolicies: []*armkeyvault.AccessPolicyEntry{policy(c.ObjectID), policy(*made.Properties.PrincipalID)},
	}}, nil)
	vault, err := client.Wait(ctx, poller, err)
	check(err)
	keys, err := c.Keys(*vault.Properties.VaultURI)
	check(err)
	_, err = keys.CreateKey(ctx, "kek", azkeys.CreateKeyParameters{Kty: to.Ptr(azkeys.KeyTypeRSA)}, nil)
	check(err)
	return made.Identity, *vault.Properties.VaultURI
}
