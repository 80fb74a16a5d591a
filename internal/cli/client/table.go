package client

import (
	"context"
	"fmt"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/monitor/armmonitor"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/operationalinsights/armoperationalinsights/v2"

	"logkeep/internal/schema"
)

// Types of columns as the tables API writes them, and as collection rules do.
var tableTypes = map[schema.Type]armoperationalinsights.ColumnTypeEnum{
	schema.Bool: armoperationalinsights.ColumnTypeEnumBoolean, schema.Int: armoperationalinsights.ColumnTypeEnumInt,
	schema.Long: armoperationalinsights.ColumnTypeEnumLong, schema.Real: armoperationalinsights.ColumnTypeEnumReal,
	schema.String: armoperationalinsights.ColumnTypeEnumString, schema.DateTime: armoperationalinsights.ColumnTypeEnumDateTime,
	schema.GUID: armoperationalinsights.ColumnTypeEnumGUID, schema.Dynamic: armoperationalinsights.ColumnTypeEnumDynamic,
}

var streamTypes = map[schema.Type]armmonitor.KnownColumnDefinitionType{
	schema.Bool: armmonitor.KnownColumnDefinitionTypeBoolean, schema.Int: armmonitor.KnownColumnDefinitionTypeInt,
	schema.Long: armmonitor.KnownColumnDefinitionTypeLong, schema.Real: armmonitor.KnownColumnDefinitionTypeReal,
	schema.String: armmonitor.KnownColumnDefinitionTypeString, schema.DateTime: armmonitor.KnownColumnDefinitionTypeDatetime,
	schema.GUID: armmonitor.KnownColumnDefinitionTypeString, schema.Dynamic: armmonitor.KnownColumnDefinitionTypeDynamic,
}

// CreateTable makes a custom table; its name ends in _CL.
func (s *Server) CreateTable(ctx context.Context, w Workspace, table schema.Table) error {
	client, err := armoperationalinsights.NewTablesClient(s.SubscriptionID, s.credential, s.ARM())
	if err != nil {
		return err
	}
	name := string(table.Name)
	wanted := armoperationalinsights.Table{Properties: &armoperationalinsights.TableProperties{Schema: &armoperationalinsights.Schema{Name: &name}}}
	for _, c := range table.Columns {
		kind, ok := tableTypes[c.Type]
		if !ok {
			return fmt.Errorf("table %s: a column cannot be of type %s", name, c.Type)
		}
		wanted.Properties.Schema.Columns = append(wanted.Properties.Schema.Columns, &armoperationalinsights.Column{Name: to.Ptr(c.Name), Type: &kind})
	}
	poller, err := client.BeginCreateOrUpdate(ctx, w.ResourceGroup, w.Name, name, wanted, nil)
	if _, err := Wait(ctx, poller, err); err != nil {
		return fmt.Errorf("create table %s: %w", name, err)
	}
	return nil
}

// Table reads a table's columns.
func (s *Server) Table(ctx context.Context, w Workspace, name string) (schema.Table, error) {
	client, err := armoperationalinsights.NewTablesClient(s.SubscriptionID, s.credential, s.ARM())
	if err != nil {
		return schema.Table{}, err
	}
	got, err := client.Get(ctx, w.ResourceGroup, w.Name, name, nil)
	if err != nil {
		return schema.Table{}, fmt.Errorf("read table %s: %w", name, err)
	}
	return tableOf(name, got.Table)
}

// Tables reads the columns of all tables of a workspace.
func (s *Server) Tables(ctx context.Context, w Workspace) (all []schema.Table, err error) {
	client, err := armoperationalinsights.NewTablesClient(s.SubscriptionID, s.credential, s.ARM())
	if err != nil {
		return nil, err
	}
	for pager := client.NewListByWorkspacePager(w.ResourceGroup, w.Name, nil); pager.More(); {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list the tables of %s: %w", w.Name, err)
		}
		for _, t := range page.Value {
			table, err := tableOf(text(t.Name), *t)
			if err != nil {
				return nil, err
			}
			all = append(all, table)
		}
	}
	return all, nil
}

