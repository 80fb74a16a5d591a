package api

import (
	"errors"
	"net/http"
	"strings"

	"logkeep/internal/catalog"
	"logkeep/internal/fault"
	"logkeep/internal/resource"
)

// Conditional requests. A read that names the version that it has is answered
// 304 while that is the newest; a write that names the version that it is based
// on, or none with If-None-Match: *, is made only if that still holds, in the
// transaction that makes it. HEAD tells whether a resource is there.

// etagged tells the client which version of a resource it is reading.
func etagged(w http.ResponseWriter, e resource.ETag) {
	if e != "" {
		w.Header().Set("ETag", `"`+string(e)+`"`)
	}
}

// expect prepares the answer of a read for what the request asks of it.
func (a *answer) expect(r *http.Request, c *compiled, path []string) {
	switch {
	case c.method != http.MethodGet:
	case r.Method == http.MethodHead:
		id, err := resource.Parse("/" + strings.Join(path, "/"))
		a.exists = err == nil && id.Name() != "" && !c.face.dialect.unversioned
	case r.Method == http.MethodGet:
		a.known = r.Header.Get("If-None-Match")
	}
}

// condition is the status with which an answer of this status leaves.
func (a *answer) condition(status int) int {
	if status != http.StatusOK {
		return status
	}
	h := a.Header()
	switch tag := h.Get("ETag"); {
	case a.exists:
		status = http.StatusNoContent
	case a.known != "" && tag != "" && resource.ETag(unquote(tag)).Matches(a.known):
		status = http.StatusNotModified
	default:
		return status
	}
	h.Del("Content-Length")
	h.Del("Content-Type")
	return status
}

func unquote(tag string) string {
	if len(tag) > 1 && tag[0] == '"' {
		return tag[1 : len(tag)-1]
	}
	return tag
}

// conditional carries the condition of a write to the transaction that makes
// it. Only resources of the catalog have versions; elsewhere headers that name
// one are ignored, as they always were.
func conditional(r *http.Request, path []string) (*http.Request, error) {
	match, none := r.Header.Get("If-Match"), r.Header.Get("If-None-Match")
	if r.Method == http.MethodGet || r.Method == http.MethodHead || match == "" && none == "" {
		return r, nil
	}
	if none != "" && (none != "*" || match != "") {
		return nil, fault.New(fault.InvalidParameter, "A write takes If-Match with a version, or If-None-Match: * for a resource that must not exist yet.").WithTarget("If-None-Match")
	}
	id, err := resource.Parse("/" + strings.Join(path, "/"))
	if err != nil {
		return r, nil //nolint:nilerr // an action or a list: it has no version
	}
	ctx := catalog.WithPrecondition(r.Context(), id.String(), func(old catalog.Resource, exists bool) bool {
		if none != "" {
			return !exists
		}
		return exists && resource.ETag(old.ETag).Matches(match)
	})
	return r.WithContext(ctx), nil
}

// stale words a condition that did not hold.
func stale(err error) error {
	if errors.Is(err, catalog.ErrPrecondition) {
		return fault.New(fault.PreconditionFailed, "The condition of the request does not hold: the resource was changed, or made, or deleted since. Read it again.").Because(err)
	}
	return err
}
