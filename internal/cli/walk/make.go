package walk

import (
	"context"
	"fmt"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/keyvault/armkeyvault"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/operationalinsights/armoperationalinsights/v2"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armresources"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"logkeep/internal/cli/client"
)

const keyName = "logs"

func (w *walker) makeGroup(ctx context.Context) error {
	return w.step(ctx, stepLimit, "resource group", func(ctx context.Context) (string, error) {
		groups, err := armresources.NewResourceGroupsClient(w.Server.SubscriptionID, w.Server.Credential(), w.Server.ARM())
		if err != nil {
			return "", err
		}
		_, err = groups.CreateOrUpdate(ctx, w.name, armresources.ResourceGroup{Location: &w.location}, nil)
		return w.name, err
	})
}

// makeVault makes a vault that cannot lose a key, and in it an RSA key.
func (w *walker) makeVault(ctx context.Context) error {
	err := w.step(ctx, stepLimit, "vault", func(ctx context.Context) (string, error) {
		vaults, err := armkeyvault.NewVaultsClient(w.Server.SubscriptionID, w.Server.Credential(), w.Server.ARM())
		if err != nil {
			return "", err
		}
		poller, err := vaults.BeginCreateOrUpdate(ctx, w.name, w.name, armkeyvault.VaultCreateOrUpdateParameters{
			Location: &w.location,
			Properties: &armkeyvault.VaultProperties{
				TenantID: &w.Server.TenantID, SKU: &armkeyvault.SKU{Family: to.Ptr(armkeyvault.SKUFamilyA), Name: to.Ptr(armkeyvault.SKUNameStandard)},
				EnableSoftDelete: to.Ptr(true), EnablePurgeProtection: to.Ptr(true), EnableRbacAuthorization: to.Ptr(true), AccessPolicies: []*armkeyvault.AccessPolicyEntry{},
			},
		}, nil)
		vault, err := client.Wait(ctx, poller, err)
		if err != nil {
			return "", err
		}
		if vault.ID == nil || vault.Properties == nil || vault.Properties.VaultURI == nil {
			return "", fmt.Errorf("the answer lacks the vault's id or address")
		}
		w.vaultID, w.vaultURI = *vault.ID, *vault.Properties.VaultURI
		return w.vaultURI + " with soft delete and purge protection", nil
	})
	if err != nil {
		return err
	}
	return w.step(ctx, stepLimit, "key", func(ctx context.Context) (string, error) {
		if w.Server.ObjectID != "" {
			if err := w.Server.Assign(ctx, w.vaultID, client.RoleCryptoOfficer, w.Server.ObjectID); err != nil {
				return "", err
			}
		}
		keys, err := w.Server.Keys(w.vaultURI)
		if err != nil {
			return "", err
		}
		key, err := keys.CreateKey(ctx, keyName, azkeys.CreateKeyParameters{Kty: to.Ptr(azkeys.KeyTypeRSA), KeySize: to.Ptr(int32(3072))}, nil)
		if err != nil {
			return "", err
		}
		w.key = key.Key.KID.Version()
		return fmt.Sprintf("RSA-3072 %s, version %s; it never leaves the vault", keyName, w.key), nil
	})
}

func (w *walker) makeCluster(ctx context.Context) error {
	return w.step(ctx, stepLimit, "cluster", func(ctx context.Context) (string, error) {
		clusters, err := armoperationalinsights.NewClustersClient(w.Server.SubscriptionID, w.Server.Credential(), w.Server.ARM())
		if err != nil {
			return "", err
		}
		poller, err := clusters.BeginCreateOrUpdate(ctx, w.name, w.name, armoperationalinsights.Cluster{
			Location: &w.location,
			Identity: &armoperationalinsights.ManagedServiceIdentity{Type: to.Ptr(armoperationalinsights.ManagedServiceIdentityTypeSystemAssigned)},
			SKU:      &armoperationalinsights.ClusterSKU{Name: to.Ptr(armoperationalinsights.ClusterSKUNameEnumCapacityReservation), Capacity: to.Ptr(int64(100))},
		}, nil)
		cluster, err := client.Wait(ctx, poller, err)
		if err != nil {
			return "", err
		}
		if cluster.ID == nil {
			return "", fmt.Errorf("the answer lacks the cluster's id")
		}
		w.clusterID = *cluster.ID
		return w.name + " with an identity of its own", nil
	})
}

