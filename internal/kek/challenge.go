package kek

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// The most that an answer of a vault may weigh. A wrapped key is 700 bytes.
const maxAnswer = 64 << 10

// transport is what the SDK sends requests through. It bounds answers, and it
// lets only challenges pass that are well formed and meant for this vault: the
// SDK's own reading of them is lenient and can panic on a hostile one.
type transport struct {
	client *http.Client
	host   string
}

func (t *transport) Do(req *http.Request) (*http.Response, error) {
	if req.URL.Host != t.host {
		return nil, fmt.Errorf("internal error: request for %s on the way to %s", req.URL.Host, t.host)
	}
	req, err := ownBody(req)
	if err != nil {
		return nil, err
	}
	resp, err := t.client.Do(req)
	if err != nil {
		return nil, err
	}
	resp.Body = &bounded{r: resp.Body, left: maxAnswer}
	if req.Header.Get("Authorization") == "" && (resp.StatusCode < 300 || resp.StatusCode == http.StatusBadRequest) {
		// The SDK asks for a challenge with a request without token and body.
		// What is said to that is no answer to the question.
		resp.Body.Close()
		return nil, fmt.Errorf("the vault answered %d to a request that asked for its challenge", resp.StatusCode)
	}
	if resp.StatusCode != http.StatusUnauthorized {
		return resp, nil
	}
	challenges := resp.Header.Values("WWW-Authenticate")
	resp.Header.Del("WWW-Authenticate")
	for _, c := range challenges {
		if !strings.HasPrefix(c, "Bearer ") {
			continue
		}
		own, err := checkChallenge(c, t.host)
		if err != nil {
			resp.Body.Close()
			return nil, err
		}
		resp.Header.Set("WWW-Authenticate", own)
		break
	}
	return resp, nil
}

// ownBody gives a request a body of its own. The SDK rewinds its one body to
// send it again, while the connection may still be writing the first sending
// of it: a server that answers early would get a torn body, and call it
// nonsense.
func ownBody(req *http.Request) (*http.Request, error) {
	if req.Body == nil || req.Body == http.NoBody {
		return req, nil
	}
	b, err := io.ReadAll(io.LimitReader(req.Body, maxAnswer+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxAnswer {
		return nil, fmt.Errorf("internal error: a request of more than %d bytes", maxAnswer)
	}
	own := req.Clone(req.Context())
	own.Body, own.ContentLength, own.GetBody = io.NopCloser(bytes.NewReader(b)), int64(len(b)), nil
	return own, nil
}

type bounded struct {
	r    io.ReadCloser
	left int
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("the answer is longer than %d bytes", maxAnswer)
	}
	n, err := b.r.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

func (b *bounded) Close() error { return b.r.Close() }

var (
	challengeForm = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^Bearer (?:[a-z_]+="[^"\\]*"(?:, ?| |$))+$`) })
	challengePart = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`([a-z_]+)="([^"\\]*)"`) })
)

// checkChallenge reads a Bearer challenge and writes again what the SDK may
// see of it: authority and resource, and the claims of a continuous access
// evaluation.
func checkChallenge(header, host string) (string, error) {
	if len(header) > 8<<10 || !challengeForm().MatchString(header) {
		return "", errors.New("the vault's challenge is malformed")
	}
	part := map[string]string{}
	for _, m := range challengePart().FindAllStringSubmatch(header, -1) {
		if _, twice := part[m[1]]; twice {
			return "", errors.New("the vault's challenge says " + m[1] + " twice")
		}
		part[m[1]] = m[2]
	}
	authority := part["authorization"]
	if authority == "" {
		authority = part["authorization_uri"]
	}
	u, err := url.Parse(authority)
	if err != nil || u.Scheme != "https" || u.Host == "" || strings.ContainsAny(authority, " =,") {
		return "", errors.New("the vault's challenge names no authority")
	}
	if len(u.Path) < 2 {
		u.Path = "/common" // an authority without tenant: the credential has its own
	}
	resource := part["resource"]
	if resource == "" {
		resource = strings.TrimSuffix(part["scope"], "/.default")
	}
	claims := part["claims"]
	if claims != "" {
		if _, err := base64.StdEncoding.DecodeString(claims); err != nil {
			return "", errors.New("the claims of the vault's challenge are malformed")
		}
		if resource == "" {
			resource = resourceOf(host)
		}
	}
	if strings.TrimSuffix(resource, "/") != resourceOf(host) {
		return "", fmt.Errorf("the vault's challenge asks for a token for %q; for %s it must be %s", printable(resource), host, resourceOf(host))
	}
	out := fmt.Sprintf(`Bearer authorization="https://%s%s", resource="%s"`, u.Host, u.EscapedPath(), resourceOf(host))
	if claims != "" && part["error"] == "insufficient_claims" {
		out += fmt.Sprintf(`, error="insufficient_claims", claims="%s"`, claims)
	}
	return out, nil
}

// resourceOf is the audience for a vault: its parent domain, with the port.
func resourceOf(host string) string {
	_, parent, _ := strings.Cut(host, ".")
	return "https://" + parent
}

func scopeOf(host string) string { return resourceOf(host) + "/.default" }

// audience keeps a credential from making tokens for anything but the vault.
type audience struct {
	want  string
	inner azcore.TokenCredential
}

func (a *audience) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	if len(o.Scopes) != 1 || o.Scopes[0] != a.want {
		return azcore.AccessToken{}, fmt.Errorf("refused to ask for a token for %v; the vault's is %s", o.Scopes, a.want)
	}
	t, err := a.inner.GetToken(ctx, o)
	if err != nil {
		return azcore.AccessToken{}, fmt.Errorf("get token for %s: %w", a.want, err)
	}
	return t, nil
}
