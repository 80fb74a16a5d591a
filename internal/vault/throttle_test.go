package vault

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"logkeep/internal/throttle"
	"logkeep/internal/vault/admin"
)

func TestAVaultThatIsAskedTooOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := throttled(throttle.NewMeter(throttle.Rate{Burst: 2, PerSecond: 0.5}), http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		ask := func(host, from string) *httptest.ResponseRecorder {
			r := httptest.NewRequest("GET", "/keys", nil)
			r.Host, r.RemoteAddr = host, from
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			return w
		}
		for range 2 {
			if w := ask("kv.vault.x.test:8443", "192.0.2.1:1"); w.Code != 200 {
				t.Fatal(w.Code)
			}
		}
		w := ask("KV.vault.x.test", "192.0.2.2:1")
		if w.Code != 429 || w.Header().Get("Retry-After") != "2" || !strings.Contains(w.Body.String(), `"code":"Throttled"`) {
			t.Errorf("%d %s %s", w.Code, w.Header(), w.Body)
		}
		if w := ask("kv.vault.x.test:8443", admin.TrustedAddress); w.Code != 200 {
			t.Error("the server itself is kept waiting")
		}
		if w := ask("other.vault.x.test:8443", "192.0.2.1:1"); w.Code != 200 {
			t.Error("another vault is throttled, too")
		}
	})
}
