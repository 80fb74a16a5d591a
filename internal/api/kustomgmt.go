package api

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"

	"logkeep/internal/control"
	"logkeep/internal/schema"
)

// A kustoTable is the answer to a command: its columns with their types, and
// rows.
type kustoTable struct {
	columns []schema.Column
	rows    [][]any
}

// texts are columns of strings.
func texts(names ...string) (out []schema.Column) {
	for _, n := range names {
		out = append(out, schema.Column{Name: n, Type: schema.String})
	}
	return out
}

// systemTypes are the types of the language as .NET calls them.
var systemTypes = map[schema.Type]string{
	schema.Bool: "System.SByte", schema.Int: "System.Int32", schema.Long: "System.Int64", schema.Real: "System.Double",
	schema.Decimal: "System.Data.SqlTypes.SqlDecimal", schema.String: "System.String", schema.DateTime: "System.DateTime",
	schema.TimeSpan: "System.TimeSpan", schema.GUID: "System.Guid", schema.Dynamic: "System.Object",
}

func (s *server) kustoCommand(w http.ResponseWriter, r *http.Request) error {
	body, err := kustoBodyOf(r)
	if err != nil {
		return err
	}
	return s.kustoCommandOf(w, r, body)
}

// A kustoShow is one command: a pattern of words, in which (…) is a name that
// the command is about.
type kustoShow struct {
	pattern func() *regexp.Regexp
	answer  func(s *server, r *http.Request, body kustoBody, name string) (kustoTable, error)
}

// name matches a name, in brackets and quotes perhaps.
const kustoName = `((?:\[\s*(?:'[^']*'|"[^"]*")\s*\]|'[^']*'|"[^"]*"|[^\s|;]+))`

func command(words string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp {
		words = strings.ReplaceAll(regexp.QuoteMeta(words), " ", `\s+`)
		return regexp.MustCompile(`(?is)^` + strings.ReplaceAll(words, "NAME", kustoName) + `\s*;?\s*$`)
	})
}

// kustoCommands are the commands that are answered.
var kustoCommands = []kustoShow{
	{command(".show version"), (*server).showVersion},
	{command(".show databases"), (*server).showDatabases},
	{command(".show tables"), (*server).showTables},
	{command(".show functions"), func(*server, *http.Request, kustoBody, string) (kustoTable, error) {
		return kustoTable{columns: texts("Name", "Parameters", "Body", "Folder", "DocString")}, nil
	}},
	{command(".show table NAME cslschema"), showTable(false)},
	{command(".show table NAME schema as csl"), showTable(false)},
	{command(".show table NAME schema as json"), showTable(true)},
	{command(".show schema"), showSchema(false, false)},
	{command(".show schema as json"), showSchema(false, true)},
	{command(".show database schema"), showSchema(false, false)},
	{command(".show database schema as json"), showSchema(false, true)},
	{command(".show databases schema"), showSchema(true, false)},
	{command(".show databases schema as json"), showSchema(true, true)},
	{command(".show database NAME schema"), showSchema(false, false)},
	{command(".show database NAME schema as json"), showSchema(false, true)},
}

// kustoCommandOf answers a command in version 1 of the protocol.
func (s *server) kustoCommandOf(w http.ResponseWriter, r *http.Request, body kustoBody) error {
	text := strings.TrimSpace(body.Text)
	for strings.HasPrefix(text, "//") {
		_, text, _ = strings.Cut(text, "\n")
		text = strings.TrimSpace(text)
	}
	for _, c := range kustoCommands {
		m := c.pattern().FindStringSubmatch(text)
		if m == nil {
			continue
		}
		name := ""
		if len(m) > 1 {
			name = strings.Trim(strings.Trim(m[1], "[] \t"), `'"`)
		}
		t, err := c.answer(s, r, body, name)
		if err != nil {
			return err
		}
		return writeKusto(w, t)
	}
	return badArgument("The command '%.60s' is not supported. Served are .show version, databases, tables, functions, schema, and table NAME schema as json or cslschema; tables are made through the resource manager.", text)
}

func writeKusto(w http.ResponseWriter, t kustoTable) error {
	type column struct {
		Name string `json:"ColumnName"`
		Data string `json:"DataType"`
		Type string `json:"ColumnType"`
	}
	var columns []column
	for _, c := range t.columns {
		columns = append(columns, column{c.Name, strings.TrimPrefix(strings.TrimPrefix(systemTypes[c.Type], "System."), "Data.SqlTypes."), c.Type.String()})
	}
	if t.rows == nil {
		t.rows = [][]any{}
	}
	return writeJSON(w, http.StatusOK, map[string]any{"Tables": []any{map[string]any{"TableName": "Table_0", "Columns": columns, "Rows": t.rows}}})
}

func (s *server) showVersion(*http.Request, kustoBody, string) (kustoTable, error) {
	columns := append(texts("BuildVersion"), schema.Column{Name: "BuildTime", Type: schema.DateTime})
	return kustoTable{append(columns, texts("ServiceType", "ProductVersion")...), [][]any{{"1.0", nil, "Engine", "Logkeep"}}}, nil
}

