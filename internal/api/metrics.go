package api

import (
	"bytes"
	"net"
	"net/http"

	"logkeep/internal/metrics"
	"logkeep/internal/resource"
)

// metricsRoutes are for Prometheus, which knows no api-versions.
func (s *server) metricsRoutes() []route {
	return []route{{method: "GET", pattern: "/metrics", public: true, anyTime: true, handle: s.metrics}}
}

// metrics answers who asks from this machine, and who may read everything: the
// metrics name the clusters of all tenants. Connections that a proxy on this
// machine hands on come from this machine, too.
func (s *server) metrics(w http.ResponseWriter, r *http.Request) error {
	if !fromHere(r) || r.Header.Get("Authorization") != "" {
		caller, err := s.authenticate(r, &face{audiences: s.armAudiences()})
		if err != nil {
			return err
		}
		r = r.WithContext(withCaller(r.Context(), caller))
		if err := s.allow(r, "Microsoft.OperationalInsights/clusters/read", false, resource.Root()); err != nil {
			return err
		}
	}
	var b bytes.Buffer
	if err := s.Metrics(&b); err != nil {
		return err
	}
	w.Header().Set("Content-Type", metrics.ContentType)
	_, err := w.Write(b.Bytes())
	return err
}

// fromHere reports whether a request came over this machine's own interface.
func fromHere(r *http.Request) bool {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	ip := net.ParseIP(host)
	return err == nil && ip != nil && ip.IsLoopback()
}
