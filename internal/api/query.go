package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"logkeep/internal/control"
	"logkeep/internal/entra"
	"logkeep/internal/fault"
	"logkeep/internal/rbac"
	"logkeep/internal/resource"
	"logkeep/internal/schema"
)

// A QueryRequest is a query over workspaces that the caller may query.
type QueryRequest struct {
	Caller      rbac.Caller
	Workspaces  []control.Workspace // the first is the one that was asked
	Text        string
	Now         schema.Ticks
	From, To    schema.Ticks // bounds of TimeGenerated; 0 is open
	Wait        time.Duration
	Statistics  bool
	Render      bool
	Correlation string
	Form        string            // of the answer: "" the query API's, "kusto1", "kusto2", "kusto2fragments"
	Parameters  map[string]string // of the text's query_parameters

	// MayRead tells whether the caller may read a table of a workspace.
	MayRead func(ctx context.Context, workspace control.Workspace, table schema.TableName) (bool, error)
}

// A Querier answers queries. The answer is the body of a 200: a JSON object
// with tables. The caller closes it. Reading it may still fail, after which
// what was read is worth nothing.
type Querier interface {
	Query(ctx context.Context, q QueryRequest) (io.ReadCloser, error)
}

const (
	defaultWait = 3 * time.Minute
	maxWait     = 10 * time.Minute
	maxQuery    = 2 << 20 // bytes of a request
	maxBatch    = 100     // queries of a batch
	maxTogether = 100     // workspaces of a query
)

// queryFaces serve queries: on their own host with and without /v1, on the
// main host with it.
func (s *server) queryFaces() []*face {
	host := "https://" + s.authority("api.loganalytics."+s.Domain)
	audiences := append(entra.QueryAudiences(host), s.armAudiences()...)
	var own, main []route
	for _, method := range []string{"GET", "POST"} {
		both := []route{
			// Who may query is asked at every workspace, which only the handlers know.
			{method: method, pattern: "/v1/workspaces/{workspace}/query", maxBody: maxQuery, handle: s.queryWorkspace},
			// The documented way to tables with the plans Basic and Auxiliary; they can be asked both ways.
			{method: method, pattern: "/v1/workspaces/{workspace}/search", maxBody: maxQuery, handle: s.queryWorkspace},
			{method: method, pattern: "/v1/{scope...}/query", maxBody: maxQuery, handle: s.queryResource},
		}
		main = append(main, both...)
		own = append(own, both...)
		own = append(own, route{method: method, pattern: "/workspaces/{workspace}/query", maxBody: maxQuery, handle: s.queryWorkspace},
			route{method: method, pattern: "/workspaces/{workspace}/search", maxBody: maxQuery, handle: s.queryWorkspace},
			route{method: method, pattern: "{scope...}/query", maxBody: maxQuery, handle: s.queryResource})
	}
	batch := route{method: "POST", pattern: "/v1/$batch", maxBody: maxQuery, handle: s.batch}
	main, own = append(main, batch), append(own, batch, route{method: "POST", pattern: "/$batch", maxBody: maxQuery, handle: s.batch})
	return []*face{
		{name: "query", hosts: s.below("loganalytics"), audiences: audiences, dialect: queryDialect, routes: own},
		{name: "query", hosts: s.mainHost, audiences: audiences, dialect: queryDialect, routes: main},
	}
}

// queryBody is a query as it is posted.
type queryBody struct {
	Query      string   `json:"query"`
	Timespan   *string  `json:"timespan"`
	Workspaces []string `json:"workspaces"`
}

func bodyOf(r *http.Request) (queryBody, error) {
	if r.Method == http.MethodGet {
		b := queryBody{Query: option(r, "query")}
		if t := option(r, "timespan"); t != "" {
			b.Timespan = &t
		}
		if w := option(r, "workspaces"); w != "" {
			b.Workspaces = strings.Split(w, ",")
		}
		return b, nil
	}
	var b queryBody
	if err := decode(r, &b); err != nil {
		f := fault.Of(err)
		if f.Code == fault.InvalidRequestContent {
			return b, badArgument("The request had some invalid properties. %s", f.Message)
		}
		return b, err
	}
	if t := option(r, "timespan"); t != "" && b.Timespan == nil {
		b.Timespan = &t
	}
	return b, nil
}

