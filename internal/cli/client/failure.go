package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
)

// A Failure is what a server's error answer says.
type Failure struct {
	Status     int
	Code       string // the innermost
	Message    string // of the innermost that has one
	RetryAfter time.Duration
}

// The codes by which a customer's key makes itself felt.
const (
	KeyRevoked     = "CustomerManagedKeyRevoked"
	KeyUnreachable = "CustomerManagedKeyUnreachable"
)

// FailureOf reads the answer in err's chain. It is false if err came from
// somewhere else: a network, a file, a bug.
func FailureOf(err error) (Failure, bool) {
	if e, ok := errors.AsType[*azidentity.AuthenticationFailedError](err); ok && e.RawResponse != nil {
		f := read(e.RawResponse)
		f.Status = http.StatusUnauthorized // a client that is not known is answered with 400
		return f, true
	}
	if e, ok := errors.AsType[*azcore.ResponseError](err); ok {
		f := Failure{Status: e.StatusCode, Code: e.ErrorCode}
		if e.RawResponse != nil {
			f = read(e.RawResponse)
			f.Status = e.StatusCode
		}
		if f.Code == "" {
			f.Code = e.ErrorCode
		}
		return f, true
	}
	return Failure{}, false
}

// worthAnotherTry is the SDK's own rule, except that a key which is revoked or
// cannot be reached is told at once: seconds will not change it.
func worthAnotherTry(response *http.Response, err error) bool {
	if err != nil || response == nil {
		return true
	}
	switch response.StatusCode {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return !strings.HasPrefix(read(response).Code, "CustomerManagedKey")
	}
	return false
}

// detail is the error of ARM, of Key Vault and of the query API: nested.
type detail struct {
	Code    string  `json:"code"`
	Message string  `json:"message"`
	Line    int     `json:"line"` // of a query, from 1
	Pos     int     `json:"pos"`
	Inner   *detail `json:"innererror"`
}

func read(response *http.Response) Failure {
	f := Failure{Status: response.StatusCode}
	if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil {
		f.RetryAfter = time.Duration(seconds) * time.Second
	}
	body, err := runtime.Payload(response)
	if err != nil {
		body, _ = io.ReadAll(response.Body)
	}
	var answer struct {
		Error       json.RawMessage `json:"error"`
		Description string          `json:"error_description"` // of the token endpoint, whose error is a word
	}
	if json.Unmarshal(body, &answer) != nil {
		return f
	}
	var word string
	if json.Unmarshal(answer.Error, &word) == nil {
		f.Code, f.Message = word, answer.Description
		return f
	}
	var d detail
	if json.Unmarshal(answer.Error, &d) != nil {
		return f
	}
	for at := &d; at != nil; at = at.Inner {
		if at.Code != "" {
			f.Code = at.Code
		}
		if at.Message != "" {
			f.Message = at.Message
			if at.Line > 0 {
				f.Message += fmt.Sprintf(" (line %d, position %d)", at.Line, at.Pos)
			}
		}
	}
	return f
}
