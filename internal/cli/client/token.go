package client

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
)

// A bearer is a token of an issuer that the server trusts (design 0029): the
// text, or a file that is read again whenever a token is needed, so that
// whoever renews it need not start a program again.
type bearer struct {
	text string // LOGKEEP_TOKEN
	file string // LOGKEEP_TOKEN_FILE
}

// known tells whether there is one.
func (b bearer) known() bool { return b.text != "" || b.file != "" }

// Format keeps the token out of what is printed.
func (b bearer) Format(f fmt.State, _ rune) { io.WriteString(f, "token (redacted)") }

// renewAfter is how long a token is used that does not say when it ends, before
// its file is read again.
const renewAfter = 5 * time.Minute

// GetToken implements azcore.TokenCredential. The same token goes to every
// service of the server, and to no other host; see mayHaveToken.
func (b bearer) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	text, from := b.text, "LOGKEEP_TOKEN"
	if b.file != "" {
		from = b.file
		content, err := os.ReadFile(b.file)
		if err != nil {
			return azcore.AccessToken{}, fmt.Errorf("LOGKEEP_TOKEN_FILE: %w", err)
		}
		text = string(content)
	}
	text = strings.TrimSpace(text)
	if text == "" || strings.ContainsAny(text, " \t\r\n") {
		return azcore.AccessToken{}, fmt.Errorf("%s holds no token", from)
	}
	end := time.Now().Add(renewAfter)
	if until, ok := endOf(text); ok {
		if !time.Now().Before(until) {
			return azcore.AccessToken{}, fmt.Errorf("the token in %s expired at %s; get a new one from your issuer", from, until.UTC().Format(time.RFC3339))
		}
		end = until
	}
	return azcore.AccessToken{Token: text, ExpiresOn: end}, nil
}

// mayHaveToken refuses to send a token of another issuer to a host that is not
// the server's: whoever gets it could be its bearer. A token that the server
// gives out is asked for one audience each and needs no such care.
func (s *Server) mayHaveToken(address string) error {
	u, err := url.Parse(address)
	if err != nil {
		return err
	}
	if s.token.known() && !s.Owns(u.Hostname()) {
		return fmt.Errorf("%s is not a host of the server %s: the token is not sent there", u.Hostname(), s.URL)
	}
	return nil
}

// endOf is when a token says that it ends.
func endOf(token string) (time.Time, bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return time.Time{}, false
	}
	var claims struct {
		Expires float64 `json:"exp"`
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(text, &claims) != nil || claims.Expires == 0 {
		return time.Time{}, false
	}
	return time.Unix(int64(claims.Expires), 0), true
}

// settle finds out what a token's bearer need not say: his subscription, if he
// sees one only, and how the directory knows him.
func (s *Server) settle(ctx context.Context) error {
	if s.SubscriptionID == "" {
		if err := s.onlySubscription(ctx); err != nil {
			return err
		}
	}
	var err error
	s.ObjectID, err = s.me(ctx)
	return err
}

func (s *Server) onlySubscription(ctx context.Context) error {
	var found struct {
		Value []struct {
			ID     string `json:"subscriptionId"`
			Tenant string `json:"tenantId"`
		} `json:"value"`
	}
	if err := s.read(ctx, "/subscriptions?api-version=2022-12-01", &found); err != nil {
		return fmt.Errorf("find the subscription: %w", err)
	}
	var ids []string
	for _, v := range found.Value {
		ids, s.TenantID = append(ids, v.ID), first(s.TenantID, v.Tenant)
	}
	switch len(ids) {
	case 0:
		return errors.New("the token's bearer sees no subscription: somebody must give him a role")
	case 1:
		s.SubscriptionID = ids[0]
		return nil
	}
	return fmt.Errorf("the token's bearer sees %d subscriptions; choose one with AZURE_SUBSCRIPTION_ID: %s", len(ids), strings.Join(ids, ", "))
}

// me asks the directory for the object id of a token from outside.
func (s *Server) me(ctx context.Context) (string, error) {
	var who struct {
		ID string `json:"id"`
	}
	if err := s.read(ctx, "/v1.0/me", &who); err != nil {
		return "", fmt.Errorf("ask who we are: %w", err)
	}
	return who.ID, nil
}

// read gets a document that no SDK of ours has a call for.
func (s *Server) read(ctx context.Context, path string, into any) error {
	pipeline := runtime.NewPipeline("logkeep", "", runtime.PipelineOptions{
		PerRetry: []policy.Policy{runtime.NewBearerTokenPolicy(s.credential, []string{s.URL + "/.default"}, nil)},
	}, &s.options)
	request, err := runtime.NewRequest(ctx, http.MethodGet, s.URL+path)
	if err != nil {
		return err
	}
	answer, err := pipeline.Do(request)
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return runtime.NewResponseError(answer)
	}
	return runtime.UnmarshalAsJSON(answer, into)
}
