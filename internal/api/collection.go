package api

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"logkeep/internal/control"
	"logkeep/internal/fault"
	"logkeep/internal/resource"
	"logkeep/internal/schema"
)

// collectionRoutes serve data collection endpoints and rules.
func (s *server) collectionRoutes() []route {
	const (
		sub       = "/subscriptions/{subscription}/providers/Microsoft.Insights/"
		rg        = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Insights/"
		endpoints = "dataCollectionEndpoints"
		rules     = "dataCollectionRules"
		ns        = "Microsoft.Insights/"
	)
	return []route{
		{method: "GET", pattern: sub + endpoints, action: ns + endpoints + "/read", handle: s.listEndpoints},
		{method: "GET", pattern: rg + endpoints, action: ns + endpoints + "/read", handle: s.listEndpoints},
		{method: "GET", pattern: rg + endpoints + "/{name}", action: ns + endpoints + "/read", handle: s.getEndpoint},
		{method: "PUT", pattern: rg + endpoints + "/{name}", action: ns + endpoints + "/write", handle: s.putEndpoint},
		{method: "PATCH", pattern: rg + endpoints + "/{name}", action: ns + endpoints + "/write", handle: s.patchEndpoint},
		{method: "DELETE", pattern: rg + endpoints + "/{name}", action: ns + endpoints + "/delete", handle: s.deleteEndpoint},
		{method: "GET", pattern: sub + rules, action: ns + rules + "/read", handle: s.listRules},
		{method: "GET", pattern: rg + rules, action: ns + rules + "/read", handle: s.listRules},
		{method: "GET", pattern: rg + rules + "/{name}", action: ns + rules + "/read", handle: s.getRule},
		{method: "PUT", pattern: rg + rules + "/{name}", action: ns + rules + "/write", handle: s.putRule},
		{method: "PATCH", pattern: rg + rules + "/{name}", action: ns + rules + "/write", handle: s.patchRule},
		{method: "DELETE", pattern: rg + rules + "/{name}", action: ns + rules + "/delete", handle: s.deleteRule},
	}
}

type endpointBody struct {
	Location   *string            `json:"location"`
	Tags       *map[string]string `json:"tags"`
	Kind       *string            `json:"kind"`
	Properties struct {
		Description *string `json:"description"`
		Network     struct {
			Public *string `json:"publicNetworkAccess"`
		} `json:"networkAcls"`
	} `json:"properties"`
}

type endpointView struct {
	ID         string             `json:"id"`
	Name       string             `json:"name"`
	Type       resource.Type      `json:"type"`
	Location   string             `json:"location"`
	Tags       map[string]string  `json:"tags,omitempty"`
	Kind       string             `json:"kind,omitempty"`
	ETag       string             `json:"etag"`
	Properties endpointProperties `json:"properties"`
}

type endpointProperties struct {
	Description         string         `json:"description,omitempty"`
	ImmutableID         string         `json:"immutableId"`
	ConfigurationAccess hostView       `json:"configurationAccess"`
	LogsIngestion       hostView       `json:"logsIngestion"`
	Network             networkView    `json:"networkAcls"`
	ProvisioningState   resource.State `json:"provisioningState"`
}

type hostView struct {
	Endpoint string `json:"endpoint"`
}

type networkView struct {
	Public string `json:"publicNetworkAccess"`
}

// ingestURL is where the host label takes rows.
func (s *server) ingestURL(label string) string {
	return "https://" + s.authority(label+".ingest."+s.Domain)
}

func (s *server) viewEndpoint(e control.Endpoint) endpointView {
	return endpointView{ID: e.ID.String(), Name: e.ID.Name(), Type: e.ID.Type(), Location: e.Location, Tags: e.Tags, Kind: e.Kind, ETag: `"` + string(e.ETag) + `"`,
		Properties: endpointProperties{Description: e.Description, ImmutableID: e.ImmutableID, ConfigurationAccess: hostView{s.ingestURL(e.Label)},
			LogsIngestion: hostView{s.ingestURL(e.Label)}, Network: networkView{e.Network}, ProvisioningState: resource.Succeeded}}
}

func (b endpointBody) change() control.EndpointChange {
	ch := control.EndpointChange{Location: b.Location, Kind: b.Kind, Description: b.Properties.Description, Network: b.Properties.Network.Public}
	if b.Tags != nil {
		ch.Tags = *b.Tags
	}
	return ch
}

