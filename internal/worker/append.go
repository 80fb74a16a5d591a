package worker

import (
	"bytes"
	"compress/flate"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"syscall"
	"time"

	// Twice as fast as the standard library's, with the same errors.
	"github.com/klauspost/compress/gzip"

	"logkeep/internal/batch"
	"logkeep/internal/fault"
	"logkeep/internal/schema"
	"logkeep/internal/store"
	"logkeep/internal/worker/wire"
)

// serveAppend takes one ingestion request. It answers when the rows are on the
// disk, or with a fault when none of them is.
func (w *Worker) serveAppend(rw http.ResponseWriter, r *http.Request) {
	var what wire.Append
	if err := json.Unmarshal([]byte(r.Header.Get(wire.AppendHeader)), &what); err != nil {
		w.refuse(rw, fault.New(fault.InvalidRequestContent, "The keeper's request could not be read.").Because(err))
		return
	}
	done, err := w.append(r.Context(), what, r.Body)
	if err != nil {
		w.refuse(rw, appendFault(err))
		return
	}
	json.NewEncoder(rw).Encode(done)
}

func (w *Worker) append(ctx context.Context, what wire.Append, body io.Reader) (done wire.Appended, err error) {
	a, err := w.account(what.Account)
	if err != nil {
		return done, err
	}
	rows, err := unpack(body, what.Encoding, what.MaxBytes)
	if err != nil {
		return done, err
	}
	whole := w.bodies.Get().(*bytes.Buffer)
	defer w.bodies.Put(whole)
	whole.Reset()
	if _, err := whole.ReadFrom(rows); err != nil {
		return done, err
	}
	table := declared(what.Table, what.Stream)
	parsed, err := batch.Parse(whole, table, schema.TicksOf(time.Now()))
	if err != nil {
		return done, err
	}
	done = wire.Appended{Rows: parsed.Record.NumRows(), Bytes: rows.read, Ignored: parsed.Unknown, Cut: parsed.Cut}
	if done.Rows == 0 {
		return done, nil
	}
	return done, a.store.Append(ctx, store.Rows{Workspace: what.Workspace, Table: what.Table.Name, Record: parsed.Record})
}

// declared is the part of a table that a stream declares. A field that the
// stream does not name is ignored even if the table has it.
func declared(t schema.Table, stream []schema.Column) schema.Table {
	if len(stream) == 0 {
		return t
	}
	part := schema.Table{Name: t.Name}
	for _, c := range t.Columns {
		for _, s := range stream {
			if s.Name == c.Name || c.Name == schema.TimeGenerated {
				part.Columns = append(part.Columns, c)
				break
			}
		}
	}
	return part
}

// errTooLarge ends the reading of a body that is larger than allowed.
var errTooLarge = errors.New("the body is larger than allowed")

// limited reads at most a number of bytes and fails at one more.
type limited struct {
	from io.Reader
	left int64
	read int64
}

func (l *limited) Read(p []byte) (int, error) {
	n, err := l.from.Read(p)
	l.read += int64(n)
	if l.left -= int64(n); l.left < 0 {
		return 0, errTooLarge
	}
	return n, err
}

// unpack reads a body in its encoding, bounded as sent and as unpacked.
func unpack(body io.Reader, encoding string, most int64) (*limited, error) {
	switch strings.ToLower(encoding) {
	case "", "identity":
		return &limited{from: body, left: most}, nil
	case "gzip":
		z, err := gzip.NewReader(&limited{from: body, left: most})
		if err != nil {
			if errors.Is(err, errTooLarge) {
				return nil, err
			}
			return nil, fault.New(fault.MalformedJSON, "The body is not in the gzip format that Content-Encoding announces.").Because(err)
		}
		return &limited{from: z, left: most}, nil
	}
	return nil, fault.New(fault.UnsupportedEncoding, "Content-Encoding %q is not supported; send gzip or no encoding.", encoding)
}

// appendFault words for the client why its rows were not taken.
func appendFault(err error) error {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f
	}
	if errors.Is(err, errTooLarge) {
		return fault.New(fault.ContentLengthLimit, "The request body is larger than one request may be. Send fewer rows at a time.").Because(err)
	}
	if row, ok := errors.AsType[*batch.RowError](err); ok {
		return fault.New(fault.InvalidRow, "Nothing was stored: %s. Correct the row and send the request again.", row).Because(err)
	}
	if text, ok := errors.AsType[*batch.SyntaxError](err); ok {
		return fault.New(fault.MalformedJSON, "Nothing was stored: the body is not a JSON array of objects (%s).", text).Because(err)
	}
	_, corrupt := errors.AsType[flate.CorruptInputError](err)
	if corrupt || errors.Is(err, gzip.ErrChecksum) || errors.Is(err, gzip.ErrHeader) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fault.New(fault.MalformedJSON, "Nothing was stored: the body ends early or is damaged.").Because(err)
	}
	if errors.Is(err, store.ErrBehind) {
		return fault.New(fault.TooManyRequests, "Nothing was stored: rows arrive faster than they can be written. Send them again later.").WithRetryAfter(1).Because(err)
	}
	if errors.Is(err, store.ErrClosed) {
		return fault.New(fault.ServiceUnavailable, "Nothing was stored: the storage account is moving to another process. Send the rows again.").WithRetryAfter(1).Because(err)
	}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fault.New(fault.ServiceUnavailable, "Nothing was stored: the server's disk is full. Send the rows again later.").WithRetryAfter(5).Because(err)
	}
	return fault.Of(err)
}
