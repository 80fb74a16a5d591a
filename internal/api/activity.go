package api

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"logkeep/internal/activity"
	"logkeep/internal/control"
	"logkeep/internal/fault"
	"logkeep/internal/resource"
	"logkeep/internal/schema"
)

// Activity keeps the log of writes: activity.Journal.
type Activity interface {
	Begin(ctx context.Context, e activity.Event) error
	End(ctx context.Context, e activity.Event)
	Events(ctx context.Context, q activity.Question) ([]activity.Record, error)
}

// A telling is the story of one write, while it happens. The zero one tells
// nothing.
type telling struct {
	to    Activity
	event activity.Event
	trace control.Trace
	fault fault.Code
}

// told reports whether requests of the route are in the activity log: writes
// and actions of resources, by whatever name ARM knows them.
func (c *compiled) told() bool {
	return c.face.name == "arm" && c.method != http.MethodGet && c.method != http.MethodHead && !c.public && !strings.HasSuffix(c.action, "/read")
}

// tell begins the story of a write that its caller may do, and returns the
// request to go on with.
func (s *server) tell(t *telling, r *http.Request, c *compiled, scope resource.ID, correlation string) (*http.Request, error) {
	if s.Activity == nil || !c.told() {
		return r, nil
	}
	t.to, t.event = s.Activity, s.eventOf(r, c, scope, correlation)
	note, err := json.Marshal(t.event)
	if err != nil {
		return nil, err
	}
	if err := t.to.Begin(r.Context(), t.event); err != nil {
		t.to = nil
		if f := fault.Of(err); f.Code != fault.InternalServerError {
			return nil, f // as a full disk has it
		}
		return nil, fault.New(fault.ServiceUnavailable, "The write can't be recorded in the activity log now, so it was not done. Try again.").WithRetryAfter(5).Because(err)
	}
	t.trace.Note = note
	return r.WithContext(control.WithTrace(r.Context(), &t.trace)), nil
}

// denied tells of a write that its caller may not do.
func (s *server) denied(t *telling, r *http.Request, c *compiled, scope resource.ID, correlation string) {
	if s.Activity != nil && c.told() {
		t.to, t.event = s.Activity, s.eventOf(r, c, scope, correlation)
	}
}

func (s *server) eventOf(r *http.Request, c *compiled, scope resource.ID, correlation string) activity.Event {
	who := callerOf(r)
	operation := c.action
	if operation == "" { // the handler asks: an action of a provider
		parts := split(c.pattern)
		space := r.PathValue("namespace")
		if space == "" {
			space = parts[len(parts)-2]
		}
		operation = space + "/" + parts[len(parts)-1] + "/action"
	}
	address, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		address = r.RemoteAddr
	}
	e := activity.Event{
		Tenant: who.Tenant, Subscription: strings.ToLower(scope.Subscription()), Resource: scope.String(), Group: scope.Group(), Type: string(scope.Type()),
		Operation: operation, Status: activity.Started, Caller: who.ObjectID, App: who.AppID, Issuer: who.Outside, Address: address,
		Method: r.Method, Path: r.URL.Path, Correlation: correlation, OperationID: uuid.NewString(),
	}
	if client := r.Header.Get("x-ms-client-request-id"); uuid.Validate(client) == nil {
		e.Client = client
	}
	return e
}

// end tells how it ended. An operation that goes on, or that has ended while
// the client waited, tells of its end itself.
func (t *telling) end(ctx context.Context, status int) {
	if t.to == nil {
		return
	}
	e := t.event
	e.HTTP, e.Code, e.LongOperation = status, string(t.fault), t.trace.Operation
	switch {
	case e.LongOperation != "" && status != http.StatusAccepted:
		return
	case status == http.StatusAccepted:
		e.Status = activity.Accepted
	case status < 400:
		e.Status = activity.Succeeded
	default:
		e.Status = activity.Failed
	}
	// The client may be gone; the log is not.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	t.to.End(ctx, e)
}

// Ended tells the activity log of the end of an operation that a request began.
func Ended(log func(context.Context, activity.Event)) func(context.Context, control.Operation, json.RawMessage) {
	return func(ctx context.Context, o control.Operation, note json.RawMessage) {
		var e activity.Event
		if len(note) == 0 || json.Unmarshal(note, &e) != nil {
			return // begun by the server itself
		}
		e.Status, e.HTTP, e.LongOperation = activity.Succeeded, http.StatusOK, o.ID
		if o.Fault != nil {
			e.Status, e.HTTP, e.Code = activity.Failed, o.Fault.Status(), string(o.Fault.Code)
		}
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		log(ctx, e)
	}
}

