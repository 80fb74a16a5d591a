package worker

import (
	"database/sql/driver"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"logkeep/internal/schema"
)

// Cells are written in the words of the query API: times as ISO text, dynamic as
// text, numbers that JSON has no form for as text.

// value appends one cell.
func (b *rendering) value(out []byte, c schema.Column, v driver.Value) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(out, "null"...), nil
	case bool:
		return strconv.AppendBool(out, v), nil
	case int32:
		return strconv.AppendInt(out, int64(v), 10), nil
	case int64:
		return wide(out, c, v), nil
	case float64:
		return real(out, v)
	case string:
		return b.text(out, c, v)
	}
	return nil, fmt.Errorf("internal error: the engine answered a %s column with %T", c.Type, v)
}

// wide appends a whole number of 64 bits, or what is carried in one.
func wide(out []byte, c schema.Column, v int64) []byte {
	switch c.Type {
	case schema.DateTime:
		return append(schema.Ticks(v).Append(append(out, '"')), '"')
	case schema.TimeSpan:
		return strconv.AppendQuote(out, schema.Span(v).String())
	}
	return strconv.AppendInt(out, v, 10)
}

func real(out []byte, v float64) ([]byte, error) {
	switch {
	case math.IsNaN(v):
		return append(out, `"NaN"`...), nil
	case math.IsInf(v, 1):
		return append(out, `"Infinity"`...), nil
	case math.IsInf(v, -1):
		return append(out, `"-Infinity"`...), nil
	}
	number, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("internal error: %w", err)
	}
	return append(out, number...), nil
}

// text appends a text, or what is carried in one.
func (b *rendering) text(out []byte, c schema.Column, v string) ([]byte, error) {
	if c.Type == schema.Decimal {
		return strconv.AppendQuote(out, v), nil
	}
	if c.Type == schema.Dynamic && b.inline && jsontext.Value(v).IsValid() {
		return append(out, v...), nil
	}
	out, err := appendQuote(out, v)
	if err != nil {
		return nil, fmt.Errorf("internal error: a %s value is no UTF-8", c.Type)
	}
	return out, nil
}

// appendQuote is jsontext.AppendQuote. Texts of ASCII, in which nothing but quotes and
// backslashes has to be written otherwise, it copies eight bytes at a time.
func appendQuote(out []byte, s string) ([]byte, error) {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	begin := len(out)
	out = slices.Grow(out, 2*len(s)+2) // room for all that is copied here, whatever is in it
	b, n := out[:cap(out)], begin+1
	b[begin] = '"'
	for len(s) >= 8 {
		w := uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 | uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
		quotes, slashes := w^ones*'"', w^ones*'\\'
		// The lowest of these bits is right: a byte above one that is looked for may seem
		// to be one, none below.
		odd := (w | (w-ones*0x20)&^w | (quotes-ones)&^quotes | (slashes-ones)&^slashes) & highs
		binary.LittleEndian.PutUint64(b[n:], w)
		if odd == 0 {
			n, s = n+8, s[8:]
			continue
		}
		k := bits.TrailingZeros64(odd) >> 3
		if n += k; s[k] != '"' && s[k] != '\\' {
			return slow(out[:n], begin, s[k:])
		}
		b[n], b[n+1] = '\\', s[k]
		n, s = n+2, s[k+1:]
	}
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b[n], b[n+1] = '\\', c
			n += 2
		case c >= ' ' && c < 0x80:
			b[n] = c
			n++
		default:
			return slow(out[:n], begin, s[i:])
		}
	}
	b[n] = '"'
	return b[:n+1], nil
}

// slow appends the rest of a text, of which the part before is there from begin on.
func slow(out []byte, begin int, rest string) ([]byte, error) {
	n := len(out)
	out, err := jsontext.AppendQuote(out, rest)
	if err != nil {
		return out[:begin], err
	}
	return append(out[:n], out[n+1:]...), nil // without the quote that it begins with
}
