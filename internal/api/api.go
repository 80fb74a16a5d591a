// Package api is the HTTP faces of the keeper: ARM, Entra, Graph, ingestion
// and query. It turns requests into calls of services and answers and faults
// into bytes, and decides nothing else.
//
// A face is a host name's share of the API: which hosts, which token
// audiences, which dialect of errors, and a table of routes. A route is a
// value: method, pattern, the action a caller must be allowed, the handler.
// One request takes these steps, in this order, and stops at the first fault:
//
//	host → face → route by the raw path → token → api-version → action at scope → handler
//
// Paths are routed as they came, never redirected: clients send empty
// segments ("//subscriptions/…") and every casing of the same id. To add a
// resource: a method of server that returns its routes, one line in faces.
package api

import (
	"cmp"
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"

	"logkeep/internal/control"
	"logkeep/internal/rbac"
)

// A Verifier reads a bearer token meant for one of the audiences. Its errors
// are faults.
type Verifier interface {
	Verify(token string, audiences []string) (rbac.Caller, error)
}

// An Authorizer decides whether caller may do action (a data action, if data)
// at scope, a resource id.
type Authorizer interface {
	Decide(ctx context.Context, caller rbac.Caller, action string, data bool, scope string) (bool, error)
}

// Deps is what the faces stand on.
type Deps struct {
	Domain string // NAME: the faces are served at NAME, localhost and below NAME
	Port   int    // the port that clients use, for token audiences
	Log    *slog.Logger
	// Sandbox says what confines workers on this machine.
	Sandbox string
	Tokens  Verifier
	Access  Authorizer

	Identity Identity // without an Issuer its faces are not served

	Control *control.Service // nil: its faces are not served
	Vaults  Vaults           // nil: no vault resources
	Ingest  Ingester         // nil: no rows are taken
	Query   Querier          // nil: no queries

	Shared    SharedKeys // nil: no shared keys
	Collector Collector  // nil, or without Shared: no rows that are signed with one

	Evidence Evidence // nil: no census and no coverage
	Reports  Reports  // nil: no reports of drills

	Throttling *Throttling // nil: nobody is

	Activity Activity // nil: writes are told to nobody

	// Metrics writes the server's metrics; nil: there are none.
	Metrics func(w io.Writer) error

	Caps Caps // nil: workspaces have not been counted
}

// Caps tells how a workspace stands to its daily cap: dailycap.Meter.
type Caps interface {
	State(w control.Workspace) string
	Used(w control.Workspace) int64 // bytes taken in since midnight
}

// Evidence tells what lies at rest and under which keys.
type Evidence interface {
	Census(ctx context.Context, c control.Cluster) (control.Census, error)
	Coverage(ctx context.Context, c control.Cluster) (control.Coverage, error)
	KeyEvents(ctx context.Context, c control.Cluster) (control.KeyEvents, error)
}

// server holds the dependencies; its methods are the handlers.
type server struct {
	Deps
	pageKey [32]byte // of the tokens of pages
	intake  intake   // of rows
}

// New returns the handler of every face.
func New(d Deps) http.Handler {
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	d.Domain = strings.ToLower(d.Domain)
	s := &server{Deps: d, intake: newIntake()}
	rand.Read(s.pageKey[:]) // never fails
	return newRouter(s, s.faces())
}

// faces is the table of contents of the API. Where two faces share a host,
// routes of both are served; the first face's dialect answers what no route
// matches.
func (s *server) faces() []*face {
	var all []*face
	if s.Identity.Issuer != nil {
		all = append(all, s.identityFaces()...)
	}
	if s.Control != nil {
		all = append(all, s.controlFaces()...)
	}
	return all
}

// controlFaces are the faces of clusters, workspaces and vaults, and those
// that take rows and answer queries.
func (s *server) controlFaces() []*face {
	arm := join(s.operationRoutes(), s.clusterRoutes(), s.workspaceRoutes(), s.workspaceAboutRoutes(), s.tableRoutes(), s.purgeRoutes(), s.searchRoutes(), s.linkedStorageRoutes(), s.collectionRoutes())
	if s.Activity != nil {
		arm = append(arm, s.activityRoutes()...)
	}
	if s.Evidence != nil {
		arm = append(arm, s.evidenceRoutes()...)
	}
	if s.Evidence != nil && s.Reports != nil {
		arm = append(arm, s.drillRoutes()...)
	}
	if s.Metrics != nil {
		arm = append(arm, s.metricsRoutes()...)
	}
	if s.Vaults != nil {
		arm = append(arm, s.vaultRoutes()...)
		arm = append(arm, s.vaultKeyRoutes()...)
		arm = append(arm, s.diagnosticRoutes()...)
	}
	if s.Shared != nil {
		arm = append(arm, s.sharedKeyRoutes()...)
	}
	all := []*face{{name: "arm", hosts: s.mainHost, audiences: s.armAudiences(), dialect: armDialect, routes: arm}}
	if s.Ingest != nil {
		all = append(all, s.ingestFace())
	}
	if s.Collector != nil && s.Shared != nil {
		all = append(all, s.collectorFace())
	}
	if s.Query != nil {
		all = append(all, s.queryFaces()...)
		all = append(all, s.kustoFaces()...)
	}
	return all
}

// mainHost matches the hosts of ARM, Entra and Graph: all that are not
// somebody else's below NAME, so that an address works, too.
func (s *server) mainHost(host string) bool {
	return !strings.HasSuffix(host, "."+s.Domain)
}

// below matches one label below {what}.NAME.
func (s *server) below(what string) func(string) bool {
	suffix := "." + what + "." + s.Domain
	return func(host string) bool {
		label, ok := strings.CutSuffix(host, suffix)
		return ok && label != "" && !strings.Contains(label, ".")
	}
}

// hostname is the host that the client used, in lower case and without port.
func hostname(r *http.Request) string {
	h := r.Host
	if name, _, err := net.SplitHostPort(h); err == nil {
		h = name
	}
	return strings.ToLower(strings.TrimSuffix(strings.Trim(h, "[]"), "."))
}

// base is the URL that the client used up to the path, for the absolute URLs
// of answers. The keeper terminates TLS itself, so there is only one scheme.
func base(r *http.Request) string { return "https://" + cmp.Or(r.Host, "localhost") }