func (s *server) listEndpoints(w http.ResponseWriter, r *http.Request) error {
	scope, err := s.listScope(r)
	if err != nil {
		return err
	}
	all, err := s.Control.Endpoints(r.Context(), scope)
	if err != nil {
		return err
	}
	var views []endpointView
	for _, e := range all {
		views = append(views, s.viewEndpoint(e))
	}
	return writePage(s, w, r, pager{}, views, func(v endpointView) string { return v.ID })
}

func (s *server) getEndpoint(w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(r)
	if err != nil {
		return err
	}
	e, err := s.Control.Endpoint(r.Context(), id)
	if err != nil {
		return err
	}
	etagged(w, e.ETag)
	return writeJSON(w, http.StatusOK, s.viewEndpoint(e))
}

func (s *server) putEndpoint(w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(r)
	if err != nil {
		return err
	}
	var body endpointBody
	if err := decode(r, &body); err != nil {
		return err
	}
	e, created, err := s.Control.PutEndpoint(r.Context(), id, body.change())
	if err != nil {
		return err
	}
	return writeJSON(w, madeStatus(created), s.viewEndpoint(e))
}

func madeStatus(created bool) int {
	if created {
		return http.StatusCreated
	}
	return http.StatusOK
}

func (s *server) patchEndpoint(w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(r)
	if err != nil {
		return err
	}
	tags, err := updateOf(r)
	if err != nil {
		return err
	}
	e, err := s.Control.PatchEndpoint(r.Context(), id, control.EndpointChange{Tags: tags})
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, s.viewEndpoint(e))
}

// updateOf is the tags of a PATCH of an endpoint or a rule: its documented body,
// ResourceForUpdate, has tags and an identity and nothing else. Of the rest
// nothing would happen, so it is refused. nil: the tags stay.
func updateOf(r *http.Request) (map[string]string, error) {
	var all map[string]json.RawMessage
	if err := decode(r, &all); err != nil {
		return nil, err
	}
	var body struct {
		Tags     *map[string]string `json:"tags"`
		Identity struct {
			Type string `json:"type"`
		} `json:"identity"`
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if lower := strings.ToLower(name); lower != "tags" && lower != "identity" {
			return nil, fault.New(fault.InvalidPayload, "'%.80s' can't be changed by a PATCH, which takes tags and identity. Send the whole resource with PUT.", name).WithTarget(name)
		}
	}
	whole, err := json.Marshal(all)
	if err == nil {
		err = decodeBytes(whole, &body)
	}
	if t := body.Identity.Type; err == nil && t != "" && !strings.EqualFold(t, "None") {
		err = fault.New(fault.InvalidPayload, "identity is not supported; a rule reaches workspaces of this server without one.").WithTarget("identity")
	}
	if err != nil || body.Tags == nil {
		return nil, err
	}
	return *body.Tags, nil
}

func (s *server) deleteEndpoint(w http.ResponseWriter, r *http.Request) error {
	return s.remove(w, r, s.Control.DeleteEndpoint)
}

func (s *server) remove(w http.ResponseWriter, r *http.Request, remove func(context.Context, resource.ID) (bool, error)) error {
	id, err := idOf(r)
	if err != nil {
		return err
	}
	found, err := remove(r.Context(), id)
	if err != nil {
		return err
	}
	return gone(w, found)
}

type ruleBody struct {
	Location *string            `json:"location"`
	Tags     *map[string]string `json:"tags"`
	Kind     string             `json:"kind"`
	Identity struct {
		Type string `json:"type"`
	} `json:"identity"`
	Properties struct {
		ruleProperties
		// What does nothing here and is refused, unless it is empty.
		DirectDataSources json.RawMessage `json:"directDataSources"`
		References        json.RawMessage `json:"references"`
		AgentSettings     json.RawMessage `json:"agentSettings"`
		IngestionQuotas   json.RawMessage `json:"ingestionQuotas"`
	} `json:"properties"`
}