func (s *server) activityRoutes() []route {
	const values = "/providers/Microsoft.Insights/eventtypes/management/values"
	return []route{
		{method: "GET", pattern: "/subscriptions/{subscription}" + values, action: "Microsoft.Insights/eventtypes/values/read", handle: s.listActivity},
		{method: "GET", pattern: values, action: "Microsoft.Insights/eventtypes/values/read", handle: s.listActivity},
		{method: "GET", pattern: "/providers/Microsoft.Insights/eventcategories", handle: s.listEventCategories},
	}
}

type localized struct {
	Value     string `json:"value"`
	Localized string `json:"localizedValue"`
}

type eventView struct {
	Authorization     map[string]string `json:"authorization"`
	Caller            string            `json:"caller"`
	Category          localized         `json:"category"`
	Claims            map[string]string `json:"claims"`
	CorrelationID     string            `json:"correlationId"`
	Description       string            `json:"description"`
	EventDataID       string            `json:"eventDataId"`
	EventName         localized         `json:"eventName"`
	EventTimestamp    time.Time         `json:"eventTimestamp"`
	HTTPRequest       map[string]string `json:"httpRequest"`
	ID                string            `json:"id"`
	Level             string            `json:"level"`
	OperationID       string            `json:"operationId"`
	OperationName     localized         `json:"operationName"`
	Properties        map[string]string `json:"properties"`
	ResourceGroupName string            `json:"resourceGroupName"`
	ResourceID        string            `json:"resourceId"`
	ResourceProvider  localized         `json:"resourceProviderName"`
	ResourceType      localized         `json:"resourceType"`
	Status            localized         `json:"status"`
	SubStatus         localized         `json:"subStatus"`
	SubmissionTime    time.Time         `json:"submissionTimestamp"`
	SubscriptionID    string            `json:"subscriptionId"`
	TenantID          string            `json:"tenantId"`
}

func viewEvent(r activity.Record, subscription string) eventView {
	same := func(s string) localized { return localized{s, s} }
	name := "EndRequest"
	if r.Status == activity.Started {
		name = "BeginRequest"
	}
	resourceType := r.Operation
	if i := strings.LastIndexByte(resourceType, '/'); i > 0 {
		resourceType = resourceType[:i]
	}
	return eventView{
		Authorization: map[string]string{"action": r.Operation, "scope": r.Resource}, Caller: r.Caller, Category: same("Administrative"), Claims: r.Claims,
		CorrelationID: r.Correlation, EventDataID: r.ID, EventName: same(name), EventTimestamp: r.Time, HTTPRequest: r.Request,
		ID:    strings.TrimSuffix(r.Resource, "/") + "/events/" + r.ID + "/ticks/" + strconv.FormatInt(int64(schema.TicksOf(r.Time)), 10),
		Level: r.Level, OperationID: r.OperationID, OperationName: same(r.Operation), Properties: r.Properties, ResourceGroupName: r.Group, ResourceID: r.Resource,
		ResourceProvider: same(r.Provider), ResourceType: same(resourceType), Status: same(string(r.Status)), SubStatus: localized{r.SubStatus, r.SubText},
		SubmissionTime: r.Time, SubscriptionID: subscription, TenantID: r.Claims["tid"],
	}
}

// pickProperties keeps what $select names.
func pickProperties(v eventView, names []string) (map[string]json.RawMessage, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(b, &all); err != nil {
		return nil, err
	}
	for name := range all {
		if !slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) }) {
			delete(all, name)
		}
	}
	return all, nil
}

// activityPage is the size of pages, and the largest.
const activityPage = 200