func (s *server) showDatabases(r *http.Request, body kustoBody, _ string) (kustoTable, error) {
	all, err := s.databases(r)
	if err != nil {
		return kustoTable{}, err
	}
	t := kustoTable{columns: []schema.Column{{Name: "DatabaseName", Type: schema.String}, {Name: "PersistentStorage", Type: schema.String},
		{Name: "Version", Type: schema.String}, {Name: "IsCurrent", Type: schema.Bool}, {Name: "DatabaseAccessMode", Type: schema.String},
		{Name: "PrettyName", Type: schema.String}, {Name: "ReservedSlot1", Type: schema.Bool}, {Name: "DatabaseId", Type: schema.GUID}, {Name: "InTransitionTo", Type: schema.String}}}
	for _, v := range all {
		t.rows = append(t.rows, []any{v.ID.Name(), "", "v1.0", sameDatabase(v, body.Database), "ReadOnly", v.ID.String(), nil, v.CustomerID, ""})
	}
	return t, nil
}

// tablesOf lists by name the tables of a workspace that the caller may read:
// to commands, as to queries, the others do not exist.
func (s *server) tablesOf(r *http.Request, v control.Workspace) ([]schema.Table, error) {
	all, err := s.Control.Tables(r.Context(), v.ID)
	if err != nil {
		return nil, err
	}
	var out []schema.Table
	for _, t := range all {
		may, err := s.mayReadTable(r.Context(), callerOf(r), v.ID, t.Name())
		if err != nil {
			return nil, err
		}
		if may {
			out = append(out, control.Readable(t.Schema()))
		}
	}
	slices.SortFunc(out, func(a, b schema.Table) int { return strings.Compare(string(a.Name), string(b.Name)) })
	return out, nil
}

func (s *server) showTables(r *http.Request, body kustoBody, _ string) (kustoTable, error) {
	v, err := s.database(r, body.Database)
	if err != nil {
		return kustoTable{}, err
	}
	all, err := s.tablesOf(r, v)
	t := kustoTable{columns: texts("TableName", "DatabaseName", "Folder", "DocString")}
	for _, x := range all {
		t.rows = append(t.rows, []any{x.Name, v.ID.Name(), "", ""})
	}
	return t, err
}

// showTable shows the columns of one table, as JSON or in the words of the
// language.
func showTable(asJSON bool) func(s *server, r *http.Request, body kustoBody, name string) (kustoTable, error) {
	return func(s *server, r *http.Request, body kustoBody, name string) (kustoTable, error) {
		v, err := s.database(r, body.Database)
		if err != nil {
			return kustoTable{}, err
		}
		all, err := s.tablesOf(r, v)
		if err != nil {
			return kustoTable{}, err
		}
		i := slices.IndexFunc(all, func(t schema.Table) bool { return string(t.Name) == name })
		if i < 0 {
			return kustoTable{}, badArgument("Entity ID '%.100s' of kind 'Table' was not found. See .show tables.", name)
		}
		var text string
		if asJSON {
			text, err = jsonText(kustoView(all[i]))
		} else {
			var cols []string
			for _, c := range all[i].Columns {
				cols = append(cols, c.Name+":"+c.Type.String())
			}
			text = strings.Join(cols, ",")
		}
		return kustoTable{texts("TableName", "Schema", "DatabaseName", "Folder", "DocString"), [][]any{{name, text, v.ID.Name(), "", ""}}}, err
	}
}

// kustoView is a table as commands show it.
func kustoView(t schema.Table) map[string]any {
	columns := []map[string]any{}
	for _, c := range t.Columns {
		columns = append(columns, map[string]any{"Name": c.Name, "Type": systemTypes[c.Type], "CslType": c.Type.String(), "DocString": ""})
	}
	return map[string]any{"Name": t.Name, "Folder": "", "DocString": "", "OrderedColumns": columns}
}

// showSchema shows the tables of one database or of all, as a table or as one
// JSON text.
func showSchema(whole, asJSON bool) func(s *server, r *http.Request, body kustoBody, name string) (kustoTable, error) {
	return func(s *server, r *http.Request, body kustoBody, name string) (kustoTable, error) {
		var all []control.Workspace
		var err error
		if whole {
			all, err = s.databases(r)
		} else {
			if name == "" {
				name = body.Database
			}
			var v control.Workspace
			v, err = s.database(r, name)
			all = append(all, v)
		}
		if err != nil {
			return kustoTable{}, err
		}
		rows := kustoTable{columns: append(texts("DatabaseName", "TableName", "ColumnName", "ColumnType"),
			append([]schema.Column{{Name: "IsDefaultTable", Type: schema.Bool}, {Name: "IsDefaultColumn", Type: schema.Bool}}, texts("PrettyName", "Version", "Folder", "DocString")...)...)}
		databases := map[string]any{}
		for _, v := range all {
			tables, err := s.tablesOf(r, v)
			if err != nil {
				return kustoTable{}, err
			}
			views := map[string]any{}
			for _, t := range tables {
				views[string(t.Name)] = kustoView(t)
				for _, c := range t.Columns {
					rows.rows = append(rows.rows, []any{v.ID.Name(), t.Name, c.Name, systemTypes[c.Type], false, false, "", "v1.0", "", ""})
				}
			}
			databases[v.ID.Name()] = map[string]any{"Name": v.ID.Name(), "Tables": views, "MajorVersion": 1, "MinorVersion": 0, "Functions": map[string]any{},
				"ExternalTables": map[string]any{}, "MaterializedViews": map[string]any{}, "DatabaseAccessMode": "ReadOnly"}
		}
		if !asJSON {
			return rows, nil
		}
		text, err := jsonText(map[string]any{"Databases": databases})
		return kustoTable{texts("DatabaseSchema"), [][]any{{text}}}, err
	}
}

func jsonText(v any) (string, error) {
	b, err := json.Marshal(v)
	return string(b), err
}