// ruleProperties are read and written in the same shape.
type ruleProperties struct {
	Description       string                     `json:"description,omitempty"`
	ImmutableID       string                     `json:"immutableId,omitempty"`
	EndpointID        string                     `json:"dataCollectionEndpointId,omitempty"`
	Endpoints         *ruleEndpoints             `json:"endpoints,omitempty"`
	Streams           map[string]streamView      `json:"streamDeclarations,omitempty"`
	DataSources       map[string]json.RawMessage `json:"dataSources,omitempty"`
	Destinations      map[string]json.RawMessage `json:"destinations,omitempty"`
	Flows             []flowView                 `json:"dataFlows"`
	ProvisioningState resource.State             `json:"provisioningState,omitempty"`
}

type ruleEndpoints struct {
	LogsIngestion string `json:"logsIngestion"`
}

type streamView struct {
	Columns []columnBody `json:"columns"`
}

type destinationView struct {
	WorkspaceResourceID string `json:"workspaceResourceId"`
	WorkspaceID         string `json:"workspaceId,omitempty"`
	Name                string `json:"name"`
}

type flowView struct {
	Streams      []string `json:"streams"`
	Destinations []string `json:"destinations"`
	Transform    string   `json:"transformKql,omitempty"`
	Output       string   `json:"outputStream,omitempty"`

	// Read only to be refused.
	BuiltIn         json.RawMessage `json:"builtInTransform,omitempty"`
	CaptureOverflow json.RawMessage `json:"captureOverflow,omitempty"`
}

type ruleView struct {
	ID         string            `json:"id"`
	Name       string            `json:"name"`
	Type       resource.Type     `json:"type"`
	Location   string            `json:"location"`
	Tags       map[string]string `json:"tags,omitempty"`
	Kind       string            `json:"kind,omitempty"`
	ETag       string            `json:"etag"`
	Properties ruleProperties    `json:"properties"`
}

func (b ruleBody) change() (control.RuleChange, error) {
	p := b.Properties
	ch := control.RuleChange{Location: b.Location, Kind: b.Kind, Description: p.Description, Endpoint: p.EndpointID, Streams: map[string][]control.Column{}}
	if b.Tags != nil {
		ch.Tags = *b.Tags
	}
	const rows, change = "rows come through the Logs Ingestion API and go to destinations.logAnalytics", "say in transformKql how rows are changed"
	refuse := func(at string, raw json.RawMessage, instead string) {
		if !empty(raw) {
			ch.Others = append(ch.Others, control.Unserved{At: at, Instead: instead})
		}
	}
	if b.Identity.Type != "" && !strings.EqualFold(b.Identity.Type, "None") {
		ch.Others = append(ch.Others, control.Unserved{At: "identity", Instead: "a rule reaches workspaces of this server without one"})
	}
	for _, name := range slices.Sorted(maps.Keys(p.DataSources)) {
		refuse("properties.dataSources."+name, p.DataSources[name], rows)
	}
	refuse("properties.directDataSources", p.DirectDataSources, rows)
	refuse("properties.references", p.References, change)
	refuse("properties.agentSettings", p.AgentSettings, rows)
	refuse("properties.ingestionQuotas", p.IngestionQuotas, "the daily cap of the workspace bounds what is taken in")
	for name, s := range p.Streams {
		ch.Streams[name] = columns(s.Columns)
	}
	for _, name := range slices.Sorted(maps.Keys(p.Destinations)) {
		raw := p.Destinations[name]
		if name != "logAnalytics" {
			refuse("properties.destinations."+name, raw, rows)
			continue
		}
		var to []destinationView
		if err := decodeBytes([]byte(`{"d":`+string(raw)+`}`), &struct{ D *[]destinationView }{&to}); err != nil {
			return ch, err
		}
		for _, d := range to {
			ch.Destinations = append(ch.Destinations, control.DestinationChange{Name: d.Name, Workspace: d.WorkspaceResourceID})
		}
	}
	for i, f := range p.Flows {
		at := "properties.dataFlows[" + strconv.Itoa(i) + "]"
		refuse(at+".builtInTransform", f.BuiltIn, change)
		refuse(at+".captureOverflow", f.CaptureOverflow, "rows above a limit are refused to the sender, not kept")
		ch.Flows = append(ch.Flows, control.Flow{Streams: f.Streams, Destinations: f.Destinations, Transform: f.Transform, Output: f.Output})
	}
	return ch, nil
}

