package client

import (
	"context"
	"fmt"
	"net/url"
	"slices"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/keyvault/armkeyvault"
)

// Hosts lists the host names below the domain that exist now: the fixed ones,
// the vaults', the collection endpoints' and the workspaces'.
func (s *Server) Hosts(ctx context.Context) ([]string, error) {
	hosts := []string{s.Domain, "api.loganalytics." + s.Domain, "api.kusto." + s.Domain}
	add := func(address string) {
		if u, err := url.Parse(address); err == nil && s.Owns(u.Hostname()) {
			hosts = append(hosts, u.Hostname())
		}
	}
	vaults, err := armkeyvault.NewVaultsClient(s.SubscriptionID, s.credential, s.ARM())
	if err != nil {
		return nil, err
	}
	for pager := vaults.NewListBySubscriptionPager(nil); pager.More(); {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list vaults: %w", err)
		}
		for _, v := range page.Value {
			if v.Properties != nil {
				add(text(v.Properties.VaultURI))
			}
		}
	}
	endpoints, err := s.Endpoints(ctx)
	if err != nil {
		return nil, err
	}
	for _, address := range endpoints {
		add(address)
	}
	workspaces, err := s.Workspaces(ctx)
	if err != nil {
		return nil, err
	}
	for _, w := range workspaces {
		add("https://" + w.CustomerID + ".ods." + s.Domain)
		add("https://" + w.CustomerID + ".kusto." + s.Domain)
	}
	slices.Sort(hosts[3:])
	return slices.Compact(hosts), nil
}
