package batch

import (
	"bytes"
	"math"
	"strconv"
	"unicode/utf8"
	"unsafe"

	"github.com/go-json-experiment/json/jsontext"

	"logkeep/internal/schema"
)

// puts has, for each column type, the function that appends a JSON value other
// than null to a column. It returns a reason when the value does not fit, and
// never quotes the value. Text is accepted where it spells the type's value;
// empty text is null, as the query language's conversions have it.
var puts = [...]func(*parser, *column, jsontext.Value) (reason string){
	schema.Bool:     putBool,
	schema.Int:      putInt,
	schema.Long:     putLong,
	schema.Real:     putReal,
	schema.Decimal:  putDecimal,
	schema.String:   putString,
	schema.DateTime: putDateTime,
	schema.TimeSpan: putTimeSpan,
	schema.GUID:     putGUID,
	schema.Dynamic:  putDynamic,
}

// borrow shows b as a string without copying. The functions it is given to
// here neither keep the string nor return it: their errors are dropped.
func borrow(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// plain reports whether the inside of a quoted string stands for itself.
func plain(inner []byte) bool { return bytes.IndexByte(inner, '\\') < 0 }

// scalar returns the text of a string, number, true or false.
func (p *parser) scalar(v jsontext.Value) (text []byte, ok bool) {
	switch v.Kind() {
	case '"':
		return p.unquote(v), true
	case '{', '[':
		return nil, false
	}
	return v, true
}

func putBool(p *parser, c *column, v jsontext.Value) string {
	text, ok := p.scalar(v)
	switch {
	case !ok:
	case len(text) == 0:
		c.putNull(c.Type)
		return ""
	case string(text) == "1" || bytes.EqualFold(text, []byte("true")):
		c.putBool(true)
		return ""
	case string(text) == "0" || bytes.EqualFold(text, []byte("false")):
		c.putBool(false)
		return ""
	}
	return "the value is no bool; send true or false"
}

func putInt(p *parser, c *column, v jsontext.Value) string {
	n, null, ok := p.integer(v)
	switch {
	case null:
		c.putNull(c.Type)
		return ""
	case ok && n >= math.MinInt32 && n <= math.MaxInt32:
		c.putInt(int32(n))
		return ""
	}
	return "the value is no int; send a whole number of 32 bits"
}

func putLong(p *parser, c *column, v jsontext.Value) string {
	n, null, ok := p.integer(v)
	switch {
	case null:
		c.putNull(c.Type)
		return ""
	case ok:
		c.putLong(n)
		return ""
	}
	return "the value is no long; send a whole number of 64 bits"
}

// integer reads a whole number, written as such or as 1.0 or 1e3.
func (p *parser) integer(v jsontext.Value) (n int64, null, ok bool) {
	text, ok := p.scalar(v)
	if !ok || len(text) == 0 {
		return 0, ok, false
	}
	if n, err := strconv.ParseInt(borrow(text), 10, 64); err == nil {
		return n, false, true
	}
	if !number(text) || !bytes.ContainsAny(text, ".eE") {
		return 0, false, false
	}
	f, err := strconv.ParseFloat(borrow(text), 64)
	if err != nil || f != math.Trunc(f) || f < -(1<<63) || f >= 1<<63 {
		return 0, false, false
	}
	return int64(f), false, true
}

// number reports whether text has only the characters of a decimal number, so
// that the hexadecimal and underscored forms of Go's parsers stay out.
func number(text []byte) bool {
	for _, b := range text {
		if (b < '0' || b > '9') && b != '+' && b != '-' && b != '.' && b != 'e' && b != 'E' {
			return false
		}
	}
	return true
}

func putReal(p *parser, c *column, v jsontext.Value) string {
	const reason = "the value is no real; send a number of 64 bits"
	text, ok := p.scalar(v)
	if !ok {
		return reason
	}
	if len(text) == 0 {
		c.putNull(c.Type)
		return ""
	}
	switch string(text) {
	case "NaN":
		c.putReal(math.NaN())
		return ""
	case "Infinity", "+Infinity":
		c.putReal(math.Inf(1))
		return ""
	case "-Infinity":
		c.putReal(math.Inf(-1))
		return ""
	}
	f, err := strconv.ParseFloat(borrow(text), 64)
	if err != nil || !number(text) {
		return reason
	}
	c.putReal(f)
	return ""
}

// putString takes any JSON value: what is no string is kept as it was written,
// blanks between tokens apart.
func putString(p *parser, c *column, v jsontext.Value) string {
	at := len(c.text)
	switch v.Kind() {
	case '"':
		if inner := v[1 : len(v)-1]; plain(inner) {
			c.text = append(c.text, inner...)
		} else {
			// The decoder has just accepted v, so unquoting it can't be refused.
			c.text, _ = jsontext.AppendUnquote(c.text, v)
		}
	default:
		c.text = appendCompact(c.text, v)
	}
	p.limit(c, at)
	return ended(c.endText())
}

// limit cuts the text of a cell that begins at at to what a cell keeps.
func (p *parser) limit(c *column, at int) {
	if len(c.text)-at <= maxText {
		return
	}
	end := at + maxText
	for !utf8.RuneStart(c.text[end]) {
		end--
	}
	c.text = c.text[:end]
	p.cut++
	c.cut = true
}

func putDateTime(p *parser, c *column, v jsontext.Value) string {
	const reason = "the value is no datetime; send an ISO 8601 time such as 2026-01-02T03:04:05Z, of the years 1 to 9999"
	if v.Kind() != '"' {
		return reason
	}
	text := p.unquote(v)
	if len(text) == 0 {
		if c == p.time {
			c.putLong(int64(p.now))
		} else {
			c.putNull(c.Type)
		}
		return ""
	}
	t, err := schema.ParseTicks(borrow(text))
	if err != nil {
		return reason
	}
	c.putLong(int64(t))
	return ""
}

func putTimeSpan(p *parser, c *column, v jsontext.Value) string {
	const reason = "the value is no timespan; send text such as 1.02:03:04.5"
	if v.Kind() != '"' {
		return reason
	}
	text := p.unquote(v)
	if len(text) == 0 {
		c.putNull(c.Type)
		return ""
	}
	s, err := schema.ParseSpan(borrow(text))
	if err != nil {
		return reason
	}
	c.putLong(int64(s))
	return ""
}

func putDecimal(p *parser, c *column, v jsontext.Value) string {
	const reason = "the value is no decimal; send a number of at most 34 digits"
	text, ok := p.scalar(v)
	if !ok {
		return reason
	}
	if len(text) == 0 {
		c.putNull(c.Type)
		return ""
	}
	if c.text, ok = appendDecimal(c.text, text); !ok {
		return reason
	}
	return ended(c.endText())
}

func putGUID(p *parser, c *column, v jsontext.Value) string {
	const reason = "the value is no guid; send 32 hexadecimal digits with hyphens"
	if v.Kind() != '"' {
		return reason
	}
	text := p.unquote(v)
	if len(text) == 0 {
		c.putNull(c.Type)
		return ""
	}
	var ok bool
	if c.text, ok = appendGUID(c.text, text); !ok {
		return reason
	}
	return ended(c.endText())
}

func putDynamic(p *parser, c *column, v jsontext.Value) string {
	c.text = appendCompact(c.text, v)
	return ended(c.endText())
}

func ended(err error) string {
	if err != nil {
		return err.Error()
	}
	return ""
}
