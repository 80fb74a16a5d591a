// Package foreign takes files apart that come from elsewhere, for externaldata:
// records, and of each record the texts that a query asks for. It knows no type;
// what is absent is an empty text.
//
//	csv psv scsv sohsv tsv  a line a record, fields by their place, "quoted" where need be
//	tsve                    the same with tabs, where \t \n \r \\ stand for what would cut
//	txt                     a line a record of one field
//	raw                     the file is one record of one field
//	json multijson          objects one after another or in arrays, fields by their path
//	singlejson              the file is one record
//
// A file whose name ends with .gz, or whose first bytes say so, is unpacked; so
// is the only file of a .zip. The bytes may be hostile: what is made of them is
// bounded by Most.
package foreign

import (
	"archive/zip"
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A Column is where a wanted text comes from.
type Column struct {
	Ordinal int      // in forms whose fields have no names
	Path    []string // in JSON: keys, and indexes as [0]; empty is the whole record
}

// A Form says how a file is to be read.
type Form struct {
	Name      string // of the file or its address: its ending tells of the format and the packing
	Format    string // "" is what the ending tells, csv if it tells nothing
	SkipFirst bool
	SkipLast  bool
	Most      int64 // bytes of the file once it is unpacked
}

// ErrLarge says that a file is larger than Most, once it is unpacked.
var ErrLarge = errors.New("is too large once it is unpacked")

// Read calls row for each record, with a text for each column. The texts are
// row's to keep; the slice is not. The errors say what is wrong with the file
// without telling what is in it, except row's own. It returns how large the file
// is once it is unpacked.
func Read(file []byte, f Form, columns []Column, row func(cells []string) error) (size int64, err error) {
	name := strings.ToLower(f.Name)
	if at := strings.IndexAny(name, "?#"); at >= 0 {
		name = name[:at]
	}
	text, err := unpack(file, name, f.Most)
	if err != nil {
		return 0, err
	}
	if f.Format == "" {
		f.Format = formatOf(strings.TrimSuffix(strings.TrimSuffix(name, ".gz"), ".zip"))
	}
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(text) {
		text = bytes.ToValidUTF8(text, []byte("\uFFFD"))
	}
	r := &reader{f: f, columns: columns, cells: make([]string, len(columns)), row: row}
	return int64(len(text)), r.read(text)
}

func formatOf(name string) string {
	switch ext := strings.TrimPrefix(path.Ext(name), "."); ext {
	case "csv", "tsv", "tsve", "psv", "scsv", "sohsv", "txt", "raw", "json", "multijson", "singlejson":
		return ext
	case "jsonl", "ndjson":
		return "multijson"
	}
	return "csv"
}

func unpack(file []byte, name string, most int64) ([]byte, error) {
	var r io.Reader = bytes.NewReader(file)
	switch {
	case bytes.HasPrefix(file, []byte("\x1f\x8b")):
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, errors.New("is no gzip file")
		}
		r = z
	case strings.HasSuffix(name, ".zip") && bytes.HasPrefix(file, []byte("PK")):
		z, err := zip.NewReader(bytes.NewReader(file), int64(len(file)))
		if err != nil || len(z.File) != 1 {
			return nil, errors.New("is no zip file with exactly one file in it")
		}
		only, err := z.File[0].Open()
		if err != nil {
			return nil, errors.New("is a zip file that can't be unpacked")
		}
		defer only.Close()
		r = only
	default:
		if int64(len(file)) > most {
			return nil, ErrLarge
		}
		return file, nil
	}
	text, err := io.ReadAll(io.LimitReader(r, most+1))
	switch {
	case int64(len(text)) > most:
		return nil, ErrLarge
	case err != nil:
		return nil, errors.New("can't be unpacked")
	}
	return text, nil
}

// A reader makes rows of records.
type reader struct {
	f       Form
	columns []Column
	cells   []string
	row     func([]string) error
	seen    bool     // the first record
	held    []string // the record before, while the last is to be left out
}

// emit is called with each record in order.
func (r *reader) emit() error {
	if !r.seen {
		if r.seen = true; r.f.SkipFirst {
			return nil
		}
	}
	if !r.f.SkipLast {
		return r.row(r.cells)
	}
	before := r.held
	r.held = append([]string(nil), r.cells...)
	if before == nil {
		return nil
	}
	return r.row(before)
}

