package worker

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"logkeep/internal/fault"
	"logkeep/internal/worker/wire"
)

// face is what the keeper can ask.
func (w *Worker) face() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /open", answerTo(w.base, wire.ReadOpen, func(ctx context.Context, r wire.Open) (any, error) { return struct{}{}, w.open(ctx, r) }))
	mux.HandleFunc("POST /generate", answer(w.base, func(ctx context.Context, r wire.Generate) (any, error) { return w.generate(ctx, r) }))
	mux.HandleFunc("POST /rewrap", answer(w.base, func(ctx context.Context, r wire.Rewrap) (any, error) { return w.rewrap(ctx, r) }))
	mux.HandleFunc("POST /adopt", answer(w.base, func(ctx context.Context, r wire.Adopt) (any, error) { return struct{}{}, w.adopt(ctx, r) }))
	mux.HandleFunc("POST /release", answer(w.base, func(ctx context.Context, r wire.Release) (any, error) { return struct{}{}, w.release(ctx, r) }))
	mux.HandleFunc("POST /drop", answer(w.base, func(ctx context.Context, r wire.Drop) (any, error) { return struct{}{}, w.drop(ctx, r) }))
	mux.HandleFunc("POST /retain", answer(w.base, func(ctx context.Context, r wire.Retain) (any, error) { return struct{}{}, w.retain(ctx, r) }))
	mux.HandleFunc("POST /purge", answer(w.base, func(ctx context.Context, r wire.Purge) (any, error) { return w.purge(ctx, r) }))
	mux.HandleFunc("POST /check", answer(w.base, func(ctx context.Context, r wire.Check) (any, error) { return w.check(ctx, r) }))
	mux.HandleFunc("POST /salvage", answer(w.base, func(ctx context.Context, r wire.Salvage) (any, error) { return w.salvage(ctx, r) }))
	mux.HandleFunc("POST /flush", answer(w.base, func(ctx context.Context, _ struct{}) (any, error) { return w.flush(ctx) }))
	mux.HandleFunc("POST /texts/seal", answer(w.base, func(_ context.Context, r wire.SealText) (any, error) { return w.sealText(r) }))
	mux.HandleFunc("POST /texts/open", answer(w.base, func(_ context.Context, r wire.OpenTexts) (any, error) { return w.openTexts(r) }))
	mux.HandleFunc("POST /status", answer(w.base, func(ctx context.Context, _ struct{}) (any, error) { return w.status(), nil }))
	mux.HandleFunc("POST /marks", answer(w.base, func(_ context.Context, r wire.Marks) (any, error) { return w.marks(r) }))
	mux.HandleFunc("POST /append", w.serveAppend)
	return mux
}

// maxControl bounds a control request: an account's manifest may list many segments.
const maxControl = 1 << 30

func answer[In any](w *base, f func(context.Context, In) (any, error)) http.HandlerFunc {
	return answerTo(w, func(from io.Reader) (in In, err error) { return in, json.NewDecoder(from).Decode(&in) }, f)
}

func answerTo[In any](w *base, read func(io.Reader) (In, error), f func(context.Context, In) (any, error)) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		var out any
		in, err := read(io.LimitReader(r.Body, maxControl))
		if err != nil {
			err = fault.New(fault.InvalidRequestContent, "The keeper's request could not be read.").Because(err)
		} else {
			out, err = f(r.Context(), in)
		}
		if err != nil {
			w.refuse(rw, keyFault(err))
			return
		}
		json.NewEncoder(rw).Encode(out)
	}
}

// refuse tells the keeper a fault. What is ours to know of it stays here, in
// the log; it names places and causes and never holds data.
func (w *base) refuse(rw http.ResponseWriter, err error) {
	status, body := wire.EncodeFault(err)
	if f := fault.Of(err); status >= 500 && f.Cause() != nil && !errors.Is(f.Cause(), context.Canceled) { // who asked has left
		w.log.Error("a request failed", "code", string(f.Code), "cause", f.Cause().Error())
	}
	rw.WriteHeader(status)
	rw.Write(body)
}

func (w *Worker) flush(ctx context.Context) (f wire.Flushed, err error) {
	for _, a := range w.all() {
		if err := a.store.Flush(ctx); err != nil {
			return f, err
		}
		f.Segments += a.store.Stats().Segments
	}
	return f, nil
}

// marks says how far accounts have come.
func (w *Worker) marks(r wire.Marks) ([]wire.Mark, error) {
	all := make([]wire.Mark, len(r.Accounts))
	for i, id := range r.Accounts {
		a, err := w.account(id)
		if err != nil {
			return nil, err
		}
		m := a.store.Mark()
		all[i] = wire.Mark{Account: id, Seq: m.Seq, Last: m.Journal.Last, Head: m.Journal.Commitment[:]}
	}
	return all, nil
}

// whole demands that no account is broken, for what must reach all of them.
func (w *Worker) whole() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, err := range w.broken {
		return brokenFault(id, err)
	}
	return nil
}

func (w *Worker) all() []*account {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := make([]*account, 0, len(w.accounts))
	for _, a := range w.accounts {
		all = append(all, a)
	}
	return all
}

func (w *Worker) status() (s wire.Status) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, a := range w.accounts {
		s.Accounts = append(s.Accounts, id)
		for generation, kid := range a.chain.under() {
			s.Keys = append(s.Keys, wire.Key{Account: id, Generation: generation, KID: kid})
		}
	}
	return s
}
