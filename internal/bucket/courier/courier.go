// Package courier brings a bucket to who has no network: a worker asks the
// keeper over its own channel. Client is the worker's end, Handler the keeper's.
//
//	PUT    /objects/NAME[?once=1]     puts or replaces
//	GET    /objects/NAME?off=N&n=N    reads; "End: 1" if the object ends in it
//	HEAD   /objects/NAME              its size
//	DELETE /objects/NAME
//	GET    /objects?prefix=P          lists, as JSON
//
// Names begin with an account's id, by which the keeper judges.
package courier

import (
	"errors"
	"io/fs"
	"net/http"

	"logkeep/internal/bucket"
)

// Path is where the routes are, below and at it.
const Path = "/objects"

// Bounds of what is believed.
const (
	maxObject = 1 << 30
	maxRead   = 64 << 20
	maxList   = 1 << 30 // bytes of a list
	maxWords  = 1 << 10 // of an error
)

// statuses join what errors mean and how they travel.
var statuses = [...]struct {
	err    error
	status int
}{
	{fs.ErrNotExist, http.StatusNotFound},
	{fs.ErrExist, http.StatusPreconditionFailed},
	{bucket.ErrRefused, http.StatusForbidden},
	{bucket.ErrSilent, http.StatusServiceUnavailable},
	{fs.ErrInvalid, http.StatusBadRequest},
}

func statusOf(err error) int {
	for _, s := range statuses {
		if errors.Is(err, s.err) {
			return s.status
		}
	}
	return http.StatusInternalServerError
}

// A told is an error that came over the wire.
type told struct {
	text string
	is   error
}

func (t told) Error() string { return t.text }
func (t told) Unwrap() error { return t.is }

func errorOf(status int, text string) error {
	for _, s := range statuses {
		if s.status == status {
			return told{text, s.err}
		}
	}
	return errors.New(text)
}
