package api

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/authorization/armauthorization/v2"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/msi/armmsi"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armresources"

	"logkeep/internal/entra"
	"logkeep/internal/rbac"
)

// A client is how the official SDKs meet a server on loopback.
type client struct {
	*office
	url     string
	options arm.ClientOptions
	cred    azcore.TokenCredential
}

func serveOffice(t *testing.T, authority string) *client {
	t.Helper()
	o := openOffice(t)
	var h http.Handler
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(w, r) }))
	t.Cleanup(srv.Close)
	u, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	if o.deps.Port, err = strconv.Atoi(u.Port()); err != nil {
		t.Fatal(err)
	}
	h = New(o.deps)
	c := &client{office: o, url: srv.URL}
	c.options.ClientOptions = policy.ClientOptions{
		Cloud: cloud.Configuration{
			ActiveDirectoryAuthorityHost: srv.URL,
			Services:                     map[cloud.ServiceName]cloud.ServiceConfiguration{cloud.ResourceManager: {Endpoint: srv.URL, Audience: srv.URL}},
		},
		Transport: srv.Client(),
		Retry:     policy.RetryOptions{MaxRetries: -1},
	}
	if authority == "" {
		authority = string(o.admin.TenantID)
	}
	c.cred = c.signIn(t, authority, o.admin.ClientID, o.admin.ClientSecret)
	return c
}

func (c *client) signIn(t *testing.T, tenant, id, secret string) azcore.TokenCredential {
	t.Helper()
	cred, err := azidentity.NewClientSecretCredential(tenant, id, secret, &azidentity.ClientSecretCredentialOptions{
		ClientOptions: c.options.ClientOptions, DisableInstanceDiscovery: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	return cred
}

// coded reports whether err is an answer of the server with the status and code.
func coded(err error, status int, code string) bool {
	r, ok := errors.AsType[*azcore.ResponseError](err)
	return ok && r.StatusCode == status && r.ErrorCode == code
}

func TestSDKSignsInAtBothAuthorities(t *testing.T) {
	for _, authority := range []string{"", "adfs"} {
		c := serveOffice(t, authority)
		token, err := c.cred.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{c.url + "//.default"}})
		if err != nil {
			t.Fatalf("%q: %v", authority, err)
		}
		if who, err := c.issuer.Verify(token.Token, []string{c.url}); err != nil || who.ObjectID != c.admin.ObjectID {
			t.Errorf("%q: %+v %v", authority, who, err)
		}
	}
	c := serveOffice(t, "")
	_, err := c.signIn(t, string(c.admin.TenantID), c.admin.ClientID, "wrong").GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{c.url + "/.default"}})
	if err == nil || !strings.Contains(err.Error(), "AADSTS7000215") {
		t.Errorf("a wrong secret: %v", err)
	}
}

