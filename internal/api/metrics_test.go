package api

import (
	"io"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
)

// Metrics name the clusters of all tenants: they are for this machine, and for
// who may read everything.
func TestMetricsAreForThisMachineAndReadersOfEverything(t *testing.T) {
	access := &asked{prefix: "Microsoft.OperationalInsights/clusters/read"}
	s := &server{Deps: Deps{Domain: "x.test", Port: 8443, Access: access, Log: slog.New(slog.DiscardHandler),
		Metrics: func(w io.Writer) error { _, err := io.WriteString(w, "up 1\n"); return err }}}
	s.Tokens = tokens{"good": s.armAudiences()[0], "vault": "https://vault.azure.net"}
	h := newRouter(s, []*face{{hosts: s.mainHost, audiences: s.armAudiences(), dialect: armDialect, routes: s.metricsRoutes()}})
	for _, c := range []struct {
		what, from, token string
		allowed           string
		status            int
	}{
		{"this machine", "127.0.0.1:40000", "", "none", 200},
		{"this machine, IPv6", "[::1]:40000", "", "none", 200},
		{"this machine with a bad token", "127.0.0.1:40000", "bad", "Microsoft", 401},
		{"elsewhere", "192.0.2.1:40000", "", "Microsoft", 401},
		{"elsewhere, a reader", "192.0.2.1:40000", "good", "Microsoft", 200},
		{"elsewhere, one who may not read", "192.0.2.1:40000", "good", "none", 403},
		{"elsewhere, a token for vaults", "192.0.2.1:40000", "vault", "Microsoft", 401},
		{"nobody knows where", "", "", "Microsoft", 401},
	} {
		access.prefix, access.last = c.allowed, ""
		r := httptest.NewRequest("GET", "https://localhost:8443/metrics", nil)
		r.RemoteAddr = c.from
		if c.token != "" {
			r.Header.Set("Authorization", "Bearer "+c.token)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != c.status || (w.Body.String() == "up 1\n") != (c.status == 200) {
			t.Errorf("%s: %d %s", c.what, w.Code, w.Body)
		}
		if c.token == "good" && access.last != "Microsoft.OperationalInsights/clusters/read /" && !strings.HasSuffix(access.last, "read ") {
			t.Errorf("%s: asked for %q", c.what, access.last)
		}
	}
}
