// Package intake turns the body of an ingestion request into rows: it unpacks
// and bounds it, goes by what the stream declares, and words for the client
// what is wrong with it. Workers take rows in with it, and so does who accepts
// rows while no worker may run.
package intake

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"logkeep/internal/batch"
	"logkeep/internal/fault"
	"logkeep/internal/gunzip"
	"logkeep/internal/schema"
)

// A Body is rows as a client sent them.
type Body struct {
	Table    schema.Table
	Stream   []schema.Column // declared by the rule; empty: the table's
	Changes  bool            // rows are to be changed: they are read as the stream declares them
	Encoding string          // "" or "gzip"
	Most     int64           // bytes, as sent and as unpacked
	Clear    bool            // clear the body's bytes when they are parsed
}

// Rows reads a whole body into whole, which may be used for something else
// afterwards, and parses it. Rows that can't be stored are left out and told in
// p.Refused, unless all are such. read is how many bytes of JSON there were.
// Fault words the errors.
func (b Body) Rows(from io.Reader, whole *bytes.Buffer, now schema.Ticks) (p batch.Parsed, read int64, err error) {
	err = b.read(from, whole)
	if b.Clear {
		// Parsing takes them out of the buffer, and unpacking that fails never
		// puts them in; but there they lie.
		all := whole.Bytes()
		defer clear(all[:cap(all)])
	}
	if err != nil {
		return p, 0, err
	}
	read = int64(whole.Len())
	table := declared(b.Table, b.Stream)
	p, err = batch.Good(whole, func(r io.Reader) (batch.Parsed, error) {
		if b.Changes {
			return batch.ParseStream(r, b.Stream, now)
		}
		return batch.Parse(r, table, now)
	})
	return p, read, err
}

// read reads a body in its encoding, bounded as sent and as unpacked.
func (b Body) read(from io.Reader, whole *bytes.Buffer) error {
	whole.Reset()
	sent := &limited{from: from, left: b.Most, over: b.tooLarge}
	switch strings.ToLower(b.Encoding) {
	case "", "identity":
		_, err := whole.ReadFrom(sent)
		return err
	case "gzip":
	default:
		return fault.New(fault.UnsupportedEncoding, "Content-Encoding %q is not supported; send gzip or no encoding.", b.Encoding)
	}
	var packed bytes.Buffer
	packed.Grow(64 << 10)
	if b.Clear {
		packed.Grow(int(b.Most)) // so that neither leaves a copy behind when it grows
		whole.Grow(int(b.Most) + gunzip.Room)
		defer func() { clear(packed.Bytes()) }()
	}
	if _, err := packed.ReadFrom(sent); err != nil {
		return err
	}
	text, err := gunzip.Append(whole.AvailableBuffer(), packed.Bytes(), int(b.Most))
	*whole = *bytes.NewBuffer(text)
	switch {
	case errors.Is(err, gunzip.ErrTooLarge):
		return b.tooLarge()
	case errors.Is(err, gunzip.ErrHeader):
		return fault.New(fault.MalformedJSON, "The body is not in the gzip format that Content-Encoding announces.").Because(err)
	case err != nil:
		return fault.New(fault.MalformedJSON, "Nothing was stored: the body ends early or is damaged.").Because(err)
	}
	return nil
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

// tooLarge ends the reading of a body that is larger than allowed.
func (b Body) tooLarge() error {
	return fault.New(fault.ContentLengthLimit, "Nothing was stored: a request can have %d bytes, packed and unpacked. Send the rows in several requests.", b.Most)
}

// limited reads at most a number of bytes and fails with over at one more.
type limited struct {
	from io.Reader
	left int64
	over func() error
}

func (l *limited) Read(p []byte) (int, error) {
	n, err := l.from.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return 0, l.over()
	}
	return n, err
}

// Fault words for the client what is wrong with its rows. An error that says
// nothing of them is returned as it is.
func Fault(err error) error {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f
	}
	if row, ok := errors.AsType[*batch.RowError](err); ok {
		return fault.New(fault.InvalidRow, "Nothing was stored: %s. Correct the row and send the request again.", row).Because(err)
	}
	if text, ok := errors.AsType[*batch.SyntaxError](err); ok {
		return fault.New(fault.MalformedJSON, "Nothing was stored: the body is not a JSON array of objects (%s).", text).Because(err)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return fault.New(fault.MalformedJSON, "Nothing was stored: the body ends early or is damaged.").Because(err)
	}
	return err
}
