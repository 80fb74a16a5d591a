package batch

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// maxReasons is how many of the rows that can't be stored are named.
const maxReasons = 10

// Good is parse for rows of which some can't be stored: they are left out and
// told in Refused, all others are taken. If every row is such a one, or the
// text stops being JSON, the error is parse's.
func Good(whole *bytes.Buffer, parse func(io.Reader) (Parsed, error)) (Parsed, error) {
	text := whole.Bytes()
	p, err := parse(whole)
	if _, ok := errors.AsType[*RowError](err); !ok {
		return p, err
	}
	first := err
	good, refused, err := sift(text, parse)
	defer clear(good)
	if err != nil || len(good) == 0 {
		return Parsed{}, first
	}
	if p, err = parse(bytes.NewBuffer(good)); err != nil {
		return Parsed{}, fmt.Errorf("internal error: rows that could be stored one by one can't be together: %w", err)
	}
	p.Refused, p.Reasons = refused.n, refused.reasons
	return p, nil
}

type refusals struct {
	n       int64
	reasons []RowError
}

// sift returns the rows that can be stored, one after another.
func sift(text []byte, parse func(io.Reader) (Parsed, error)) (good []byte, refused refusals, err error) {
	dec := jsontext.NewDecoder(bytes.NewReader(text), jsontext.AllowDuplicateNames(true))
	list := dec.PeekKind() == '['
	if list {
		if _, err := dec.ReadToken(); err != nil {
			return nil, refused, err
		}
	}
	good = make([]byte, 0, len(text)+len(text)/2+1) // it never grows, so that it can be cleared
	for n := int64(1); dec.PeekKind() != ']'; n++ {
		v, err := dec.ReadValue()
		if errors.Is(err, io.EOF) && !list {
			return good, refused, nil
		}
		if err != nil {
			clear(good)
			return nil, refused, err
		}
		if v.Kind() == '{' {
			_, err = parse(bytes.NewBuffer(v))
		} else {
			err = &RowError{Row: n, Reason: noObject}
		}
		if row, ok := errors.AsType[*RowError](err); ok {
			if refused.n++; refused.n <= maxReasons {
				refused.reasons = append(refused.reasons, RowError{n, row.Column, row.Reason})
			}
			continue
		}
		if err != nil {
			clear(good)
			return nil, refused, err
		}
		good = append(append(good, v...), '\n')
	}
	if _, err = dec.ReadToken(); err == nil {
		if _, err = dec.ReadToken(); errors.Is(err, io.EOF) {
			return good, refused, nil
		}
	}
	clear(good)
	return nil, refused, errors.New("more than a list")
}
