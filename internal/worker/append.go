package worker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"syscall"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"logkeep/internal/batch"
	"logkeep/internal/fault"
	"logkeep/internal/intake"
	"logkeep/internal/schema"
	"logkeep/internal/store"
	"logkeep/internal/worker/wire"
)

// serveAppend takes one ingestion request. It answers when the rows are on the
// disk, or with a fault when none of them is.
func (w *Worker) serveAppend(rw http.ResponseWriter, r *http.Request) {
	what, err := w.headers.read(r.Header.Get(wire.AppendHeader))
	if err != nil {
		w.refuse(rw, fault.New(fault.InvalidRequestContent, "The keeper's request could not be read.").Because(err))
		return
	}
	done, err := w.append(r.Context(), what, r.Body)
	if err != nil {
		w.refuse(rw, appendFault(err))
		return
	}
	json.NewEncoder(rw).Encode(done)
}

// headers is what requests with rows ask for: mostly the same, with bodies of other lengths. It
// is safe for concurrent use; nothing that it tells may be changed.
type headers struct {
	mu  sync.Mutex
	all map[string]wire.Append
}

// mostHeaders bounds them: many columns are some kilobytes of text.
const mostHeaders = 256

func (h *headers) read(text string) (what wire.Append, err error) {
	h.mu.Lock()
	what, ok := h.all[text]
	h.mu.Unlock()
	if ok {
		return what, nil
	}
	if err := json.Unmarshal([]byte(text), &what); err != nil {
		return what, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.all == nil || len(h.all) >= mostHeaders {
		h.all = make(map[string]wire.Append)
	}
	h.all[text] = what
	return what, nil
}

func (w *Worker) append(ctx context.Context, what wire.Append, body io.Reader) (done wire.Appended, err error) {
	a, err := w.account(what.Account)
	if err != nil {
		return done, err
	}
	if err := a.store.Ready(ctx); err != nil {
		// What would be refused is not unpacked and parsed first. It is read all the
		// same: else the connection to the keeper would end with it.
		if _, failed := io.Copy(io.Discard, io.LimitReader(body, what.MaxBytes)); failed != nil {
			return done, failed
		}
		return done, err
	}
	whole := w.bodies.Get().(*bytes.Buffer)
	defer w.bodies.Put(whole)
	now := schema.TicksOf(time.Now())
	rows := intake.Body{Table: what.Table, Stream: what.Stream, Changes: what.Transform != "", Encoding: what.Encoding, Most: what.MaxBytes}
	parsed, read, err := rows.Rows(body, whole, now)
	if err != nil {
		return done, err
	}
	keep := func(ctx context.Context, rec arrow.RecordBatch) (uint64, error) {
		err := a.store.Append(ctx, store.Rows{Workspace: what.Workspace, Table: what.Table.Name, Record: rec})
		return a.store.Mark().Journal.Last, err
	}
	if !rows.Changes {
		if done = intake.Count(parsed, read); done.Rows > 0 {
			done.Entry, err = keep(ctx, parsed.Record)
		}
		return done, err
	}
	m := joined{change: wire.Change{Text: what.Transform, Stream: what.Stream, Table: what.Table, Now: now}, rec: parsed.Record, bytes: read, keep: keep}
	if parsed.Record.NumRows() > smallRequest {
		if m.out, err = w.transform(ctx, m.change, m.rec); err == nil && m.out.Record.NumRows() > 0 {
			m.entry, err = keep(ctx, m.out.Record)
		}
	} else {
		key := fmt.Sprint(what.Account, "\x00", what.Workspace, "\x00", what.Table, "\x00", what.Stream, "\x00", what.Transform)
		err = w.joints.join(ctx, key, &m, func(ctx context.Context, c wire.Change, recs []arrow.RecordBatch) (batch.Parsed, error) {
			return w.transform(ctx, c, recs...)
		})
	}
	if err != nil {
		return done, err
	}
	parsed.Record, parsed.Cut, parsed.CutIn = m.out.Record, parsed.Cut+m.out.Cut, append(parsed.CutIn, m.out.CutIn...)
	done = intake.Count(parsed, read)
	done.Entry = m.entry
	return done, nil
}

// appendFault words for the client why its rows were not taken.
func appendFault(err error) error {
	err = intake.Fault(err)
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f
	}
	if f := storageFault(err); f != nil {
		return f
	}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fault.New(fault.ServiceUnavailable, "Nothing was stored: the server's disk is full. Send the rows again later.").WithRetryAfter(5).Because(err)
	}
	if errors.Is(err, store.ErrBehind) {
		return fault.New(fault.TooManyRequests, "Nothing was stored: rows arrive faster than they can be written. Send them again later.").WithRetryAfter(1).Because(err)
	}
	if errors.Is(err, store.ErrClosed) {
		return fault.New(fault.ServiceUnavailable, "Nothing was stored: the storage account is moving to another process. Send the rows again.").WithRetryAfter(1).Because(err)
	}
	return fault.Of(err)
}
