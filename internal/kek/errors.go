package kek

import (
	"fmt"
	"strings"
	"time"
	"unicode"
)

// Denied is a vault's no. The words are the vault's, cut and made printable.
type Denied struct {
	Op      string // "get", "wrap", "unwrap", "sign"
	Key     ID
	Status  int
	Code    string // the innermost code: KeyDisabled, ForbiddenByRbac, KeyNotFound, …
	Message string
}

func (e *Denied) Error() string {
	return fmt.Sprintf("vault refused to %s with %s: %s", e.Op, e.Key, answer(e.Status, e.Code, e.Message))
}

// Answer is what the vault said, for a person: "403 KeyDisabled: …".
func (e *Denied) Answer() string { return answer(e.Status, e.Code, e.Message) }

// Silent means that the question was not answered.
type Silent struct {
	Op         string
	Key        ID
	Status     int           // 0 if there was no HTTP answer
	RetryAfter time.Duration // the vault's wish; 0 if it had none
	Err        error
}

func (e *Silent) Error() string {
	if e.Status != 0 {
		return fmt.Sprintf("no usable answer to %s with %s: HTTP %d: %v", e.Op, e.Key, e.Status, e.Err)
	}
	return fmt.Sprintf("no usable answer to %s with %s: %v", e.Op, e.Key, e.Err)
}

func (e *Silent) Unwrap() error { return e.Err }

// Answer is what happened, for a person.
func (e *Silent) Answer() string {
	if e.Status != 0 {
		return printable(fmt.Sprintf("HTTP %d: %v", e.Status, e.Err))
	}
	return printable(e.Err.Error())
}

// Damaged means that the vault works and what it was given, or what it gave
// back, is not a wrap of ours.
type Damaged struct {
	Op      string
	Key     ID
	Status  int // 0 if the answer was 200 and its content is wrong
	Code    string
	Message string
}

func (e *Damaged) Error() string {
	return fmt.Sprintf("%s with %s: damaged: %s", e.Op, e.Key, answer(e.Status, e.Code, e.Message))
}

// Answer is what was found, for a person.
func (e *Damaged) Answer() string { return answer(e.Status, e.Code, e.Message) }

func answer(status int, code, message string) string {
	var b strings.Builder
	if status != 0 {
		fmt.Fprintf(&b, "%d", status)
	}
	if code != "" {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(code)
	}
	if message != "" {
		if b.Len() > 0 {
			b.WriteString(": ")
		}
		b.WriteString(message)
	}
	return b.String()
}

// printable makes foreign text fit for a log line and an error message: one
// line, no control characters, at most 400 bytes or so.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, " "))
	s = strings.Join(strings.Fields(s), " ")
	const most = 400
	if len(s) <= most {
		return s
	}
	cut := most
	for cut > 0 && s[cut]&0xC0 == 0x80 {
		cut--
	}
	return s[:cut] + "…"
}
