package api

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"

	"logkeep/internal/entra"
	"logkeep/internal/fault"
)

// entraDialect is OAuth's way to tell faults. Refusals that have an AADSTS
// number are written by refused; what is left are faults of our own.
var entraDialect = dialect{
	unversioned: true,
	unknown: func([]string) error {
		return fault.New(fault.NotFound, "Nothing is served at this path.")
	},
	body: func(f *fault.Error, correlation string) any {
		code := "invalid_request"
		if f.Status() >= 500 {
			code = "server_error"
		}
		return map[string]any{"error": code, "error_description": f.Message, "correlation_id": correlation}
	},
}

// entraRoutes serve every tenant twice: below its id, and below /adfs for
// clients that would ask the public cloud about any other authority. Some of
// them put the tenant behind /adfs.
func (s *server) entraRoutes() []route {
	var all []route
	for _, p := range []struct{ authority, discovery, token string }{
		{"/{tenant}", "/v2.0/.well-known/openid-configuration", "/oauth2/v2.0/token"},
		{"/{tenant}", "/.well-known/openid-configuration", "/oauth2/token"},
		{"/adfs/{tenant}", "/v2.0/.well-known/openid-configuration", "/oauth2/v2.0/token"},
		{"/adfs/{tenant}", "/.well-known/openid-configuration", "/oauth2/token"},
	} {
		all = append(all,
			route{method: "GET", pattern: p.authority + p.discovery, public: true, handle: s.openIDConfiguration},
			route{method: "POST", pattern: p.authority + p.token, public: true, maxBody: 64 << 10, handle: s.token},
		)
	}
	return append(all,
		route{method: "GET", pattern: "/{tenant}/discovery/v2.0/keys", public: true, handle: s.tokenKeys},
		route{method: "GET", pattern: "/{tenant}/discovery/keys", public: true, handle: s.tokenKeys},
		route{method: "GET", pattern: "/common/discovery/instance", public: true, handle: s.instanceDiscovery},
	)
}

// refused writes a refusal as Entra does; other errors go their way.
func refused(w http.ResponseWriter, err error) error {
	r, ok := errors.AsType[*entra.Refusal](err)
	if !ok {
		return err
	}
	correlation := uuid.NewString()
	if a, ok := w.(*answer); ok {
		correlation = a.correlation
	}
	return writeJSON(w, r.Status, map[string]any{
		"error": r.Code, "error_description": r.Error(), "error_codes": []int{r.Number},
		"timestamp": time.Now().UTC().Format("2006-01-02 15:04:05Z"), "trace_id": uuid.NewString(), "correlation_id": correlation,
	})
}

// tenant finds the directory that a path names, or refuses as Entra does.
func (s *server) tenant(r *http.Request) (entra.Tenant, error) {
	name := r.PathValue("tenant")
	t, ok, err := s.Identity.Issuer.Tenant(r.Context(), name)
	if err == nil && !ok {
		err = &entra.Refusal{Status: 400, Code: "invalid_tenant", Number: 90002, Description: "Tenant '" + name + "' not found. Check to make sure you have the correct tenant ID."}
	}
	return t, err
}

func (s *server) openIDConfiguration(w http.ResponseWriter, r *http.Request) error {
	t, err := s.tenant(r)
	if err != nil {
		return refused(w, err)
	}
	root := base(r) + "/" + string(t.ID)
	issuer, authorize, token, keys := entra.IssuerURL(base(r), t.ID), root+"/oauth2/v2.0/authorize", root+"/oauth2/v2.0/token", root+"/discovery/v2.0/keys"
	if strings.EqualFold(r.PathValue("tenant"), entra.ADFS) {
		root = base(r) + "/" + entra.ADFS
		issuer, authorize, token, keys = root, root+"/oauth2/authorize", root+"/oauth2/token", root+"/discovery/keys"
	}
	return writeJSON(w, http.StatusOK, map[string]any{
		"issuer": issuer, "authorization_endpoint": authorize, "token_endpoint": token, "jwks_uri": keys,
		"token_endpoint_auth_methods_supported": []string{"client_secret_post"},
		"grant_types_supported":                 []string{"client_credentials"},
		"response_types_supported":              []string{"token"},
		"response_modes_supported":              []string{"query"},
		"subject_types_supported":               []string{"pairwise"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
		"scopes_supported":                      []string{"openid"},
		"claims_supported":                      []string{"aud", "iss", "iat", "nbf", "exp", "tid", "oid", "sub", "appid", "azp", "idtyp", "ver"},
		"tenant_region_scope":                   nil,
		"cloud_instance_name":                   r.Host,
		"msgraph_host":                          r.Host,
	})
}

func (s *server) tokenKeys(w http.ResponseWriter, r *http.Request) error {
	if _, err := s.tenant(r); err != nil {
		return refused(w, err)
	}
	keys, err := s.Identity.Issuer.PublicKeys(r.Context())
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, keys)
}

func (s *server) token(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		if big, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return fault.New(fault.RequestEntityTooLarge, "The body is larger than %d bytes.", big.Limit)
		}
		return refused(w, &entra.Refusal{Status: 400, Code: "invalid_request", Number: 900144, Description: "The body is not a form (application/x-www-form-urlencoded)."})
	}
	// Only the body: a secret in a URL would be in everybody's logs.
	t, err := s.Identity.Issuer.SignIn(r.Context(), entra.Request{Base: base(r), Tenant: r.PathValue("tenant"), Form: r.PostForm})
	if err != nil {
		return refused(w, err)
	}
	seconds := int(entra.Lifetime / time.Second)
	return writeJSON(w, http.StatusOK, map[string]any{
		"token_type": "Bearer", "expires_in": seconds, "ext_expires_in": seconds, "access_token": t.Text,
	})
}

// instanceDiscovery tells clients that an authority of ours is one, when the
// question meant for the public cloud reaches us.
func (s *server) instanceDiscovery(w http.ResponseWriter, r *http.Request) error {
	u, err := url.Parse(r.URL.Query().Get("authorization_endpoint"))
	tenant := ""
	if err == nil {
		tenant, _, _ = strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	}
	host := strings.ToLower(u.Hostname())
	if err != nil || u.Scheme != "https" || tenant == "" || host != s.Domain && host != "localhost" && host != "127.0.0.1" {
		return refused(w, &entra.Refusal{Status: 400, Code: "invalid_instance", Number: 50049, Description: "Unknown or invalid instance. Name this server in authorization_endpoint."})
	}
	authority := s.authority(host)
	return writeJSON(w, http.StatusOK, map[string]any{
		"tenant_discovery_endpoint": "https://" + authority + "/" + tenant + "/v2.0/.well-known/openid-configuration",
		"api-version":               "1.1",
		"metadata":                  []any{map[string]any{"preferred_network": authority, "preferred_cache": authority, "aliases": []string{authority, host}}},
	})
}
