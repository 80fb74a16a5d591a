package server_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// scrape reads the metrics as Prometheus on this machine does.
func (s *site) scrape() string {
	s.t.Helper()
	insecure := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}, Timeout: limit}
	defer insecure.CloseIdleConnections()
	answer, err := insecure.Get(s.URL + "/metrics")
	must(s.t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	must(s.t, err)
	if answer.StatusCode != http.StatusOK || !strings.HasPrefix(answer.Header.Get("Content-Type"), "text/plain; version=0.0.4") {
		s.t.Fatalf("%s %s", answer.Status, answer.Header)
	}
	return string(text)
}

// metric finds the value of a metric whose line begins so.
func metric(text, line string) (float64, bool) {
	m := regexp.MustCompile(`(?m)^` + line + ` (\S+)$`).FindStringSubmatch(text)
	if m == nil {
		return 0, false
	}
	v, err := strconv.ParseFloat(m[1], 64)
	return v, err == nil
}

func TestMetricsAndEventsTellARevocation(t *testing.T) {
	t.Parallel()
	s := linked(t)
	s.mustSend("a", 10)
	got, err := s.clusters().Get(t.Context(), group, "cluster-1", nil)
	must(t, err)
	id := *got.Properties.ClusterID
	version := s.cluster().Logkeep.KeyState.KeyVersion
	text := s.scrape()
	for line, want := range map[string]float64{
		`logkeep_key_state\{cluster="` + id + `",name="cluster-1",state="Active"\}`:  1,
		`logkeep_key_state\{cluster="` + id + `",name="cluster-1",state="Revoked"\}`: 0,
		`logkeep_worker_up\{cluster="` + id + `"\}`:                                  1,
	} {
		if v, ok := metric(text, line); !ok || v != want {
			t.Errorf("%s is %v, %v", line, v, ok)
		}
	}
	if v, ok := metric(text, `logkeep_key_lease_age_seconds\{cluster="`+id+`"\}`); !ok || v < 0 || v > quick.Lease.Seconds() {
		t.Errorf("the lease's age is %v, %v", v, ok)
	}
	if v, ok := metric(text, `logkeep_key_unwrap_seconds_count\{cluster="`+id+`"\}`); !ok || v < 1 {
		t.Errorf("%v unwraps were measured", v)
	}

	s.enable(version, false)
	eventually(t, limit, "the end of the worker in the metrics", func() error {
		text = s.scrape()
		if v, ok := metric(text, `logkeep_revocation_latency_seconds_count\{cluster="`+id+`"\}`); !ok || v != 1 {
			return fmt.Errorf("%v revocations", v)
		}
		return nil
	})
	if v, ok := metric(text, `logkeep_revocation_latency_seconds_sum\{cluster="`+id+`"\}`); !ok || v <= 0 || v > 1 {
		t.Errorf("the revocation took %v s, %v", v, ok)
	}
	if v, ok := metric(text, `logkeep_key_probes_total\{cluster="`+id+`",result="denied"\}`); !ok || v < 1 {
		t.Errorf("%v probes were denied", v)
	}
	if v, ok := metric(text, `logkeep_key_state_changes_total\{cluster="`+id+`",from="Active",to="Revoked"\}`); !ok || v != 1 {
		t.Errorf("%v changes to Revoked", v)
	}
	s.enable(version, true)
	eventually(t, limit, "the events", func() error {
		events, _, err := s.KeyEvents(t.Context(), s.ClusterID)
		must(t, err)
		if len(events) < 2 || events[0].To != "Active" || events[1].To != "Revoked" || !strings.Contains(events[1].Reason, "KeyDisabled") || time.Since(events[1].At) > limit {
			return fmt.Errorf("%+v", events)
		}
		return nil
	})
	after := s.rotate()
	eventually(t, limit, "the rotation in the events", func() error {
		events, _, err := s.KeyEvents(t.Context(), s.ClusterID)
		must(t, err)
		if e := events[0]; e.What != "Version" || !strings.HasSuffix(e.From, version) || !strings.HasSuffix(e.To, after) {
			return fmt.Errorf("%+v", e)
		}
		return nil
	})
	if strings.Contains(s.scrape(), s.ClientSecret) {
		t.Error("the metrics have the administrator's secret")
	}
}
