package api

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"logkeep/internal/fault"
	"logkeep/internal/resource"
)

// A handler answers a request or returns the fault that does.
type handler func(w http.ResponseWriter, r *http.Request) error

// A route is one row of a face's table.
type route struct {
	method  string
	pattern string // "/a/{name}/b"; one "{scope...}" stands for any id, the empty one included
	action  string // what the caller must be allowed; "" any caller with a token
	data    bool   // action is a data action
	public  bool   // no token is asked for
	anyTime bool   // no api-version is asked for
	maxBody int64  // 0: maxBody
	handle  handler
}

// maxBody bounds control-plane bodies: the biggest documented one, a vault
// with 1,024 access policies, has about 400 KiB.
const maxBody = 4 << 20

// A face is a host's share of the API.
type face struct {
	name      string
	hosts     func(host string) bool
	audiences []string
	dialect   dialect
	routes    []route
	compiled  []compiled
	byLength  [][]*compiled // those that a path of as many segments may match; of longer ones, the last
}

type compiled struct {
	*route
	face   *face
	scope  bool     // has {scope...}, after prefix
	prefix []string // lower-case literals
	parts  []string // "{name}" or lower-case literal
}

type router struct {
	*server
	faces []*face
}

func newRouter(s *server, faces []*face) *router {
	for _, f := range faces {
		for i := range f.routes {
			c := compiled{route: &f.routes[i], face: f}
			parts := split(c.pattern)
			if i := slices.Index(parts, "{scope...}"); i >= 0 {
				c.scope, c.prefix, parts = true, parts[:i], parts[i+1:]
			}
			for j, p := range parts {
				if !strings.HasPrefix(p, "{") {
					parts[j] = strings.ToLower(p)
				}
			}
			c.parts = parts
			f.compiled = append(f.compiled, c)
		}
		f.sort()
	}
	return &router{s, faces}
}

// sort puts the routes where a path finds them.
func (f *face) sort() {
	longest := 0
	for i := range f.compiled {
		longest = max(longest, len(f.compiled[i].parts))
	}
	f.byLength = make([][]*compiled, longest+2)
	for n := range f.byLength {
		for i := range f.compiled {
			if c := &f.compiled[i]; c.scope || len(c.parts) == n {
				f.byLength[n] = append(f.byLength[n], c)
			}
		}
	}
}

