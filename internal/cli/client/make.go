package client

import (
	"context"
	"errors"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/keyvault/armkeyvault"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/operationalinsights/armoperationalinsights/v2"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armresources"
)

// A Folder is where resources are made: a resource group and a location.
type Folder struct{ Group, Location string }

// CreateGroup makes the folder's resource group.
func (s *Server) CreateGroup(ctx context.Context, f Folder) error {
	groups, err := armresources.NewResourceGroupsClient(s.SubscriptionID, s.credential, s.ARM())
	if err != nil {
		return err
	}
	_, err = groups.CreateOrUpdate(ctx, f.Group, armresources.ResourceGroup{Location: &f.Location}, nil)
	return err
}

// CreateVault makes a vault that cannot lose a key, and returns its resource id
// and its address.
func (s *Server) CreateVault(ctx context.Context, f Folder, name string) (id, uri string, err error) {
	vaults, err := armkeyvault.NewVaultsClient(s.SubscriptionID, s.credential, s.ARM())
	if err != nil {
		return "", "", err
	}
	poller, err := vaults.BeginCreateOrUpdate(ctx, f.Group, name, armkeyvault.VaultCreateOrUpdateParameters{
		Location: &f.Location,
		Properties: &armkeyvault.VaultProperties{
			TenantID: &s.TenantID, SKU: &armkeyvault.SKU{Family: to.Ptr(armkeyvault.SKUFamilyA), Name: to.Ptr(armkeyvault.SKUNameStandard)},
			EnableSoftDelete: to.Ptr(true), EnablePurgeProtection: to.Ptr(true), EnableRbacAuthorization: to.Ptr(true), AccessPolicies: []*armkeyvault.AccessPolicyEntry{},
		},
	}, nil)
	vault, err := Wait(ctx, poller, err)
	if err != nil {
		return "", "", err
	}
	if vault.ID == nil || vault.Properties == nil || vault.Properties.VaultURI == nil {
		return "", "", errors.New("the answer lacks the vault's id or address")
	}
	return *vault.ID, *vault.Properties.VaultURI, nil
}

// CreateCluster makes a cluster with an identity of its own and returns its
// resource id.
func (s *Server) CreateCluster(ctx context.Context, f Folder, name string) (id string, err error) {
	return s.CreateClusterSealed(ctx, f, name, nil)
}

// CreateClusterSealed is CreateCluster of one whose data are sealed twice, or once;
// nil is as the server does it.
func (s *Server) CreateClusterSealed(ctx context.Context, f Folder, name string, twice *bool) (id string, err error) {
	clusters, err := armoperationalinsights.NewClustersClient(s.SubscriptionID, s.credential, s.ARM())
	if err != nil {
		return "", err
	}
	poller, err := clusters.BeginCreateOrUpdate(ctx, f.Group, name, armoperationalinsights.Cluster{
		Location: &f.Location,
		Identity: &armoperationalinsights.ManagedServiceIdentity{Type: to.Ptr(armoperationalinsights.ManagedServiceIdentityTypeSystemAssigned)},
		SKU:      &armoperationalinsights.ClusterSKU{Name: to.Ptr(armoperationalinsights.ClusterSKUNameEnumCapacityReservation), Capacity: to.Ptr(int64(100))},

		Properties: &armoperationalinsights.ClusterProperties{IsDoubleEncryptionEnabled: twice},
	}, nil)
	cluster, err := Wait(ctx, poller, err)
	if err != nil {
		return "", err
	}
	if cluster.ID == nil {
		return "", errors.New("the answer lacks the cluster's id")
	}
	return *cluster.ID, nil
}

// SetKey puts a cluster under a key: always its newest version.
func (s *Server) SetKey(ctx context.Context, f Folder, cluster, vaultURI, key string) error {
	clusters, err := armoperationalinsights.NewClustersClient(s.SubscriptionID, s.credential, s.ARM())
	if err != nil {
		return err
	}
	poller, err := clusters.BeginUpdate(ctx, f.Group, cluster, armoperationalinsights.ClusterPatch{
		Properties: &armoperationalinsights.ClusterPatchProperties{KeyVaultProperties: &armoperationalinsights.KeyVaultProperties{
			KeyVaultURI: &vaultURI, KeyName: &key, KeyVersion: to.Ptr(""),
		}},
	}, nil)
	_, err = Wait(ctx, poller, err)
	return err
}

// CreateWorkspace makes a workspace.
func (s *Server) CreateWorkspace(ctx context.Context, f Folder, name string) (Workspace, error) {
	workspaces, err := armoperationalinsights.NewWorkspacesClient(s.SubscriptionID, s.credential, s.ARM())
	if err != nil {
		return Workspace{}, err
	}
	poller, err := workspaces.BeginCreateOrUpdate(ctx, f.Group, name, armoperationalinsights.Workspace{
		Location:   &f.Location,
		Properties: &armoperationalinsights.WorkspaceProperties{RetentionInDays: to.Ptr(int32(30))},
	}, nil)
	made, err := Wait(ctx, poller, err)
	if err != nil {
		return Workspace{}, err
	}
	if made.ID == nil || made.Properties == nil || made.Properties.CustomerID == nil {
		return Workspace{}, errors.New("the answer lacks the workspace's id")
	}
	return Workspace{ID: *made.ID, Name: name, ResourceGroup: f.Group, Location: f.Location, CustomerID: *made.Properties.CustomerID}, nil
}

// LinkWorkspace puts a workspace's logs under a cluster's key.
func (s *Server) LinkWorkspace(ctx context.Context, w Workspace, clusterID string) error {
	links, err := armoperationalinsights.NewLinkedServicesClient(s.SubscriptionID, s.credential, s.ARM())
	if err != nil {
		return err
	}
	poller, err := links.BeginCreateOrUpdate(ctx, w.ResourceGroup, w.Name, "cluster", armoperationalinsights.LinkedService{
		Properties: &armoperationalinsights.LinkedServiceProperties{WriteAccessResourceID: &clusterID},
	}, nil)
	_, err = Wait(ctx, poller, err)
	return err
}
