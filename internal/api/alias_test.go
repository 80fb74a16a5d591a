package api

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"logkeep/internal/entra"
	"logkeep/internal/rbac"
	"logkeep/internal/resource"
)

// TestSubscriptionsAreMadeAndKeptApart: an administrator makes a second
// subscription; people of one, and of another tenant, know nothing of it.
func TestSubscriptionsAreMadeAndKeptApart(t *testing.T) {
	o := openOffice(t)
	h := New(o.deps)
	const at = "/providers/Microsoft.Subscription/aliases/second?api-version=2021-10-01"
	const body = `{"properties":{"displayName":"Second","workload":"Production","billingScope":"/x"}}`
	me := o.admin.ObjectID
	if w := o.call(t, h, me, "PUT", at, body); w.Code != http.StatusForbidden {
		t.Fatalf("without a role at the root: %d %s", w.Code, w.Body)
	}
	reader, _ := o.person(t, "reader", rbac.Reader, "/subscriptions/"+o.admin.SubscriptionID)
	const elevate = "/providers/Microsoft.Authorization/elevateAccess?api-version=2016-07-01"
	if w := o.call(t, h, reader.ObjectID, "POST", elevate, ""); w.Code != http.StatusForbidden {
		t.Errorf("a reader elevates himself: %d", w.Code)
	}
	for range 2 {
		if w := o.call(t, h, me, "POST", elevate, ""); w.Code != http.StatusOK {
			t.Fatalf("elevate: %d %s", w.Code, w.Body)
		}
	}
	if w := o.call(t, h, me, "PUT", "/providers/Microsoft.Authorization/roleAssignments/11111111-0000-4000-8000-000000000001?api-version=2022-04-01",
		`{"properties":{"roleDefinitionId":"/providers/Microsoft.Authorization/roleDefinitions/`+rbac.Owner+`","principalId":"`+me+`"}}`); w.Code != http.StatusCreated {
		t.Fatalf("owner of the root: %d %s", w.Code, w.Body)
	}
	w := o.call(t, h, me, "PUT", at, body)
	var made struct {
		Properties struct{ SubscriptionID string }
	}
	if err := json.Unmarshal(w.Body.Bytes(), &made); err != nil || w.Code != http.StatusCreated {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if again := o.call(t, h, me, "PUT", at, body); again.Code != http.StatusOK || !strings.Contains(again.Body.String(), made.Properties.SubscriptionID) {
		t.Errorf("the same again: %d %s", again.Code, again.Body)
	}
	sub := "/subscriptions/" + made.Properties.SubscriptionID
	if w := o.call(t, h, me, "PUT", sub+"/resourcegroups/g?api-version=2021-04-01", `{"location":"x"}`); w.Code != http.StatusCreated {
		t.Errorf("its owner: %d %s", w.Code, w.Body)
	}
	other, err := entra.NewTenant(t.Context(), o.catalog, "other")
	if err != nil {
		t.Fatal(err)
	}
	stranger, _, err := entra.AddApplication(t.Context(), o.catalog, other.ID, "stranger")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := o.roles.Assign(t.Context(), rbac.Assignment{Name: "11111111-0000-4000-8000-000000000002", Scope: resource.Root(), Tenant: other.ID, Role: rbac.Owner, Principal: stranger.ObjectID, PrincipalType: "ServicePrincipal"}); err != nil {
		t.Fatal(err)
	}
	for who, id := range map[string]string{"a reader of the first": reader.ObjectID, "the owner of another tenant": stranger.ObjectID} {
		for _, path := range []string{sub + "?api-version=2022-12-01", sub + "/resourcegroups?api-version=2021-04-01", sub + "/resourcegroups/g?api-version=2021-04-01"} {
			if w := o.call(t, h, id, "GET", path, ""); w.Code != http.StatusNotFound && w.Code != http.StatusForbidden {
				t.Errorf("%s: %s %d %s", who, path, w.Code, w.Body)
			}
		}
	}
	if w := o.call(t, h, stranger.ObjectID, "GET", at, ""); w.Code != http.StatusNotFound {
		t.Errorf("an alias of another tenant: %d", w.Code)
	}
	if w := o.call(t, h, me, "DELETE", at, ""); w.Code != http.StatusOK {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := o.call(t, h, me, "GET", sub+"?api-version=2022-12-01", ""); w.Code != http.StatusOK {
		t.Errorf("the subscription went with its alias: %d", w.Code)
	}
}
