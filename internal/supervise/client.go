package supervise

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"logkeep/internal/fault"
	"logkeep/internal/worker/wire"
)

// ErrGone is the cause of a fault when the worker ended during a call.
var ErrGone = fmt.Errorf("the worker ended")

// maxAnswer bounds what a worker may answer to a control call.
const maxAnswer = 64 << 20

// Open has the worker open accounts.
func (w *Worker) Open(ctx context.Context, r wire.Open) error {
	parts, err := r.Parts()
	if err != nil {
		return err
	}
	body, length := make([]io.Reader, len(parts)), 0
	for i, p := range parts {
		body[i] = bytes.NewReader(p)
		length += len(p)
	}
	answer, err := w.do(ctx, "/open", nil, io.MultiReader(body...), int64(length))
	if err != nil {
		return err
	}
	return answer.Close()
}

// Generate has the worker make new key generations.
func (w *Worker) Generate(ctx context.Context, r wire.Generate) (g wire.Generated, err error) {
	return g, w.call(ctx, "/generate", r, &g)
}

// Rewrap has the worker wrap generations under another key version.
func (w *Worker) Rewrap(ctx context.Context, r wire.Rewrap) (g wire.Generated, err error) {
	return g, w.call(ctx, "/rewrap", r, &g)
}

// Adopt tells the worker that records are stored.
func (w *Worker) Adopt(ctx context.Context, r wire.Adopt) error { return w.call(ctx, "/adopt", r, nil) }

// Release has the worker give accounts away.
func (w *Worker) Release(ctx context.Context, r wire.Release) error {
	return w.call(ctx, "/release", r, nil)
}

// Drop has the worker remove rows for good.
func (w *Worker) Drop(ctx context.Context, r wire.Drop) error { return w.call(ctx, "/drop", r, nil) }

// Retain is wire.Retain.
func (w *Worker) Retain(ctx context.Context, r wire.Retain) error {
	return w.call(ctx, "/retain", r, nil)
}

// Purge is wire.Purge.
func (w *Worker) Purge(ctx context.Context, r wire.Purge) (p wire.Purged, err error) {
	err = w.call(ctx, "/purge", r, &p)
	return p, err
}

// Check is wire.Check.
func (w *Worker) Check(ctx context.Context, r wire.Check) (c wire.Checked, err error) {
	err = w.call(ctx, "/check", r, &c)
	return c, err
}

// Salvage is wire.Salvage.
func (w *Worker) Salvage(ctx context.Context, r wire.Salvage) (out wire.Salvaged, err error) {
	err = w.call(ctx, "/salvage", r, &out)
	return out, err
}

// Marks asks a writer how far accounts have come.
func (w *Worker) Marks(ctx context.Context, r wire.Marks) (m []wire.Mark, err error) {
	return m, w.call(ctx, "/marks", r, &m)
}

// Flush has the worker turn its accounts' tails into segments.
func (w *Worker) Flush(ctx context.Context) (f wire.Flushed, err error) {
	return f, w.call(ctx, "/flush", struct{}{}, &f)
}

// SealText has the worker seal a text that the catalog keeps.
func (w *Worker) SealText(ctx context.Context, r wire.SealText) (s wire.SealedText, err error) {
	return s, w.call(ctx, "/texts/seal", r, &s)
}

// OpenTexts has the worker open texts that it sealed.
func (w *Worker) OpenTexts(ctx context.Context, r wire.OpenTexts) (texts [][]byte, err error) {
	return texts, w.call(ctx, "/texts/open", r, &texts)
}

// Status asks the worker what it holds.
func (w *Worker) Status(ctx context.Context) (s wire.Status, err error) {
	return s, w.call(ctx, "/status", struct{}{}, &s)
}

// Append hands on a client's rows; body is read to its end.
func (w *Worker) Append(ctx context.Context, r wire.Append, body io.Reader) (a wire.Appended, err error) {
	what, err := json.Marshal(r)
	if err != nil {
		return a, fmt.Errorf("internal error: %w", err)
	}
	answer, err := w.do(ctx, "/append", http.Header{wire.AppendHeader: {string(what)}}, body, r.Length)
	if err != nil {
		return a, err
	}
	defer answer.Close()
	return a, decode(answer, &a)
}

// Query runs a query. The answer is the client's body, to be closed.
func (w *Worker) Query(ctx context.Context, q wire.Query) (io.ReadCloser, error) {
	body, err := json.Marshal(q)
	if err != nil {
		return nil, fmt.Errorf("internal error: %w", err)
	}
	return w.do(ctx, "/query", nil, bytes.NewReader(body), int64(len(body)))
}

func (w *Worker) call(ctx context.Context, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("internal error: %w", err)
	}
	answer, err := w.do(ctx, path, nil, bytes.NewReader(body), int64(len(body)))
	if err != nil {
		return err
	}
	defer answer.Close()
	if out == nil {
		return nil
	}
	return decode(answer, out)
}

// do sends one request. What is not 200 comes back as the fault that the
// worker told, or *wire.Wanted; an end of the worker as ServiceUnavailable because of ErrGone.
// A body whose length is known goes out in large pieces; 0 means that it is not.
func (w *Worker) do(ctx context.Context, path string, header http.Header, body io.Reader, length int64) (io.ReadCloser, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://worker"+path, body)
	if err != nil {
		return nil, fmt.Errorf("internal error: %w", err)
	}
	for k, v := range header {
		r.Header[k] = v
	}
	if length > 0 {
		r.ContentLength = length
	}
	w.begun()
	held := true // until the answer's end
	defer func() {
		if held {
			w.done()
		}
	}()
	answer, err := w.http.Do(r)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fault.New(fault.ServiceUnavailable, "The part of the service that holds this data stopped while it answered. Try again.").Because(fmt.Errorf("%w: %w", ErrGone, err))
	}
	if answer.StatusCode == http.StatusOK {
		held = false
		return &answering{ReadCloser: answer.Body, worker: w}, nil
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	if err != nil {
		return nil, fault.New(fault.ServiceUnavailable, "The part of the service that holds this data stopped while it answered. Try again.").Because(fmt.Errorf("%w: %w", ErrGone, err))
	}
	if answer.StatusCode == wire.StatusWanted {
		var w wire.Wanted
		if err := decode(bytes.NewReader(text), &w); err != nil {
			return nil, err
		}
		return nil, &w
	}
	return nil, wire.DecodeFault(text)
}

func decode(r io.Reader, out any) error {
	if err := json.NewDecoder(io.LimitReader(r, maxAnswer)).Decode(out); err != nil {
		return fault.New(fault.ServiceUnavailable, "The part of the service that holds this data stopped while it answered. Try again.").Because(fmt.Errorf("%w: %w", ErrGone, err))
	}
	return nil
}
