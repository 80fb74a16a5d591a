package api

import (
	"net/http"

	"logkeep/internal/control"
	"logkeep/internal/fault"
	"logkeep/internal/resource"
)

// diagnosticRoutes serve the diagnostic settings of vaults: where their audit
// records go (docs/design/0034).
func (s *server) diagnosticRoutes() []route {
	const (
		in         = "{scope...}/providers/Microsoft.Insights/"
		settings   = in + "diagnosticSettings"
		categories = in + "diagnosticSettingsCategories"
		action     = "Microsoft.Insights/diagnosticSettings/"
	)
	return []route{
		{method: "GET", pattern: settings, action: action + "read", handle: s.listDiagnostics},
		{method: "GET", pattern: settings + "/{name}", action: action + "read", handle: s.getDiagnostic},
		{method: "PUT", pattern: settings + "/{name}", action: action + "write", handle: s.putDiagnostic},
		{method: "DELETE", pattern: settings + "/{name}", action: action + "delete", handle: s.deleteDiagnostic},
		{method: "GET", pattern: categories, action: action + "read", handle: s.listCategories},
		{method: "GET", pattern: categories + "/{name}", action: action + "read", handle: s.getCategory},
	}
}

type diagnosticBody struct {
	Properties struct {
		Workspace *string         `json:"workspaceId"`
		Storage   *string         `json:"storageAccountId"`
		EventHub  *string         `json:"eventHubAuthorizationRuleId"`
		Partner   *string         `json:"marketplacePartnerId"`
		Form      *string         `json:"logAnalyticsDestinationType"`
		Logs      []diagnosticLog `json:"logs"`
		Metrics   []diagnosticLog `json:"metrics"`
	} `json:"properties"`
}

type diagnosticLog struct {
	Category  *string        `json:"category"`
	Group     *string        `json:"categoryGroup"`
	Enabled   bool           `json:"enabled"`
	Retention *retentionView `json:"retentionPolicy,omitempty"`
}

type retentionView struct {
	Enabled bool `json:"enabled"`
	Days    int  `json:"days"`
}

type diagnosticView struct {
	ID         string               `json:"id"`
	Name       string               `json:"name"`
	Type       resource.Type        `json:"type"`
	Properties diagnosticProperties `json:"properties"`
}

type diagnosticProperties struct {
	Workspace string          `json:"workspaceId"`
	Form      *string         `json:"logAnalyticsDestinationType"`
	Logs      []diagnosticLog `json:"logs"`
	Metrics   []diagnosticLog `json:"metrics"`
}

const (
	dedicatedTable = "Dedicated"
	sharedTable    = "AzureDiagnostics"
)

func viewDiagnostic(d control.Diagnostic) diagnosticView {
	v := diagnosticView{ID: d.ID.String(), Name: d.ID.Name(), Type: d.ID.Type(), Properties: diagnosticProperties{Workspace: d.Workspace.String(), Logs: []diagnosticLog{}, Metrics: []diagnosticLog{}}}
	if d.Dedicated {
		v.Properties.Form = new(dedicatedTable)
	}
	for _, l := range d.Logs {
		log := diagnosticLog{Enabled: l.Enabled, Retention: &retentionView{}}
		if l.Category != "" {
			log.Category = &l.Category
		} else {
			log.Group = &l.Group
		}
		v.Properties.Logs = append(v.Properties.Logs, log)
	}
	return v
}

