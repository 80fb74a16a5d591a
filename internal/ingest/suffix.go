package ingest

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"logkeep/internal/fault"
	"logkeep/internal/schema"
)

// The older collector API names columns by what it finds in rows: a property
// and a suffix for the type of its value.
//
//	string _s   number _d   boolean _b   date and time _t   guid _g
//
// A value for which the table has no such column, but another of the same
// property that can hold it, goes there: a number into name_s, the text "12"
// into name_d. Objects and arrays are kept as text.

// A kind is what a value looks like.
type kind uint8

const (
	aNumber kind = iota
	aBool
	aGUID
	aTime
	aNumberText // "12"
	aBoolText   // "true"
	aText
	aBag
	kinds
)

// A suffix is a column's type.
type suffix struct {
	text string
	is   schema.Type
}

var (
	ofString = suffix{"_s", schema.String}
	ofNumber = suffix{"_d", schema.Real}
	ofBool   = suffix{"_b", schema.Bool}
	ofTime   = suffix{"_t", schema.DateTime}
	ofGUID   = suffix{"_g", schema.GUID}
)

// homes are the columns that can hold a kind. A new column is of the first.
var homes = [kinds][]suffix{
	aNumber: {ofNumber, ofString}, aBool: {ofBool, ofString}, aGUID: {ofGUID, ofString}, aTime: {ofTime, ofString},
	aNumberText: {ofString, ofNumber}, aBoolText: {ofString, ofBool}, aText: {ofString}, aBag: {ofString},
}

