package client

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/operationalinsights/armoperationalinsights/v2"
)

// ErrNotFound means that what was named does not exist.
var ErrNotFound = errors.New("not found")

// A Workspace is where logs are.
type Workspace struct {
	ID            string // resource id
	Name          string
	ResourceGroup string
	Location      string
	CustomerID    string // the id that queries use
}

// Workspaces lists those of the subscription.
func (s *Server) Workspaces(ctx context.Context) ([]Workspace, error) {
	client, err := armoperationalinsights.NewWorkspacesClient(s.SubscriptionID, s.credential, s.ARM())
	if err != nil {
		return nil, err
	}
	var workspaces []Workspace
	for pager := client.NewListPager(nil); pager.More(); {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list workspaces: %w", err)
		}
		for _, w := range page.Value {
			workspace, err := asWorkspace(w)
			if err != nil {
				return nil, err
			}
			workspaces = append(workspaces, workspace)
		}
	}
	return workspaces, nil
}

func asWorkspace(w *armoperationalinsights.Workspace) (Workspace, error) {
	id, err := arm.ParseResourceID(text(w.ID))
	if err != nil {
		return Workspace{}, fmt.Errorf("the server names a workspace %q: %w", text(w.ID), err)
	}
	workspace := Workspace{ID: text(w.ID), Name: id.Name, ResourceGroup: id.ResourceGroupName, Location: text(w.Location)}
	if w.Properties != nil {
		workspace.CustomerID = text(w.Properties.CustomerID)
	}
	return workspace, nil
}

// FindWorkspace finds a workspace by name, resource id or customer id.
func (s *Server) FindWorkspace(ctx context.Context, wanted string) (Workspace, error) {
	all, err := s.Workspaces(ctx)
	if err != nil {
		return Workspace{}, err
	}
	var match, names []string
	var workspace Workspace
	for _, w := range all {
		names = append(names, w.Name)
		if strings.EqualFold(w.Name, wanted) || strings.EqualFold(w.ID, wanted) || strings.EqualFold(w.CustomerID, wanted) {
			workspace = w
			match = append(match, w.ID)
		}
	}
	switch {
	case len(match) == 1:
		return workspace, nil
	case len(match) > 1:
		return Workspace{}, fmt.Errorf("workspace %q could be any of %s; give the resource id", wanted, strings.Join(match, ", "))
	case len(names) == 0:
		return Workspace{}, fmt.Errorf("workspace %q %w: there are none that you may see", wanted, ErrNotFound)
	}
	return Workspace{}, fmt.Errorf("workspace %q %w; there are %s", wanted, ErrNotFound, strings.Join(names, ", "))
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