func tableOf(name string, got armoperationalinsights.Table) (schema.Table, error) {
	table := schema.Table{Name: schema.TableName(name)}
	if got.Properties == nil || got.Properties.Schema == nil {
		return table, nil
	}
	for _, c := range append(got.Properties.Schema.Columns, got.Properties.Schema.StandardColumns...) {
		if c.Name == nil || c.Type == nil {
			continue
		}
		kind, err := schema.ParseType(string(*c.Type))
		if err != nil {
			return schema.Table{}, fmt.Errorf("table %s, column %s: %w", name, *c.Name, err)
		}
		if _, twice := table.Column(*c.Name); !twice {
			table.Columns = append(table.Columns, schema.Column{Name: *c.Name, Type: kind})
		}
	}
	return table, nil
}

// FindTarget finds a collection rule that takes rows for table of workspace w.
func (s *Server) FindTarget(ctx context.Context, w Workspace, table string) (Target, bool, error) {
	client, err := armmonitor.NewDataCollectionRulesClient(s.SubscriptionID, s.credential, s.ARM())
	if err != nil {
		return Target{}, false, err
	}
	for pager := client.NewListBySubscriptionPager(nil); pager.More(); {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return Target{}, false, fmt.Errorf("list collection rules: %w", err)
		}
		for _, rule := range page.Value {
			stream, ok := takes(rule, w, table)
			if !ok {
				continue
			}
			endpoint, err := s.endpointOf(ctx, rule)
			if err != nil {
				return Target{}, false, err
			}
			if endpoint != "" {
				return Target{Endpoint: endpoint, RuleID: text(rule.Properties.ImmutableID), Stream: stream}, true, nil
			}
		}
	}
	return Target{}, false, nil
}

// takes tells by which stream of rule rows reach the table unchanged.
func takes(rule *armmonitor.DataCollectionRuleResource, w Workspace, table string) (stream string, ok bool) {
	p := rule.Properties
	if p == nil || p.Destinations == nil {
		return "", false
	}
	ours := map[string]bool{}
	for _, d := range p.Destinations.LogAnalytics {
		if strings.EqualFold(text(d.WorkspaceResourceID), w.ID) {
			ours[text(d.Name)] = true
		}
	}
	for _, flow := range p.DataFlows {
		plain := flow.TransformKql == nil || strings.TrimSpace(*flow.TransformKql) == "source"
		for _, d := range flow.Destinations {
			for _, s := range flow.Streams {
				if plain && ours[text(d)] && s != nil && string(*s) == "Custom-"+table && (flow.OutputStream == nil || *flow.OutputStream == "Custom-"+table) {
					return string(*s), true
				}
			}
		}
	}
	return "", false
}

func (s *Server) endpointOf(ctx context.Context, rule *armmonitor.DataCollectionRuleResource) (string, error) {
	if e := rule.Properties.Endpoints; e != nil && text(e.LogsIngestion) != "" {
		return *e.LogsIngestion, nil
	}
	wanted := text(rule.Properties.DataCollectionEndpointID)
	endpoints, err := s.Endpoints(ctx)
	if err != nil {
		return "", err
	}
	for id, address := range endpoints {
		if strings.EqualFold(id, wanted) {
			return address, nil
		}
	}
	return "", nil
}

// Endpoints lists the collection endpoints of the subscription: id → address.
func (s *Server) Endpoints(ctx context.Context) (map[string]string, error) {
	client, err := armmonitor.NewDataCollectionEndpointsClient(s.SubscriptionID, s.credential, s.ARM())
	if err != nil {
		return nil, err
	}
	endpoints := map[string]string{}
	for pager := client.NewListBySubscriptionPager(nil); pager.More(); {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list collection endpoints: %w", err)
		}
		for _, e := range page.Value {
			if e.Properties != nil && e.Properties.LogsIngestion != nil {
				endpoints[text(e.ID)] = text(e.Properties.LogsIngestion.Endpoint)
			}
		}
	}
	return endpoints, nil
}
