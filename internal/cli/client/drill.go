package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/keyvault/armkeyvault"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armresources"
)

// CreateClusterLike makes a cluster for a drill, with an identity of its own and
// the settings of another cluster but for its key, and returns it.
func (s *Server) CreateClusterLike(ctx context.Context, f Folder, name string, like Cluster) (Cluster, error) {
	client, err := armresources.NewClient(s.SubscriptionID, s.credential, s.ARM())
	if err != nil {
		return Cluster{}, err
	}
	settings := like.Logkeep.Settings
	settings.Drill = true
	id := "/subscriptions/" + s.SubscriptionID + "/resourceGroups/" + f.Group + "/providers/Microsoft.OperationalInsights/clusters/" + name
	poller, err := client.BeginCreateOrUpdateByID(ctx, id, clusterVersion, armresources.GenericResource{
		Location:   &f.Location,
		Identity:   &armresources.Identity{Type: to.Ptr(armresources.ResourceIdentityTypeSystemAssigned)},
		SKU:        &armresources.SKU{Name: to.Ptr("CapacityReservation"), Capacity: to.Ptr(int32(100))},
		Properties: map[string]any{"isDoubleEncryptionEnabled": like.Double, "logkeep": settings},
	}, nil)
	if _, err := Wait(ctx, poller, err); err != nil {
		return Cluster{}, fmt.Errorf("create cluster %s: %w", name, err)
	}
	return s.Cluster(ctx, id)
}

// SignDrill has the server judge and sign what was measured on a drill's
// cluster. The answer is an envelope of package dsse.
func (s *Server) SignDrill(ctx context.Context, clusterID string, measured []byte) ([]byte, error) {
	signed, err := s.ask(ctx, http.MethodPost, clusterID, "drillReport", measured)
	if err != nil {
		return nil, fmt.Errorf("have the report signed: %w", err)
	}
	return signed, nil
}

// A Vault is where keys are.
type Vault struct {
	ID, Name, Group, URI string
	Tenant               string
	Roles                bool // it goes by roles, not by access policies
}

// FindVault finds the vault with an address. It is false if the caller sees none.
func (s *Server) FindVault(ctx context.Context, uri string) (Vault, bool, error) {
	vaults, err := armkeyvault.NewVaultsClient(s.SubscriptionID, s.credential, s.ARM())
	if err != nil {
		return Vault{}, false, err
	}
	wanted, err := url.Parse(uri)
	if err != nil {
		return Vault{}, false, fmt.Errorf("vault %q: %w", uri, err)
	}
	for pager := vaults.NewListBySubscriptionPager(nil); pager.More(); {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return Vault{}, false, fmt.Errorf("list vaults: %w", err)
		}
		for _, v := range page.Value {
			if v.Properties == nil {
				continue
			}
			if at, err := url.Parse(text(v.Properties.VaultURI)); err == nil && strings.EqualFold(at.Hostname(), wanted.Hostname()) {
				_, rest, _ := strings.Cut(strings.ToLower(text(v.ID)), "/resourcegroups/")
				group, _, _ := strings.Cut(rest, "/")
				return Vault{text(v.ID), text(v.Name), group, text(v.Properties.VaultURI), text(v.Properties.TenantID), v.Properties.EnableRbacAuthorization != nil && *v.Properties.EnableRbacAuthorization}, true, nil
			}
		}
	}
	return Vault{}, false, nil
}

// LetUse lets a principal read, wrap and unwrap with a key, and with no other of
// the vault where that goes by roles: an access policy is the whole vault's.
func (s *Server) LetUse(ctx context.Context, v Vault, key, principal string) error {
	if v.Roles {
		return s.Assign(ctx, v.ID+"/keys/"+key, RoleCryptoServiceUser, principal)
	}
	return s.policies(ctx, v, armkeyvault.AccessPolicyUpdateKindAdd, principal)
}

// LetUseNoMore takes back what LetUse gave.
func (s *Server) LetUseNoMore(ctx context.Context, v Vault, key, principal string) error {
	if !v.Roles {
		return s.policies(ctx, v, armkeyvault.AccessPolicyUpdateKindRemove, principal)
	}
	return s.Unassign(ctx, v.ID+"/keys/"+key)
}

