package courier

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strconv"
	"strings"

	"logkeep/internal/bucket"
	"logkeep/internal/schema"
)

// A Judge says which bucket a process may reach an account by, or refuses.
type Judge func(ctx context.Context, account schema.AccountID, change bool) (bucket.Bucket, error)

// Handler serves one process.
func Handler(judge Judge) http.Handler {
	h := handler{judge, make(chan struct{}, 4)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+Path, h.list)
	mux.HandleFunc("PUT "+Path+"/{name...}", h.put)
	mux.HandleFunc("HEAD "+Path+"/{name...}", h.size)
	mux.HandleFunc("GET "+Path+"/{name...}", h.read)
	mux.HandleFunc("DELETE "+Path+"/{name...}", h.remove)
	return mux
}

type handler struct {
	judge Judge
	large chan struct{} // holds a token for each large object on its way
}

const largeObject = 1 << 20

// reach judges the account that a name begins with.
func (h handler) reach(ctx context.Context, name string, change bool) (bucket.Bucket, error) {
	if err := bucket.CheckName(name); err != nil {
		return nil, fmt.Errorf("%w: %w", fs.ErrInvalid, err)
	}
	account, rest, ok := strings.Cut(name, "/")
	if !ok || rest == "" {
		return nil, fmt.Errorf("%q names no account's object: %w", name, fs.ErrInvalid)
	}
	return h.judge(ctx, schema.AccountID(account), change)
}

func fail(w http.ResponseWriter, err error) {
	text := err.Error()
	http.Error(w, text[:min(len(text), maxWords-1)], statusOf(err))
}

func (h handler) put(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	b, err := h.reach(r.Context(), name, true)
	if err == nil && (r.ContentLength < 0 || r.ContentLength > maxObject) {
		err = fmt.Errorf("object %s has a length of %d: %w", name, r.ContentLength, fs.ErrInvalid)
	}
	if err != nil {
		fail(w, err)
		return
	}
	if r.ContentLength > largeObject {
		select {
		case h.large <- struct{}{}:
			defer func() { <-h.large }()
		case <-r.Context().Done():
			return
		}
	}
	body := make([]byte, r.ContentLength)
	if _, err := io.ReadFull(r.Body, body); err != nil {
		fail(w, fmt.Errorf("put object %s: %w", name, err))
		return
	}
	// What was begun is done: a worker that dies meanwhile changes nothing.
	ctx := context.WithoutCancel(r.Context())
	if r.URL.Query().Get("once") == "1" {
		err = b.Put(ctx, name, body)
	} else {
		err = b.Replace(ctx, name, body)
	}
	if err != nil {
		fail(w, err)
	}
}

func (h handler) remove(w http.ResponseWriter, r *http.Request) {
	b, err := h.reach(r.Context(), r.PathValue("name"), true)
	if err == nil {
		err = b.Remove(r.Context(), r.PathValue("name"))
	}
	if err != nil {
		fail(w, err)
	}
}

func (h handler) size(w http.ResponseWriter, r *http.Request) {
	b, err := h.reach(r.Context(), r.PathValue("name"), false)
	var size int64
	if err == nil {
		size, err = b.Size(r.Context(), r.PathValue("name"))
	}
	if err != nil {
		fail(w, err)
		return
	}
	w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
}

func (h handler) read(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	b, err := h.reach(r.Context(), name, false)
	off, bad := strconv.ParseInt(r.URL.Query().Get("off"), 10, 64)
	n, worse := strconv.Atoi(r.URL.Query().Get("n"))
	if err == nil && (bad != nil || worse != nil || off < 0 || n < 0 || n > maxRead) {
		err = fmt.Errorf("read object %s: %w", name, fs.ErrInvalid)
	}
	if err != nil {
		fail(w, err)
		return
	}
	p := make([]byte, n)
	got, err := b.ReadAt(r.Context(), name, p, off)
	if err != nil && err != io.EOF {
		fail(w, err)
		return
	}
	if err == io.EOF {
		w.Header().Set("End", "1")
	}
	w.Header().Set("Content-Length", strconv.Itoa(got))
	w.Write(p[:got])
}

func (h handler) list(w http.ResponseWriter, r *http.Request) {
	prefix := r.URL.Query().Get("prefix")
	b, err := h.reach(r.Context(), prefix+"x", false)
	var all []bucket.Info
	if err == nil {
		all, err = b.List(r.Context(), prefix)
	}
	if err != nil {
		fail(w, err)
		return
	}
	json.NewEncoder(w).Encode(all)
}
