package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"logkeep/internal/control"
	"logkeep/internal/entra"
	"logkeep/internal/fault"
	"logkeep/internal/resource"
	"logkeep/internal/schema"
)

// The Kusto protocol: a workspace is a database. A host of its own,
// {customerId}.kusto.NAME, has that one database; api.kusto.NAME and the main
// host have all workspaces that the caller may query, by name, customer id or
// resource id. Who may query is decided as for the query API.

// kustoFaces serve queries and the few commands that clients send.
func (s *server) kustoFaces() []*face {
	audiences := append(entra.KustoAudiences("https://"+s.authority("kusto."+s.Domain), "https://"+s.authority("api.kusto."+s.Domain)), entra.QueryAudiences()...)
	audiences = append(audiences, s.armAudiences()...)
	routes := func() []route {
		return []route{
			{method: "GET", pattern: "/v1/rest/auth/metadata", public: true, handle: s.kustoMetadata},
			{method: "POST", pattern: "/v1/rest/query", maxBody: maxQuery, handle: s.kustoQuery("kusto1")},
			{method: "POST", pattern: "/v2/rest/query", maxBody: maxQuery, handle: s.kustoQuery("kusto2")},
			{method: "POST", pattern: "/v1/rest/mgmt", maxBody: maxQuery, handle: s.kustoCommand},
		}
	}
	return []*face{
		{name: "kusto", hosts: s.below("kusto"), audiences: audiences, dialect: kustoDialect, routes: routes()},
		{name: "kusto", hosts: s.mainHost, audiences: audiences, dialect: kustoDialect, routes: routes()},
	}
}

// kustoMetadata tells clients where to get tokens, and for whom. The login
// endpoint ends in /adfs so that clients do not ask the public cloud about it.
func (s *server) kustoMetadata(w http.ResponseWriter, r *http.Request) error {
	at := base(r)
	if !s.mainHost(hostname(r)) {
		at = "https://" + s.authority(s.Domain)
	}
	return writeJSON(w, http.StatusOK, map[string]any{"AzureAD": map[string]any{
		"LoginEndpoint": at + "/adfs", "LoginMfaRequired": false,
		"KustoClientAppId": "db662dc1-0cfe-4e1c-a843-19a68e65be58", "KustoClientRedirectUri": "http://localhost",
		"KustoServiceResourceId": "https://" + s.authority("kusto."+s.Domain), "FirstPartyAuthorityUrl": at + "/adfs",
	}})
}

// A kustoBody is a query or a command.
type kustoBody struct {
	Database   string          `json:"db"`
	Text       string          `json:"csl"`
	Properties kustoProperties `json:"properties"`
}

// kustoProperties are an object, or the text of one.
type kustoProperties struct {
	Options    map[string]json.RawMessage
	Parameters map[string]json.RawMessage
}

func (p *kustoProperties) UnmarshalJSON(b []byte) error {
	var text string
	if json.Unmarshal(b, &text) == nil {
		if b = []byte(text); len(bytes.TrimSpace(b)) == 0 {
			return nil
		}
	}
	type plain kustoProperties
	return json.Unmarshal(b, (*plain)(p))
}

// plainText is a JSON string's text, or any other value as it is written.
func plainText(b json.RawMessage) string {
	var s string
	if json.Unmarshal(b, &s) == nil {
		return s
	}
	return string(b)
}

func (p kustoProperties) is(option string) bool { return plainText(p.Options[option]) == "true" }

func kustoBodyOf(r *http.Request) (b kustoBody, err error) {
	if err := decode(r, &b); err != nil {
		f := fault.Of(err)
		if f.Code == fault.InvalidRequestContent {
			return b, badArgument("%s", f.Message)
		}
		return b, err
	}
	if strings.TrimSpace(b.Text) == "" {
		return b, badArgument("There is no query: send {\"db\": \"…\", \"csl\": \"…\"}.")
	}
	return b, nil
}

