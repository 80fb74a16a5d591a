package api

import (
	"context"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"

	"logkeep/internal/fault"
	"logkeep/internal/rbac"
	"logkeep/internal/resource"
)

type callerKey struct{}

func withCaller(ctx context.Context, c rbac.Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// callerOf is who sent r. Only handlers of routes that ask for a token may
// call it.
func callerOf(r *http.Request) rbac.Caller {
	c, ok := r.Context().Value(callerKey{}).(rbac.Caller)
	if !ok {
		panic("internal error: a public route asked for its caller")
	}
	return c
}

// authenticate reads the bearer token. No Authorization header and a wrong
// one are different faults.
func (s *server) authenticate(r *http.Request, f *face) (rbac.Caller, error) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if token = strings.TrimSpace(token); token == "" || !strings.EqualFold(scheme, "Bearer") {
		return rbac.Caller{}, fault.New(fault.AuthenticationFailed, "Authentication failed. The 'Authorization' header is missing or is not of the form 'Bearer TOKEN'. Get a token for %s.", f.audiences[0])
	}
	return s.Tokens.Verify(token, f.audiences)
}

// allow asks whether the caller of r may do action at scope.
func (s *server) allow(r *http.Request, action string, data bool, scope resource.ID) error {
	c := callerOf(r)
	ok, err := s.Access.Decide(r.Context(), c, action, data, scope.String())
	if err != nil {
		return err
	}
	if ok {
		return nil
	}
	what := "action, such as Contributor"
	if data {
		what = "data action, such as Monitoring Metrics Publisher for rows"
	}
	return fault.New(fault.AuthorizationFailed, "The client '%s' with object id '%s' does not have authorization to perform action '%s' over scope '%s' or the scope is invalid. Assign it a role that has the %s; if access was recently granted, get a new token.", c.AppID, c.ObjectID, action, scope, what)
}

// scopeOf is the resource that a path is about: the longest beginning of it
// that is a resource id. A collection is about what holds it, an action of a
// resource (…/sharedKeys) about the resource.
func scopeOf(path []string) resource.ID {
	for n := len(path); n > 0; n-- {
		if id, err := resource.Parse("/" + strings.Join(path[:n], "/")); err == nil {
			return id
		}
	}
	return resource.Root()
}

// idOf is the resource that r's path names as a whole.
func idOf(r *http.Request) (resource.ID, error) {
	path, err := segments(r.URL)
	if err != nil {
		return resource.ID{}, err
	}
	id, err := resource.Parse("/" + strings.Join(path, "/"))
	if err != nil {
		return resource.ID{}, fault.New(fault.BadRequest, "The path is no resource id. %s", sentence(err))
	}
	return id, nil
}

// holderOf is the resource whose collection, or whose action, r's path names.
func holderOf(r *http.Request) (resource.ID, error) {
	path, err := segments(r.URL)
	if err != nil || len(path) == 0 {
		return resource.ID{}, err
	}
	id, err := resource.Parse("/" + strings.Join(path[:len(path)-1], "/"))
	if err != nil {
		return resource.ID{}, fault.New(fault.BadRequest, "The path is no resource id. %s", sentence(err))
	}
	return id, nil
}

// sentence makes a sentence for callers of an error text of ours.
func sentence(err error) string {
	s := err.Error()
	return strings.ToUpper(s[:1]) + s[1:] + "."
}

var apiVersion = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^20\d\d-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])(-[A-Za-z0-9.]{1,20})?$`)
})

// checkVersion accepts every well-formed api-version (decisions 9).
func checkVersion(q url.Values) error {
	v := versionOf(q)
	if v == "" {
		return fault.New(fault.InvalidApiVersionParameter, "The api-version query parameter (?api-version=) is required for all requests. Add one such as api-version=2023-09-01.")
	}
	if !apiVersion().MatchString(v) {
		return fault.New(fault.InvalidApiVersionParameter, "The api-version '%.40s' is invalid. Write a date, with a suffix if it is a preview: api-version=2023-09-01.", v)
	}
	return nil
}

// versionOf reads api-version; its name is compared without regard to case,
// as ARM does.
func versionOf(q url.Values) string {
	for name, v := range q {
		if strings.EqualFold(name, "api-version") && len(v) > 0 {
			return v[0]
		}
	}
	return ""
}
