package api

import (
	"net/http"
	"time"

	"logkeep/internal/control"
	"logkeep/internal/fault"
	"logkeep/internal/resource"
	"logkeep/internal/schema"
	"logkeep/internal/standard"
)

func (s *server) tableRoutes() []route {
	const (
		all  = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.OperationalInsights/workspaces/{workspace}/tables"
		one  = all + "/{name}"
		read = "Microsoft.OperationalInsights/workspaces/tables/read"
		put  = "Microsoft.OperationalInsights/workspaces/tables/write"
	)
	return []route{
		{method: "GET", pattern: all, action: read, handle: s.listTables},
		{method: "GET", pattern: one, action: read, handle: s.getTable},
		{method: "PUT", pattern: one, action: put, handle: s.putTable},
		{method: "PATCH", pattern: one, action: put, handle: s.patchTable},
		{method: "DELETE", pattern: one, action: "Microsoft.OperationalInsights/workspaces/tables/delete", handle: s.deleteTable},
		{method: "POST", pattern: one + "/migrate", action: "Microsoft.OperationalInsights/workspaces/tables/migrate/action", handle: s.migrateTable},
		{method: "POST", pattern: one + "/cancelSearch", action: "Microsoft.OperationalInsights/workspaces/tables/cancelSearch/action", handle: s.cancelSearch},
	}
}

type columnBody struct {
	Name           string `json:"name"`
	Type           string `json:"type"`
	Hint           string `json:"dataTypeHint,omitempty"`
	DisplayName    string `json:"displayName,omitempty"`
	Description    string `json:"description,omitempty"`
	DefaultDisplay *bool  `json:"isDefaultDisplay,omitempty"` // of published columns
	Hidden         *bool  `json:"isHidden,omitempty"`
}

// columns reads columns; a type of an unknown name is schema.Invalid, which
// the service reports with the column's name.
func columns(bodies []columnBody) []control.Column {
	if bodies == nil {
		return nil
	}
	all := make([]control.Column, 0, len(bodies))
	for _, b := range bodies {
		t, err := schema.ParseType(b.Type)
		if err != nil {
			t = schema.Invalid
		}
		all = append(all, control.Column{Name: b.Name, Type: t, Hint: b.Hint, DisplayName: b.DisplayName, Description: b.Description})
	}
	return all
}

// armType is a column type in the words of the tables API.
func armType(t schema.Type) string {
	switch t {
	case schema.Bool:
		return "boolean"
	case schema.DateTime:
		return "dateTime"
	}
	return t.String()
}

type tableBody struct {
	Properties struct {
		Schema *struct {
			Name        *string      `json:"name"`
			DisplayName *string      `json:"displayName"`
			Description *string      `json:"description"`
			Columns     []columnBody `json:"columns"`
		} `json:"schema"`
		Retention      *int32  `json:"retentionInDays"`
		TotalRetention *int32  `json:"totalRetentionInDays"`
		Plan           *string `json:"plan"`
		SearchResults  any     `json:"searchResults"`
		RestoredLogs   any     `json:"restoredLogs"`
	} `json:"properties"`
}

type tableView struct {
	ID         string          `json:"id"`
	Name       string          `json:"name"`
	Type       resource.Type   `json:"type"`
	Properties tableProperties `json:"properties"`
}

type tableProperties struct {
	ProvisioningState  resource.State `json:"provisioningState"`
	Plan               control.Plan   `json:"plan"`
	LastPlanModified   *string        `json:"lastPlanModifiedDate,omitempty"`
	Retention          int            `json:"retentionInDays"`
	Total              int            `json:"totalRetentionInDays"`
	Archive            int            `json:"archiveRetentionInDays"`
	RetentionAsDefault bool           `json:"retentionInDaysAsDefault"`
	TotalAsDefault     bool           `json:"totalRetentionInDaysAsDefault"`
	Schema             tableSchema    `json:"schema"`
}

type tableSchema struct {
	Name            string       `json:"name"`
	DisplayName     string       `json:"displayName,omitempty"`
	Description     string       `json:"description,omitempty"`
	Source          string       `json:"source"`
	TableType       string       `json:"tableType"`
	TableSubType    string       `json:"tableSubType"`
	Solutions       []string     `json:"solutions,omitempty"`
	Columns         []columnBody `json:"columns"`
	StandardColumns []columnBody `json:"standardColumns"`
}

