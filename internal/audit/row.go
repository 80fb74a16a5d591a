package audit

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/google/uuid"

	"logkeep/internal/control"
	"logkeep/internal/resource"
	"logkeep/internal/schema"
	"logkeep/internal/vault/admin"
)

// A form is how a record looks in a table: the table's columns, as published,
// and the values of those that a record has something for.
type form struct {
	table   schema.TableName
	columns map[string]schema.Type // those that are no strings
	texts   []string               // those that are
	values  func(e admin.Event, id resource.ID) map[string]any
}

func (f form) schema() schema.Table {
	t := schema.Table{Name: f.table}
	for _, name := range f.texts {
		t.Columns = append(t.Columns, schema.Column{Name: name, Type: schema.String})
	}
	for _, name := range [...]string{"TimeGenerated", "DurationMs", "HttpStatusCode", "httpStatusCode_d", "Identity", "Properties", "SubscriptionId", "TenantId", "identity_claim_appid_g"} {
		if typ, has := f.columns[name]; has {
			t.Columns = append(t.Columns, schema.Column{Name: name, Type: typ})
		}
	}
	return t
}

// row is a record as a row of a workspace.
func (f form) row(e admin.Event, w control.Workspace) map[string]any {
	id, err := resource.Parse(e.ResourceID)
	if err != nil {
		id = resource.Root() // a record of another version of this program; the row says what else it has
	}
	row := f.values(e, id)
	row["TimeGenerated"], row["OperationName"], row["OperationVersion"] = e.Time.Format(time.RFC3339Nano), e.OperationName, e.OperationVersion
	row["ResultType"], row["ResultSignature"], row["ResultDescription"] = e.ResultType, e.ResultSignature, e.ResultDescription
	row["DurationMs"], row["CorrelationId"] = e.DurationMs, e.CorrelationID
	row["SourceSystem"], row["Type"], row["TenantId"] = "Azure", string(f.table), string(w.CustomerID)
	row["_ResourceId"], row["_SubscriptionId"], row["_ItemId"] = strings.ToLower(e.ResourceID), strings.ToLower(id.Subscription()), itemID(e)
	return row
}

// dedicated is the vaults' own table.
var dedicated = form{
	table: "AZKVAuditLogs",
	texts: []string{
		"OperationName", "OperationVersion", "ResultType", "ResultSignature", "ResultDescription", "CallerIpAddress", "ClientInfo", "CorrelationId", "Id", "RequestUri",
		"TenantId", "SourceSystem", "Type", "_ResourceId", "_SubscriptionId", "_ItemId",
	},
	columns: map[string]schema.Type{
		"TimeGenerated": schema.DateTime, "DurationMs": schema.Int, "HttpStatusCode": schema.Int, "Identity": schema.Dynamic, "Properties": schema.Dynamic,
	},
	values: func(e admin.Event, _ resource.ID) map[string]any {
		return map[string]any{
			"CallerIpAddress": e.CallerIPAddress, "ClientInfo": e.Properties.ClientInfo, "Id": e.Properties.ID, "RequestUri": e.Properties.RequestURI,
			"HttpStatusCode": e.Properties.HTTPStatus, "Identity": e.Identity, "Properties": e.Properties,
		}
	},
}

// diagnostics is the table that all services share.
var diagnostics = form{
	table: "AzureDiagnostics",
	texts: []string{
		"OperationName", "OperationVersion", "ResultType", "ResultSignature", "ResultDescription", "CallerIPAddress", "CorrelationId", "Category",
		"Resource", "ResourceGroup", "ResourceId", "ResourceProvider", "ResourceType", "clientInfo_s", "requestUri_s", "id_s",
		"identity_claim_http_schemas_microsoft_com_identity_claims_objectidentifier_g", "SourceSystem", "Type", "_ResourceId", "_SubscriptionId", "_ItemId",
	},
	columns: map[string]schema.Type{
		"TimeGenerated": schema.DateTime, "DurationMs": schema.Long, "httpStatusCode_d": schema.Real,
		"SubscriptionId": schema.GUID, "TenantId": schema.GUID, "identity_claim_appid_g": schema.GUID,
	},
	values: func(e admin.Event, id resource.ID) map[string]any {
		v := map[string]any{
			"CallerIPAddress": e.CallerIPAddress, "Category": e.Category, "Resource": strings.ToUpper(id.Name()), "ResourceGroup": strings.ToUpper(id.Group()),
			"ResourceId": e.ResourceID, "ResourceProvider": "MICROSOFT.KEYVAULT", "ResourceType": "VAULTS",
			"clientInfo_s": e.Properties.ClientInfo, "requestUri_s": e.Properties.RequestURI, "id_s": e.Properties.ID, "httpStatusCode_d": e.Properties.HTTPStatus,
			"identity_claim_http_schemas_microsoft_com_identity_claims_objectidentifier_g": e.Identity.Claim.ObjectID,
		}
		for name, text := range map[string]string{"SubscriptionId": id.Subscription(), "identity_claim_appid_g": e.Identity.Claim.AppID} {
			if g, err := uuid.Parse(text); err == nil {
				v[name] = g.String()
			}
		}
		return v
	},
}

// items is the namespace of the ids of records.
var items = uuid.MustParse("4d1f0d7b-7d52-4ab5-9d6f-0a1c9a5a7a34")

// itemID is a record's own: the same whenever it is made again.
func itemID(e admin.Event) string {
	b, err := json.Marshal(e)
	if err != nil {
		panic("internal error: a record can't be written: " + err.Error())
	}
	return uuid.NewSHA1(items, b).String()
}
