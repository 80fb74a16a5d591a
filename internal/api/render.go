package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"runtime/debug"
	"strconv"

	"github.com/google/uuid"

	"logkeep/internal/fault"
)

// expected are faults with statuses above 499 that are no failure of ours: a
// key that is away, and clients that are told to wait.
var expected = map[fault.Code]bool{
	fault.CustomerManagedKeyRevoked: true, fault.CustomerManagedKeyUnreachable: true, fault.ServiceUnavailable: true, fault.GatewayTimeout: true, fault.QueryTimeout: true,
}

// A dialect is how a face tells its faults.
type dialect struct {
	unversioned bool               // requests have no api-version
	status      map[fault.Code]int // where the face's documents give a code another status than the table
	retry       map[fault.Code]int // and another Retry-After
	body        func(f *fault.Error, correlation string) any
	unknown     func(path []string) error // nothing is served at path
	challenge   func(r *http.Request) string
}

// answer is the status and the Retry-After of a fault.
func (d dialect) answer(f *fault.Error) (status, retry int) {
	status, retry = f.Status(), f.RetryAfter()
	if v, ok := d.status[f.Code]; ok {
		status = v
	}
	if v, ok := d.retry[f.Code]; ok {
		retry = v
	}
	return status, retry
}

// answer is the ResponseWriter of one request. It knows whether the answer
// has begun: then a fault can only cut it off.
type answer struct {
	http.ResponseWriter
	face        *face
	correlation string
	status      int

	telling telling

	exists bool   // HEAD of a resource: it is there, or not
	known  string // If-None-Match of a read: what the client has
}

func newAnswer(w http.ResponseWriter, r *http.Request) *answer {
	id := r.Header.Get("x-ms-correlation-request-id")
	if uuid.Validate(id) != nil {
		id = uuid.NewString()
	}
	h := w.Header()
	h.Set("x-ms-request-id", uuid.NewString())
	h.Set("x-ms-correlation-request-id", id)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if client := r.Header.Get("x-ms-client-request-id"); uuid.Validate(client) == nil {
		h.Set("x-ms-client-request-id", client)
	}
	return &answer{ResponseWriter: w, correlation: id}
}

func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		status = a.condition(status)
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(b []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	if a.status == http.StatusNoContent || a.status == http.StatusNotModified {
		return len(b), nil // what the request asked for has no body
	}
	return a.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// fail is the only writer of error bodies, and the only place that logs them.
func (s *server) fail(a *answer, r *http.Request, err error) {
	f := fault.Of(err)
	d := armDialect
	if a.face != nil {
		d = a.face.dialect
	}
	status, retry := d.answer(f)
	a.telling.fault = f.Innermost()
	attrs := []any{"method", r.Method, "path", r.URL.Path, "status", status, "code", f.Innermost(), "correlation", a.correlation}
	switch {
	case status < 500 || expected[f.Innermost()]:
		s.Log.Info("request refused", append(attrs, "message", f.Message, "cause", f.Cause())...)
	case r.Context().Err() != nil && errors.Is(err, context.Canceled):
		s.Log.Info("the client left before its answer", attrs...)
	default:
		s.Log.Error("request failed", append(attrs, "cause", f.Cause())...)
	}
	if a.status != 0 {
		panic(http.ErrAbortHandler) // the answer has begun: cut it, so that nobody takes it for whole
	}
	h := a.Header()
	h.Set("x-ms-error-code", string(f.Innermost()))
	if retry > 0 {
		h.Set("Retry-After", strconv.Itoa(retry))
	}
	if status == http.StatusUnauthorized && d.challenge != nil {
		h.Set("WWW-Authenticate", d.challenge(r))
	}
	_ = writeJSON(a, status, d.body(f, a.correlation)) // the client is gone, if this fails
}

// recover turns a panic into an internal error and keeps the server running.
func (s *server) recover(a *answer, r *http.Request) {
	p := recover()
	if p == nil {
		return
	}
	if p == http.ErrAbortHandler { //nolint:errorlint // recovered values are compared
		panic(p)
	}
	s.Log.Error("panic", "value", p, "stack", string(debug.Stack()))
	s.fail(a, r, errors.New("internal error: panic"))
}

// armBody is the body of ARM's errors: code, message, target, details.
func armBody(f *fault.Error, _ string) any {
	if f.Details == nil {
		g := *f
		g.Details = []*fault.Error{} // az reads details without looking whether it is there
		f = &g
	}
	return map[string]any{"error": struct {
		Code    fault.Code     `json:"code"`
		Message string         `json:"message"`
		Target  string         `json:"target,omitempty"`
		Details []*fault.Error `json:"details"`
		Inner   *fault.Error   `json:"innererror,omitempty"`
	}{f.Code, f.Message, f.Target, f.Details, f.Inner}}
}

// writeJSON writes v as the whole answer.
func writeJSON(w http.ResponseWriter, status int, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(status)
	_, err = w.Write(b)
	return err
}

// page is the body of a list that is always short; see writePage for others.
func page[T any](items []T) any {
	if items == nil {
		items = []T{}
	}
	return map[string]any{"value": items}
}

// readBody reads the whole body of a control-plane request.
func readBody(r *http.Request) ([]byte, error) {
	b, err := io.ReadAll(r.Body)
	if big, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, fault.New(fault.RequestEntityTooLarge, "The body is larger than %d bytes.", big.Limit)
	}
	if err != nil {
		return nil, fault.New(fault.BadRequest, "The body could not be read to its end.").Because(err)
	}
	return b, nil
}

// decode reads the body, one JSON object, into v. Unknown properties are
// ignored: clients send back what they read.
func decode(r *http.Request, v any) error {
	b, err := readBody(r)
	if err != nil {
		return err
	}
	return decodeBytes(b, v)
}

func decodeBytes(b []byte, v any) error {
	b = trimBOM(b)
	if len(b) == 0 {
		return fault.New(fault.InvalidRequestContent, "The body of the request is null or in bad format. Send a JSON object.")
	}
	err := json.Unmarshal(b, v)
	if err == nil {
		if string(b) == "null" || b[0] != '{' {
			return fault.New(fault.InvalidRequestContent, "The body of the request is null or in bad format. Send a JSON object.")
		}
		return nil
	}
	if e, ok := errors.AsType[*fault.Error](err); ok {
		return e // a value that knows what is wrong with it
	}
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && e.Field != "" {
		return fault.New(fault.InvalidRequestContent, "The body of the request is null or in bad format: property '%s' can't be a JSON %s.", e.Field, e.Value).WithTarget(e.Field)
	}
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fault.New(fault.InvalidRequestContent, "The body of the request is null or in bad format: it is not JSON at byte %d.", e.Offset)
	}
	return fault.New(fault.InvalidRequestContent, "The body of the request is null or in bad format. Send a JSON object.").Because(err)
}

// trimBOM drops white space around a body and the byte order mark that
// PowerShell writes before it.
func trimBOM(b []byte) []byte {
	if len(b) >= 3 && b[0] == 0xEF && b[1] == 0xBB && b[2] == 0xBF {
		b = b[3:]
	}
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t' || b[0] == '\r' || b[0] == '\n') {
		b = b[1:]
	}
	return b
}