func (s *Server) policies(ctx context.Context, v Vault, kind armkeyvault.AccessPolicyUpdateKind, principal string) error {
	vaults, err := armkeyvault.NewVaultsClient(s.SubscriptionID, s.credential, s.ARM())
	if err != nil {
		return err
	}
	use := []*armkeyvault.KeyPermissions{to.Ptr(armkeyvault.KeyPermissionsGet), to.Ptr(armkeyvault.KeyPermissionsWrapKey), to.Ptr(armkeyvault.KeyPermissionsUnwrapKey)}
	_, err = vaults.UpdateAccessPolicy(ctx, v.Group, v.Name, kind, armkeyvault.VaultAccessPolicyParameters{
		Properties: &armkeyvault.VaultAccessPolicyProperties{AccessPolicies: []*armkeyvault.AccessPolicyEntry{{
			TenantID: &v.Tenant, ObjectID: &principal, Permissions: &armkeyvault.Permissions{Keys: use},
		}}},
	}, nil)
	if err != nil {
		return fmt.Errorf("%s an access policy of vault %s: %w", kind, v.Name, err)
	}
	return nil
}

// reportAnswer bounds what is read of a server's keys.
const reportAnswer = 1 << 20

// ReportKeys asks a server, without an identity, for the keys that check its
// reports: a JWK set.
func ReportKeys(ctx context.Context, where Where) ([]byte, error) {
	at, err := where.find()
	if err != nil && !errors.Is(err, ErrNoIdentity) {
		return nil, err
	}
	s, _, err := reach(at)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/metadata/reportKeys", nil)
	if err != nil {
		return nil, err
	}
	answer, err := s.web.Do(request)
	if err != nil {
		return nil, fmt.Errorf("no server answers at %s; say where with --url or --data-dir, or give its key with --key: %w", s.URL, err)
	}
	defer answer.Body.Close()
	keys, err := io.ReadAll(io.LimitReader(answer.Body, reportAnswer))
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s shows no keys of reports (status %d)", s.URL, answer.StatusCode)
	}
	return keys, err
}

// CreateTaggedGroup makes the folder's resource group with tags.
func (s *Server) CreateTaggedGroup(ctx context.Context, f Folder, tags map[string]string) error {
	groups, err := armresources.NewResourceGroupsClient(s.SubscriptionID, s.credential, s.ARM())
	if err != nil {
		return err
	}
	group := armresources.ResourceGroup{Location: &f.Location, Tags: map[string]*string{}}
	for k, v := range tags {
		group.Tags[k] = &v
	}
	if _, err = groups.CreateOrUpdate(ctx, f.Group, group, nil); err != nil {
		return fmt.Errorf("create resource group %s: %w", f.Group, err)
	}
	return nil
}

// TaggedGroups lists the resource groups that have a tag, with their tags.
func (s *Server) TaggedGroups(ctx context.Context, tag string) (map[string]map[string]string, error) {
	groups, err := armresources.NewResourceGroupsClient(s.SubscriptionID, s.credential, s.ARM())
	if err != nil {
		return nil, err
	}
	found := map[string]map[string]string{}
	for pager := groups.NewListPager(nil); pager.More(); {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list resource groups: %w", err)
		}
		for _, g := range page.Value {
			if g.Tags[tag] == nil {
				continue
			}
			tags := map[string]string{}
			for k, v := range g.Tags {
				tags[k] = text(v)
			}
			found[text(g.Name)] = tags
		}
	}
	return found, nil
}

// Numbers runs a query whose answer is one column of integers.
func (s *Server) Numbers(ctx context.Context, customerID, kql string) ([]int, error) {
	result, err := s.RunQuery(ctx, customerID, kql, "")
	if err != nil {
		return nil, err
	}
	numbers := make([]int, 0, len(result.Rows))
	for _, row := range result.Rows {
		var n int
		if len(row) != 1 || json.Unmarshal(row[0], &n) != nil {
			return nil, fmt.Errorf("%q gave %s, not one number a row", kql, slices.Concat(row...))
		}
		numbers = append(numbers, n)
	}
	return numbers, nil
}