func viewTable(t control.Table, w control.Workspace) tableView {
	k := t.Keeping(w, time.Now())
	p := tableProperties{ProvisioningState: t.State, Plan: k.Plan, Retention: k.Interactive, Total: k.Total, Archive: k.Archive(),
		RetentionAsDefault: t.Retention == nil, TotalAsDefault: t.Total == nil,
		Schema: tableSchema{Name: t.ID.Name(), DisplayName: t.DisplayName, Description: t.Description, Source: "customer", TableType: "CustomLog",
			TableSubType: "DataCollectionRuleBased", Columns: []columnBody{}, StandardColumns: []columnBody{}}}
	if t.Classic {
		p.Schema.TableSubType = "Classic"
	}
	if !t.PlanChanged.IsZero() {
		at := t.PlanChanged.UTC().Format(time.RFC3339)
		p.LastPlanModified = &at
	}
	for _, c := range t.Columns {
		p.Schema.Columns = append(p.Schema.Columns, columnBody{Name: c.Name, Type: armType(c.Type), Hint: c.Hint, DisplayName: c.DisplayName, Description: c.Description})
	}
	if t.Published != nil {
		viewPublished(&p.Schema, *t.Published)
	} else {
		for _, c := range control.Readable(t.Schema()).Columns[len(t.Columns):] {
			p.Schema.StandardColumns = append(p.Schema.StandardColumns, standardColumn(c))
		}
	}
	return tableView{ID: t.ID.String(), Name: t.ID.Name(), Type: resource.Table, Properties: p}
}

// viewPublished adds what a table is in every workspace.
func viewPublished(s *tableSchema, t standard.Table) {
	s.Source, s.TableType, s.TableSubType, s.Solutions = "microsoft", "Microsoft", "Any", []string{"LogManagement"}
	if t.Sentinel {
		s.Solutions = []string{"SecurityInsights"}
	}
	for _, c := range t.Columns {
		s.StandardColumns = append(s.StandardColumns, standardColumn(c))
	}
}

// standardColumn is a column that is not the workspace's own.
func standardColumn(c schema.Column) columnBody {
	hidden := c.Name == "TenantId" || c.Name[0] == '_'
	return columnBody{Name: c.Name, Type: armType(c.Type), DefaultDisplay: new(!hidden), Hidden: new(hidden)}
}

func (s *server) listTables(w http.ResponseWriter, r *http.Request) error {
	id, err := holderOf(r)
	if err != nil {
		return err
	}
	v, err := s.Control.Workspace(r.Context(), id)
	if err != nil {
		return err
	}
	all, err := s.Control.AllTables(r.Context(), id)
	if err != nil {
		return err
	}
	var views []tableView
	for _, t := range all {
		views = append(views, viewTable(t, v))
	}
	return writeJSON(w, http.StatusOK, page(views))
}

func (s *server) getTable(w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(r)
	if err != nil {
		return err
	}
	t, err := s.Control.Table(r.Context(), id)
	if err != nil {
		return err
	}
	return s.writeTable(w, r, t)
}

func (s *server) writeTable(w http.ResponseWriter, r *http.Request, t control.Table) error {
	v, err := s.Control.Workspace(r.Context(), t.ID.Parent())
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, viewTable(t, v))
}

func (s *server) putTable(w http.ResponseWriter, r *http.Request) error {
	return s.changeTable(w, r, true)
}
func (s *server) patchTable(w http.ResponseWriter, r *http.Request) error {
	return s.changeTable(w, r, false)
}

func (s *server) changeTable(w http.ResponseWriter, r *http.Request, replace bool) error {
	id, err := idOf(r)
	if err != nil {
		return err
	}
	var body tableBody
	if err := decode(r, &body); err != nil {
		return err
	}
	p := body.Properties
	if p.SearchResults != nil || p.RestoredLogs != nil {
		return fault.New(fault.InvalidParameter, "Search jobs and restore operations are not supported; query the table itself; leave properties.searchResults and properties.restoredLogs out.").WithTarget("properties")
	}
	ch := control.TableChange{Retention: p.Retention, Total: p.TotalRetention, Plan: p.Plan, Replace: replace}
	if p.Schema != nil {
		ch.Name, ch.DisplayName, ch.Description, ch.Columns = p.Schema.Name, p.Schema.DisplayName, p.Schema.Description, columns(p.Schema.Columns)
	}
	t, err := s.Control.PutTable(r.Context(), id, ch)
	if err != nil {
		return err
	}
	return s.writeTable(w, r, t)
}

func (s *server) migrateTable(w http.ResponseWriter, r *http.Request) error {
	id, err := holderOf(r)
	if err != nil {
		return err
	}
	if err := s.Control.MigrateTable(r.Context(), id); err != nil {
		return err
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

// cancelSearch stops a search job, of which there are none.
func (s *server) cancelSearch(_ http.ResponseWriter, r *http.Request) error {
	id, err := holderOf(r)
	if err != nil {
		return err
	}
	t, err := s.Control.Table(r.Context(), id)
	if err != nil {
		return err
	}
	return fault.New(fault.InvalidParameter, "The table '%s' is not the result of a search job, so there is none to cancel.", t.Name())
}

func (s *server) deleteTable(w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(r)
	if err != nil {
		return err
	}
	o, found, err := s.Control.DeleteTable(r.Context(), id, callerOf(r).ObjectID)
	if err != nil {
		return err
	}
	return s.deleted(w, r, o, found)
}
