package entra_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"logkeep/internal/entra"
	"logkeep/internal/fault"
	"logkeep/internal/rbac"
)

// An abroad is an issuer elsewhere.
type abroad struct {
	*httptest.Server
	keys  atomic.Pointer[jose.JSONWebKeySet]
	asked atomic.Int64
	down  atomic.Bool
	name  string // of itself; "" the right one
}

func newAbroad(t *testing.T) *abroad {
	t.Helper()
	a := &abroad{}
	a.keys.Store(&jose.JSONWebKeySet{})
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		a.asked.Add(1)
		if a.down.Load() {
			http.Error(w, "down", http.StatusBadGateway)
			return
		}
		name := a.name
		if name == "" {
			name = a.URL
		}
		json.NewEncoder(w).Encode(map[string]any{"issuer": name, "jwks_uri": a.URL + "/keys", "authorization_endpoint": a.URL, "token_endpoint": a.URL})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) { json.NewEncoder(w).Encode(a.keys.Load()) })
	a.Server = httptest.NewTLSServer(mux)
	t.Cleanup(a.Close)
	return a
}

// signed makes a token of claims.
func signed(t *testing.T, alg jose.SignatureAlgorithm, key any, kid string, claims map[string]any) string {
	t.Helper()
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: key, KeyID: kid}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	made, err := s.Sign(b)
	if err != nil {
		t.Fatal(err)
	}
	text, err := made.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func (a *abroad) publish(keys ...jose.JSONWebKey) { a.keys.Store(&jose.JSONWebKeySet{Keys: keys}) }

func public(key crypto.Signer, kid, alg string) jose.JSONWebKey {
	return jose.JSONWebKey{Key: key.Public(), KeyID: kid, Algorithm: alg, Use: "sig"}
}

const arm = "https://x.test:8443"

func TestTokensFromOutside(t *testing.T) {
	a := newAbroad(t)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a.publish(public(rsaKey, "r", "RS256"), public(ecKey, "e", ""))
	o := entra.NewOutside(a.Client(), entra.Trust{URL: a.URL, Tenant: "t1", Audiences: []string{"client-1"}})
	now := time.Now()
	good := func(change map[string]any) map[string]any {
		c := map[string]any{"iss": a.URL, "sub": "alice", "aud": arm + "/", "exp": now.Add(time.Hour).Unix(), "iat": now.Unix()}
		for k, v := range change {
			if c[k] = v; v == nil {
				delete(c, k)
			}
		}
		return c
	}
	const oid = "11111111-2222-4333-8444-555555555555"
	modulus := rsaKey.N.Bytes()
	for _, c := range []struct {
		what  string
		token string
		code  fault.Code // "" accepted
		who   string
	}{
		{"RS256, a name", signed(t, jose.RS256, rsaKey, "r", good(nil)), "", entra.ObjectIDOf(a.URL, "alice")},
		{"ES256, an object id", signed(t, jose.ES256, ecKey, "e", good(map[string]any{"oid": oid})), "", oid},
		{"an audience of the issuer's", signed(t, jose.RS256, rsaKey, "r", good(map[string]any{"aud": []string{"other", "client-1"}})), "", entra.ObjectIDOf(a.URL, "alice")},
		{"a clock that is a little late", signed(t, jose.RS256, rsaKey, "r", good(map[string]any{"exp": now.Add(-20 * time.Second).Unix()})), "", entra.ObjectIDOf(a.URL, "alice")},
		{"a clock that is ahead", signed(t, jose.RS256, rsaKey, "r", good(map[string]any{"nbf": now.Add(4 * time.Minute).Unix()})), "", entra.ObjectIDOf(a.URL, "alice")},
		{"at its end", signed(t, jose.RS256, rsaKey, "r", good(map[string]any{"exp": now.Add(-2 * time.Minute).Unix()})), fault.ExpiredAuthenticationToken, ""},
		{"without an end", signed(t, jose.RS256, rsaKey, "r", good(map[string]any{"exp": nil})), fault.InvalidAuthenticationToken, ""},
		{"not yet", signed(t, jose.RS256, rsaKey, "r", good(map[string]any{"nbf": now.Add(time.Hour).Unix()})), fault.ExpiredAuthenticationToken, ""},
		{"made tomorrow", signed(t, jose.RS256, rsaKey, "r", good(map[string]any{"iat": now.Add(24 * time.Hour).Unix()})), fault.ExpiredAuthenticationToken, ""},
		{"for another service", signed(t, jose.RS256, rsaKey, "r", good(map[string]any{"aud": "https://elsewhere"})), fault.InvalidAuthenticationTokenAudience, ""},
		{"without an audience", signed(t, jose.RS256, rsaKey, "r", good(map[string]any{"aud": nil})), fault.InvalidAuthenticationTokenAudience, ""},
		{"of nobody", signed(t, jose.RS256, rsaKey, "r", good(map[string]any{"sub": nil})), fault.InvalidAuthenticationToken, ""},
		{"of an issuer that is not trusted", signed(t, jose.RS256, rsaKey, "r", good(map[string]any{"iss": a.URL + "/"})), fault.InvalidAuthenticationToken, ""},
		{"the key's modulus as a secret", signed(t, jose.HS256, modulus, "r", good(nil)), fault.InvalidAuthenticationToken, ""},
		{"another algorithm than the key's", signed(t, jose.PS256, rsaKey, "r", good(nil)), fault.InvalidAuthenticationToken, ""},
		{"another key under the name", signed(t, jose.ES256, ecKey, "r", good(nil)), fault.InvalidAuthenticationToken, ""},
		{"no signature", unsigned(good(nil)), fault.InvalidAuthenticationToken, ""},
		{"two dots", "..", fault.InvalidAuthenticationToken, ""},
	} {
		got, err := o.Verify(c.token, []string{arm})
		if c.code != "" {
			if !errors.Is(err, c.code) {
				t.Errorf("%s: %v %v", c.what, got, err)
			}
			continue
		}
		if err != nil || got.Caller.ObjectID != c.who || got.Caller.Tenant != "t1" || got.Caller.Outside != a.URL || got.Caller.Kind != rbac.User {
			t.Errorf("%s: %+v %v", c.what, got, err)
		}
	}
	if !o.Trusts("T1") || o.Trusts("t2") || (*entra.Outside)(nil).Trusts("t1") {
		t.Error("who is trusted for whom")
	}
}

