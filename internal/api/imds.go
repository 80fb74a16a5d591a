package api

import (
	"crypto/subtle"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"logkeep/internal/catalog"
	"logkeep/internal/entra"
)

// A HostIdentity is the managed-identity endpoint of this host. It gives
// tokens, without a secret, to whoever can reach it: that is why it listens on
// loopback only, hands out only the user-assigned identities that its operator
// has listed, and none by default.
type HostIdentity struct {
	Issuer     *entra.Issuer
	Catalog    *catalog.Catalog
	Identities []string // resource ids of user-assigned identities
	Header     string   // secret of the App Service form; empty turns that form off
	Log        *slog.Logger
}

// Handler serves the three forms that clients know: the instance metadata
// service, App Service and Cloud Shell.
func (h HostIdentity) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		status, body := h.answer(r)
		if err := writeJSON(w, status, body); err != nil && h.Log != nil {
			h.Log.Debug("managed identity answer", "error", err)
		}
	})
}

func imdsError(code, text string) map[string]string {
	return map[string]string{"error": code, "error_description": text}
}

func (h HostIdentity) answer(r *http.Request) (int, any) {
	// A browser or a proxy that was talked into asking on somebody's behalf
	// can't set the header that each form wants.
	if r.Header.Get("X-Forwarded-For") != "" {
		return 400, imdsError("invalid_request", "Requests must not come through a proxy.")
	}
	marked := strings.EqualFold(r.Header.Get("Metadata"), "true")
	q := r.URL.Query()
	switch path := "/" + strings.Join(split(r.URL.Path), "/"); {
	case path == "/metadata/identity/oauth2/token" && r.Method == http.MethodGet && q.Get("api-version") == "":
		return 400, imdsError("invalid_request", "Required query variable 'api-version' is missing")
	case path == "/metadata/identity/oauth2/token" && r.Method == http.MethodGet:
	case path == "/oauth2/token" && r.Method == http.MethodPost:
		r.Body = http.MaxBytesReader(nil, r.Body, 64<<10)
		if err := r.ParseForm(); err != nil {
			return 400, imdsError("invalid_request", "The body is not a form.")
		}
		q = r.PostForm
	case path == "/msi/token" && r.Method == http.MethodGet:
		if h.Header == "" || subtle.ConstantTimeCompare([]byte(h.Header), []byte(r.Header.Get("X-IDENTITY-HEADER"))) != 1 {
			return 401, imdsError("unauthorized", "The header X-IDENTITY-HEADER is missing or wrong.")
		}
		marked = true
	default:
		return 404, imdsError("not_found", "Nothing is served here. Ask GET /metadata/identity/oauth2/token?api-version=2018-02-01&resource=…")
	}
	audience := q.Get("resource")
	switch {
	case !marked:
		return 400, imdsError("invalid_request", "Required metadata header not specified")
	case audience == "":
		return 400, imdsError("invalid_request", "Required query variable 'resource' is missing")
	}
	p, err := h.identity(r, q.Get)
	if errors.Is(err, fs.ErrNotExist) {
		return 400, imdsError("invalid_request", "Identity not found. The operator of this server lists the identities of this host under imds.identities; ask for one by client_id, object_id or msi_res_id.")
	}
	var t entra.Token
	if err == nil {
		t, err = h.Issuer.TokenFor(r.Context(), p.ObjectID, strings.TrimSuffix(audience, "/.default"))
	}
	if err != nil {
		if h.Log != nil {
			h.Log.Error("managed identity", "error", err)
		}
		return 500, imdsError("server_error", "The token could not be issued. Try again.")
	}
	seconds := strconv.Itoa(int(time.Until(t.Expires).Round(time.Second) / time.Second))
	return 200, map[string]string{
		"access_token": t.Text, "client_id": t.Client, "resource": audience, "token_type": "Bearer",
		"expires_in": seconds, "ext_expires_in": seconds, "expires_on": strconv.FormatInt(t.Expires.Unix(), 10),
		"not_before": strconv.FormatInt(t.Expires.Add(-entra.Lifetime).Unix(), 10),
	}
}

// identity finds the listed identity that a request asks for. A request that
// names none gets the only one, if there is only one.
func (h HostIdentity) identity(r *http.Request, get func(string) string) (entra.Principal, error) {
	var found []entra.Principal
	for _, id := range h.Identities {
		p, err := h.Catalog.PrincipalOf(r.Context(), id)
		if errors.Is(err, fs.ErrNotExist) || err == nil && p.Kind != entra.UserAssigned {
			continue // listed before it is made, or after it is gone
		}
		if err != nil {
			return entra.Principal{}, err
		}
		fits := true
		for parameter, value := range map[string]string{"client_id": p.AppID, "clientid": p.AppID, "object_id": p.ObjectID, "principal_id": p.ObjectID, "mi_res_id": p.Resource, "msi_res_id": p.Resource} {
			if want := get(parameter); want != "" {
				fits = fits && strings.EqualFold(want, value)
			}
		}
		if fits {
			found = append(found, p)
		}
	}
	if len(found) != 1 {
		return entra.Principal{}, fs.ErrNotExist
	}
	return found[0], nil
}