// empty tells whether a part asks for nothing: clients send parts without
// content where there are none.
func empty(raw json.RawMessage) bool {
	switch text := string(raw); text {
	case "", "null", "false", `""`, "[]":
		return true
	}
	var parts map[string]json.RawMessage
	if json.Unmarshal(raw, &parts) != nil {
		return false
	}
	for _, part := range parts {
		if !empty(part) {
			return false
		}
	}
	return true
}

func (s *server) viewRule(ctx context.Context, r control.Rule) (ruleView, error) {
	p := ruleProperties{Description: r.Description, ImmutableID: r.ImmutableID, EndpointID: r.Endpoint.String(), Streams: map[string]streamView{}, Flows: []flowView{}, ProvisioningState: resource.Succeeded}
	if r.Label != "" {
		p.Endpoints = &ruleEndpoints{s.ingestURL(r.Label)}
	}
	for name, all := range r.Streams {
		v := streamView{Columns: []columnBody{}}
		for _, c := range all {
			v.Columns = append(v.Columns, columnBody{Name: c.Name, Type: streamType(c.Type)})
		}
		p.Streams[name] = v
	}
	var to []destinationView
	for _, d := range r.Destinations {
		v := destinationView{WorkspaceResourceID: d.Workspace.String(), Name: d.Name}
		if w, err := s.Control.Workspace(ctx, d.Workspace); err == nil {
			v.WorkspaceID = string(w.CustomerID) // a workspace that is gone keeps its place in the rule
		}
		to = append(to, v)
	}
	raw, err := json.Marshal(to)
	if err != nil {
		return ruleView{}, err
	}
	p.Destinations = map[string]json.RawMessage{"logAnalytics": raw}
	for _, f := range r.Flows {
		p.Flows = append(p.Flows, flowView{Streams: f.Streams, Destinations: f.Destinations, Transform: f.Transform, Output: f.Output})
	}
	return ruleView{ID: r.ID.String(), Name: r.ID.Name(), Type: r.ID.Type(), Location: r.Location, Tags: r.Tags, Kind: r.Kind, ETag: `"` + string(r.ETag) + `"`, Properties: p}, nil
}

// streamType is a column type in the words of collection rules.
func streamType(t schema.Type) string {
	if t == schema.Bool {
		return "boolean"
	}
	return t.String()
}

func (s *server) listRules(w http.ResponseWriter, r *http.Request) error {
	scope, err := s.listScope(r)
	if err != nil {
		return err
	}
	all, err := s.Control.Rules(r.Context(), scope)
	if err != nil {
		return err
	}
	var views []ruleView
	for _, rule := range all {
		v, err := s.viewRule(r.Context(), rule)
		if err != nil {
			return err
		}
		views = append(views, v)
	}
	return writePage(s, w, r, pager{}, views, func(v ruleView) string { return v.ID })
}

func (s *server) getRule(w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(r)
	if err != nil {
		return err
	}
	rule, err := s.Control.Rule(r.Context(), id)
	if err != nil {
		return err
	}
	etagged(w, rule.ETag)
	return s.writeRule(w, r, http.StatusOK, rule)
}

func (s *server) writeRule(w http.ResponseWriter, r *http.Request, status int, rule control.Rule) error {
	v, err := s.viewRule(r.Context(), rule)
	if err != nil {
		return err
	}
	return writeJSON(w, status, v)
}

func (s *server) putRule(w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(r)
	if err != nil {
		return err
	}
	var body ruleBody
	if err := decode(r, &body); err != nil {
		return err
	}
	ch, err := body.change()
	if err != nil {
		return err
	}
	rule, created, err := s.Control.PutRule(r.Context(), id, ch)
	if err != nil {
		return err
	}
	return s.writeRule(w, r, madeStatus(created), rule)
}

func (s *server) patchRule(w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(r)
	if err != nil {
		return err
	}
	tags, err := updateOf(r)
	if err != nil {
		return err
	}
	rule, err := s.Control.TagRule(r.Context(), id, tags)
	if err != nil {
		return err
	}
	return s.writeRule(w, r, http.StatusOK, rule)
}

func (s *server) deleteRule(w http.ResponseWriter, r *http.Request) error {
	return s.remove(w, r, s.Control.DeleteRule)
}
