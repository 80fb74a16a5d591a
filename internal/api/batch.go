package api

import (
	"bytes"
	"encoding/json"
	"net/http"

	"logkeep/internal/fault"
)

// A batch is several queries in one request. The answers are in the order of
// the requests, because clients do not look at the ids; a query that failed
// does not fail the others.

type batchBody struct {
	Requests []struct {
		ID        string            `json:"id"`
		Headers   map[string]string `json:"headers"`
		Body      queryBody         `json:"body"`
		Path      string            `json:"path"`
		Method    string            `json:"method"`
		Workspace string            `json:"workspace"`
	} `json:"requests"`
}

type batchAnswer struct {
	ID      string            `json:"id"`
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers"`
	Body    json.RawMessage   `json:"body"`
}

// maxBatchAnswer bounds what one batch holds in memory.
const maxBatchAnswer = 64 << 20

func (s *server) batch(w http.ResponseWriter, r *http.Request) error {
	var body batchBody
	if err := decode(r, &body); err != nil {
		return err
	}
	if len(body.Requests) == 0 || len(body.Requests) > maxBatch {
		return badArgument("A batch has 1 to %d requests, not %d.", maxBatch, len(body.Requests))
	}
	answers := make([]batchAnswer, 0, len(body.Requests))
	used := 0
	for _, q := range body.Requests {
		var prefer string
		for name, value := range q.Headers {
			if http.CanonicalHeaderKey(name) == "Prefer" {
				prefer = value
			}
		}
		a := batchAnswer{ID: q.ID, Status: http.StatusOK, Headers: map[string]string{}}
		b, err := s.batched(r, q.Workspace, q.Body, prefer, maxBatchAnswer-used)
		if err != nil {
			f := fault.Of(err)
			if f.Code == fault.InternalServerError {
				s.Log.Error("query of a batch failed", "path", r.URL.Path, "id", q.ID, "cause", f.Cause())
			}
			a.Status, _ = queryDialect.answer(f)
			if b, err = json.Marshal(queryDialect.body(f, w.Header().Get("x-ms-correlation-request-id"))); err != nil {
				return err
			}
		}
		used += len(b)
		a.Body = b
		answers = append(answers, a)
	}
	return writeJSON(w, http.StatusOK, map[string]any{"responses": answers})
}

func (s *server) batched(r *http.Request, workspace string, body queryBody, prefer string, room int) ([]byte, error) {
	answer, cancel, err := s.ask(r, workspace, body, prefer)
	defer cancel()
	if err != nil {
		return nil, err
	}
	defer answer.Close()
	b := bounded{left: room}
	if err := pass(&b, answer); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// bounded is a buffer that refuses to grow beyond a size.
type bounded struct {
	bytes.Buffer
	left int
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.left -= len(p); b.left < 0 {
		return 0, fault.New(fault.QueryLimitsExceeded, "The answers of the batch are larger than %d bytes together. Send fewer queries in one batch.", maxBatchAnswer)
	}
	return b.Buffer.Write(p)
}
