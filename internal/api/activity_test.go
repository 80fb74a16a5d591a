package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"logkeep/internal/activity"
	"logkeep/internal/rbac"
)

// A story keeps activity in memory.
type story struct {
	mu     sync.Mutex
	events []activity.Event
	asked  activity.Question
	full   bool
}

func (s *story) Begin(ctx context.Context, e activity.Event) error {
	if s.full {
		return errors.New("no space left on device")
	}
	s.End(ctx, e)
	return nil
}

func (s *story) End(_ context.Context, e activity.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, e)
}

func (s *story) Events(_ context.Context, q activity.Question) (all []activity.Record, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = q
	for i := range 5 {
		at := time.Date(2026, 1, 1, 0, 0, 9-i, 0, time.UTC)
		if (q.Before.IsZero() || at.Before(q.Before)) && len(all) < q.Most {
			all = append(all, activity.Record{ID: fmt.Sprint("event", 5-i), Time: at, Operation: "A.B/c/write", Resource: "/subscriptions/s", Status: activity.Succeeded, Claims: map[string]string{"tid": "t"}})
		}
	}
	return all, nil
}

// tell writes the story down and forgets it.
func (s *story) tell() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var lines []string
	for _, e := range s.events {
		lines = append(lines, fmt.Sprintf("%s %s %d %s", e.Operation, e.Status, e.HTTP, e.Code))
	}
	s.events = nil
	return strings.Join(lines, "\n")
}

func TestEveryWriteIsTold(t *testing.T) {
	p := openPlane(t)
	log := p.deps.Activity.(*story)
	h := New(p.deps)
	reader, _ := p.person(t, "reader", rbac.Reader, "/subscriptions/"+p.admin.SubscriptionID)
	rg := "/subscriptions/" + p.admin.SubscriptionID + "/resourceGroups/rg"
	cluster := rg + "/providers/Microsoft.OperationalInsights/clusters/cl-1?api-version=2022-10-01"
	const sku = `{"location":"westeurope","sku":{"name":"CapacityReservation","capacity":500}}`
	for _, c := range []struct {
		who, method, path, body string
		status                  int
		told                    string
	}{
		{p.admin.ObjectID, "PUT", rg + "?api-version=2021-04-01", `{"location":"westeurope"}`, 201,
			"Microsoft.Resources/subscriptions/resourceGroups/write Started 0 \nMicrosoft.Resources/subscriptions/resourceGroups/write Succeeded 201 "},
		{p.admin.ObjectID, "GET", rg + "?api-version=2021-04-01", "", 200, ""},
		{reader.ObjectID, "PUT", rg + "?api-version=2021-04-01", `{"location":"westeurope"}`, 403,
			"Microsoft.Resources/subscriptions/resourceGroups/write Failed 403 AuthorizationFailed"},
		{p.admin.ObjectID, "PUT", rg + "?api-version=2021-04-01", `{`, 400,
			"Microsoft.Resources/subscriptions/resourceGroups/write Started 0 \nMicrosoft.Resources/subscriptions/resourceGroups/write Failed 400 InvalidRequestContent"},
		{p.admin.ObjectID, "POST", "/subscriptions/" + p.admin.SubscriptionID + "/providers/Microsoft.KeyVault/register?api-version=2021-04-01", "", 200,
			"Microsoft.KeyVault/register/action Started 0 \nMicrosoft.KeyVault/register/action Succeeded 200 "},
		{p.admin.ObjectID, "POST", "/providers/Microsoft.Authorization/elevateAccess?api-version=2016-07-01", "", 200,
			"Microsoft.Authorization/elevateAccess/action Started 0 \nMicrosoft.Authorization/elevateAccess/action Succeeded 200 "},
		{p.admin.ObjectID, "POST", "/subscriptions/" + p.admin.SubscriptionID + "/providers/Microsoft.KeyVault/checkNameAvailability?api-version=2023-07-01", `{"name":"kv","type":"Microsoft.KeyVault/vaults"}`, 200, ""},
	} {
		w := p.call(t, h, c.who, c.method, c.path, c.body)
		if got := log.tell(); w.Code != c.status || got != c.told {
			t.Errorf("%s %s: %d %s\n%s", c.method, c.path, w.Code, w.Body, got)
		}
	}
	// Work that goes on is told of when it ends, by itself.
	if w := p.call(t, h, p.admin.ObjectID, "PUT", cluster, sku, "x-ms-correlation-request-id", "aaaaaaaa-0000-4000-8000-000000000001"); w.Code != http.StatusAccepted {
		t.Fatal(w.Body)
	}
	p.settle(t)
	log.mu.Lock()
	slices.SortFunc(log.events, func(a, b activity.Event) int { return strings.Compare(string(b.Status), string(a.Status)) })
	for _, e := range log.events {
		if e.Correlation != "aaaaaaaa-0000-4000-8000-000000000001" || e.Caller != p.admin.ObjectID || e.Group != "rg" || e.Address != "192.0.2.1" {
			t.Errorf("%+v", e)
		}
	}
	log.mu.Unlock()
	const write = "Microsoft.OperationalInsights/clusters/write"
	if got, want := log.tell(), write+" Succeeded 200 \n"+write+" Started 0 \n"+write+" Accepted 202 "; got != want {
		t.Errorf("%s", got)
	}
	log.full = true
	if w := p.call(t, h, p.admin.ObjectID, "DELETE", rg+"?api-version=2021-04-01", ""); w.Code != http.StatusServiceUnavailable {
		t.Errorf("a write that can't be recorded: %d %s", w.Code, w.Body)
	}
	log.full = false
	if w := p.call(t, h, p.admin.ObjectID, "GET", rg+"?api-version=2021-04-01", ""); w.Code != http.StatusOK {
		t.Errorf("it was done: %d", w.Code)
	}
}