func TestSDKManagesGroupsAndRoles(t *testing.T) {
	c, ctx := serveOffice(t, ""), t.Context()
	sub := c.admin.SubscriptionID
	groups, err := armresources.NewResourceGroupsClient(sub, c.cred, &c.options)
	if err != nil {
		t.Fatal(err)
	}
	location := "westeurope"
	made, err := groups.CreateOrUpdate(ctx, "Logs", armresources.ResourceGroup{Location: &location}, nil)
	if err != nil || *made.Properties.ProvisioningState != "Succeeded" {
		t.Fatalf("%+v %v", made, err)
	}
	if there, err := groups.CheckExistence(ctx, "logs", nil); err != nil || !there.Success {
		t.Errorf("CheckExistence: %v %v", there.Success, err)
	}
	if _, err := groups.Get(ctx, "none", nil); !coded(err, 404, "ResourceGroupNotFound") {
		t.Errorf("Get: %v", err)
	}

	p, secret := c.person(t, "reader", "", "")
	stranger := c.signIn(t, string(c.admin.TenantID), p.AppID, secret)
	theirs, err := armresources.NewResourceGroupsClient(sub, stranger, &c.options)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := theirs.Get(ctx, "logs", nil); !coded(err, 403, "AuthorizationFailed") {
		t.Errorf("before the role: %v", err)
	}

	definitions, err := armauthorization.NewRoleDefinitionsClient(c.cred, &c.options)
	if err != nil {
		t.Fatal(err)
	}
	filter := "roleName eq 'Reader'"
	found, err := definitions.NewListPager("/subscriptions/"+sub, &armauthorization.RoleDefinitionsClientListOptions{Filter: &filter}).NextPage(ctx)
	if err != nil || len(found.Value) != 1 || *found.Value[0].Name != rbac.Reader {
		t.Fatalf("definitions: %+v %v", found, err)
	}
	assignments, err := armauthorization.NewRoleAssignmentsClient(sub, c.cred, &c.options)
	if err != nil {
		t.Fatal(err)
	}
	const name = "aaaaaaaa-0000-0000-0000-000000000001"
	kind := armauthorization.PrincipalTypeServicePrincipal
	parameters := armauthorization.RoleAssignmentCreateParameters{Properties: &armauthorization.RoleAssignmentProperties{
		RoleDefinitionID: found.Value[0].ID, PrincipalID: &p.ObjectID, PrincipalType: &kind}}
	given, err := assignments.Create(ctx, *made.ID, name, parameters, nil)
	if err != nil || *given.Properties.Scope != *made.ID || *given.Properties.PrincipalID != p.ObjectID {
		t.Fatalf("assignment: %+v %v", given, err)
	}
	if _, err := assignments.Create(ctx, *made.ID, "aaaaaaaa-0000-0000-0000-000000000002", parameters, nil); !coded(err, 409, "RoleAssignmentExists") {
		t.Errorf("the same twice: %v", err)
	}
	if _, err := theirs.Get(ctx, "logs", nil); err != nil {
		t.Errorf("right after the role was given: %v", err)
	}
	if _, err := theirs.CreateOrUpdate(ctx, "logs", armresources.ResourceGroup{Location: &location}, nil); !coded(err, 403, "AuthorizationFailed") {
		t.Errorf("a reader wrote: %v", err)
	}
	listed, err := assignments.NewListForResourceGroupPager("logs", nil).NextPage(ctx)
	if err != nil || len(listed.Value) != 2 { // Owner's from above
		t.Errorf("list: %+v %v", listed, err)
	}
	if byID, err := assignments.GetByID(ctx, *given.ID, nil); err != nil || *byID.Name != name {
		t.Errorf("GetByID: %+v %v", byID, err)
	}
	if _, err := assignments.Delete(ctx, *made.ID, name, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := theirs.Get(ctx, "logs", nil); !coded(err, 403, "AuthorizationFailed") {
		t.Errorf("right after the role was taken: %v", err)
	}

	deleting, err := groups.BeginDelete(ctx, "logs", nil)
	if err == nil {
		_, err = deleting.PollUntilDone(ctx, nil)
	}
	if err != nil {
		t.Errorf("delete: %v", err)
	}
}

func TestSDKManagesIdentitiesAndProviders(t *testing.T) {
	c, ctx := serveOffice(t, ""), t.Context()
	sub, location := c.admin.SubscriptionID, "westeurope"
	groups, err := armresources.NewResourceGroupsClient(sub, c.cred, &c.options)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := groups.CreateOrUpdate(ctx, "g", armresources.ResourceGroup{Location: &location}, nil); err != nil {
		t.Fatal(err)
	}
	identities, err := armmsi.NewUserAssignedIdentitiesClient(sub, c.cred, &c.options)
	if err != nil {
		t.Fatal(err)
	}
	made, err := identities.CreateOrUpdate(ctx, "g", "mine", armmsi.Identity{Location: &location}, nil)
	if err != nil || *made.Properties.TenantID != string(c.admin.TenantID) {
		t.Fatalf("%+v %v", made, err)
	}
	p, err := c.catalog.PrincipalOf(ctx, *made.ID)
	if err != nil || p.ObjectID != *made.Properties.PrincipalID || p.AppID != *made.Properties.ClientID || p.Kind != entra.UserAssigned {
		t.Errorf("%+v %v", p, err)
	}
	resources, err := armresources.NewClient(sub, c.cred, &c.options)
	if err != nil {
		t.Fatal(err)
	}
	filter := "resourceType eq 'Microsoft.ManagedIdentity/userAssignedIdentities'"
	all, err := resources.NewListPager(&armresources.ClientListOptions{Filter: &filter}).NextPage(ctx)
	if err != nil || len(all.Value) != 1 || *all.Value[0].Name != "mine" {
		t.Errorf("%+v %v", all, err)
	}
	providers, err := armresources.NewProvidersClient(sub, c.cred, &c.options)
	if err != nil {
		t.Fatal(err)
	}
	registered, err := providers.Register(ctx, "Microsoft.OperationalInsights", nil)
	if err != nil || *registered.RegistrationState != "Registered" || len(registered.ResourceTypes) == 0 {
		t.Errorf("%+v %v", registered, err)
	}
	if _, err := identities.Delete(ctx, "g", "mine", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := identities.Get(ctx, "g", "mine", nil); !coded(err, 404, "ResourceNotFound") {
		t.Errorf("after the deletion: %v", err)
	}
}

func TestSDKGetsHostIdentity(t *testing.T) {
	o := openOffice(t)
	id := "/subscriptions/" + o.admin.SubscriptionID + "/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/mine"
	p, err := entra.AddIdentity(t.Context(), o.catalog, entra.UserAssigned, o.admin.TenantID, id, "mine")
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(HostIdentity{Issuer: o.issuer, Catalog: o.catalog, Identities: []string{id}, Header: "marker"}.Handler())
	defer srv.Close()
	t.Setenv("IDENTITY_ENDPOINT", srv.URL+"/msi/token")
	t.Setenv("IDENTITY_HEADER", "marker")
	cred, err := azidentity.NewManagedIdentityCredential(&azidentity.ManagedIdentityCredentialOptions{ID: azidentity.ClientID(p.AppID)})
	if err != nil {
		t.Fatal(err)
	}
	token, err := cred.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{"https://vault.x.test:8443/.default"}})
	if err != nil {
		t.Fatal(err)
	}
	if who, err := o.issuer.Verify(token.Token, entra.VaultAudiences("https://vault.x.test:8443")); err != nil || who != p.Caller() {
		t.Errorf("%s", fmt.Sprint(who, err))
	}
}
