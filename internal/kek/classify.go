package kek

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"
)

// meaning is what one answer says about the key; see the package comment.
type meaning uint8

const (
	silence      meaning = iota // whatever is not understood
	yes                         // 200, readable
	no                          // a refusal in Key Vault's words
	unauthorised                // 401: counts when a fresh token met it again
	unsure                      // 403 or 404 in other words: counts when it comes again
	nonsense                    // 400 in Key Vault's words
)

type verdict struct {
	meaning       meaning
	status        int
	code, message string
	retryAfter    time.Duration
	challenged    bool // a 401 that asks for a token, as a vault does
	err           error
}

var (
	errUnreadable = errors.New("the vault answered 200 with something that is not its answer")
	errRedirect   = errors.New("redirects are not followed")
	errForeign    = errors.New("the answer is not in Key Vault's words")
)

// classify looks at what came back from the SDK, once.
func classify(err error) verdict {
	if err == nil {
		return verdict{meaning: yes, status: http.StatusOK}
	}
	if denied, ok := errors.AsType[*Denied](err); ok { // the credential's own no
		return verdict{meaning: no, status: denied.Status, code: denied.Code, message: denied.Message}
	}
	response, ok := errors.AsType[*azcore.ResponseError](err)
	if !ok || response.RawResponse == nil {
		return verdict{err: err}
	}
	v := verdict{status: response.StatusCode, retryAfter: retryAfter(response.RawResponse.Header.Get("Retry-After"))}
	v.challenged = response.RawResponse.Header.Get("WWW-Authenticate") != ""
	body, _ := runtime.Payload(response.RawResponse)
	var own bool
	v.code, v.message, own = keyVaultError(body)
	switch {
	case v.status == http.StatusUnauthorized:
		v.meaning, v.challenged = unauthorised, v.challenged || own
	case (v.status == http.StatusForbidden || v.status == http.StatusNotFound) && own:
		v.meaning = no
	case v.status == http.StatusForbidden || v.status == http.StatusNotFound:
		v.meaning = unsure
	case v.status == http.StatusBadRequest && own:
		v.meaning = nonsense
	case v.status >= 300 && v.status < 400:
		v.err = errRedirect
	case own:
		v.err = errors.New(answer(0, v.code, v.message))
	default:
		v.err = errForeign
	}
	return v
}

// error says v in the type that callers act on. It is called when there is
// nothing left to ask, so what was unsure or unauthorised now counts.
func (v verdict) error(op string, id ID) error {
	switch v.meaning {
	case nonsense:
		return &Damaged{Op: op, Key: id, Status: v.status, Code: v.code, Message: v.message}
	case no, unsure:
		return &Denied{Op: op, Key: id, Status: v.status, Code: v.code, Message: v.message}
	case unauthorised:
		if v.challenged {
			return &Denied{Op: op, Key: id, Status: v.status, Code: v.code, Message: v.message}
		}
		v.err = errForeign
	}
	return &Silent{Op: op, Key: id, Status: v.status, RetryAfter: v.retryAfter, Err: v.err}
}

// broken reports whether a question got no answer because its connection ended.
func broken(err error) bool {
	for _, end := range [...]error{io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE} {
		if errors.Is(err, end) {
			return true
		}
	}
	return false
}

// keyVaultError reads {"error":{"code","message","innererror":{"code"}}} and
// answers with the innermost code.
func keyVaultError(body []byte) (code, message string, ok bool) {
	type inner struct {
		Code  string `json:"code"`
		Inner *inner `json:"innererror"`
	}
	var e struct {
		Error struct {
			Code    string `json:"code"`
			Message string `json:"message"`
			Inner   *inner `json:"innererror"`
		} `json:"error"`
	}
	if json.Unmarshal(body, &e) != nil || e.Error.Code == "" {
		return "", "", false
	}
	code = e.Error.Code
	for in := e.Error.Inner; in != nil; in = in.Inner {
		if in.Code != "" {
			code = in.Code
		}
	}
	return printable(code), printable(e.Error.Message), true
}

// retryAfter reads a count of seconds; dates are not worth a clock's opinion.
func retryAfter(s string) time.Duration {
	n, err := strconv.Atoi(strings.TrimSpace(s))
	if err != nil || n < 0 || n > 3600 {
		return 0
	}
	return time.Duration(n) * time.Second
}

func operation(alg string, value []byte) azkeys.KeyOperationParameters {
	a := azkeys.EncryptionAlgorithm(alg)
	return azkeys.KeyOperationParameters{Algorithm: &a, Value: value}
}

// complete turns a 200 without content into an error.
func complete(err error, r azkeys.KeyOperationResult) error {
	if err == nil && (r.KID == nil || len(r.Result) == 0) {
		return errUnreadable
	}
	return err
}

func equalFold(a, b string) bool { return strings.EqualFold(a, b) }
