package keyface

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"

	"logkeep/internal/vault/keystore"
	"logkeep/internal/vault/material"
)

// A refusal is an answer that is not the one hoped for.
type refusal struct {
	status  int
	code    string
	inner   string
	message string
	retry   bool // say when to come back
}

func (r *refusal) Error() string { return r.code + ": " + r.message }

func refuse(status int, code, format string, args ...any) *refusal {
	return &refusal{status: status, code: code, message: fmt.Sprintf(format, args...)}
}

// within adds an inner code.
func (r *refusal) within(code string) *refusal { r.inner = code; return r }

type errorBody struct {
	Error errorDetail `json:"error"`
}

type errorDetail struct {
	Code    string     `json:"code"`
	Message string     `json:"message"`
	Inner   *innerCode `json:"innererror,omitempty"`
}

type innerCode struct {
	Code string `json:"code"`
}

func (r *refusal) body() errorBody {
	b := errorBody{errorDetail{Code: r.code, Message: r.message}}
	if r.inner != "" {
		b.Error.Inner = &innerCode{r.inner}
	}
	return b
}

func bad(format string, args ...any) *refusal {
	return refuse(http.StatusBadRequest, "BadParameter", format, args...)
}

// unfit is a request that the key's arithmetic can't meet.
func unfit(err error) error {
	if r, ok := err.(*material.Refusal); ok {
		return bad("%s", r.Message)
	}
	return err
}

func keyNotFound(name keystore.KeyName, version keystore.VersionID) *refusal {
	id := string(name)
	if version != "" {
		id += "/" + string(version)
	}
	return refuse(http.StatusNotFound, "KeyNotFound", "A key with (name/id) %s was not found in this key vault. If you recently deleted this key you may be able to recover it using the correct recovery command. For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125182", id)
}

func deletedKeyNotFound(name keystore.KeyName) *refusal {
	return refuse(http.StatusNotFound, "KeyNotFound", "Deleted Key not found: %s", name)
}

func keyIsDeleted(name keystore.KeyName) *refusal {
	return refuse(http.StatusConflict, "Conflict", "Key %s is currently in a deleted but recoverable state, and its name cannot be reused; in this state, the key can only be recovered or purged.", name).within("ObjectIsDeletedButRecoverable")
}

func forbidden(inner, format string, args ...any) *refusal {
	return refuse(http.StatusForbidden, "Forbidden", format, args...).within(inner)
}

func write(w http.ResponseWriter, status int, v any) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		status = http.StatusInternalServerError
		b.Reset()
		b.WriteString(`{"error":{"code":"InternalServerError","message":"The answer could not be written."}}`)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	w.Write(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
}

// clip keeps a stranger's text short in an answer.
func clip(s string) string {
	if len(s) > 80 {
		return s[:80] + "…"
	}
	return s
}