func TestActivityIsListed(t *testing.T) {
	p := openPlane(t)
	log := p.deps.Activity.(*story)
	h := New(p.deps)
	now := time.Now().UTC()
	at := "/subscriptions/" + p.admin.SubscriptionID + "/providers/Microsoft.Insights/eventtypes/management/values?api-version=2015-04-01&$filter="
	since := "eventTimestamp%20ge%20" + now.Add(-time.Hour).Format("2006-01-02T15:04:05Z")
	next, names := at+since+"%20and%20eventChannels%20eq%20'Admin,%20Operation'%20and%20resourceGroupName%20eq%20'o''rg'&$top=2", ""
	for next != "" {
		w := p.call(t, h, p.admin.ObjectID, "GET", next, "")
		var l struct {
			Value    []struct{ EventDataID string }
			NextLink string
		}
		if err := json.Unmarshal(w.Body.Bytes(), &l); err != nil || w.Code != http.StatusOK {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		for _, v := range l.Value {
			names += v.EventDataID + " "
		}
		next = l.NextLink
	}
	if names != "event5 event4 event3 event2 event1 " || log.asked.Group != "o'rg" || log.asked.Subscription != p.admin.SubscriptionID {
		t.Errorf("%s %+v", names, log.asked)
	}
	w := p.call(t, h, p.admin.ObjectID, "GET", at+since+"&$top=1&$select=eventDataId,status", "")
	if !strings.Contains(w.Body.String(), `"value":[{"eventDataId":"event5","status":{"value":"Succeeded","localizedValue":"Succeeded"}}]`) {
		t.Errorf("%s", w.Body)
	}
	for _, bad := range []string{"", "resourceGroupName%20eq%20'x'", since + "%20or%20caller%20eq%20'x'", "eventTimestamp%20ge%20'yesterday'", "eventTimestamp%20ge%202020-01-01", since + "%20and%20eventTimestamp%20le%202026-01-01"} {
		if w := p.call(t, h, p.admin.ObjectID, "GET", at+bad, ""); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "UnsupportedQuery") {
			t.Errorf("%s: %d %s", bad, w.Code, w.Body)
		}
	}
	stranger, _ := p.person(t, "stranger", "", "")
	if w := p.call(t, h, stranger.ObjectID, "GET", at+since, ""); w.Code != http.StatusForbidden {
		t.Errorf("a stranger: %d", w.Code)
	}
}