func badArgument(format string, args ...any) *fault.Error {
	return fault.New(fault.BadArgument, format, args...)
}

func (s *server) queryWorkspace(w http.ResponseWriter, r *http.Request) error {
	return s.query(w, r, r.PathValue("workspace"))
}

// queryResource is a query at a resource. The resources that have logs of
// their own are workspaces.
func (s *server) queryResource(w http.ResponseWriter, r *http.Request) error {
	return s.query(w, r, r.PathValue("scope"))
}

func (s *server) query(w http.ResponseWriter, r *http.Request, workspace string) error {
	body, err := bodyOf(r)
	if err != nil {
		return err
	}
	answer, cancel, err := s.ask(r, workspace, body, r.Header.Get("Prefer"))
	defer cancel()
	if err != nil {
		return err
	}
	defer answer.Close()
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	return pass(w, answer)
}

// pass copies an answer through one buffer, which is cleared.
func pass(w io.Writer, answer io.Reader) error {
	buffer := make([]byte, 64<<10)
	defer clear(buffer)
	for {
		n, err := answer.Read(buffer)
		if n > 0 {
			if _, err := w.Write(buffer[:n]); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// ask checks a query and who asks it, and begins it. cancel must be called
// when the answer was read; it is never nil.
func (s *server) ask(r *http.Request, workspace string, body queryBody, prefer string) (answer io.ReadCloser, cancel context.CancelFunc, err error) {
	cancel = func() {}
	q := QueryRequest{Caller: callerOf(r), Text: body.Query, Now: schema.TicksOf(time.Now())}
	if strings.TrimSpace(q.Text) == "" {
		return nil, cancel, badArgument("The request had some invalid properties: query is missing. Send {\"query\": \"…\"}.")
	}
	if err := q.preferences(prefer); err != nil {
		return nil, cancel, err
	}
	if body.Timespan != nil {
		if q.From, q.To, err = parseTimespan(*body.Timespan, q.Now); err != nil {
			return nil, cancel, badArgument("The timespan is not valid: %s", sentence(err))
		}
	}
	if len(body.Workspaces) > maxTogether {
		return nil, cancel, badArgument("A query can have %d workspaces, not %d.", maxTogether, len(body.Workspaces))
	}
	seen := map[schema.WorkspaceID]bool{}
	for _, name := range append([]string{workspace}, body.Workspaces...) {
		v, err := s.queryable(r, name)
		if err != nil {
			return nil, cancel, err
		}
		if !seen[v.CustomerID] {
			seen[v.CustomerID] = true
			q.Workspaces = append(q.Workspaces, v)
		}
	}
	return s.begin(r, q)
}

// begin runs a query for as long as it may take. cancel must be called when
// the answer was read; it is never nil.
func (s *server) begin(r *http.Request, q QueryRequest) (answer io.ReadCloser, cancel context.CancelFunc, err error) {
	q.MayRead = func(ctx context.Context, w control.Workspace, t schema.TableName) (bool, error) {
		return s.mayReadTable(ctx, q.Caller, w.ID, t)
	}
	ctx, cancel := context.WithTimeout(r.Context(), q.Wait)
	leave, err := s.place(ctx, q.Caller.ObjectID)
	if err == nil {
		if answer, err = s.Query.Query(ctx, q); err != nil {
			leave()
		} else {
			answer = occupying{answer, leave}
		}
	}
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = fault.New(fault.QueryTimeout, "The query took longer than %s. Narrow it, or allow more with the header Prefer: wait=600.", q.Wait).Because(err)
	}
	return answer, cancel, err
}

// queryable finds a workspace, by its customer id or its resource id, that the
// caller may query. One of another tenant is not told from one that is not
// there.
func (s *server) queryable(r *http.Request, name string) (control.Workspace, error) {
	var v control.Workspace
	var err error
	switch {
	case strings.HasPrefix(name, "/"):
		id, bad := resource.Parse(name)
		if bad != nil || !id.Type().Equal(resource.Workspace) {
			return v, fault.New(fault.PathNotFound, "'%.200s' is not a workspace; only workspaces have logs here.", name)
		}
		v, err = s.Control.Workspace(r.Context(), id)
	case uuid.Validate(name) == nil && len(name) == 36:
		v, err = s.Control.WorkspaceByID(r.Context(), schema.WorkspaceID(strings.ToLower(name)))
	default:
		return v, fault.New(fault.PathNotFound, "'%.100s' is not the id of a workspace. Use properties.customerId or the resource id.", name)
	}
	if errors.Is(err, fault.WorkspaceNotFound) || err == nil && v.Tenant != callerOf(r).Tenant {
		return v, fault.New(fault.PathNotFound, "The workspace '%.200s' could not be found.", name)
	}
	if err != nil {
		return v, err
	}
	may, err := s.Access.Decide(r.Context(), callerOf(r), "Microsoft.OperationalInsights/workspaces/query/read", false, v.ID.String())
	if err == nil && !may {
		err = fault.New(fault.InsufficientAccess, "The provided credentials have insufficient access to perform the requested operation. Assign a role such as Log Analytics Reader at '%s'.", v.ID)
	}
	return v, err
}

// mayReadTable: who may query a workspace reads those of its tables that a role
// lets him read: all of them, as Reader and Log Analytics Reader do; one, by the
// action workspaces/query/{table}/read; or one, by a role on the table itself,
// such as Reader or Log Analytics Data Reader there, or a custom one with the
// action workspaces/tables/query/read (behaviour 22.1).
func (s *server) mayReadTable(ctx context.Context, who rbac.Caller, workspace resource.ID, t schema.TableName) (bool, error) {
	const provider = "Microsoft.OperationalInsights/workspaces"
	scope := workspace.Child("tables", string(t)).String()
	for _, action := range []string{"/query/" + string(t) + "/read", "/tables/query/read"} {
		if may, err := s.Access.Decide(ctx, who, provider+action, false, scope); err != nil || may {
			return may, err
		}
	}
	return s.Access.Decide(ctx, who, provider+"/tables/data/read", true, scope)
}

// preferences reads the header Prefer: wait=600,include-statistics=true.
func (q *QueryRequest) preferences(prefer string) error {
	q.Wait = defaultWait
	for part := range strings.FieldsFuncSeq(prefer, func(c rune) bool { return c == ',' || c == ';' || c == ' ' }) {
		name, value, _ := strings.Cut(part, "=")
		switch strings.ToLower(name) {
		case "wait":
			n, err := strconv.Atoi(value)
			if err != nil || n < 1 {
				return badArgument("Prefer: wait=%.20s is not a number of seconds.", value)
			}
			q.Wait = time.Duration(min(n, int(maxWait/time.Second))) * time.Second
		case "include-statistics":
			q.Statistics = strings.EqualFold(value, "true")
		case "include-render":
			q.Render = strings.EqualFold(value, "true")
		}
	}
	return nil
}

// parseTimespan reads P1D (up to now), start/end, start/PT1H and PT1H/end.
func parseTimespan(s string, now schema.Ticks) (from, to schema.Ticks, err error) {
	if s == "" {
		return 0, 0, nil
	}
	a, b, pair := strings.Cut(s, "/")
	if !pair {
		d, err := parseDuration(a)
		return back(now, d), now, err
	}
	start, err1 := schema.ParseTicks(a)
	end, err2 := schema.ParseTicks(b)
	switch {
	case err1 == nil && err2 == nil:
		if end < start {
			return 0, 0, errors.New("its end is before its start")
		}
		return start, end, nil
	case err1 == nil:
		d, err := parseDuration(b)
		return start, min(start+ticks(d), schema.MaxTicks), err
	case err2 == nil:
		d, err := parseDuration(a)
		return back(end, d), end, err
	}
	return 0, 0, errors.New("it is not P1D, start/end, start/PT1H or PT1H/end with ISO 8601 times")
}

func ticks(d time.Duration) schema.Ticks { return schema.Ticks(d / 100) }

func back(t schema.Ticks, d time.Duration) schema.Ticks { return max(t-ticks(d), schema.MinTicks) }