func (s *server) kustoQuery(form string) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		body, err := kustoBodyOf(r)
		if err != nil {
			return err
		}
		if strings.HasPrefix(strings.TrimSpace(body.Text), ".") { // clients send commands here, too
			return s.kustoCommandOf(w, r, body)
		}
		q := QueryRequest{Caller: callerOf(r), Text: body.Text, Now: schema.TicksOf(time.Now()), Wait: 4 * time.Minute, Form: form, Parameters: map[string]string{}}
		if form == "kusto2" && body.Properties.is("results_v2_fragment_primary_tables") {
			q.Form = "kusto2fragments"
		}
		for name, v := range body.Properties.Parameters {
			q.Parameters[name] = plainText(v)
		}
		if err := q.options(body.Properties); err != nil {
			return err
		}
		workspace, err := s.database(r, body.Database)
		if err != nil {
			return err
		}
		q.Workspaces = []control.Workspace{workspace}
		answer, cancel, err := s.begin(r, q)
		defer cancel()
		if err != nil {
			return err
		}
		defer answer.Close()
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		return pass(w, answer)
	}
}

// options reads those options of a request that mean something here: how long
// the query may take and what time it is to it.
func (q *QueryRequest) options(p kustoProperties) error {
	if v, ok := p.Options["servertimeout"]; ok {
		d, err := schema.ParseSpan(plainText(v))
		if err != nil || d <= 0 {
			return badArgument("The option servertimeout, %.40s, is no timespan such as 00:04:00.", plainText(v))
		}
		q.Wait = min(time.Duration(min(int64(d), int64(maxWait)/100))*100, maxWait)
	}
	if p.is("norequesttimeout") {
		q.Wait = maxWait
	}
	for _, name := range []string{"query_now", "request_now"} {
		if v, ok := p.Options[name]; ok {
			t, err := schema.ParseTicks(plainText(v))
			if err != nil {
				return badArgument("The option %s, %.40s, is no datetime.", name, plainText(v))
			}
			q.Now = t
		}
	}
	return nil
}

// database finds the workspace that a request means and that the caller may
// query: that of the host, or else by name, customer id or resource id.
func (s *server) database(r *http.Request, name string) (control.Workspace, error) {
	label, _, _ := strings.Cut(hostname(r), ".")
	own := uuid.Validate(label) == nil && len(label) == 36 && !s.mainHost(hostname(r))
	if own {
		v, err := s.queryable(r, label)
		if err == nil && name != "" && !strings.EqualFold(name, "NetDefaultDB") && !sameDatabase(v, name) {
			return v, noDatabase(name)
		}
		return v, noEntity(err, label)
	}
	if strings.HasPrefix(name, "/") || uuid.Validate(name) == nil {
		v, err := s.queryable(r, name)
		return v, noEntity(err, name)
	}
	all, err := s.databases(r)
	if err != nil {
		return control.Workspace{}, err
	}
	var found []control.Workspace
	for _, v := range all {
		if name == "" || strings.EqualFold(name, "NetDefaultDB") || sameDatabase(v, name) {
			found = append(found, v)
		}
	}
	switch len(found) {
	case 0:
		return control.Workspace{}, noDatabase(name)
	case 1:
		return found[0], nil
	}
	return control.Workspace{}, badArgument("There are %d workspaces that '%.100s' may mean; name the database by its customer id or its resource id.", len(found), name)
}

func sameDatabase(v control.Workspace, name string) bool {
	return strings.EqualFold(v.ID.Name(), name) || strings.EqualFold(string(v.CustomerID), name) || strings.EqualFold(v.ID.String(), name)
}

func noDatabase(name string) error {
	return fault.New(fault.PathNotFound, "Entity ID '%.100s' of kind 'Database' was not found. Databases are workspaces; .show databases lists those that you may query.", name)
}

// noEntity words in this protocol that a workspace is not there.
func noEntity(err error, name string) error {
	if errors.Is(err, fault.PathNotFound) {
		return noDatabase(name)
	}
	return err
}

// databases are the workspaces that the caller may query: that of the host,
// or all.
func (s *server) databases(r *http.Request) ([]control.Workspace, error) {
	label, _, _ := strings.Cut(hostname(r), ".")
	if uuid.Validate(label) == nil && len(label) == 36 {
		v, err := s.queryable(r, label)
		return []control.Workspace{v}, noEntity(err, label)
	}
	all, err := s.Control.Workspaces(r.Context(), resource.Root())
	if err != nil {
		return nil, err
	}
	var out []control.Workspace
	for _, v := range all {
		if v.Tenant != callerOf(r).Tenant {
			continue
		}
		may, err := s.Access.Decide(r.Context(), callerOf(r), "Microsoft.OperationalInsights/workspaces/query/read", false, v.ID.String())
		if err != nil {
			return nil, err
		}
		if may {
			out = append(out, v)
		}
	}
	return out, nil
}
