package api

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// Who may change a vault's settings may not fill a workspace that is not his.
func TestADiagnosticSettingNeedsARightAtTheWorkspace(t *testing.T) {
	p := openPlane(t)
	h := New(p.deps)
	p.makeGroup(t, h)
	in := "/subscriptions/" + p.admin.SubscriptionID + "/resourceGroups/rg/providers"
	vault, space := in+"/Microsoft.KeyVault/vaults/kv-one", in+"/Microsoft.OperationalInsights/workspaces/ws-one"
	send := func(who, path, body string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("PUT", path+"?api-version=2023-07-01", strings.NewReader(body))
		r.Host = "localhost:8443"
		r.Header.Set("Authorization", "Bearer "+p.token(t, who, "https://localhost:8443/"))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	for path, body := range map[string]string{
		vault: `{"location":"westeurope","properties":{"tenantId":"` + string(p.admin.TenantID) + `","sku":{"family":"A","name":"standard"}}}`,
		space: `{"location":"westeurope"}`,
	} {
		if w := send(p.admin.ObjectID, path, body); w.Code >= 300 {
			t.Fatal(w.Body)
		}
	}
	p.settle(t)
	const contributor = "b24988ac-6180-42a0-ab88-20f7382dd24c"
	ofVault, _ := p.person(t, "of the vault", contributor, vault)
	setting := `{"properties":{"workspaceId":"` + space + `","logs":[{"category":"AuditEvent","enabled":true}]}}`
	w := send(ofVault.ObjectID, vault+"/providers/Microsoft.Insights/diagnosticSettings/d", setting)
	if w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "workspaces/sharedKeys/action") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	ofBoth, _ := p.person(t, "of the group", contributor, strings.TrimSuffix(in, "/providers"))
	if w := send(ofBoth.ObjectID, vault+"/providers/Microsoft.Insights/diagnosticSettings/d", setting); w.Code != http.StatusOK {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