func (r *reader) read(text []byte) error {
	switch r.f.Format {
	case "csv":
		return r.separated(text, ',')
	case "tsv":
		return r.separated(text, '\t')
	case "psv":
		return r.separated(text, '|')
	case "scsv":
		return r.separated(text, ';')
	case "sohsv":
		return r.separated(text, 1)
	case "tsve":
		return r.lines(text, func(line string) []string {
			fields := strings.Split(line, "\t")
			for i, f := range fields {
				fields[i] = escapes.Replace(f)
			}
			return fields
		})
	case "txt":
		return r.lines(text, func(line string) []string { return []string{line} })
	case "raw":
		return r.fields([]string{string(text)})
	case "json", "multijson":
		return r.objects(text)
	case "singlejson":
		return r.object(bytes.TrimSpace(text))
	}
	return fmt.Errorf("has the format %s, which is not read here", r.f.Format)
}

var escapes = strings.NewReplacer(`\t`, "\t", `\n`, "\n", `\r`, "\r", `\\`, `\`)

// fields is a record of places.
func (r *reader) fields(fields []string) error {
	for i, c := range r.columns {
		if r.cells[i] = ""; c.Ordinal < len(fields) {
			r.cells[i] = fields[c.Ordinal]
		}
	}
	return r.emit()
}

func (r *reader) separated(text []byte, comma rune) error {
	c := csv.NewReader(bytes.NewReader(text))
	c.Comma, c.LazyQuotes, c.FieldsPerRecord, c.ReuseRecord = comma, true, -1, true
	for {
		fields, err := c.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if wrong, ok := errors.AsType[*csv.ParseError](err); ok {
			return fmt.Errorf("can't be read in line %d", wrong.Line)
		} else if err != nil {
			return err
		}
		if err := r.fields(fields); err != nil {
			return err
		}
	}
}

func (r *reader) lines(text []byte, cut func(string) []string) error {
	s := bufio.NewScanner(bytes.NewReader(text))
	s.Buffer(nil, len(text)+1)
	for s.Scan() {
		if err := r.fields(cut(s.Text())); err != nil {
			return err
		}
	}
	return s.Err()
}

func (r *reader) objects(text []byte) error {
	d := json.NewDecoder(bytes.NewReader(text))
	for n := 1; ; n++ {
		var v json.RawMessage
		if err := d.Decode(&v); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("stops being JSON in value %d", n)
		}
		if len(v) == 0 || v[0] != '[' {
			if err := r.object(v); err != nil {
				return err
			}
			continue
		}
		var list []json.RawMessage
		if err := json.Unmarshal(v, &list); err != nil {
			return fmt.Errorf("stops being JSON in value %d", n)
		}
		for _, v := range list {
			if err := r.object(v); err != nil {
				return err
			}
		}
	}
}

// object is a record of paths.
func (r *reader) object(v json.RawMessage) error {
	if !json.Valid(v) {
		return errors.New("is no JSON")
	}
	var top map[string]json.RawMessage
	if len(v) > 0 && v[0] == '{' {
		if err := json.Unmarshal(v, &top); err != nil {
			return errors.New("is no JSON")
		}
	}
	for i, c := range r.columns {
		at := v
		if len(c.Path) > 0 {
			at = within(top[c.Path[0]], c.Path[1:])
		}
		r.cells[i] = plain(at)
	}
	return r.emit()
}

// within goes down a path; nil if it leads nowhere.
func within(v json.RawMessage, path []string) json.RawMessage {
	for _, step := range path {
		if n, err := strconv.Atoi(strings.Trim(step, "[]")); err == nil && step[0] == '[' {
			var list []json.RawMessage
			if json.Unmarshal(v, &list) != nil || n >= len(list) {
				return nil
			}
			v = list[n]
			continue
		}
		var object map[string]json.RawMessage
		if json.Unmarshal(v, &object) != nil {
			return nil
		}
		v = object[step]
	}
	return v
}

// plain is a value's text: a string without its quotes, anything else as it is
// written, nothing for null.
func plain(v json.RawMessage) string {
	if len(v) == 0 || string(v) == "null" {
		return ""
	}
	if v[0] == '"' {
		var s string
		if json.Unmarshal(v, &s) == nil {
			return s
		}
	}
	return string(v)
}