func unsigned(claims map[string]any) string {
	b, _ := json.Marshal(claims)
	return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","kid":"r"}`)) + "." + base64.RawURLEncoding.EncodeToString(b) + "."
}

func TestKeysOfAnOutsideIssuerChange(t *testing.T) {
	a := newAbroad(t)
	keys := make([]*rsa.PrivateKey, 2)
	for i := range keys {
		var err error
		if keys[i], err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
			t.Fatal(err)
		}
	}
	claims := map[string]any{"iss": a.URL, "sub": "alice", "aud": arm, "exp": time.Now().Add(time.Hour).Unix()}
	first := signed(t, jose.RS256, keys[0], "one", claims)
	o := entra.NewOutside(a.Client(), entra.Trust{URL: a.URL, Tenant: "t1"})

	a.down.Store(true)
	if _, err := o.Verify(first, []string{arm}); !errors.Is(err, fault.ServiceUnavailable) {
		t.Errorf("an issuer that was never heard: %v", err)
	}
	if _, err := o.Verify(first, []string{arm}); !errors.Is(err, fault.ServiceUnavailable) || a.asked.Load() != 1 {
		t.Errorf("asked %d times at once: %v", a.asked.Load(), err)
	}

	b := newAbroad(t)
	claims["iss"] = b.URL
	first, second := signed(t, jose.RS256, keys[0], "one", claims), signed(t, jose.RS256, keys[1], "two", claims)
	o = entra.NewOutside(b.Client(), entra.Trust{URL: b.URL, Tenant: "t1"})
	b.publish(public(keys[0], "one", ""))
	if _, err := o.Verify(first, []string{arm}); err != nil {
		t.Fatal(err)
	}
	b.down.Store(true) // what is known stays good, and nobody waits
	if _, err := o.Verify(first, []string{arm}); err != nil || b.asked.Load() != 1 {
		t.Errorf("while the issuer is silent: asked %d times, %v", b.asked.Load(), err)
	}
	if _, err := o.Verify(second, []string{arm}); !errors.Is(err, fault.InvalidAuthenticationToken) || b.asked.Load() != 1 {
		t.Errorf("a key id that is not known, just after asking: asked %d times, %v", b.asked.Load(), err)
	}

	c := newAbroad(t)
	c.name = "https://somebody.else"
	c.publish(public(keys[0], "one", ""))
	claims["iss"] = c.URL
	o = entra.NewOutside(c.Client(), entra.Trust{URL: c.URL, Tenant: "t1"})
	if _, err := o.Verify(signed(t, jose.RS256, keys[0], "one", claims), []string{arm}); err == nil {
		t.Error("an issuer that says it is another")
	}
}

