package client

import (
	"context"
	"fmt"
	"net/http"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/authorization/armauthorization/v2"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/monitor/armmonitor"
	"github.com/google/uuid"

	"logkeep/internal/schema"
)

// Roles that the walk and `logkeep ingest` give out, by their well-known names.
const (
	RoleCryptoOfficer     = "14b46e9e-c2b7-41b4-b07b-48a6ebf60603" // Key Vault Crypto Officer
	RoleCryptoServiceUser = "e147488a-f6f5-4113-8e2d-b22465e65bf6" // Key Vault Crypto Service Encryption User
	RoleMetricsPublisher  = "3913510d-42f4-4e42-8a64-420c390055eb" // Monitoring Metrics Publisher
)

// Assign gives a principal a role at a scope. That it has it already is no error.
func (s *Server) Assign(ctx context.Context, scope, role, principal string) error {
	client, err := armauthorization.NewRoleAssignmentsClient(s.SubscriptionID, s.credential, s.ARM())
	if err != nil {
		return err
	}
	definition := "/subscriptions/" + s.SubscriptionID + "/providers/Microsoft.Authorization/roleDefinitions/" + role
	_, err = client.Create(ctx, scope, uuid.NewString(), armauthorization.RoleAssignmentCreateParameters{Properties: &armauthorization.RoleAssignmentProperties{
		RoleDefinitionID: &definition, PrincipalID: &principal, PrincipalType: to.Ptr(armauthorization.PrincipalTypeServicePrincipal),
	}}, nil)
	if f, ok := FailureOf(err); ok && f.Status == http.StatusConflict && f.Code == "RoleAssignmentExists" {
		return nil
	}
	if err != nil {
		return fmt.Errorf("assign role at %s: %w", scope, err)
	}
	return nil
}

// Collect makes a collection endpoint and a rule, both called name, by which
// rows reach table of workspace w, and gives the caller the right to send.
func (s *Server) Collect(ctx context.Context, w Workspace, table schema.Table, name string) (Target, error) {
	endpoints, err := armmonitor.NewDataCollectionEndpointsClient(s.SubscriptionID, s.credential, s.ARM())
	if err != nil {
		return Target{}, err
	}
	rules, err := armmonitor.NewDataCollectionRulesClient(s.SubscriptionID, s.credential, s.ARM())
	if err != nil {
		return Target{}, err
	}
	endpoint, err := endpoints.Create(ctx, w.ResourceGroup, name, armmonitor.DataCollectionEndpointResource{
		Location: &w.Location, Properties: &armmonitor.DataCollectionEndpointResourceProperties{},
	}, nil)
	if err != nil {
		return Target{}, fmt.Errorf("create collection endpoint %s: %w", name, err)
	}
	if endpoint.Properties == nil || endpoint.Properties.LogsIngestion == nil || text(endpoint.Properties.LogsIngestion.Endpoint) == "" {
		return Target{}, fmt.Errorf("collection endpoint %s has no address", name)
	}
	rule, err := rules.Create(ctx, w.ResourceGroup, name, ruleFor(w, table, text(endpoint.ID)), nil)
	if err != nil {
		return Target{}, fmt.Errorf("create collection rule %s: %w", name, err)
	}
	if s.ObjectID != "" {
		if err := s.Assign(ctx, text(rule.ID), RoleMetricsPublisher, s.ObjectID); err != nil {
			return Target{}, err
		}
	}
	return Target{Endpoint: *endpoint.Properties.LogsIngestion.Endpoint, RuleID: text(rule.Properties.ImmutableID), Stream: "Custom-" + string(table.Name)}, nil
}

func ruleFor(w Workspace, table schema.Table, endpoint string) armmonitor.DataCollectionRuleResource {
	stream, destination := "Custom-"+string(table.Name), "workspace"
	declaration := &armmonitor.StreamDeclaration{}
	for _, c := range table.Columns {
		kind, ok := streamTypes[c.Type]
		if !ok {
			kind = armmonitor.KnownColumnDefinitionTypeString // the table converts
		}
		declaration.Columns = append(declaration.Columns, &armmonitor.ColumnDefinition{Name: to.Ptr(c.Name), Type: &kind})
	}
	return armmonitor.DataCollectionRuleResource{
		Location: &w.Location,
		Properties: &armmonitor.DataCollectionRuleResourceProperties{
			DataCollectionEndpointID: &endpoint,
			StreamDeclarations:       map[string]*armmonitor.StreamDeclaration{stream: declaration},
			Destinations: &armmonitor.DataCollectionRuleDestinations{
				LogAnalytics: []*armmonitor.LogAnalyticsDestination{{Name: &destination, WorkspaceResourceID: &w.ID}},
			},
			DataFlows: []*armmonitor.DataFlow{{
				Streams: []*armmonitor.KnownDataFlowStreams{to.Ptr(armmonitor.KnownDataFlowStreams(stream))}, Destinations: []*string{&destination}, OutputStream: &stream,
			}},
		},
	}
}