func (s *server) listActivity(w http.ResponseWriter, r *http.Request) error {
	subscription := strings.ToLower(r.PathValue("subscription"))
	if subscription != "" {
		if _, err := s.subscription(r); err != nil {
			return err
		}
	}
	q, err := activityQuestion(option(r, "$filter"))
	if err != nil {
		return err
	}
	q.Tenant, q.Subscription = callerOf(r).Tenant, subscription
	size, err := pager{size: activityPage, most: activityPage}.top(r)
	if err != nil {
		return err
	}
	list := strings.ToLower(r.URL.Path) + "\x00" + option(r, "$filter")
	if token := option(r, "$skiptoken"); token != "" {
		before, err := s.openToken(list, token)
		if err != nil {
			return err
		}
		if q.Before, err = time.Parse(time.RFC3339Nano, before); err != nil {
			return err
		}
	}
	q.Most = size + 1
	found, err := s.Activity.Events(r.Context(), q)
	if err != nil {
		return err
	}
	body := map[string]any{}
	if len(found) > size {
		found = found[:size]
		body["nextLink"] = s.nextLink(r, s.sealToken(list, found[size-1].Time.Format(time.RFC3339Nano)))
	}
	values := []any{}
	for _, rec := range found {
		v := viewEvent(rec, subscription)
		if names := option(r, "$select"); names != "" {
			some, err := pickProperties(v, strings.FieldsFunc(names, func(c rune) bool { return c == ',' || c == ' ' }))
			if err != nil {
				return err
			}
			values = append(values, some)
			continue
		}
		values = append(values, v)
	}
	body["value"] = values
	return writeJSON(w, http.StatusOK, body)
}

func (s *server) listEventCategories(w http.ResponseWriter, _ *http.Request) error {
	return writeJSON(w, http.StatusOK, page([]localized{{"Administrative", "Administrative"}}))
}

// condition is one of the conditions that the log's $filter can have.
var condition = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)^\s*(\w+)\s+(eq|ge|le)\s+(?:'((?:[^']|'')*)'|(\S+))\s*$`)
})

// activityQuestion reads the $filter, which allows conditions that all hold,
// and must say from when on (Microsoft.Insights 2015-04-01).
func activityQuestion(filter string) (q activity.Question, err error) {
	bad := func(why string) error {
		return fault.New(fault.InvalidFilter, "The $filter can't be read: %s. Write, for example, eventTimestamp ge '2026-01-01T00:00:00Z' and resourceGroupName eq 'logs'.", why).WithTarget("$filter")
	}
	if len(filter) > filterLength {
		return q, bad("it is too long")
	}
	for _, part := range splitAnd(filter) {
		m := condition().FindStringSubmatch(part)
		if m == nil {
			return q, bad("'" + clip(part) + "' is no condition")
		}
		value := strings.ReplaceAll(m[3], "''", "'") + m[4]
		name, op := strings.ToLower(m[1]), strings.ToLower(m[2])
		if name == "eventtimestamp" {
			at, err := parseTime(value)
			if err != nil || op == "eq" {
				return q, bad("eventTimestamp needs ge or le and an ISO 8601 time")
			}
			if op == "ge" {
				q.From = at
			} else {
				q.To = at
			}
			continue
		}
		to, known := map[string]*string{
			"resourcegroupname": &q.Group, "resourceuri": &q.Resource, "resourceid": &q.Resource, "resourceprovider": &q.Provider, "resourcetype": &q.Type,
			"correlationid": &q.Correlation, "caller": &q.Caller, "status": &q.Status, "eventchannels": new(string), "levels": new(string), "category": new(string),
		}[name]
		if !known || op != "eq" {
			return q, bad("'" + clip(part) + "' is not supported")
		}
		*to = value
	}
	if q.From.IsZero() {
		return q, bad("it has no eventTimestamp ge TIME")
	}
	now := time.Now().UTC()
	if oldest := now.Add(-activity.Keep); q.From.Before(oldest) {
		return q, fault.New(fault.InvalidFilter, "The log is kept for 90 days: eventTimestamp ge '%s' is earlier than that.", q.From.Format(time.RFC3339)).WithTarget("$filter")
	}
	if q.To.IsZero() {
		q.To = now.Add(time.Minute) // what was told before this has an earlier time
	}
	if q.To.Before(q.From) {
		return q, bad("its end is before its start")
	}
	return q, nil
}

// splitAnd cuts a filter at its ands, those in quotes left alone.
func splitAnd(s string) (parts []string) {
	quoted, begin := false, 0
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\'':
			quoted = !quoted
		case !quoted && s[i] == ' ' && len(s) > i+5 && strings.EqualFold(s[i:i+5], " and "):
			parts = append(parts, s[begin:i])
			begin = i + 5
			i += 3
		}
	}
	return append(parts, s[begin:])
}

func parseTime(s string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02T15:04", "2006-01-02"} {
		if t, err := time.Parse(layout, strings.Replace(s, " ", "T", 1)); err == nil {
			return t.UTC(), nil
		}
	}
	u, err := url.QueryUnescape(s)
	if err != nil || u == s {
		return time.Time{}, errors.New("no time")
	}
	return parseTime(u)
}

func clip(s string) string {
	if len(s) > 60 {
		return s[:60] + "…"
	}
	return s
}