func TestTheGateLetsInWhomItShould(t *testing.T) {
	g := entra.Gate{}
	if g.Outside.Issued("a.b.c") {
		t.Error("issued by nobody")
	}
	if _, err := (&entra.Outside{}).Verify(strings.Repeat("x", 20000), nil); !errors.Is(err, fault.InvalidAuthenticationToken) {
		t.Errorf("%v", err)
	}
}

// slow is a source of keys that answers when it is told to.
type slow struct {
	set  jose.JSONWebKeySet
	hang atomic.Bool
}

func (s *slow) keys(ctx context.Context) (jose.JSONWebKeySet, error) {
	if s.hang.Load() {
		<-ctx.Done()
		return jose.JSONWebKeySet{}, ctx.Err()
	}
	return s.set, nil
}

// An issuer that hangs holds up nobody whose key is known, for a day; unknown keys
// are told that it is silent, and when it is back everything is as it was.
func TestAnOutsideIssuerThatHangsHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		second, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		const issuer = "https://issuer.example.com"
		key := func(k *rsa.PrivateKey, id string) jose.JSONWebKey {
			return jose.JSONWebKey{Key: &k.PublicKey, KeyID: id, Algorithm: "RS256", Use: "sig"}
		}
		source := &slow{set: jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key(first, "1")}}}
		o := entra.NewOutsideOf(source.keys, entra.Trust{URL: issuer, Tenant: "t", Audiences: []string{"a"}})
		verify := func(k *rsa.PrivateKey, id string) (took time.Duration, err error) {
			token := signed(t, jose.RS256, k, id, map[string]any{"iss": issuer, "aud": "a", "sub": "ann", "exp": time.Now().Add(time.Hour).Unix()})
			begun := time.Now()
			_, err = o.Verify(token, nil)
			return time.Since(begun), err
		}
		if _, err := verify(first, "1"); err != nil {
			t.Fatal(err)
		}
		source.hang.Store(true)
		for i := range 23 {
			time.Sleep(time.Hour)
			patience := time.Duration(0)
			if i == 0 {
				patience = time.Second // nobody knows yet that it hangs
			}
			if took, err := verify(first, "1"); err != nil || took > patience {
				t.Fatalf("a known key, while the issuer hangs: %v after %s", err, took)
			}
		}
		if took, err := verify(second, "2"); !errors.Is(err, fault.ServiceUnavailable) || took > 5*time.Second {
			t.Errorf("an unknown key, while the issuer hangs: %v after %s", err, took)
		}
		if took, err := verify(second, "2"); !errors.Is(err, fault.ServiceUnavailable) || took > 5*time.Second {
			t.Errorf("and again: %v after %s", err, took)
		}
		time.Sleep(2 * time.Hour)
		if _, err := verify(first, "1"); !errors.Is(err, fault.ServiceUnavailable) {
			t.Errorf("after a day: %v", err)
		}
		source.set.Keys = append(source.set.Keys, key(second, "2"))
		source.hang.Store(false)
		time.Sleep(6 * time.Second)
		for id, k := range map[string]*rsa.PrivateKey{"1": first, "2": second} {
			if _, err := verify(k, id); err != nil {
				t.Errorf("key %s after the issuer is back: %v", id, err)
			}
		}
		if _, err := verify(second, "3"); !errors.Is(err, fault.InvalidAuthenticationToken) {
			t.Errorf("a key that the issuer does not have: %v", err)
		}
		source.set.Keys = source.set.Keys[1:]
		time.Sleep(11 * time.Minute)
		if _, err := verify(first, "1"); !errors.Is(err, fault.InvalidAuthenticationToken) {
			t.Errorf("a key that was withdrawn while nobody asked: %v", err)
		}
		synctest.Wait()
	})
}
