package activity

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"logkeep/internal/schema"
)

// A Status is an event's, in the words of the ARM API.
type Status string

// The statuses of events.
const (
	Started   Status = "Started"
	Accepted  Status = "Accepted" // the answer was 202: the work goes on
	Succeeded Status = "Succeeded"
	Failed    Status = "Failed"
)

// An Event is one entry of the log. Its JSON form is in the outbox. It holds
// names and numbers only: nothing of a request's body, nothing of its query.
type Event struct {
	ID            string          `json:"id"`
	Time          time.Time       `json:"time"`
	Tenant        schema.TenantID `json:"tenant"`
	Subscription  string          `json:"subscription,omitempty"` // "" above subscriptions
	Resource      string          `json:"resource"`               // id
	Group         string          `json:"group,omitempty"`
	Type          string          `json:"type,omitempty"`
	Operation     string          `json:"operation"` // the action: Microsoft.X/y/write
	Status        Status          `json:"status"`
	HTTP          int             `json:"http,omitempty"`    // status of the answer; 0 if there is none yet
	Code          string          `json:"code,omitempty"`    // of the fault
	Caller        string          `json:"caller"`            // object id
	App           string          `json:"app,omitempty"`     // application id
	Issuer        string          `json:"issuer,omitempty"`  // of an outside identity
	Address       string          `json:"address,omitempty"` // of the client
	Method        string          `json:"method,omitempty"`  // of the request
	Path          string          `json:"path,omitempty"`    // of the request, without its query
	Client        string          `json:"client,omitempty"`  // the client's own id of the request
	Correlation   string          `json:"correlation"`       // one for all events of the request
	OperationID   string          `json:"operationId"`       // likewise
	LongOperation string          `json:"longOp,omitempty"`  // id of the operation that was begun
}

// subStatus says the answer's status as clients know it: Created (HTTP Status
// Code: 201).
func (e Event) subStatus() (value, long string) {
	if e.HTTP == 0 {
		return "", ""
	}
	text := http.StatusText(e.HTTP)
	return strings.ReplaceAll(text, " ", ""), text + " (HTTP Status Code: " + strconv.Itoa(e.HTTP) + ")"
}

func (e Event) level() string {
	if e.Status == Failed {
		return "Error"
	}
	return "Informational"
}

func (e Event) provider() string {
	p, _, _ := strings.Cut(e.Operation, "/")
	return p
}

// claims are what is known of the caller.
func (e Event) claims() map[string]string {
	c := map[string]string{"oid": e.Caller, "tid": string(e.Tenant), "idtyp": "app"}
	if e.App != "" {
		c["appid"] = e.App
	}
	if e.Issuer != "" {
		c["iss"] = e.Issuer
	}
	return c
}

func (e Event) authorization() map[string]string {
	return map[string]string{"action": e.Operation, "scope": e.Resource}
}

func (e Event) properties() map[string]string {
	value, _ := e.subStatus()
	p := map[string]string{"eventCategory": "Administrative", "entity": e.Resource, "message": e.Operation, "hierarchy": e.hierarchy()}
	if value != "" {
		p["statusCode"] = value
	}
	if e.Code != "" {
		p["errorCode"] = e.Code
	}
	if e.LongOperation != "" {
		p["asyncOperation"] = e.LongOperation
	}
	return p
}

func (e Event) hierarchy() string {
	if e.Subscription == "" {
		return string(e.Tenant)
	}
	return string(e.Tenant) + "/" + e.Subscription
}

