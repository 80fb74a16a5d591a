package api

import (
	"net/http"
	"net/url"
	"time"

	"logkeep/internal/catalog"
	"logkeep/internal/control"
	"logkeep/internal/fault"
	"logkeep/internal/resource"
)

// Long-running operations. An answer to begun work is 202 with the resource,
// the URL of the operation's status, the URL of its result, and Retry-After,
// without which a client sleeps for half a minute.

// soon is how long a request waits for work that is usually done at once.
const soon = 2 * time.Second

func (s *server) operationRoutes() []route {
	const at = "/subscriptions/{subscription}/providers/Microsoft.OperationalInsights/locations/{location}"
	return []route{
		// Who may read the resource may read its operation: see operation.
		{method: "GET", pattern: at + "/operationStatuses/{operation}", handle: s.getOperation},
		{method: "GET", pattern: at + "/operationResults/{operation}", handle: s.getResult},
	}
}

// begun answers with the headers of a running operation.
func begun(w http.ResponseWriter, r *http.Request, o control.Operation, body any) error {
	operationHeaders(w, r, o)
	return writeJSON(w, http.StatusAccepted, body)
}

func operationHeaders(w http.ResponseWriter, r *http.Request, o control.Operation) {
	at := base(r) + "/subscriptions/" + o.Resource.Subscription() + "/providers/Microsoft.OperationalInsights/locations/" + o.Location
	version := "?api-version=" + url.QueryEscape(versionOf(r.URL.Query()))
	w.Header().Set("Azure-AsyncOperation", at+"/operationStatuses/"+o.ID+version)
	w.Header().Set("Location", at+"/operationResults/"+o.ID+version)
	w.Header().Set("Retry-After", "1")
}

// operation reads the operation in the path for a caller who may read what it
// works on.
func (s *server) operation(r *http.Request) (control.Operation, error) {
	o, err := s.Control.Operation(r.Context(), r.PathValue("subscription"), r.PathValue("operation"))
	if err != nil {
		return o, err
	}
	return o, s.allow(r, string(o.Resource.Type())+"/read", false, o.Resource)
}

type operationView struct {
	ID        string         `json:"id"`
	Name      string         `json:"name"`
	Status    catalog.Status `json:"status"`
	StartTime string         `json:"startTime"`
	EndTime   string         `json:"endTime,omitempty"`
	Error     *fault.Error   `json:"error,omitempty"`
	// Properties are empty. A client that waits for the end of a link reads the
	// link's properties from the last status.
	Properties *struct{} `json:"properties,omitempty"`
}

func (s *server) getOperation(w http.ResponseWriter, r *http.Request) error {
	o, err := s.operation(r)
	if err != nil {
		return err
	}
	v := operationView{ID: r.URL.Path, Name: o.ID, Status: o.Status, StartTime: stamp(o.Started), Error: o.Fault}
	if o.Over() {
		if v.EndTime = stamp(o.Ended); o.Fault == nil {
			v.Properties = &struct{}{}
		}
	} else {
		w.Header().Set("Retry-After", "1")
	}
	return writeJSON(w, http.StatusOK, v)
}

// getResult answers 202 while the operation runs, then as the request itself
// would have, had it waited.
func (s *server) getResult(w http.ResponseWriter, r *http.Request) error {
	o, err := s.operation(r)
	switch {
	case err != nil:
		return err
	case !o.Over():
		operationHeaders(w, r, o)
		w.WriteHeader(http.StatusAccepted)
		return nil
	case o.Fault != nil:
		return o.Fault
	case o.Deletes():
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	v, err := s.view(r, o.Resource)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, v)
}

// view renders a resource that operations work on.
func (s *server) view(r *http.Request, id resource.ID) (any, error) {
	switch {
	case id.Type().Equal(resource.Cluster):
		c, err := s.Control.Cluster(r.Context(), id)
		if err != nil {
			return nil, err
		}
		return s.viewCluster(r, c)
	case id.Type().Equal(resource.Workspace):
		v, err := s.Control.Workspace(r.Context(), id)
		return s.viewWorkspace(v), err
	case id.Type().Equal(resource.LinkedService):
		v, err := s.Control.Workspace(r.Context(), id.Parent())
		if err == nil && v.Link == nil {
			err = notLinked(v)
		}
		if err != nil {
			return nil, err
		}
		return viewLink(v), nil
	}
	return nil, fault.New(fault.ResourceNotFound, "The resource '%s' has no result to show.", id)
}

// settled waits a little for an operation that is usually quick and says
// whether it is over. Its failure is the error.
func (s *server) settled(r *http.Request, o control.Operation) (bool, error) {
	o, err := s.Control.Await(r.Context(), o, soon)
	if err == nil && o.Fault != nil {
		err = o.Fault
	}
	return o.Over(), err
}

// stamp writes a time as most of ARM does.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.0000000Z") }

// isoClusters is the api-version from which clients read the dates of clusters
// as ISO 8601; older ones know them as RFC 1123.
const isoClusters = "2025-07-01"

// clusterDate is how r's client reads the dates of clusters.
func clusterDate(r *http.Request) func(time.Time) string {
	layout := http.TimeFormat
	if versionOf(r.URL.Query()) >= isoClusters {
		layout = time.RFC3339
	}
	return func(t time.Time) string {
		if t.IsZero() {
			t = time.Unix(0, 0)
		}
		return t.UTC().Format(layout)
	}
}
