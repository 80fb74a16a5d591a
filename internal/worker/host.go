package worker

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"

	"logkeep/internal/schema"
	"logkeep/internal/worker/wire"
)

// maxAnswer bounds what the keeper may answer.
const maxAnswer = 64 << 20

// A host asks the keeper, over this worker's own channel.
type host struct{ http *http.Client }

func newHost(open func(context.Context) (net.Conn, error)) *host {
	return &host{&http.Client{Transport: &http.Transport{
		DialContext:        func(ctx context.Context, _, _ string) (net.Conn, error) { return open(ctx) },
		DisableCompression: true,
	}}}
}

func (h *host) token(ctx context.Context, r wire.TokenRequest) (t wire.Token, err error) {
	return t, h.call(ctx, "/token", r, &t)
}

func (h *host) commit(ctx context.Context, c wire.Commit) error {
	return h.call(ctx, "/commit", c, nil)
}

func (h *host) spoolKey(ctx context.Context, k wire.SpoolKey) error {
	return h.call(ctx, "/spoolkey", k, nil)
}

func (h *host) spooled(ctx context.Context, s wire.Spooled) error {
	return h.call(ctx, "/spooled", s, nil)
}

// account asks what must be known to open an account, as it is now.
func (h *host) account(ctx context.Context, id schema.AccountID) (a wire.Account, err error) {
	return a, h.call(ctx, "/account", id, &a)
}

// manifest asks for an account's manifest as it is now.
func (h *host) manifest(ctx context.Context, of wire.ManifestOf) (m wire.Manifest, err error) {
	answer, err := h.ask(ctx, "/manifest", of)
	if err != nil {
		return m, err
	}
	defer answer.Close()
	if m, err = wire.ReadManifest(answer); err != nil {
		return m, fmt.Errorf("ask the keeper (/manifest): %w", err)
	}
	return m, nil
}

func (h *host) call(ctx context.Context, path string, in, out any) error {
	answer, err := h.ask(ctx, path, in)
	if err != nil {
		return err
	}
	defer answer.Close()
	text, err := io.ReadAll(io.LimitReader(answer, maxAnswer))
	if err != nil {
		return fmt.Errorf("ask the keeper (%s): %w", path, err)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("ask the keeper (%s): %w", path, err)
	}
	return nil
}

// ask returns the keeper's answer, to be closed, or the fault that it told.
func (h *host) ask(ctx context.Context, path string, in any) (io.ReadCloser, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return nil, fmt.Errorf("internal error: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://keeper"+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("internal error: %w", err)
	}
	answer, err := h.http.Do(r)
	if err != nil {
		return nil, fmt.Errorf("ask the keeper (%s): %w", path, err)
	}
	if answer.StatusCode == http.StatusOK {
		return answer.Body, nil
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("ask the keeper (%s): %w", path, err)
	}
	return nil, wire.DecodeFault(text)
}