// split cuts a path at slashes and drops empty segments.
func split(path string) []string {
	parts := make([]string, 0, 16)
	for part := range strings.SplitSeq(path, "/") {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}

// match compares path segments and returns the values of names; literal is
// the number of literal segments, by which the more exact of two routes wins.
// Most routes do not match: nothing is made before one does.
func (c *compiled) match(path []string) (values [][2]string, literal int, ok bool) {
	start := 0
	if c.scope {
		first := len(c.prefix)
		start = len(path) - len(c.parts)
		if start < first || (start-first)%2 != 0 { // ids have pairs of segments
			return nil, 0, false
		}
		for i, p := range c.prefix {
			if !strings.EqualFold(p, path[i]) {
				return nil, 0, false
			}
		}
	} else if len(path) != len(c.parts) {
		return nil, 0, false
	}
	for i, p := range c.parts {
		if p[0] == '{' {
			continue
		}
		if !strings.EqualFold(p, path[start+i]) {
			return nil, 0, false
		}
		literal++
	}
	if c.scope {
		values = append(values, [2]string{"scope", "/" + strings.Join(path[len(c.prefix):start], "/")})
	}
	for i, p := range c.parts {
		if p[0] == '{' {
			values = append(values, [2]string{p[1 : len(p)-1], path[start+i]})
		}
	}
	return values, literal, true
}

// find returns the best route for the method, or the methods that the path
// has. f is the face that answers for the host when there is none.
func (rt *router) find(method, host string, path []string) (best *compiled, values [][2]string, allow []string, f *face) {
	rank := -2
	for _, candidate := range rt.faces {
		if !candidate.hosts(host) {
			continue
		}
		if f == nil {
			f = candidate
		}
		for _, c := range candidate.byLength[min(len(path), len(candidate.byLength)-1)] {
			v, literal, ok := c.match(path)
			if !ok {
				continue
			}
			if c.method != method {
				allow = append(allow, c.method)
				if c.method != http.MethodGet || method != http.MethodHead {
					continue
				}
				literal-- // a route of its own wins
			}
			if c.scope {
				literal = min(literal, 0) // a route written for one resource wins over one for any
			}
			if literal > rank {
				best, values, rank = c, v, literal
			}
		}
	}
	if slices.Contains(allow, http.MethodGet) {
		allow = append(allow, http.MethodHead)
	}
	slices.Sort(allow)
	return best, values, slices.Compact(allow), f
}

func (rt *router) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a := newAnswer(w, r)
	defer func() { a.telling.end(r.Context(), a.status) }()
	defer rt.recover(a, r)
	body := pace(w, r)
	path, err := segments(r.URL)
	best, values, allow, f := rt.find(r.Method, hostname(r), path)
	switch {
	case f == nil:
		err = fault.New(fault.NotFound, "No service answers for the host %q.", hostname(r))
	case err != nil:
		a.face = f
	case best == nil && len(allow) > 0 && r.Method == http.MethodOptions:
		w.Header().Set("Allow", strings.Join(append(allow, http.MethodOptions), ", "))
		w.WriteHeader(http.StatusNoContent)
		return
	case best == nil && len(allow) > 0:
		a.face = f
		w.Header().Set("Allow", strings.Join(allow, ", "))
		err = fault.New(fault.MethodNotAllowed, "The method %s is not supported here; use %s.", r.Method, strings.Join(allow, " or "))
	case best == nil:
		a.face = f
		err = f.dialect.unknown(path)
	default:
		a.face = best.face
		for _, v := range values {
			r.SetPathValue(v[0], v[1])
		}
		limit := best.maxBody
		if limit == 0 {
			limit = maxBody
		}
		r.Body = http.MaxBytesReader(w, r.Body, limit)
		a.expect(r, best, path)
		var asked *http.Request
		if asked, err = conditional(r, path); err == nil {
			err = stale(rt.serve(a, asked, best, path))
		}
	}
	if err != nil {
		rt.fail(a, r, cmp.Or(body.fault(w), err))
		return
	}
	rt.Log.Debug("served", "method", r.Method, "path", r.URL.Path, "status", a.status, "correlation", a.correlation)
}

// scoped tells whether anything before the handler asks which resource a path is about.
// Rows come to paths that are about none.
func (c *compiled) scoped() bool { return c.action != "" || c.face.name == "arm" || c.told() }

// serve takes the steps that come before a handler.
func (rt *router) serve(a *answer, r *http.Request, c *compiled, path []string) error {
	if !c.public {
		caller, err := rt.authenticate(r, c.face)
		if err != nil {
			return err
		}
		r = r.WithContext(withCaller(r.Context(), caller))
	}
	if !c.anyTime && !c.face.dialect.unversioned {
		if err := checkVersion(r.URL.Query()); err != nil {
			return err
		}
	}
	var scope resource.ID
	if c.scoped() {
		scope = scopeOf(path)
	}
	if !c.public {
		if err := rt.count(a, r, c, scope); err != nil {
			return err
		}
	}
	if c.action != "" {
		if err := rt.allow(r, c.action, c.data, scope); err != nil {
			rt.denied(&a.telling, r, c, scope, a.correlation)
			return err
		}
	}
	r, err := rt.tell(&a.telling, r, c, scope, a.correlation)
	if err != nil {
		return err
	}
	return c.handle(a, r)
}

// segments decodes the raw path, one segment at a time, so that an escaped
// slash stays inside its segment and is refused there.
func segments(u *url.URL) ([]string, error) {
	parts := split(u.EscapedPath())
	for i, p := range parts {
		v, err := url.PathUnescape(p)
		if err != nil || strings.ContainsAny(v, "/\\") || strings.ContainsFunc(v, func(r rune) bool { return r < ' ' || r == 0x7f }) || v == "." || v == ".." {
			return nil, fault.New(fault.BadRequest, "Segment %d of the path is not valid; names can't have slashes or control characters.", i+1)
		}
		parts[i] = v
	}
	return parts, nil
}
