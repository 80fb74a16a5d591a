package witness

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
)

// A web place keeps the statement at a URL: GET reads it, PUT replaces it. Where
// the server gives an ETag, a PUT says which statement it replaces (If-Match), and
// the first that there is none (If-None-Match: *), so that two servers on copies
// of one data directory can't tell in turn.
type web struct {
	url    *url.URL
	client *http.Client

	mu     sync.Mutex
	tag    string            // of what was read or written last
	none   bool              // there was nothing
	unsure bool              // nobody knows whether the last write was kept
	ours   [sha256.Size]byte // digest of what was read or written last
	tried  [sha256.Size]byte // and of what was to be
}

// URL is a place behind an https URL. A user and password in it are sent as HTTP's
// basic authentication. Redirects are not followed.
func URL(address string, roots *x509.CertPool) (Place, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.Fragment != "" {
		return nil, errors.New("the witness is neither a file nor an https URL")
	}
	return &web{url: u, client: &http.Client{
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
			ForceAttemptHTTP2: true, MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

func (w *web) String() string { return w.url.Redacted() }

func (w *web) Read(ctx context.Context) ([]byte, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	b, err := w.read(ctx)
	if err == nil {
		w.ours = sha256.Sum256(b)
	}
	return b, err
}

func (w *web) read(ctx context.Context) ([]byte, error) {
	answer, err := w.do(ctx, http.MethodGet, nil, nil)
	if err != nil {
		return nil, err
	}
	defer drain(answer.Body)
	switch answer.StatusCode {
	case http.StatusOK:
		w.tag, w.none = answer.Header.Get("ETag"), false
		return bounded(answer.Body)
	case http.StatusNotFound:
		w.tag, w.none = "", true
		return nil, ErrNone
	}
	return nil, fmt.Errorf("it answered with status %d", answer.StatusCode)
}

func (w *web) Write(ctx context.Context, statement []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.unsure {
		if err := w.settle(ctx); err != nil {
			return err
		}
	}
	w.tried = sha256.Sum256(statement)
	condition := http.Header{}
	switch {
	case w.tag != "":
		condition.Set("If-Match", w.tag)
	case w.none:
		condition.Set("If-None-Match", "*")
	}
	answer, err := w.do(ctx, http.MethodPut, statement, condition)
	if err != nil {
		w.unsure = true
		return err
	}
	defer drain(answer.Body)
	switch answer.StatusCode {
	case http.StatusOK, http.StatusCreated, http.StatusNoContent:
		w.tag, w.none, w.ours = answer.Header.Get("ETag"), false, w.tried
		return nil
	case http.StatusPreconditionFailed, http.StatusConflict:
		return fmt.Errorf("somebody else wrote to it (status %d): does another server run on a copy of this data directory?", answer.StatusCode)
	}
	return fmt.Errorf("it answered with status %d", answer.StatusCode)
}

// settle finds out what became of a write without an answer: what is there must
// be that statement or the one before.
func (w *web) settle(ctx context.Context) error {
	b, err := w.read(ctx)
	if err != nil && !errors.Is(err, ErrNone) {
		return err
	}
	if found := sha256.Sum256(b); err == nil && found != w.ours && found != w.tried {
		return errors.New("somebody else wrote to it: does another server run on a copy of this data directory?")
	}
	w.unsure = false
	return nil
}

func (w *web) do(ctx context.Context, method string, body []byte, header http.Header) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, w.url.String(), bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("the URL can't be asked") // the error's text has the URL, and that may have a password
	}
	for name, values := range header {
		r.Header[name] = values
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	answer, err := w.client.Do(r)
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err // likewise
	}
	return answer, err
}

func drain(body io.ReadCloser) {
	io.Copy(io.Discard, io.LimitReader(body, 64<<10))
	body.Close()
}
