package kek_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"logkeep/internal/kek"
	"logkeep/internal/kek/kektest"
)

type countingCredential struct{ asked atomic.Int32 }

func (c *countingCredential) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	c.asked.Add(1)
	return azcore.AccessToken{Token: "secret-token", ExpiresOn: time.Now().Add(time.Hour)}, nil
}

var probe = kek.Wrapped{KID: kek.ID{VaultURI: kektest.URI, Name: "k", Version: "1"}, Alg: kek.RSAOAEP256, Bytes: make([]byte, 384)}

// against asks a handler to unwrap.
func against(t *testing.T, cred azcore.TokenCredential, h http.HandlerFunc) error {
	t.Helper()
	c, err := kek.NewClient(kektest.URI, kektest.ServeHandler(t, h, cred))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, err = c.Unwrap(t.Context(), probe)
	return err
}

func silent(t *testing.T, err error) {
	t.Helper()
	if _, ok := errors.AsType[*kek.Silent](err); !ok {
		t.Errorf("want Silent, got %T %v", err, err)
	}
}

func TestHostileChallengesAreSilenceAndGetNoToken(t *testing.T) {
	const authority = `authorization="https://login.example.org/t"`
	for _, challenge := range []string{
		`Bearer `,
		`Bearer authorization="x", resource="https://example.com"`, // the SDK's reading of this panics
		`Bearer authorization="", resource="https://example.com"`,
		`Bearer ` + authority,
		`Bearer ` + authority + `, resource=""`,
		`Bearer ` + authority + `, resource="https://com"`,
		`Bearer ` + authority + `, resource="https://kv.example.com"`,
		`Bearer ` + authority + `, resource="https://management.azure.com"`,
		`Bearer ` + authority + `, resource="https://evil.org/https://example.com"`,
		`Bearer ` + authority + `, resource="http://example.com"`,
		`Bearer ` + authority + `, resource="https://example.com", resource="https://evil.org"`,
		`Bearer ` + authority + `, resource="https://example.com" scope="https://evil.org/.default`,
		`Bearer authorization="https://login.example.org/t resource=https://evil.org", resource="https://example.com"`,
		`Bearer error="insufficient_claims", claims="%%%", ` + authority,
		`Bearer ` + strings.Repeat("a", 9000),
	} {
		cred := &countingCredential{}
		silent(t, against(t, cred, func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "" {
				t.Errorf("%s: a token was sent", challenge)
			}
			w.Header().Set("WWW-Authenticate", challenge)
			w.WriteHeader(http.StatusUnauthorized)
		}))
		if cred.asked.Load() != 0 {
			t.Errorf("%s: a token was asked for", challenge)
		}
	}
}

func TestAProxysOwn401IsSilence(t *testing.T) {
	silent(t, against(t, &countingCredential{}, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("WWW-Authenticate", `Basic realm="proxy"`)
		w.WriteHeader(http.StatusUnauthorized)
	}))
}

// authorised answers the challenge and then as h does.
func authorised(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "" {
			w.Header().Set("WWW-Authenticate", kektest.Challenge)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		h(w, r)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	var requests atomic.Int32
	silent(t, against(t, &countingCredential{}, authorised(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		http.Redirect(w, r, kektest.URI+"/other", http.StatusTemporaryRedirect)
	})))
	if requests.Load() != 1 {
		t.Errorf("%d requests with a token", requests.Load())
	}
}

// A connection that ends under a question is no vault that is silent: the question
// is asked again, once.
func TestAQuestionWhoseConnectionBreaksIsAskedAgainOnce(t *testing.T) {
	for breaks, want := range map[int32]int32{1: 2, 5: 2} {
		var requests atomic.Int32
		err := against(t, &countingCredential{}, authorised(func(w http.ResponseWriter, r *http.Request) {
			if requests.Add(1) <= breaks {
				panic(http.ErrAbortHandler)
			}
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `{"error":{"code":"Forbidden","message":"no","innererror":{"code":"KeyDisabled"}}}`)
		}))
		if requests.Load() != want {
			t.Errorf("%d broken connections: asked %d times, want %d", breaks, requests.Load(), want)
		}
		if breaks > 1 {
			silent(t, err)
		} else if denied, ok := errors.AsType[*kek.Denied](err); !ok || denied.Code != "KeyDisabled" {
			t.Errorf("the second answer does not count: %v", err)
		}
	}
}

func TestAnswersAreBounded(t *testing.T) {
	silent(t, against(t, &countingCredential{}, authorised(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"kid":"%s","value":"%s"}`, probe.KID, strings.Repeat("A", 100<<10))
	})))
	silent(t, against(t, &countingCredential{}, authorised(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Long", strings.Repeat("A", 100<<10))
		w.WriteHeader(http.StatusForbidden)
	})))
}

func TestAnswerForAnotherKeyIsDamage(t *testing.T) {
	for _, kid := range []string{kektest.URI + "/keys/other/1", kektest.URI + "/keys/k/2", kektest.URI + "/keys/k"} {
		err := against(t, &countingCredential{}, authorised(func(w http.ResponseWriter, r *http.Request) {
			json.NewEncoder(w).Encode(map[string]string{"kid": kid, "value": "AAAA"})
		}))
		if _, ok := errors.AsType[*kek.Damaged](err); !ok {
			t.Errorf("%s: %T %v", kid, err, err)
		}
	}
}

// A vault that answers the request for a challenge with a complaint about its
// empty body has not complained about a wrap.
func TestWhatIsSaidToTheRequestForAChallengeIsNoAnswer(t *testing.T) {
	for _, status := range []int{200, 400} {
		silent(t, against(t, &countingCredential{}, func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(status)
			fmt.Fprint(w, `{"error":{"code":"BadParameter","message":"no body"},"kid":"`+probe.KID.String()+`","value":"AAAA"}`)
		}))
	}
}

func Test401CountsOnlyAfterAFreshTokenAndChallenge(t *testing.T) {
	truth := kektest.New()
	c, err := kek.NewClient(kektest.URI, truth.Serve(t))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	id := truth.NewKey("k")
	if _, err := c.Get(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if truth.Fresh() != 0 {
		t.Error("a fresh token was demanded without need")
	}
	truth.Tokens("refused")
	_, err = c.Get(t.Context(), id)
	if _, ok := errors.AsType[*kek.Denied](err); !ok || truth.Fresh() == 0 {
		t.Errorf("%v after %d fresh tokens", err, truth.Fresh())
	}
}

func TestEnvironmentsProxyHasNoSay(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "http://proxy.invalid:1")
	t.Setenv("ALL_PROXY", "http://proxy.invalid:1")
	truth := kektest.New()
	c, err := kek.NewClient(kektest.URI, truth.Serve(t))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Get(t.Context(), truth.NewKey("k")); err != nil {
		t.Fatal(err)
	}
}

func TestForeignWordsAreCutAndMadePrintable(t *testing.T) {
	err := against(t, &countingCredential{}, authorised(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		json.NewEncoder(w).Encode(map[string]any{"error": map[string]any{"code": "Forbidden", "message": "a\n\x1b[31mb" + strings.Repeat("é", 4000)}})
	}))
	e, ok := errors.AsType[*kek.Denied](err)
	if !ok || strings.ContainsAny(e.Message, "\n\x1b") || len(e.Message) > 410 || !strings.HasSuffix(e.Message, "é…") {
		t.Errorf("%T %v", err, err)
	}
}