func (w *walker) grantCluster(ctx context.Context) error {
	return w.step(ctx, stepLimit, "role", func(ctx context.Context) (string, error) {
		cluster, err := w.Server.Cluster(ctx, w.clusterID)
		if err != nil {
			return "", err
		}
		if cluster.PrincipalID == "" {
			return "", fmt.Errorf("cluster %s has no identity", cluster.Name)
		}
		return "the cluster's identity may read, wrap and unwrap with the vault's keys", w.Server.Assign(ctx, w.vaultID, client.RoleCryptoServiceUser, cluster.PrincipalID)
	})
}

func (w *walker) setKey(ctx context.Context) error {
	return w.step(ctx, stepLimit, "key on cluster", func(ctx context.Context) (string, error) {
		clusters, err := armoperationalinsights.NewClustersClient(w.Server.SubscriptionID, w.Server.Credential(), w.Server.ARM())
		if err != nil {
			return "", err
		}
		poller, err := clusters.BeginUpdate(ctx, w.name, w.name, armoperationalinsights.ClusterPatch{
			Properties: &armoperationalinsights.ClusterPatchProperties{KeyVaultProperties: &armoperationalinsights.KeyVaultProperties{
				KeyVaultURI: &w.vaultURI, KeyName: to.Ptr(keyName), KeyVersion: to.Ptr(""),
			}},
		}, nil)
		if _, err := client.Wait(ctx, poller, err); err != nil {
			return "", err
		}
		cluster, err := w.Server.Cluster(ctx, w.clusterID)
		if err == nil && (cluster.KeyName != keyName || cluster.Logkeep.KeyState.State != "Active") {
			err = fmt.Errorf("the cluster's key is %q in state %q, want %q Active", cluster.KeyName, cluster.Logkeep.KeyState.State, keyName)
		}
		return "always the newest version", err
	})
}

func (w *walker) makeWorkspace(ctx context.Context) error {
	return w.step(ctx, stepLimit, "workspace", func(ctx context.Context) (string, error) {
		workspaces, err := armoperationalinsights.NewWorkspacesClient(w.Server.SubscriptionID, w.Server.Credential(), w.Server.ARM())
		if err != nil {
			return "", err
		}
		poller, err := workspaces.BeginCreateOrUpdate(ctx, w.name, w.name, armoperationalinsights.Workspace{
			Location:   &w.location,
			Properties: &armoperationalinsights.WorkspaceProperties{SKU: &armoperationalinsights.WorkspaceSKU{Name: to.Ptr(armoperationalinsights.WorkspaceSKUNameEnumPerGB2018)}, RetentionInDays: to.Ptr(int32(30))},
		}, nil)
		made, err := client.Wait(ctx, poller, err)
		if err != nil {
			return "", err
		}
		if made.ID == nil || made.Properties == nil || made.Properties.CustomerID == nil {
			return "", fmt.Errorf("the answer lacks the workspace's id")
		}
		w.workspace = client.Workspace{ID: *made.ID, Name: w.name, ResourceGroup: w.name, Location: w.location, CustomerID: *made.Properties.CustomerID}
		return w.name, nil
	})
}

func (w *walker) makeTable(ctx context.Context) error {
	return w.step(ctx, stepLimit, "table", func(ctx context.Context) (string, error) {
		if err := w.Server.CreateTable(ctx, w.workspace, w.table); err != nil {
			return "", err
		}
		var err error
		w.target, err = w.Server.Collect(ctx, w.workspace, w.table, w.name)
		return fmt.Sprintf("%s with %d columns, fed by %s", w.table.Name, len(w.table.Columns), w.target.Endpoint), err
	})
}

func (w *walker) link(ctx context.Context) error {
	return w.step(ctx, stepLimit, "link", func(ctx context.Context) (string, error) {
		links, err := armoperationalinsights.NewLinkedServicesClient(w.Server.SubscriptionID, w.Server.Credential(), w.Server.ARM())
		if err != nil {
			return "", err
		}
		poller, err := links.BeginCreateOrUpdate(ctx, w.name, w.name, "cluster", armoperationalinsights.LinkedService{
			Properties: &armoperationalinsights.LinkedServiceProperties{WriteAccessResourceID: &w.clusterID},
		}, nil)
		_, err = client.Wait(ctx, poller, err)
		return "the workspace's logs now lie under the cluster's key", err
	})
}
