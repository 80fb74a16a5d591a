package client

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/authorization/armauthorization/v2"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/monitor/armmonitor"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/operationalinsights/armoperationalinsights/v2"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armresources"
)

// What is not there is deleted: none of these functions fails for that.

func gone(what string, err error) error {
	if f, ok := FailureOf(err); ok && f.Status == http.StatusNotFound {
		return nil
	}
	if err != nil {
		return fmt.Errorf("delete %s: %w", what, err)
	}
	return nil
}

// DeleteCluster deletes a cluster with all that was ever ingested into it.
func (s *Server) DeleteCluster(ctx context.Context, f Folder, name string) error {
	clusters, err := armoperationalinsights.NewClustersClient(s.SubscriptionID, s.credential, s.ARM())
	if err != nil {
		return err
	}
	poller, err := clusters.BeginDelete(ctx, f.Group, name, nil)
	_, err = Wait(ctx, poller, err)
	return gone("cluster "+name, err)
}

// DeleteWorkspace deletes a workspace for good: it can't be recovered.
func (s *Server) DeleteWorkspace(ctx context.Context, f Folder, name string) error {
	workspaces, err := armoperationalinsights.NewWorkspacesClient(s.SubscriptionID, s.credential, s.ARM())
	if err != nil {
		return err
	}
	poller, err := workspaces.BeginDelete(ctx, f.Group, name, &armoperationalinsights.WorkspacesClientBeginDeleteOptions{Force: to.Ptr(true)})
	_, err = Wait(ctx, poller, err)
	return gone("workspace "+name, err)
}

// CollectNoMore deletes the collection endpoint and the rule that Collect made,
// and the right to send.
func (s *Server) CollectNoMore(ctx context.Context, f Folder, name string) error {
	rules, err := armmonitor.NewDataCollectionRulesClient(s.SubscriptionID, s.credential, s.ARM())
	if err != nil {
		return err
	}
	endpoints, err := armmonitor.NewDataCollectionEndpointsClient(s.SubscriptionID, s.credential, s.ARM())
	if err != nil {
		return err
	}
	rule, err := rules.Get(ctx, f.Group, name, nil)
	if err == nil {
		err = s.Unassign(ctx, text(rule.ID))
	}
	if err := gone("the rights of collection rule "+name, err); err != nil {
		return err
	}
	_, err = rules.Delete(ctx, f.Group, name, nil)
	if err := gone("collection rule "+name, err); err != nil {
		return err
	}
	_, err = endpoints.Delete(ctx, f.Group, name, nil)
	return gone("collection endpoint "+name, err)
}

// DeleteGroup deletes a resource group.
func (s *Server) DeleteGroup(ctx context.Context, f Folder) error {
	groups, err := armresources.NewResourceGroupsClient(s.SubscriptionID, s.credential, s.ARM())
	if err != nil {
		return err
	}
	poller, err := groups.BeginDelete(ctx, f.Group, nil)
	_, err = Wait(ctx, poller, err)
	return gone("resource group "+f.Group, err)
}

// Unassign takes back the roles that were given at exactly this scope.
func (s *Server) Unassign(ctx context.Context, scope string) error {
	client, err := armauthorization.NewRoleAssignmentsClient(s.SubscriptionID, s.credential, s.ARM())
	if err != nil {
		return err
	}
	for pager := client.NewListForScopePager(scope, &armauthorization.RoleAssignmentsClientListForScopeOptions{Filter: to.Ptr("atScope()")}); pager.More(); {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return gone("the roles at "+scope, err)
		}
		for _, a := range page.Value {
			if a.Properties == nil || !strings.EqualFold(text(a.Properties.Scope), scope) {
				continue // given at a wider scope
			}
			if _, err := client.DeleteByID(ctx, text(a.ID), nil); gone("", err) != nil {
				return fmt.Errorf("take back a role at %s: %w", scope, err)
			}
		}
	}
	return nil
}
