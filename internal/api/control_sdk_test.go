package api

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/keyvault/armkeyvault"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/monitor/armmonitor"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/operationalinsights/armoperationalinsights/v2"
)

// servePlane is serveOffice with the whole control plane.
func servePlane(t *testing.T) (*client, *plane) {
	t.Helper()
	p := openPlane(t)
	var h http.Handler
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(w, r) }))
	t.Cleanup(srv.Close)
	u, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	if p.deps.Port, err = strconv.Atoi(u.Port()); err != nil {
		t.Fatal(err)
	}
	h = New(p.deps)
	p.makeGroup(t, New(Deps{Domain: "x.test", Port: 8443, Tokens: p.issuer, Access: p.roles, Identity: p.deps.Identity}))
	c := &client{office: p.office, url: srv.URL}
	c.options.ClientOptions = policy.ClientOptions{
		Cloud: cloud.Configuration{ActiveDirectoryAuthorityHost: srv.URL,
			Services: map[cloud.ServiceName]cloud.ServiceConfiguration{cloud.ResourceManager: {Endpoint: srv.URL, Audience: srv.URL}}},
		Transport: srv.Client(), Retry: policy.RetryOptions{MaxRetries: -1},
	}
	c.cred = c.signIn(t, string(p.admin.TenantID), p.admin.ClientID, p.admin.ClientSecret)
	return c, p
}

