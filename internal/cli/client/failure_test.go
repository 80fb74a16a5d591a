package client

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
)

func response(status int, body string) *http.Response {
	u, _ := url.Parse("https://localhost:8443/x")
	return &http.Response{StatusCode: status, Header: http.Header{"Retry-After": {"5"}}, Body: io.NopCloser(strings.NewReader(body)), Request: &http.Request{Method: "GET", URL: u}}
}

func TestTheInnermostCodeIsRead(t *testing.T) {
	for body, want := range map[string]Failure{
		`{"error":{"code":"Conflict","message":"busy"}}`:                                                                                        {Code: "Conflict", Message: "busy"},
		`{"error":{"code":"Forbidden","message":"no","innererror":{"code":"KeyDisabled"}}}`:                                                     {Code: "KeyDisabled", Message: "no"},
		`{"error":{"code":"A","message":"a","innererror":{"code":"B","message":"b","innererror":{"code":"C","message":"c","line":2,"pos":3}}}}`: {Code: "C", Message: "c (line 2, position 3)"},
		`{"status":"Failed","error":{"code":"KeyVaultKeyValidationFailed","message":"why"}}`:                                                    {Code: "KeyVaultKeyValidationFailed", Message: "why"},
		`{"error":"invalid_client","error_description":"AADSTS7000215: no"}`:                                                                    {Code: "invalid_client", Message: "AADSTS7000215: no"},
		`<html>`: {},
		``:       {},
	} {
		want.Status, want.RetryAfter = 409, 5*time.Second
		err := fmt.Errorf("while working: %w", runtime.NewResponseError(response(409, body)))
		got, ok := FailureOf(err)
		if want.Code == "" {
			got.Code = "" // the SDK guesses one from what is no answer of ours
		}
		if !ok || got != want {
			t.Errorf("%s: %+v, %v; want %+v", body, got, ok, want)
		}
	}
	if _, ok := FailureOf(errors.New("a network")); ok {
		t.Error("an error that no server sent was read as an answer")
	}
}

func TestOnlyWhatSecondsCanChangeIsTriedAgain(t *testing.T) {
	for _, test := range []struct {
		status int
		body   string
		again  bool
	}{
		{503, `{"error":{"code":"ServiceUnavailable"}}`, true},
		{429, ``, true},
		{503, `{"error":{"code":"CustomerManagedKeyRevoked"}}`, false},
		{503, `{"error":{"code":"InsufficientAccessError","innererror":{"code":"CustomerManagedKeyUnreachable"}}}`, false},
		{403, ``, false},
		{200, ``, false},
	} {
		if got := worthAnotherTry(response(test.status, test.body), nil); got != test.again {
			t.Errorf("%d %s: again %v", test.status, test.body, got)
		}
	}
	if !worthAnotherTry(nil, errors.New("connection reset")) {
		t.Error("a broken connection is not tried again")
	}
}

func TestOnlyTheDomainsHostsAreOurs(t *testing.T) {
	s := &Server{URL: "https://localhost:8443", Domain: "logkeep.test"}
	for host, ours := range map[string]bool{
		"logkeep.test": true, "kv.vault.logkeep.test": true, "KV.Vault.LOGKEEP.test": true,
		"notlogkeep.test": false, "logkeep.test.evil.example": false, "localhost": false, "": false,
	} {
		if s.Owns(host) != ours {
			t.Errorf("%q is ours: %v", host, !ours)
		}
	}
	if (&Server{}).Owns("anything.example") {
		t.Error("a server that does not know its domain owns a host")
	}
	if got := s.Host("kv.vault"); got != "https://kv.vault.logkeep.test:8443" {
		t.Errorf("host %s", got)
	}
}

func TestIdentityNeverPrintsItsSecret(t *testing.T) {
	i := Identity{ClientID: "c", TenantID: "t", ClientSecret: "s3cret"}
	s := Server{Identity: i}
	for _, text := range []string{fmt.Sprint(i), fmt.Sprintf("%+v %#v %s %q", i, i, i, i), fmt.Sprintf("%v", s.Identity)} {
		if strings.Contains(text, "s3cret") {
			t.Error(text)
		}
	}
}
