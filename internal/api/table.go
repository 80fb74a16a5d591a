package api

import (
	"net/http"

	"logkeep/internal/control"
	"logkeep/internal/fault"
	"logkeep/internal/resource"
	"logkeep/internal/schema"
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
	}
}

type columnBody struct {
	Name        string `json:"name"`
	Type        string `json:"type"`
	Hint        string `json:"dataTypeHint,omitempty"`
	DisplayName string `json:"displayName,omitempty"`
	Description string `json:"description,omitempty"`
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
	Plan               string         `json:"plan"`
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
	Columns         []columnBody `json:"columns"`
	StandardColumns []columnBody `json:"standardColumns"`
}

func viewTable(t control.Table, w control.Workspace) tableView {
	p := tableProperties{ProvisioningState: t.State, Plan: "Analytics", Retention: w.Retention, RetentionAsDefault: t.Retention == nil, TotalAsDefault: t.Total == nil,
		Schema: tableSchema{Name: t.ID.Name(), DisplayName: t.DisplayName, Description: t.Description, Source: "customer", TableType: "CustomLog",
			TableSubType: "DataCollectionRuleBased", Columns: []columnBody{}, StandardColumns: []columnBody{}}}
	if t.Retention != nil {
		p.Retention = *t.Retention
	}
	if p.Total = p.Retention; t.Total != nil {
		p.Total = max(*t.Total, p.Retention)
	}
	p.Archive = p.Total - p.Retention
	for _, c := range t.Columns {
		p.Schema.Columns = append(p.Schema.Columns, columnBody{c.Name, armType(c.Type), c.Hint, c.DisplayName, c.Description})
	}
	return tableView{ID: t.ID.String(), Name: t.ID.Name(), Type: resource.Table, Properties: p}
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
	all, err := s.Control.Tables(r.Context(), id)
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
		return fault.New(fault.InvalidParameter, "Search jobs and restored logs are not supported; leave properties.searchResults and properties.restoredLogs out.").WithTarget("properties")
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
