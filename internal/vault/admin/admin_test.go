package admin_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"logkeep/internal/vault/admin"
)

// serve answers on a fresh Unix socket and returns its path.
func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: h}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return path
}

func TestTheKeeperIsAskedAndTold(t *testing.T) {
	var asked admin.Question
	var told admin.Notice
	path := serve(t, admin.CallbackHandler(slog.New(slog.DiscardHandler),
		func(_ context.Context, q admin.Question) (bool, error) {
			asked = q
			if q.ObjectID == "broken" {
				return true, errors.New("catalog closed")
			}
			return q.ObjectID == "o", nil
		},
		func(_ context.Context, n admin.Notice) { told = n },
		func(_ context.Context, token string) (admin.Claims, error) {
			if token != "known" {
				return admin.Claims{}, admin.Refuse(401, "Unauthorized", "no")
			}
			return admin.Claims{Tenant: "t", ObjectID: "o", Expires: 7}, nil
		}))
	c := admin.NewCallbacks(path)
	defer c.Close()
	q := admin.Question{Tenant: "t", ObjectID: "o", AppID: "a", Action: "x/action", Scope: "/s"}
	if ok, err := c.Authorize(t.Context(), q); err != nil || !ok || asked != q {
		t.Errorf("Authorize = %v, %v; the keeper was asked %+v", ok, err, asked)
	}
	if ok, err := c.Authorize(t.Context(), admin.Question{ObjectID: "p"}); err != nil || ok {
		t.Errorf("Authorize of another = %v, %v", ok, err)
	}
	if ok, err := c.Authorize(t.Context(), admin.Question{ObjectID: "broken"}); err == nil || ok {
		t.Errorf("a keeper that can't tell must be an error, not %v", ok)
	}
	if claims, err := c.Identify(t.Context(), "known"); err != nil || claims.ObjectID != "o" || claims.Expires != 7 {
		t.Errorf("Identify = %+v, %v", claims, err)
	}
	if _, err := c.Identify(t.Context(), "strange"); err == nil {
		t.Error("a token that the keeper does not know was identified")
	}
	n := admin.Notice{VaultURI: "https://kv.vault.x.test:8443", Key: "k", Version: "v", What: admin.KeyUpdated}
	if err := c.Notice(t.Context(), n); err != nil || told != n {
		t.Errorf("Notice: %v; the keeper was told %+v", err, told)
	}
}

func TestARefusalTravelsWhole(t *testing.T) {
	path := serve(t, admin.Handler(slog.New(slog.DiscardHandler), map[string]admin.Call{
		"/vaults/get": func(context.Context, []byte) (any, error) {
			return nil, admin.Refuse(http.StatusConflict, "VaultAlreadyExists", "The name %q is taken.", "kv")
		},
		"/vaults/delete": func(context.Context, []byte) (any, error) { return nil, errors.New("disk is full") },
	}))
	c := admin.NewClient(path)
	defer c.Close()
	_, err := c.Vault(t.Context(), admin.Request{})
	p, ok := errors.AsType[*admin.Problem](err)
	if !ok || p.Status != http.StatusConflict || p.Code != "VaultAlreadyExists" || p.Message != `The name "kv" is taken.` {
		t.Errorf("Vault: %v", err)
	}
	if p, ok := errors.AsType[*admin.Problem](c.DeleteVault(t.Context(), admin.Request{})); !ok || p.Status != http.StatusInternalServerError {
		t.Errorf("an internal error became %+v", p)
	}
	if p, ok := errors.AsType[*admin.Problem](c.Health(t.Context())); !ok || p.Status != http.StatusNotFound {
		t.Errorf("a call that no one serves became %+v", p)
	}
}

func TestHostileAnswersAndQuestionsAreErrors(t *testing.T) {
	path := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/ca":
			w.Write([]byte(strings.Repeat(" ", 17<<20)))
		case "/tokens":
			w.Write([]byte(`{"not":"a string"}`))
		default:
			w.WriteHeader(http.StatusBadGateway)
		}
	}))
	c := admin.NewClient(path)
	defer c.Close()
	if _, err := c.CA(t.Context()); err == nil {
		t.Error("an endless answer was read")
	}
	if _, err := c.Sign(t.Context(), map[string]any{}); err == nil {
		t.Error("an answer of another shape was taken")
	}
	if _, err := c.Keys(t.Context()); err == nil {
		t.Error("an answer without a body was taken")
	}
	big := admin.NewClient(serve(t, admin.Handler(slog.New(slog.DiscardHandler), map[string]admin.Call{
		"/tokens": func(context.Context, []byte) (any, error) { return "token", nil },
	})))
	defer big.Close()
	if _, err := big.Sign(t.Context(), strings.Repeat("x", 5<<20)); err == nil {
		t.Error("a question of 5 MiB was read")
	}
}
