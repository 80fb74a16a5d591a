package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"logkeep/internal/fault"
	"logkeep/internal/resource"
	"logkeep/internal/throttle"
)

// Throttling: how often a principal may ask, by the documented limits. What is
// left stands in a header of every answer of ARM.

// Throttling is the limits in force. A nil one is none.
type Throttling struct {
	meters  map[string]*throttle.Meter
	queries *throttle.Queue
}

// The documented limits of queries that run together (behaviour 24.4).
const (
	queriesTogether = 5
	queriesWaiting  = 200
	queryPatience   = 3 * time.Minute
)

// NewThrottling returns limits; rates replace those of the table by name.
func NewThrottling(rates map[string]throttle.Rate) *Throttling {
	t := &Throttling{meters: map[string]*throttle.Meter{}, queries: throttle.NewQueue(queriesTogether, queriesWaiting, queryPatience)}
	for _, l := range throttle.Azure() {
		rate := l.Rate
		if own, ok := rates[l.Name]; ok {
			rate = own
		}
		t.meters[l.Name] = throttle.NewMeter(rate)
	}
	return t
}

// kindOf is how ARM counts a request.
func kindOf(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead:
		return "reads"
	case http.MethodDelete:
		return "deletes"
	}
	return "writes"
}

// count counts a request of ARM's that has a caller, and writes what is left.
func (s *server) count(w http.ResponseWriter, r *http.Request, c *compiled, scope resource.ID) error {
	if s.Throttling == nil || c.face.name != "arm" {
		return nil
	}
	who, kind, where := callerOf(r).ObjectID, kindOf(r.Method), scope.Subscription()
	of := "subscription"
	if where == "" {
		of, where = "tenant", string(callerOf(r).Tenant)
	}
	m := s.Throttling.meters[of+"-"+kind]
	if m == nil {
		return nil
	}
	left, wait, ok := m.Take(strings.ToLower(who + " " + where))
	w.Header().Set("x-ms-ratelimit-remaining-"+of+"-"+kind, strconv.Itoa(left))
	if ok {
		return nil
	}
	code := fault.SubscriptionRequestsThrottled
	if of == "tenant" {
		code = fault.TenantRequestsThrottled
	}
	seconds := throttle.Seconds(wait)
	return fault.New(code, "Number of '%s' requests for %s '%s' actor '%s' exceeded. Please try again after '%d' seconds.", kind, of, where, who, seconds).WithRetryAfter(seconds)
}

// place waits for the right to query: not too many of one principal in a while,
// and few at a time. leave gives the place back.
func (s *server) place(ctx context.Context, who string) (leave func(), err error) {
	if s.Throttling == nil {
		return func() {}, nil
	}
	if _, wait, ok := s.Throttling.meters[throttle.Queries].Take(who); !ok {
		seconds := throttle.Seconds(wait)
		return nil, fault.New(fault.TooManyRequests, "Too many queries: %d in 30 seconds are allowed. Try again after %d seconds.", 200, seconds).WithRetryAfter(seconds)
	}
	leave, err = s.Throttling.queries.Enter(ctx, who)
	if errors.Is(err, throttle.ErrFull) || errors.Is(err, throttle.ErrWaited) {
		return nil, fault.New(fault.TooManyRequests, "%d queries run together and %d may wait for %s. Try again when some have ended.", queriesTogether, queriesWaiting, queryPatience).WithRetryAfter(5).Because(err)
	}
	return leave, err
}

// An occupying answer gives its place back when it is closed.
type occupying struct {
	io.ReadCloser
	leave func()
}

func (o occupying) Close() error {
	defer o.leave()
	return o.ReadCloser.Close()
}
