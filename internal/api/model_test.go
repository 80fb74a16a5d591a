package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/authorization/armauthorization/v2"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/keyvault/armkeyvault"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/monitor/armmonitor"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/msi/armmsi"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/operationalinsights/armoperationalinsights/v2"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armresources"
	"github.com/cockroachdb/datadriven"
)

// models are the types by which the official SDK reads answers.
var models = map[string]any{
	"Cluster": armoperationalinsights.Cluster{}, "ClusterListResult": armoperationalinsights.ClusterListResult{},
	"Workspace": armoperationalinsights.Workspace{}, "LinkedService": armoperationalinsights.LinkedService{}, "Table": armoperationalinsights.Table{}, "WorkspaceListResult": armoperationalinsights.WorkspaceListResult{},
	"Vault": armkeyvault.Vault{}, "DeletedVault": armkeyvault.DeletedVault{}, "Key": armkeyvault.Key{}, "CheckNameAvailabilityResult": armkeyvault.CheckNameAvailabilityResult{},
	"RoleAssignment": armauthorization.RoleAssignment{}, "RoleDefinition": armauthorization.RoleDefinition{},
	"Identity": armmsi.Identity{}, "DataCollectionEndpoint": armmonitor.DataCollectionEndpointResource{}, "DataCollectionRule": armmonitor.DataCollectionRuleResource{},
	"DiagnosticSettings": armmonitor.DiagnosticSettingsResource{}, "DiagnosticSettingsCategory": armmonitor.DiagnosticSettingsCategoryResource{},
	"ResourceGroup": armresources.ResourceGroup{}, "Provider": armresources.Provider{},
}

// TestAnswersAreThoseOfTheModels holds bodies against the official models. The
// file testdata/models has
//
//	do                a request that must succeed
//	settle            waits for operations
//	model TYPE        a request, whose answer must have nothing that the SDK's
//	                  type does not know outside properties.logkeep; printed is
//	                  what the type has and the answer has not
//
// $RG begins the ids of resources. Nulls are nothing.
func TestAnswersAreThoseOfTheModels(t *testing.T) {
	p := openPlane(t)
	h := New(p.deps)
	p.makeGroup(t, h)
	words := strings.NewReplacer("$RG", "/subscriptions/"+p.admin.SubscriptionID+"/resourceGroups/rg/providers", "$SUB", "/subscriptions/"+p.admin.SubscriptionID,
		"$TENANT", string(p.admin.TenantID), "$ME", p.admin.ObjectID)
	send := func(d *datadriven.TestData) *httptest.ResponseRecorder {
		head, body, _ := strings.Cut(words.Replace(d.Input), "\n")
		method, target, _ := strings.Cut(head, " ")
		r := httptest.NewRequest(method, target, strings.NewReader(body))
		r.Host = "localhost:8443"
		r.Header.Set("Authorization", "Bearer "+p.token(t, p.admin.ObjectID, "https://localhost:8443/"))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code >= http.StatusBadRequest {
			d.Fatalf(t, "%s: %d %s", head, w.Code, w.Body)
		}
		return w
	}
	datadriven.RunTest(t, "testdata/models", func(t *testing.T, d *datadriven.TestData) string {
		switch d.Cmd {
		case "settle":
			p.settle(t)
			return ""
		case "do":
			send(d)
			return ""
		}
		name := d.CmdArgs[0].Key
		model, ok := models[name]
		if !ok {
			d.Fatalf(t, "no model %s", name)
		}
		body := send(d).Body.Bytes()
		if err := json.Unmarshal(body, reflect.New(reflect.TypeOf(model)).Interface()); err != nil {
			d.Fatalf(t, "the SDK can't read the answer: %v\n%s", err, body)
		}
		unknown, absent := compare(t, body, reflect.TypeOf(model))
		if len(unknown) > 0 {
			t.Errorf("%s: the model %s does not know %s", d.Pos, name, strings.Join(unknown, ", "))
		}
		out := ""
		for _, a := range absent {
			out += "without " + a + "\n"
		}
		return out + fmt.Sprintf("unknown %d\n", len(unknown))
	})
}

// compare lists the paths of the body that a type has not, and those of the type
// that the body has not; of something that is absent as a whole, only itself.
func compare(t *testing.T, body []byte, model reflect.Type) (unknown, absent []string) {
	t.Helper()
	var raw, full any
	if err := json.Unmarshal(body, &raw); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(filled(model, 0).Interface())
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &full); err != nil {
		t.Fatal(err)
	}
	differ(raw, full, "", &unknown)
	differ(full, raw, "", &absent)
	return unknown, absent
}

// anything is the value of what a model leaves open.
const anything = "(anything)"

// ours is where extensions are (decisions 19).
func ours(path string) bool {
	return path == "properties.logkeep" || path == "value[].properties.logkeep"
}

// differ adds the paths that a has and b has not.
func differ(a, b any, path string, out *[]string) {
	if a == nil || b == anything || a == anything || ours(path) {
		return
	}
	switch x := a.(type) {
	case map[string]any:
		y, _ := b.(map[string]any)
		for _, name := range slices.Sorted(mapKeys(x)) {
			at := strings.TrimPrefix(path+"."+name, ".")
			v, ok := y[name]
			if open, any := y["*"]; !ok && any { // a map of whatever names
				v, ok = open, true
			}
			if name == "*" && len(y) > 0 {
				continue
			}
			switch {
			case x[name] == nil || ours(at):
			case !ok || v == nil:
				*out = append(*out, at)
			default:
				differ(x[name], v, at, out)
			}
		}
	case []any:
		y, _ := b.([]any)
		if len(x) == 0 || len(y) == 0 {
			return
		}
		for _, v := range x {
			differ(v, merged(y), path+"[]", out)
		}
	}
	slices.Sort(*out)
	*out = slices.Compact(*out)
}

// merged has what some element of a list has.
func merged(list []any) any {
	all := map[string]any{}
	for _, v := range list {
		m, ok := v.(map[string]any)
		if !ok {
			return v
		}
		for name, v := range m {
			if v != nil {
				all[name] = v
			}
		}
	}
	return all
}

func mapKeys(m map[string]any) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// filled is a value of the type with something everywhere.
func filled(typ reflect.Type, depth int) reflect.Value {
	v := reflect.New(typ).Elem()
	if depth > 12 {
		return v
	}
	if typ == reflect.TypeFor[time.Time]() {
		return reflect.ValueOf(time.Unix(0, 0))
	}
	switch typ.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(typ.Elem()))
		v.Elem().Set(filled(typ.Elem(), depth+1))
	case reflect.Struct:
		for i := range typ.NumField() {
			if typ.Field(i).IsExported() {
				v.Field(i).Set(filled(typ.Field(i).Type, depth+1))
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(typ, 1, 1))
		v.Index(0).Set(filled(typ.Elem(), depth+1))
	case reflect.Map:
		v.Set(reflect.MakeMap(typ))
		v.SetMapIndex(reflect.ValueOf("*"), filled(typ.Elem(), depth+1))
	case reflect.String:
		v.SetString("x")
	case reflect.Interface:
		if typ.NumMethod() == 0 {
			v.Set(reflect.ValueOf(anything))
		}
	}
	return v
}
