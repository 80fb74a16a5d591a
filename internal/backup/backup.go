// Package backup copies an installation's data, as sealed as they are, into a
// folder elsewhere, and puts them back. docs/design/0036-backup.md has the why.
//
// # Promise
//
// A backup has every row that was acknowledged before it began, once; some that
// came while it ran may be in it. It has no key: without the vault it is noise.
// Nothing is put into place by a restore before the statement's signature and
// every file's digest are right.
//
// # Folder
//
//	FORMAT                   "logkeep backup 1\n"
//	LOCK                     held by who writes or removes
//	files/xx/DIGEST          a file by its SHA-256, in hex; xx are its first two digits
//	backups/NAME.json        a signed statement (package dsse, Type); NAME is the time it began
//
// A statement names the digest of its list: a file like the others, of one line
// of JSON for each file of the data directory (Entry), in the order of paths.
package backup

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"logkeep/internal/dsse"
	"logkeep/internal/schema"
)

// Type is the type of a signed statement.
const Type = "application/vnd.logkeep.backup.v1+json"

// keyID names the integrity key in envelopes.
const keyID = "integrity"

const format = "logkeep backup 1\n"

// A Statement says what a backup is.
type Statement struct {
	Number   uint64    `json:"number"` // of backups in this folder, from 1
	Name     string    `json:"name"`
	Began    time.Time `json:"began"`
	Ended    time.Time `json:"ended"`
	Previous string    `json:"previous,omitempty"` // SHA-256 of the statement's envelope before
	Catalog  uint64    `json:"catalog"`            // changes of the catalog
	List     File      `json:"list"`
	Files    int       `json:"files"`
	Bytes    int64     `json:"bytes"`
	Keys     []string  `json:"keys"` // versions that keys in it are wrapped under
}

// A File is a stored file.
type File struct {
	Digest string `json:"sha256"`
	Bytes  int64  `json:"bytes"`
}

// An Entry is a file of the data directory.
type Entry struct {
	Path string `json:"path"` // below the data directory
	File
}

// Segment is the id of the segment whose object the entry is, or "".
func (e Entry) Segment() schema.SegmentID {
	if dir, name := path.Split(e.Path); strings.HasSuffix(dir, "/objects/") {
		return schema.SegmentID(name)
	}
	return ""
}

var (
	// ErrNone reports a backup, or a folder of backups, that is not there.
	ErrNone = errors.New("there is no such backup")
	// ErrChanged reports bytes that are not what was backed up.
	ErrChanged = errors.New("it was changed since the backup was made")
)

var (
	nameForm = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9]{8}T[0-9]{6}\.[0-9]{3}Z$`) })
	pathForm = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^(catalog\.db|accounts/[A-Za-z0-9-]{1,100}/[A-Za-z0-9-]{1,100}/(journal|objects|spool)/[a-z0-9][A-Za-z0-9._-]{0,199})$`)
	})
)

const nameLayout = "20060102T150405.000Z"

// open reads a signed statement.
func open(envelope []byte, name string, key *ecdsa.PublicKey) (s Statement, err error) {
	e, err := dsse.Parse(envelope)
	if err != nil {
		return s, fmt.Errorf("backup %s: %w", name, err)
	}
	payload := e.Payload
	if key != nil {
		if payload, err = e.Open(Type, dsse.Keys{keyID: key}); err != nil {
			return s, fmt.Errorf("backup %s: %w; it was changed, or another installation made it", name, err)
		}
	}
	if err := json.Unmarshal(payload, &s); err != nil {
		return s, fmt.Errorf("backup %s: its statement can't be read", name)
	}
	if s.Name != name {
		return s, fmt.Errorf("backup %s: its statement is that of %q: %w", name, s.Name, ErrChanged)
	}
	return s, nil
}

// encode writes a list.
func encode(list []Entry) ([]byte, error) {
	slices.SortFunc(list, func(a, b Entry) int { return strings.Compare(a.Path, b.Path) })
	var b bytes.Buffer
	for _, e := range list {
		line, err := json.Marshal(e)
		if err != nil {
			return nil, err
		}
		b.Write(append(line, '\n'))
	}
	return b.Bytes(), nil
}

// decode reads a list, whose digest was checked or not: it believes nothing.
func decode(r io.Reader) (list []Entry, err error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 4096), 1<<16)
	for lines.Scan() {
		var e Entry
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return nil, fmt.Errorf("a line of its list can't be read: %w", ErrChanged)
		}
		if !pathForm().MatchString(e.Path) || strings.Contains(e.Path, "..") || !digestForm().MatchString(e.Digest) || e.Bytes < 0 {
			return nil, fmt.Errorf("its list names %.200q, which is no file of a data directory: %w", e.Path, ErrChanged)
		}
		if n := len(list); n > 0 && list[n-1].Path >= e.Path {
			return nil, fmt.Errorf("its list has %.200q twice or out of order: %w", e.Path, ErrChanged)
		}
		list = append(list, e)
	}
	return list, lines.Err()
}
