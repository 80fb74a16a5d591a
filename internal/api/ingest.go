package api

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"

	"logkeep/internal/control"
	"logkeep/internal/entra"
	"logkeep/internal/fault"
	"logkeep/internal/rbac"
)

// An IngestRequest is rows for a stream of a rule, from a caller who may send
// them.
type IngestRequest struct {
	Caller   rbac.Caller
	Rule     control.Rule
	Stream   string // as the rule declares it
	Encoding string // "" or "gzip"
	Length   int64  // of Body; -1 if it is not known
	Body     io.Reader
}

// An Ingester stores rows. When Ingest returns nil, all rows are durable and
// visible; when it returns a fault, none are. It bounds what Body becomes when
// it is unpacked; Body itself is bounded.
type Ingester interface {
	Ingest(ctx context.Context, q IngestRequest) error
}

// maxRows is the size of a request's rows, packed or not: a client that closes
// a chunk at a million bytes of rows sends up to half as much again.
const maxRows = 2 << 20

func (s *server) ingestFace() *face {
	host := "https://" + s.authority("ingest."+s.Domain)
	return &face{name: "ingest", hosts: s.below("ingest"), audiences: entra.IngestionAudiences(host), dialect: ingestDialect, routes: []route{
		// Who may send rows is asked at the rule, which only the handler knows.
		{method: "POST", pattern: "/dataCollectionRules/{rule}/streams/{stream}", maxBody: maxRows, handle: s.ingest},
	}}
}

func (s *server) ingest(w http.ResponseWriter, r *http.Request) error {
	label, _, _ := strings.Cut(hostname(r), ".")
	rule, err := s.Control.RuleAt(r.Context(), label, r.PathValue("rule"))
	if err != nil {
		return err
	}
	caller := callerOf(r)
	if rule.Tenant != caller.Tenant {
		return fault.New(fault.RuleNotFound, "Data collection rule with immutable Id '%.60s' not found. Take the id from properties.immutableId of the rule.", r.PathValue("rule"))
	}
	if err := s.allow(r, "Microsoft.Insights/Telemetry/Write", true, rule.ID); err != nil {
		return err
	}
	q := IngestRequest{Caller: caller, Rule: rule, Length: r.ContentLength, Body: r.Body}
	var declared bool
	if q.Stream, _, declared = rule.Stream(r.PathValue("stream")); !declared {
		return fault.New(fault.StreamNotFound, "The stream '%.120s' was not found in the data collection rule with immutable Id '%s'. Use a stream of its streamDeclarations.", r.PathValue("stream"), rule.ImmutableID)
	}
	if t := r.Header.Get("Content-Type"); t != "" {
		if media, _, err := mime.ParseMediaType(t); err != nil || media != "application/json" {
			return fault.New(fault.UnsupportedMediaType, "The content type '%.60s' is not supported; send application/json.", t)
		}
	}
	switch encoding := strings.ToLower(strings.TrimSpace(r.Header.Get("Content-Encoding"))); encoding {
	case "", "identity":
	case "gzip":
		q.Encoding = encoding
	default:
		return fault.New(fault.UnsupportedEncoding, "The content encoding '%.60s' is not supported; send gzip or none.", encoding)
	}
	if q.Length > maxRows {
		return tooLong()
	}
	weight := q.Length
	if weight < 0 || q.Encoding != "" {
		weight = maxRows // what it unpacks to is not known yet
	}
	leave, err := s.intake.enter(r.Context(), weight)
	if err != nil {
		hearOut(r)
		return err
	}
	defer leave()
	if err := s.Ingest.Ingest(r.Context(), q); err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return tooLong()
		}
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// hearOut reads what is left of a body that is refused for now, as far as rows may go, and
// keeps none of it. Else the connection would end under a client that still sends: many
// never see the answer then, and all connect anew, to bring the same rows.
func hearOut(r *http.Request) {
	if r.Header.Get("Expect") == "" { // who waits for a word has sent nothing yet
		io.Copy(io.Discard, io.LimitReader(r.Body, maxRows))
	}
}

func tooLong() error {
	return fault.New(fault.ContentLengthLimit, "Maximum allowed content length: %d bytes, packed or not. Send the rows in several requests.", maxRows)
}
