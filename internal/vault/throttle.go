package vault

import (
	"encoding/json"
	"net"
	"net/http"
	"strconv"
	"strings"

	"logkeep/internal/throttle"
	"logkeep/internal/vault/admin"
)

// throttled answers 429 when a vault is asked too often (behaviour 11.17). The
// server itself is never kept waiting: a probe that is refused would be taken
// for a silent vault.
func throttled(m *throttle.Meter, next http.Handler) http.Handler {
	if m == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.RemoteAddr == admin.TrustedAddress {
			next.ServeHTTP(w, r)
			return
		}
		host := strings.ToLower(r.Host)
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		_, wait, ok := m.Take(host)
		if ok {
			next.ServeHTTP(w, r)
			return
		}
		var body struct {
			Error struct {
				Code    string `json:"code"`
				Message string `json:"message"`
			} `json:"error"`
		}
		body.Error.Code = "Throttled"
		body.Error.Message = "Request was not processed because too many requests were received. Reason: VaultRequestTypeLimitReached"
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.Header().Set("Retry-After", strconv.Itoa(throttle.Seconds(wait)))
		w.WriteHeader(http.StatusTooManyRequests)
		json.NewEncoder(w).Encode(body)
	})
}
