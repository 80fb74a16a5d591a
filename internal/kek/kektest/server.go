package kektest

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"logkeep/internal/kek"
)

// Challenge is the header with which a vault at URI asks for a token.
const Challenge = `Bearer authorization="https://login.example.org/11111111-1111-1111-1111-111111111111", resource="https://example.com"`

// Serve puts the Key Vault protocol in front of v until the test ends, and
// says how to reach it under URI.
func (v *Vault) Serve(t testing.TB) kek.Config {
	t.Helper()
	return ServeHandler(t, v, v.Credential())
}

// ServeHandler serves any handler under URI.
func ServeHandler(t testing.TB, h http.Handler, cred azcore.TokenCredential) kek.Config {
	t.Helper()
	srv := httptest.NewTLSServer(h)
	t.Cleanup(func() { srv.CloseClientConnections(); srv.Close() })
	roots := x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	return kek.Config{
		Credential: cred, Roots: roots, Timeout: 2 * time.Second,
		Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
			if addr != "kv.example.com:443" {
				return nil, fmt.Errorf("a connection to %s, which is not the vault", addr)
			}
			var d net.Dialer
			return d.DialContext(ctx, network, srv.Listener.Addr().String())
		},
	}
}

// Accept has v take a token that somebody else gave.
func (v *Vault) Accept(token string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.valid[token] = true
}

// Credential gives tokens that v takes.
func (v *Vault) Credential() azcore.TokenCredential { return credential{v} }

// Fresh tells how many tokens were asked for because the last was refused.
func (v *Vault) Fresh() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.fresh
}

type credential struct{ v *Vault }

func (c credential) GetToken(ctx context.Context, _ policy.TokenRequestOptions) (azcore.AccessToken, error) {
	c.v.mu.Lock()
	defer c.v.mu.Unlock()
	switch c.v.tokens {
	case "trouble":
		return azcore.AccessToken{}, errors.New("the token endpoint answered 503")
	case "none":
		return azcore.AccessToken{}, &kek.Denied{Status: 401, Code: "IdentityNone", Message: "the cluster has no identity"}
	}
	if kek.Fresh(ctx) {
		c.v.fresh++
	}
	c.v.serial++
	token := fmt.Sprintf("token-%d", c.v.serial)
	c.v.valid[token] = true
	return azcore.AccessToken{Token: token, ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// ServeHTTP speaks the Key Vault protocol.
func (v *Vault) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	v.mu.Lock()
	valid := v.valid[token]
	if v.strangers != nil && token != "" && !valid {
		if _, seen := v.strangers[token]; !seen {
			v.strangers[token] = true
		}
		valid = v.strangers[token]
	}
	authorised := valid && v.tokens != "refused"
	proxied := v.fault.Status == http.StatusUnauthorized
	v.mu.Unlock()
	if proxied {
		http.Error(w, "Something that is no key vault", http.StatusUnauthorized)
		return
	}
	if !authorised {
		_, parent, _ := strings.Cut(v.uri, ".")
		w.Header().Set("WWW-Authenticate", strings.Replace(Challenge, "example.com", parent, 1))
		fail(w, http.StatusUnauthorized, "Unauthorized", "", "AKV10000: Request is missing a Bearer or PoP token.")
		return
	}
	part := strings.Split(strings.TrimPrefix(r.URL.Path, "/keys/"), "/")
	if !strings.HasPrefix(r.URL.Path, "/keys/") || len(part) < 2 {
		fail(w, http.StatusNotFound, "NotFound", "", "no such path")
		return
	}
	id := kek.ID{VaultURI: v.uri, Name: part[0], Version: part[1]}
	op := map[string]string{"": "get", "wrapkey": "wrap", "unwrapkey": "unwrap"}[strings.Join(part[2:], "/")]
	var body struct{ Alg, Value string }
	if r.Method == http.MethodPost && json.NewDecoder(r.Body).Decode(&body) != nil {
		fail(w, http.StatusBadRequest, "BadParameter", "", "malformed JSON")
		return
	}
	value, _ := base64.RawURLEncoding.DecodeString(body.Value)
	answer := v.serve(r.Context(), op, id, body.Alg, value)
	switch {
	case answer.drop:
		panic(http.ErrAbortHandler)
	case answer.page:
		if answer.after > 0 {
			w.Header().Set("Retry-After", fmt.Sprint(int(answer.after.Seconds())))
		}
		if answer.status/100 == 3 {
			w.Header().Set("Location", v.uri+"/elsewhere")
		}
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(answer.status)
		fmt.Fprint(w, "<html><body>Something that is no key vault</body></html>")
	case answer.status != http.StatusOK:
		if answer.after > 0 {
			w.Header().Set("Retry-After", fmt.Sprint(int(answer.after.Seconds())))
		}
		fail(w, answer.status, answer.code, answer.inner, answer.message)
	case op == "get":
		send(w, bundle(answer.key))
	default:
		send(w, map[string]any{"kid": answer.kid.String(), "value": base64.RawURLEncoding.EncodeToString(answer.value)})
	}
}

func bundle(k kek.Key) map[string]any {
	attributes := map[string]any{"enabled": k.Enabled, "recoveryLevel": k.RecoveryLevel, "created": 1, "updated": 1}
	if !k.NotBefore.IsZero() {
		attributes["nbf"] = k.NotBefore.Unix()
	}
	if !k.Expires.IsZero() {
		attributes["exp"] = k.Expires.Unix()
	}
	jwk := map[string]any{"kid": k.ID.String(), "kty": k.Type, "key_ops": k.Ops}
	if strings.HasPrefix(k.Type, "RSA") {
		jwk["n"], jwk["e"] = base64.RawURLEncoding.EncodeToString(make([]byte, k.Bits/8)), "AQAB"
	}
	return map[string]any{"key": jwk, "attributes": attributes}
}

func send(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(body)
}

func fail(w http.ResponseWriter, status int, code, inner, message string) {
	e := map[string]any{"code": code, "message": message}
	if inner != "" && inner != code {
		e["innererror"] = map[string]any{"code": inner}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]any{"error": e})
}