var (
	guidForm = regexp.MustCompile(`^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$`)
	timeForm = regexp.MustCompile(`^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:?\d\d)?$`)
	baseForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*$`)
	badRune  = regexp.MustCompile(`[^A-Za-z0-9_]`)
)

func kindOf(v jsontext.Value, text string) kind {
	switch v.Kind() {
	case '0':
		return aNumber
	case 't', 'f':
		return aBool
	case '{', '[':
		return aBag
	}
	if guidForm.MatchString(text) {
		return aGUID
	}
	if _, ok := instant(text); ok {
		return aTime
	}
	if _, err := strconv.ParseBool(text); err == nil && len(text) > 3 {
		return aBoolText
	}
	if jsontext.Value(text).IsValid() && jsontext.Value(text).Kind() == '0' && strings.TrimSpace(text) == text {
		return aNumberText
	}
	return aText
}

// instant reads ISO 8601; without a zone it is UTC.
func instant(text string) (time.Time, bool) {
	if !timeForm.MatchString(text) {
		return time.Time{}, false
	}
	text = strings.Replace(text, " ", "T", 1)
	for _, layout := range [...]string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02T15:04:05.999999999Z0700"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

// Limits of the collector API.
const (
	maxValue = 32 << 10           // bytes of one value; longer ones are cut
	oldest   = 2 * 24 * time.Hour // an older time is not taken
	newest   = 24 * time.Hour     // nor one that is so far ahead
)

// A shaper gives properties their columns and rows their new names.
type shaper struct {
	timeField string
	resource  string // of _ResourceId; "" none
	now       time.Time
	maxName   int

	columns map[string]schema.Column // by folded name
	need    []schema.Column          // new ones
	props   map[string]*[kinds]*schema.Column
	used    map[string]bool // columns of this row
	cut     int64           // values that were too long
	cutIn   []string        // and their columns
}

func newShaper(table schema.Table, timeField, resource string, maxName int, now time.Time) *shaper {
	s := &shaper{timeField: timeField, resource: resource, now: now, maxName: maxName, columns: map[string]schema.Column{}, props: map[string]*[kinds]*schema.Column{}, used: map[string]bool{}}
	for _, c := range table.Columns {
		s.columns[strings.ToLower(c.Name)] = c
	}
	s.want(schema.Column{Name: schema.TimeGenerated, Type: schema.DateTime})
	if resource != "" {
		s.want(schema.Column{Name: resourceColumn, Type: schema.String})
	}
	return s
}

// resourceColumn holds what the header x-ms-AzureResourceId said.
const resourceColumn = "_ResourceId"

// want makes sure of a column and returns it as it is.
func (s *shaper) want(c schema.Column) *schema.Column {
	if have, ok := s.columns[strings.ToLower(c.Name)]; ok {
		return &have
	}
	s.columns[strings.ToLower(c.Name)] = c
	s.need = append(s.need, c)
	return &c
}

// column is where a value of kind k of a property goes.
func (s *shaper) column(property string, k kind) (*schema.Column, error) {
	p := s.props[property]
	if p == nil {
		p = new([kinds]*schema.Column)
		s.props[property] = p
	}
	if p[k] != nil {
		return p[k], nil
	}
	base := badRune.ReplaceAllString(property, "_")
	if !baseForm.MatchString(base) || len(base)+2 > s.maxName {
		return nil, fault.New(fault.InvalidDataFormat, "The property '%.80s' can't name a column: a name begins with a letter and has up to %d letters, digits and underscores.", property, s.maxName-2)
	}
	for _, home := range homes[k] {
		if c, ok := s.columns[strings.ToLower(base+home.text)]; ok && c.Type == home.is {
			p[k] = &c
			return p[k], nil
		}
	}
	first := homes[k][0]
	if p[k] = s.want(schema.Column{Name: base + first.text, Type: first.is}); p[k].Type != first.is {
		return nil, fault.New(fault.InvalidDataFormat, "The table has a column '%s' of type %s, so the property '%.80s' can't be kept as %s.", p[k].Name, p[k].Type, property, first.is)
	}
	return p[k], nil
}

// reserved are properties that the service keeps for itself.
var reserved = map[string]bool{"tenant": true, "timegenerated": true, "rawdata": true}

// shape writes the rows of body, an array of objects or one object, with the
// names of columns. What the columns must be is known when it returns.
func (s *shaper) shape(body []byte) ([]byte, error) {
	var out bytes.Buffer
	out.Grow(len(body) + len(body)/4)
	in := jsontext.NewDecoder(bytes.NewReader(body), jsontext.AllowDuplicateNames(true))
	to := jsontext.NewEncoder(&out, jsontext.AllowDuplicateNames(true))
	err := s.rows(in, to)
	if _, ok := errors.AsType[*fault.Error](err); err == nil || ok {
		return out.Bytes(), err
	}
	clear(out.Bytes())
	return nil, notRows().Because(errors.New("the body is no JSON")) // the cause may quote rows
}

func notRows() *fault.Error {
	return fault.New(fault.InvalidDataFormat, "The body is not valid JSON: send one object, or an array of objects.")
}

func (s *shaper) rows(in *jsontext.Decoder, to *jsontext.Encoder) error {
	switch in.PeekKind() {
	case '{':
		if err := s.row(in, to); err != nil {
			return err
		}
	case '[':
		if _, err := in.ReadToken(); err != nil {
			return err
		}
		for in.PeekKind() == '{' {
			if err := s.row(in, to); err != nil {
				return err
			}
		}
		end, err := in.ReadToken()
		if err != nil {
			return err
		}
		if end.Kind() != ']' {
			return notRows()
		}
	default:
		return notRows()
	}
	if _, err := in.ReadToken(); err != io.EOF {
		return notRows()
	}
	return nil
}

func (s *shaper) row(in *jsontext.Decoder, to *jsontext.Encoder) error {
	clear(s.used)
	at := s.now
	if _, err := in.ReadToken(); err != nil {
		return err
	}
	if err := to.WriteToken(jsontext.BeginObject); err != nil {
		return err
	}
	for in.PeekKind() != '}' {
		name, err := in.ReadToken()
		if err != nil {
			return err
		}
		property := name.String()
		v, err := in.ReadValue()
		if err != nil {
			return err
		}
		text := ""
		if v.Kind() == '"' {
			b, err := jsontext.AppendUnquote(nil, v)
			if err != nil {
				return err
			}
			text = string(b)
		}
		if s.timeField != "" && strings.EqualFold(property, s.timeField) {
			if t, ok := instant(text); ok && s.now.Sub(t) <= oldest && t.Sub(s.now) <= newest {
				at = t
			}
		}
		if v.Kind() == 'n' || reserved[strings.ToLower(property)] {
			continue
		}
		if err := s.cell(to, property, v, text); err != nil {
			return err
		}
	}
	if _, err := in.ReadToken(); err != nil {
		return err
	}
	own := [][2]string{{schema.TimeGenerated, at.UTC().Format(time.RFC3339Nano)}}
	if s.resource != "" {
		own = append(own, [2]string{resourceColumn, s.resource})
	}
	for _, c := range own {
		if err := errors.Join(to.WriteToken(jsontext.String(c[0])), to.WriteToken(jsontext.String(c[1]))); err != nil {
			return err
		}
	}
	return to.WriteToken(jsontext.EndObject)
}

func (s *shaper) cell(to *jsontext.Encoder, property string, v jsontext.Value, text string) error {
	k := kindOf(v, text)
	c, err := s.column(property, k)
	if err != nil {
		return err
	}
	if s.used[c.Name] {
		return nil // a second value for the same column of the row
	}
	s.used[c.Name] = true
	if err := to.WriteToken(jsontext.String(c.Name)); err != nil {
		return err
	}
	switch {
	case c.Type == schema.String && v.Kind() == '"', k == aTime, k == aGUID:
		return to.WriteToken(jsontext.String(s.bounded(c.Name, text)))
	case c.Type == schema.String:
		return to.WriteToken(jsontext.String(s.bounded(c.Name, string(v))))
	case k == aBoolText:
		yes, _ := strconv.ParseBool(text)
		return to.WriteToken(jsontext.Bool(yes))
	case k == aNumberText:
		return to.WriteValue(jsontext.Value(text))
	}
	return to.WriteValue(v)
}

// bounded cuts a value that is too long, and counts it.
func (s *shaper) bounded(column, value string) string {
	if len(value) <= maxValue {
		return value
	}
	n := maxValue
	for n > 0 && !utf8.RuneStart(value[n]) {
		n--
	}
	if s.cut++; !slices.Contains(s.cutIn, column) {
		s.cutIn = append(s.cutIn, column)
	}
	return value[:n]
}
