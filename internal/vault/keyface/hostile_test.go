package keyface

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"logkeep/internal/resource"
	"logkeep/internal/seal"
	"logkeep/internal/vault/admin"
	"logkeep/internal/vault/keystore"
)

// Whatever a path is, it names something well formed or is refused in words,
// and what it names is named by its own plain form, too.
func FuzzParsePath(f *testing.F) {
	for _, s := range []string{
		"/keys", "/keys/", "//keys/k", "/keys/k//wrapkey", "/keys/k/0123456789abcdef0123456789ABCDEF/unwrapkey", "/deletedkeys/k/recover",
		"/keys/%6b/versions", "/keys/k%2Fversions", "/keys/%zz", "/keys/../x", "/rng", "/KEYS/k/WrapKey", "/keys/k/versions/", "",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, path string) {
		got, err := parsePath(path)
		if err != nil {
			r, ok := errors.AsType[*refusal](err)
			if !ok || r.status < 400 || r.status > 404 || r.message == "" || len(r.message) > 1000 {
				t.Fatalf("%q: %v", path, err)
			}
			return
		}
		if got.name != "" && !nameRule().MatchString(string(got.name)) || got.version != "" && !versionRule().MatchString(string(got.version)) {
			t.Fatalf("%q: %+v", path, got)
		}
		plain := "/" + got.collection
		for _, part := range []string{string(got.name), string(got.version), got.verb} {
			if part != "" && part != got.collection {
				plain += "/" + part
			}
		}
		if got.collection == got.verb {
			plain = "/" + got.verb
		}
		if again, err := parsePath(plain); err != nil && got.verb != got.collection || err == nil && again != got && got.collection != "rng" {
			t.Fatalf("%q is %+v, but %q is %+v, %v", path, got, plain, again, err)
		}
		route("GET", got)
	})
}

// Whatever a body is, it is read or refused, never more than maxBody of it.
func FuzzBody(f *testing.F) {
	for _, s := range []string{
		`{}`, `{"kty":"RSA"}`, `[`, ``, `null`, `{"attributes":{"exp":1e99}}`, `{"value":"AA=="}`, `{"lifetimeActions":[{}]}`, `{"key_ops":[7]}`, `{"tags":{"a":null}}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, read := range []func(*call) error{
			func(c *call) error { _, err := body[change](c); return err },
			func(c *call) error { _, err := body[operand](c); return err },
			func(c *call) error {
				p, err := body[policy](c)
				if err == nil {
					_, err = p.rotation()
				}
				return err
			},
		} {
			r := httptest.NewRequest("POST", "/", strings.NewReader(text))
			err := read(&call{r: r, w: httptest.NewRecorder()})
			if _, ok := errors.AsType[*refusal](err); err != nil && !ok {
				t.Fatalf("%q: %v", text, err)
			}
		}
	})
}

func FuzzDuration(f *testing.F) {
	for _, s := range []string{"P90D", "P2Y", "P1Y6M2W3D", "P", "PT1H", "P9999D", ""} {
		f.Add(s)
	}
	now := time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, s string) {
		if d, err := parseDuration(s); err == nil && (d.after(now).Before(now) || d.before(now).After(now)) {
			t.Fatalf("%q goes backwards", s)
		}
	})
}

// endless is a body that never ends and counts what is read of it.
type endless struct{ read int }

func (e *endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = ' '
	}
	e.read += len(b)
	return len(b), nil
}

// hostileFace serves one vault "akv" that lets anyone do anything.
func hostileFace(t *testing.T) *Face {
	t.Helper()
	root, err := seal.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	store, err := keystore.Open(t.Context(), t.TempDir(), root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	id, err := resource.Parse("/subscriptions/s/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/akv")
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Update(t.Context(), func(tx *keystore.Tx) error {
		return tx.PutVault(&keystore.Vault{Name: "akv", ID: id, Properties: admin.Properties{TenantID: "t", EnableRBACAuthorization: true}})
	}); err != nil {
		t.Fatal(err)
	}
	return New(Config{
		Domain: "logkeep.test", Port: 443, Store: store, Log: slog.New(slog.DiscardHandler),
		Verify: func(string) ([]byte, error) {
			return json.Marshal(claims{Audience: audience{"https://vault.azure.net"}, Expires: 1e12, Tenant: "t", ObjectID: "o"})
		},
		Authorize: func(context.Context, admin.Question) (bool, error) { return true, nil },
		Notice:    func(context.Context, admin.Notice) {},
	})
}

func TestAHugeBodyIsRefusedUnread(t *testing.T) {
	f := hostileFace(t)
	post := func(length int64, auth string) (int, int) {
		b := &endless{}
		r := httptest.NewRequest("POST", "https://akv.vault.logkeep.test/keys/k/create?api-version=7.4", io.NopCloser(b))
		r.ContentLength = length
		r.Header.Set("Authorization", auth)
		w := httptest.NewRecorder()
		f.ServeHTTP(w, r)
		return w.Code, b.read
	}
	if code, read := post(30<<20, "Bearer x"); code != http.StatusRequestEntityTooLarge || read != 0 {
		t.Errorf("with a length: %d after %d bytes", code, read)
	}
	if code, read := post(-1, "Bearer x"); code != http.StatusRequestEntityTooLarge || read > 2*maxBody {
		t.Errorf("without one: %d after %d bytes", code, read)
	}
	if code, read := post(30<<20, ""); code != http.StatusUnauthorized || read != 0 {
		t.Errorf("without a token: %d after %d bytes", code, read)
	}
}

// A hostile Host header is not repeated in a header of ours.
func TestAPortThatIsNoneIsNotEchoed(t *testing.T) {
	f := hostileFace(t)
	r := httptest.NewRequest("GET", "/keys", nil)
	r.Host, r.URL = `akv.vault.logkeep.test:80"evil`, &url.URL{Path: "/keys"}
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r)
	if got := w.Header().Get("WWW-Authenticate"); w.Code != http.StatusUnauthorized || strings.Contains(got, "evil") {
		t.Errorf("%d %s", w.Code, got)
	}
}

func TestADamagedRecordIsNoDenial(t *testing.T) {
	f := hostileFace(t)
	c := &call{Face: f, ctx: t.Context()}
	if r := c.told(keystore.ErrDamaged); r.status != http.StatusInternalServerError {
		t.Errorf("told %+v", r)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	c.ctx = gone
	if r := c.told(context.Canceled); r.status != http.StatusServiceUnavailable {
		t.Errorf("told %+v", r)
	}
}