// done polls without waiting.
func done[T any](t *testing.T, p *runtime.Poller[T], err error) T {
	t.Helper()
	for err == nil && !p.Done() {
		_, err = p.Poll(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	v, err := p.Result(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestSDKManagesClustersAndTheirKeys(t *testing.T) {
	c, p := servePlane(t)
	ctx, sub := t.Context(), p.admin.SubscriptionID
	f, err := armoperationalinsights.NewClientFactory(sub, c.cred, &c.options)
	if err != nil {
		t.Fatal(err)
	}
	clusters, workspaces, links := f.NewClustersClient(), f.NewWorkspacesClient(), f.NewLinkedServicesClient()
	poller, err := clusters.BeginCreateOrUpdate(ctx, "rg", "c1-x", armoperationalinsights.Cluster{Location: new("westeurope"),
		Identity: &armoperationalinsights.ManagedServiceIdentity{Type: new(armoperationalinsights.ManagedServiceIdentityTypeSystemAssigned)},
		SKU:      &armoperationalinsights.ClusterSKU{Name: new(armoperationalinsights.ClusterSKUNameEnumCapacityReservation), Capacity: new(int64(500))}}, nil)
	made := done(t, poller, err)
	if *made.Properties.ProvisioningState != armoperationalinsights.ClusterEntityStatusSucceeded || *made.Identity.PrincipalID == "" {
		t.Fatalf("%+v", made.Cluster)
	}
	key := func(name string) (*runtime.Poller[armoperationalinsights.ClustersClientUpdateResponse], error) {
		return clusters.BeginUpdate(ctx, "rg", "c1-x", armoperationalinsights.ClusterPatch{Properties: &armoperationalinsights.ClusterPatchProperties{
			KeyVaultProperties: &armoperationalinsights.KeyVaultProperties{KeyVaultURI: new("https://kv.vault.x.test:8443"), KeyName: new(name), KeyVersion: new("")}}}, nil)
	}
	if _, err := key("gone"); !coded(err, http.StatusBadRequest, "KeyVaultKeyValidationFailed") {
		t.Errorf("a key that is not there: %v", err)
	}
	patch, err := key("k")
	if v := done(t, patch, err); *v.Properties.KeyVaultProperties.KeyName != "k" {
		t.Errorf("%+v", v.Properties)
	}
	// A client that reads, changes and writes the whole resource.
	whole, err := clusters.Get(ctx, "rg", "c1-x", nil)
	if err != nil {
		t.Fatal(err)
	}
	whole.Tags = map[string]*string{"a": new("b")}
	poller, err = clusters.BeginCreateOrUpdate(ctx, "rg", "c1-x", whole.Cluster, nil)
	if v := done(t, poller, err); *v.Tags["a"] != "b" || *v.Properties.KeyVaultProperties.KeyName != "k" {
		t.Errorf("%+v", v.Properties)
	}

	wpoller, err := workspaces.BeginCreateOrUpdate(ctx, "rg", "ws-1", armoperationalinsights.Workspace{Location: new("westeurope")}, nil)
	ws := done(t, wpoller, err)
	link, err := links.BeginCreateOrUpdate(ctx, "rg", "ws-1", "cluster", armoperationalinsights.LinkedService{Properties: &armoperationalinsights.LinkedServiceProperties{WriteAccessResourceID: made.ID}}, nil)
	if v := done(t, link, err); *v.Properties.ProvisioningState != armoperationalinsights.LinkedServiceEntityStatusSucceeded {
		t.Errorf("%+v", v.Properties)
	}
	linked, err := workspaces.Get(ctx, "rg", "ws-1", nil)
	if err != nil || *linked.Properties.Features.ClusterResourceID != *made.ID || *linked.Properties.CustomerID != *ws.Properties.CustomerID {
		t.Errorf("%+v %v", linked.Properties, err)
	}
	pager := clusters.NewListPager(nil)
	if page, err := pager.NextPage(ctx); err != nil || len(page.Value) != 1 || len(page.Value[0].Properties.AssociatedWorkspaces) != 1 || pager.More() {
		t.Errorf("%+v %v", page, err)
	}
	unlink, err := links.BeginDelete(ctx, "rg", "ws-1", "cluster", nil)
	done(t, unlink, err)
	gone, err := clusters.BeginDelete(ctx, "rg", "c1-x", nil)
	done(t, gone, err)
	if _, err := clusters.Get(ctx, "rg", "c1-x", nil); !coded(err, http.StatusNotFound, "ClusterNotFound") {
		t.Errorf("a deleted cluster: %v", err)
	}
	soft, err := workspaces.BeginDelete(ctx, "rg", "ws-1", nil)
	done(t, soft, err)
	deleted, err := f.NewDeletedWorkspacesClient().NewListPager(nil).NextPage(ctx)
	if err != nil || len(deleted.Value) != 1 {
		t.Errorf("%+v %v", deleted, err)
	}
}

func TestSDKManagesTablesAndCollectionRules(t *testing.T) {
	c, p := servePlane(t)
	ctx, sub := t.Context(), p.admin.SubscriptionID
	f, err := armoperationalinsights.NewClientFactory(sub, c.cred, &c.options)
	if err != nil {
		t.Fatal(err)
	}
	wpoller, err := f.NewWorkspacesClient().BeginCreateOrUpdate(ctx, "rg", "ws-1", armoperationalinsights.Workspace{Location: new("westeurope")}, nil)
	ws := done(t, wpoller, err)
	column := func(name string, typ armoperationalinsights.ColumnTypeEnum) *armoperationalinsights.Column {
		return &armoperationalinsights.Column{Name: &name, Type: &typ}
	}
	tpoller, err := f.NewTablesClient().BeginCreateOrUpdate(ctx, "rg", "ws-1", "App_CL", armoperationalinsights.Table{Properties: &armoperationalinsights.TableProperties{
		Schema: &armoperationalinsights.Schema{Name: new("App_CL"), Columns: []*armoperationalinsights.Column{
			column("TimeGenerated", armoperationalinsights.ColumnTypeEnumDateTime), column("Message", armoperationalinsights.ColumnTypeEnumString), column("Ok", armoperationalinsights.ColumnTypeEnumBoolean)}}}}, nil)
	if v := done(t, tpoller, err); len(v.Properties.Schema.Columns) != 3 || *v.Properties.Schema.Columns[2].Type != armoperationalinsights.ColumnTypeEnumBoolean {
		t.Errorf("%+v", v.Properties)
	}
	m, err := armmonitor.NewClientFactory(sub, c.cred, &c.options)
	if err != nil {
		t.Fatal(err)
	}
	dce, err := m.NewDataCollectionEndpointsClient().Create(ctx, "rg", "dce1", armmonitor.DataCollectionEndpointResource{Location: new("westeurope")}, nil)
	if err != nil || *dce.Properties.LogsIngestion.Endpoint != "https://dce1.ingest.x.test:"+strconv.Itoa(p.deps.Port) {
		t.Fatalf("%+v %v", dce.Properties, err)
	}
	dcr, err := m.NewDataCollectionRulesClient().Create(ctx, "rg", "dcr1", armmonitor.DataCollectionRuleResource{Location: new("westeurope"),
		Properties: &armmonitor.DataCollectionRuleResourceProperties{DataCollectionEndpointID: dce.ID,
			StreamDeclarations: map[string]*armmonitor.StreamDeclaration{"Custom-App_CL": {Columns: []*armmonitor.ColumnDefinition{
				{Name: new("TimeGenerated"), Type: new(armmonitor.KnownColumnDefinitionTypeDatetime)}, {Name: new("Message"), Type: new(armmonitor.KnownColumnDefinitionTypeString)}}}},
			Destinations: &armmonitor.DataCollectionRuleDestinations{LogAnalytics: []*armmonitor.LogAnalyticsDestination{{Name: new("d"), WorkspaceResourceID: ws.ID}}},
			DataFlows:    []*armmonitor.DataFlow{{Streams: []*armmonitor.KnownDataFlowStreams{new(armmonitor.KnownDataFlowStreams("Custom-App_CL"))}, Destinations: []*string{new("d")}}}}}, nil)
	if err != nil || len(*dcr.Properties.ImmutableID) != 36 || *dcr.Properties.Destinations.LogAnalytics[0].WorkspaceID != *ws.Properties.CustomerID {
		t.Fatalf("%+v %v", dcr.Properties, err)
	}
	if _, err := m.NewDataCollectionEndpointsClient().Delete(ctx, "rg", "dce1", nil); !coded(err, http.StatusConflict, "Conflict") {
		t.Errorf("an endpoint in use: %v", err)
	}
	if _, err := m.NewDataCollectionRulesClient().Delete(ctx, "rg", "dcr1", nil); err != nil {
		t.Error(err)
	}
	dpoller, err := f.NewTablesClient().BeginDelete(ctx, "rg", "ws-1", "App_CL", nil)
	done(t, dpoller, err)
}

func TestSDKManagesVaults(t *testing.T) {
	c, p := servePlane(t)
	ctx := t.Context()
	f, err := armkeyvault.NewClientFactory(p.admin.SubscriptionID, c.cred, &c.options)
	if err != nil {
		t.Fatal(err)
	}
	vaults := f.NewVaultsClient()
	poller, err := vaults.BeginCreateOrUpdate(ctx, "rg", "kv-one", armkeyvault.VaultCreateOrUpdateParameters{Location: new("westeurope"),
		Properties: &armkeyvault.VaultProperties{TenantID: new(string(p.admin.TenantID)), EnablePurgeProtection: new(true), EnableRbacAuthorization: new(true),
			SKU: &armkeyvault.SKU{Family: new(armkeyvault.SKUFamilyA), Name: new(armkeyvault.SKUNameStandard)}}}, nil)
	made := done(t, poller, err)
	if !*made.Properties.EnablePurgeProtection || *made.Properties.VaultURI == "" {
		t.Errorf("%+v", made.Properties)
	}
	if page, err := vaults.NewListByResourceGroupPager("rg", nil).NextPage(ctx); err != nil || len(page.Value) != 1 {
		t.Errorf("%+v %v", page, err)
	}
	if _, err := vaults.Delete(ctx, "rg", "kv-one", nil); err != nil {
		t.Error(err)
	}
	if v, err := vaults.GetDeleted(ctx, "kv-one", "westeurope", nil); err != nil || !*v.Properties.PurgeProtectionEnabled {
		t.Errorf("%+v %v", v, err)
	}
	poller, err = vaults.BeginCreateOrUpdate(ctx, "rg", "kv-one", armkeyvault.VaultCreateOrUpdateParameters{Location: new("westeurope"),
		Properties: &armkeyvault.VaultProperties{TenantID: new(string(p.admin.TenantID)), CreateMode: new(armkeyvault.CreateModeRecover), SKU: &armkeyvault.SKU{Family: new(armkeyvault.SKUFamilyA), Name: new(armkeyvault.SKUNameStandard)}}}, nil)
	if v := done(t, poller, err); *v.Properties.VaultURI != *made.Properties.VaultURI {
		t.Errorf("%+v", v.Properties)
	}
}