// A row is an event as a row of AzureActivity.
type row struct {
	TimeGenerated            time.Time
	EventSubmissionTimestamp time.Time
	CategoryValue            string
	Category                 string
	Level                    string
	OperationName            string
	OperationNameValue       string
	OperationID              string `json:"OperationId"`
	ActivityStatus           string
	ActivityStatusValue      string
	ActivitySubstatus        string
	ActivitySubstatusValue   string
	Caller                   string
	CallerIPAddress          string `json:"CallerIpAddress"`
	CorrelationID            string `json:"CorrelationId"`
	EventDataID              string `json:"EventDataId"`
	Authorization            string
	AuthorizationD           map[string]string `json:"Authorization_d"`
	Claims                   string
	ClaimsD                  map[string]string `json:"Claims_d"`
	HTTPRequest              string
	Hierarchy                string
	Properties               string
	PropertiesD              map[string]string `json:"Properties_d"`
	Resource                 string
	ResourceGroup            string
	ResourceID               string `json:"ResourceId"`
	ResourceIDStandard       string `json:"_ResourceId"`
	ResourceProvider         string
	ResourceProviderValue    string
	SubscriptionID           string `json:"SubscriptionId"`
	SubscriptionIDStandard   string `json:"_SubscriptionId"`
	SourceSystem             string
	Type                     string
}

// The words of the table differ from those of the API.
var tableStatus = map[Status]string{Started: "Start", Accepted: "Accept", Succeeded: "Success", Failed: "Failure"}

func (e Event) row() row {
	value, long := e.subStatus()
	return row{
		TimeGenerated: e.Time, EventSubmissionTimestamp: e.Time, CategoryValue: "Administrative", Category: "Administrative", Level: e.level(),
		OperationName: e.Operation, OperationNameValue: strings.ToUpper(e.Operation), OperationID: e.OperationID,
		ActivityStatus: string(e.Status), ActivityStatusValue: tableStatus[e.Status], ActivitySubstatus: long, ActivitySubstatusValue: value,
		Caller: e.Caller, CallerIPAddress: e.Address, CorrelationID: e.Correlation, EventDataID: e.ID,
		Authorization: text(e.authorization()), AuthorizationD: e.authorization(), Claims: text(e.claims()), ClaimsD: e.claims(),
		HTTPRequest: text(e.request()), Hierarchy: e.hierarchy(), Properties: text(e.properties()), PropertiesD: e.properties(),
		Resource: e.Resource[strings.LastIndexByte(e.Resource, '/')+1:], ResourceGroup: e.Group, ResourceID: e.Resource, ResourceIDStandard: strings.ToLower(e.Resource),
		ResourceProvider: e.provider(), ResourceProviderValue: strings.ToUpper(e.provider()), SubscriptionID: e.Subscription, SubscriptionIDStandard: e.Subscription,
		SourceSystem: "Azure", Type: Table,
	}
}

func (e Event) request() map[string]string {
	m := map[string]string{"method": e.Method, "uri": e.Path, "clientIpAddress": e.Address}
	if e.Client != "" {
		m["clientRequestId"] = e.Client
	}
	return m
}

// text writes a map as JSON, in the order of its keys.
func text(m map[string]string) string {
	b, err := json.Marshal(m)
	if err != nil {
		panic("internal error: a map of strings can't be written: " + err.Error())
	}
	return string(b)
}

// Table is the name of the log's table.
const Table = "AzureActivity"

// Schema is the table, with its published columns.
func Schema() schema.Table {
	t := schema.Table{Name: Table}
	for _, name := range [...]string{
		"CategoryValue", "Category", "Level", "OperationName", "OperationNameValue", "OperationId", "ActivityStatus", "ActivityStatusValue",
		"ActivitySubstatus", "ActivitySubstatusValue", "Caller", "CallerIpAddress", "CorrelationId", "EventDataId", "Authorization", "Claims",
		"HTTPRequest", "Hierarchy", "Properties", "Resource", "ResourceGroup", "ResourceId", "_ResourceId", "ResourceProvider",
		"ResourceProviderValue", "SubscriptionId", "_SubscriptionId", "SourceSystem", "TenantId", "Type",
	} {
		t.Columns = append(t.Columns, schema.Column{Name: name, Type: schema.String})
	}
	for _, name := range [...]string{"Authorization_d", "Claims_d", "Properties_d"} {
		t.Columns = append(t.Columns, schema.Column{Name: name, Type: schema.Dynamic})
	}
	for _, name := range [...]string{"TimeGenerated", "EventSubmissionTimestamp"} {
		t.Columns = append(t.Columns, schema.Column{Name: name, Type: schema.DateTime})
	}
	return t
}
