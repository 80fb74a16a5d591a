package api

import (
	"context"
	"encoding/json"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"logkeep/internal/dsse"
	"logkeep/internal/fault"
	"logkeep/internal/report"
)

// Reports signs reports and shows the key that checks them: the client of the
// vault's process.
type Reports interface {
	SignReport(ctx context.Context, documentType string, payload []byte) (dsse.Envelope, error)
	ReportKeys(ctx context.Context) (jose.JSONWebKeySet, error)
}

// drillRoutes are extensions: the report of a drill, and the key that checks it.
func (s *server) drillRoutes() []route {
	const one = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.OperationalInsights/clusters/{name}"
	return []route{
		{method: "POST", pattern: one + "/drillReport", action: "Microsoft.OperationalInsights/clusters/write", maxBody: report.MaxMeasured, handle: s.signDrill},
		{method: "GET", pattern: "/metadata/reportKeys", public: true, anyTime: true, handle: s.reportKeys},
	}
}

// reportKeys answers a JWK set.
func (s *server) reportKeys(w http.ResponseWriter, r *http.Request) error {
	keys, err := s.Reports.ReportKeys(r.Context())
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, keys)
}

// signDrill puts what the server knows of a drill beside what was measured,
// judges it and signs it.
func (s *server) signDrill(w http.ResponseWriter, r *http.Request) error {
	id, err := holderOf(r)
	if err != nil {
		return err
	}
	c, err := s.Control.Cluster(r.Context(), id)
	if err != nil {
		return err
	}
	if !c.Drill {
		return fault.New(fault.BadRequest, "Cluster '%s' was not made for a drill; a report is about one that was (properties.logkeep.drill).", c.ID.Name())
	}
	body, err := readBody(r)
	if err != nil {
		return err
	}
	measured, err := report.ReadMeasured(body)
	if err != nil {
		return fault.New(fault.InvalidRequestContent, "The measurement can't be signed: %s.", err).Because(err)
	}
	events, err := s.Evidence.KeyEvents(r.Context(), c)
	if err != nil {
		return err
	}
	about := report.Report{
		Signed: time.Now().UTC().Truncate(time.Millisecond), Measured: body, Events: []report.Event{},
		Server: report.Server{Domain: s.Domain, Version: report.Build(), Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, Sandbox: s.Sandbox},
		Cluster: report.Cluster{
			ID: c.ID.String(), ClusterID: string(c.ClusterID), Location: c.Location, DoubleEncryption: c.DoubleEncryption,
			Key: strings.TrimSuffix(c.Key.ID.VaultURI, "/") + "/keys/" + c.Key.ID.Name, BuiltInVault: s.builtIn(c.Key.ID.Host()),
			ProbeIntervalMs: c.Settings.ProbeInterval.Milliseconds(), ProbeTimeoutMs: min(s.Control.Limits().ProbeTimeout, c.Settings.ProbeInterval).Milliseconds(),
			LeaseMs: c.Settings.Lease.Milliseconds(), OutageGraceMs: c.Settings.OutageGrace.Milliseconds(),
		},
	}
	for _, e := range slices.Backward(events.Value) {
		about.Events = append(about.Events, report.Event(e))
	}
	about.Bounds = report.BoundsOf(about.Cluster)
	about.Verdict = report.Judge(measured, about.Bounds)
	payload, err := json.Marshal(about)
	if err != nil {
		return err
	}
	signed, err := s.Reports.SignReport(r.Context(), report.Type, payload)
	if err != nil {
		return err
	}
	text := signed.Encode() // not writeJSON: every byte of it counts
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_, err = w.Write(text)
	return err
}

// builtIn reports whether a vault's host is one of this server's.
func (s *server) builtIn(host string) bool {
	host, _, _ = strings.Cut(host, ":")
	return s.below("vault")(host) || s.below("managedhsm")(host)
}
