package api

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"logkeep/internal/fault"
	"logkeep/internal/rbac"
	"logkeep/internal/throttle"
)

func TestWhoAsksTooOftenIsToldWhenToComeBack(t *testing.T) {
	o := openOffice(t)
	o.deps.Throttling = NewThrottling(map[string]throttle.Rate{throttle.SubscriptionReads: {Burst: 2, PerSecond: 0.01}, throttle.SubscriptionDeletes: {}})
	h := New(o.deps)
	at := "/subscriptions/" + o.admin.SubscriptionID + "/resourcegroups/none?api-version=2021-04-01"
	get := func(who string) *httptest.ResponseRecorder { return o.call(t, h, who, "GET", at, "") }
	for _, left := range []string{"1", "0"} {
		if w := get(o.admin.ObjectID); w.Code != http.StatusNotFound || w.Header().Get("x-ms-ratelimit-remaining-subscription-reads") != left {
			t.Errorf("%d %s, want %s left", w.Code, w.Header(), left)
		}
	}
	w := get(o.admin.ObjectID)
	if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "100" && w.Header().Get("Retry-After") != "99" || !strings.Contains(w.Body.String(), "SubscriptionRequestsThrottled") {
		t.Errorf("%d %s %s", w.Code, w.Header(), w.Body)
	}
	reader, _ := o.person(t, "reader", rbac.Reader, "/subscriptions/"+o.admin.SubscriptionID)
	if w := get(reader.ObjectID); w.Code != http.StatusNotFound {
		t.Errorf("somebody else: %d", w.Code)
	}
	if w := o.call(t, h, o.admin.ObjectID, "PUT", "/subscriptions/"+o.admin.SubscriptionID+"/resourcegroups/g?api-version=2021-04-01", `{"location":"x"}`); w.Code != http.StatusCreated || w.Header().Get("x-ms-ratelimit-remaining-subscription-writes") != "199" {
		t.Errorf("a write: %d %s", w.Code, w.Header())
	}
	if w := o.call(t, h, o.admin.ObjectID, "DELETE", at, ""); w.Header().Get("x-ms-ratelimit-remaining-subscription-deletes") != "" {
		t.Errorf("a limit that is switched off: %s", w.Header())
	}
	if w := o.call(t, h, o.admin.ObjectID, "GET", "/subscriptions?api-version=2021-04-01", ""); w.Header().Get("x-ms-ratelimit-remaining-tenant-reads") != "249" {
		t.Errorf("above subscriptions: %s", w.Header())
	}
}

func TestFiveQueriesRunTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{Deps: Deps{Throttling: NewThrottling(nil)}}
		var leave []func()
		for range queriesTogether {
			l, err := s.place(t.Context(), "p")
			if err != nil {
				t.Fatal(err)
			}
			leave = append(leave, l)
		}
		sixth := make(chan error)
		go func() {
			_, err := s.place(t.Context(), "p")
			sixth <- err
		}()
		synctest.Wait()
		if _, err := s.place(t.Context(), "q"); err != nil {
			t.Errorf("somebody else: %v", err)
		}
		leave[0]()
		if err := <-sixth; err != nil {
			t.Errorf("the sixth, when one has ended: %v", err)
		}
		_, err := s.place(t.Context(), "p") // nobody ends
		if f := fault.Of(err); f.Code != fault.TooManyRequests || f.RetryAfter() != 5 {
			t.Errorf("after three minutes: %v", err)
		}
		for range 300 {
			if _, err = s.place(canceled(t), "p"); fault.Of(err).RetryAfter() > 0 {
				break
			}
		}
		if f := fault.Of(err); f.Code != fault.TooManyRequests {
			t.Errorf("the 201st query in 30 seconds: %v", err)
		}
	})
}

func canceled(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
