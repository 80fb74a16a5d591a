package sample

import (
	"bufio"
	"fmt"
	"io"
	"iter"
	"os"

	"github.com/go-json-experiment/json/jsontext"
)

// File gives the rows of a file: JSON objects one after the other (NDJSON), or
// arrays of them. It ends after the first error, which names the file and the
// byte. "-" is standard input.
func File(path string, stdin io.Reader) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		in := stdin
		if path != "-" {
			f, err := os.Open(path)
			if err != nil {
				yield(nil, err)
				return
			}
			defer f.Close()
			in = f
		}
		for row, err := range rows(in) {
			if err != nil {
				err = fmt.Errorf("%s: %w", path, err)
			}
			if !yield(row, err) {
				return
			}
		}
	}
}

func rows(in io.Reader) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		d := jsontext.NewDecoder(skipMark(in), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
		for {
			kind := d.PeekKind()
			switch {
			case kind == '[' && d.StackDepth() == 0, kind == ']':
				if _, err := d.ReadToken(); err != nil {
					yield(nil, err)
					return
				}
			case kind == '{':
				value, err := d.ReadValue()
				if err != nil {
					yield(nil, err)
					return
				}
				if !yield(value.Clone(), nil) {
					return
				}
			default:
				token, err := d.ReadToken()
				if err == io.EOF && d.StackDepth() == 0 {
					return
				}
				if err == nil {
					err = fmt.Errorf("byte %d: %s where a row was expected; a row is a JSON object", d.InputOffset(), token.Kind())
				}
				yield(nil, err)
				return
			}
		}
	}
}

// skipMark passes over the byte order mark that some tools write before UTF-8.
func skipMark(in io.Reader) io.Reader {
	b := bufio.NewReaderSize(in, 1<<20)
	if head, _ := b.Peek(3); string(head) == "\xef\xbb\xbf" {
		b.Discard(3)
	}
	return b
}