// setting reads a body. What this server can't do is refused: nobody must
// believe that records go where they do not.
func (b diagnosticBody) setting(id resource.ID) (control.Diagnostic, error) {
	d := control.Diagnostic{ID: id, Logs: []control.DiagnosticLog{}}
	p := b.Properties
	for name, given := range map[string]*string{"storageAccountId": p.Storage, "eventHubAuthorizationRuleId": p.EventHub, "marketplacePartnerId": p.Partner} {
		if given != nil && *given != "" {
			return d, fault.New(fault.BadRequest, "properties.%s is not supported: this server sends records to workspaces. Give properties.workspaceId.", name).WithTarget("properties." + name)
		}
	}
	for _, m := range p.Metrics {
		if m.Enabled {
			return d, fault.New(fault.BadRequest, "Metric category '%.80s' is not supported: vaults of this server have no metrics.", text(m.Category)).WithTarget("properties.metrics")
		}
	}
	if p.Workspace != nil && *p.Workspace != "" {
		var err error
		if d.Workspace, err = resource.Parse(*p.Workspace); err != nil {
			return d, fault.New(fault.InvalidResourceID, "properties.workspaceId is no resource id. %s", sentence(err)).WithTarget("properties.workspaceId")
		}
	}
	switch text(p.Form) {
	case "", sharedTable:
	case dedicatedTable:
		d.Dedicated = true
	default:
		return d, fault.New(fault.BadRequest, "properties.logAnalyticsDestinationType is Dedicated, AzureDiagnostics or null, not '%.40s'.", *p.Form).WithTarget("properties.logAnalyticsDestinationType")
	}
	for _, l := range p.Logs {
		if r := l.Retention; r != nil && r.Enabled && r.Days > 0 {
			return d, fault.New(fault.BadRequest, "Retention is a matter of the workspace's table, not of the diagnostic setting. Leave out retentionPolicy.").WithTarget("properties.logs")
		}
		d.Logs = append(d.Logs, control.DiagnosticLog{Category: text(l.Category), Group: text(l.Group), Enabled: l.Enabled})
	}
	return d, nil
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// audited insists that the resource, below which settings are, is a vault.
func (s *server) audited(r *http.Request) (resource.ID, error) {
	of, err := scopeParam(r)
	if err != nil {
		return of, err
	}
	if !of.Type().Equal(resource.Vault) {
		return of, fault.New(fault.BadRequest, "The resource type '%s' does not support diagnostic settings. Vaults do; what is done to other resources is in the activity log.", of.Type())
	}
	q, err := s.vaultRequest(r, of, false)
	if err != nil {
		return of, err
	}
	v, err := s.Vaults.Vault(r.Context(), q)
	if err != nil {
		return of, told(err)
	}
	return resource.Parse(v.ID) // as it was first written
}

// diagnosticID is the setting in the path.
func (s *server) diagnosticID(r *http.Request) (resource.ID, error) {
	of, err := s.audited(r)
	return of.Resource(resource.Diagnostic, r.PathValue("name")), err
}

func (s *server) listDiagnostics(w http.ResponseWriter, r *http.Request) error {
	of, err := s.audited(r)
	if err != nil {
		return err
	}
	all, err := s.Control.Diagnostics(r.Context(), of)
	if err != nil {
		return err
	}
	var views []diagnosticView
	for _, d := range all {
		views = append(views, viewDiagnostic(d))
	}
	return writePage(s, w, r, whole, views, func(v diagnosticView) string { return v.ID })
}

func (s *server) getDiagnostic(w http.ResponseWriter, r *http.Request) error {
	id, err := s.diagnosticID(r)
	if err != nil {
		return err
	}
	d, err := s.Control.Diagnostic(r.Context(), id)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, viewDiagnostic(d))
}

// putDiagnostic asks for a right at the workspace, too: that by which anybody
// else sends it rows.
func (s *server) putDiagnostic(w http.ResponseWriter, r *http.Request) error {
	id, err := s.diagnosticID(r)
	if err != nil {
		return err
	}
	var body diagnosticBody
	if err := decode(r, &body); err != nil {
		return err
	}
	d, err := body.setting(id)
	if err != nil {
		return err
	}
	if !d.Workspace.IsZero() {
		if err := s.allow(r, "Microsoft.OperationalInsights/workspaces/sharedKeys/action", false, d.Workspace); err != nil {
			return err
		}
	}
	if d, err = s.Control.PutDiagnostic(r.Context(), d); err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, viewDiagnostic(d))
}

func (s *server) deleteDiagnostic(w http.ResponseWriter, r *http.Request) error {
	id, err := s.diagnosticID(r)
	if err != nil {
		return err
	}
	found, err := s.Control.DeleteDiagnostic(r.Context(), id)
	if err != nil {
		return err
	}
	return gone(w, found)
}

type categoryView struct {
	ID         string        `json:"id"`
	Name       string        `json:"name"`
	Type       resource.Type `json:"type"`
	Properties struct {
		Kind   string   `json:"categoryType"`
		Groups []string `json:"categoryGroups"`
	} `json:"properties"`
}

// categories are those of a vault.
func categories(of resource.ID) []categoryView {
	var all []categoryView
	for _, c := range []struct {
		name   string
		groups []string
	}{{control.AuditEvent, []string{control.AuditGroup, control.AllLogsGroup}}, {control.PolicyDetails, []string{control.AllLogsGroup}}} {
		v := categoryView{Name: c.name, Type: "Microsoft.Insights/diagnosticSettingsCategories"}
		v.ID = of.Resource(v.Type, c.name).String()
		v.Properties.Kind, v.Properties.Groups = "Logs", c.groups
		all = append(all, v)
	}
	return all
}

func (s *server) listCategories(w http.ResponseWriter, r *http.Request) error {
	of, err := s.audited(r)
	if err != nil {
		return err
	}
	return writePage(s, w, r, whole, categories(of), func(v categoryView) string { return v.ID })
}

func (s *server) getCategory(w http.ResponseWriter, r *http.Request) error {
	of, err := s.audited(r)
	if err != nil {
		return err
	}
	for _, c := range categories(of) {
		if c.Name == r.PathValue("name") {
			return writeJSON(w, http.StatusOK, c)
		}
	}
	return fault.New(fault.ResourceNotFound, "A vault has no diagnostic category '%.80s'.", r.PathValue("name"))
}
