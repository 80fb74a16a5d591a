package native

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"logkeep/internal/kql/syntax"
)

// A Kind is the kind of a JSON value.
type Kind uint8

// The kinds.
const (
	Null Kind = iota
	Bool
	Long
	Real
	String
	Array
	Bag
)

// A Value is a JSON value that keeps the order of its properties and the
// difference between whole and other numbers.
type Value struct {
	Kind  Kind
	Bool  bool
	Long  int64
	Real  float64
	Str   string
	Items []Value
	Names []string // of Items, for a Bag
}

// maxNesting bounds how deep JSON may be nested.
const maxNesting = 200

type jsonReader struct {
	s     string
	i     int
	depth int
}

// Parse reads JSON text. ok is false if it is none.
func Parse(s string) (v Value, ok bool) {
	r := &jsonReader{s: s}
	r.blank()
	v, ok = r.value()
	r.blank()
	return v, ok && r.i == len(s)
}

// parse reads a dynamic argument: nil is null.
func parse(a any) Value {
	s, ok := a.(string)
	if !ok {
		return Value{}
	}
	v, _ := Parse(s)
	return v
}

func (r *jsonReader) blank() {
	for r.i < len(r.s) && (r.s[r.i] == ' ' || r.s[r.i] == '\n' || r.s[r.i] == '\t' || r.s[r.i] == '\r') {
		r.i++
	}
}

func (r *jsonReader) take(c byte) bool {
	r.blank()
	if r.i < len(r.s) && r.s[r.i] == c {
		r.i++
		return true
	}
	return false
}

func (r *jsonReader) value() (Value, bool) {
	r.blank()
	if r.i >= len(r.s) {
		return Value{}, false
	}
	switch c := r.s[r.i]; {
	case c == '"':
		s, ok := r.str()
		return Value{Kind: String, Str: s}, ok
	case c == '[' || c == '{':
		return r.list(c)
	case c == '-' || c >= '0' && c <= '9':
		return r.number()
	}
	switch rest := r.s[r.i:]; {
	case strings.HasPrefix(rest, "null"):
		r.i += len("null")
		return Value{}, true
	case strings.HasPrefix(rest, "true"):
		r.i += len("true")
		return Value{Kind: Bool, Bool: true}, true
	case strings.HasPrefix(rest, "false"):
		r.i += len("false")
		return Value{Kind: Bool}, true
	}
	return Value{}, false
}

func (r *jsonReader) list(open byte) (Value, bool) {
	r.i++
	if r.depth++; r.depth > maxNesting {
		return Value{}, false
	}
	defer func() { r.depth-- }()
	v := Value{Kind: Array, Items: []Value{}}
	if open == '{' {
		v.Kind = Bag
	}
	if r.take(open + 2) {
		return v, true
	}
	for {
		if open == '{' {
			r.blank()
			if r.i >= len(r.s) || r.s[r.i] != '"' {
				return v, false
			}
			name, ok := r.str()
			if !ok || !r.take(':') {
				return v, false
			}
			v.Names = append(v.Names, name)
		}
		item, ok := r.value()
		if !ok {
			return v, false
		}
		v.Items = append(v.Items, item)
		if r.take(open + 2) {
			return v, true
		}
		if !r.take(',') {
			return v, false
		}
	}
}

func (r *jsonReader) number() (Value, bool) {
	start := r.i
	real := false
	for r.i < len(r.s) {
		c := r.s[r.i]
		if c == '.' || c == 'e' || c == 'E' {
			real = true
		} else if c != '-' && c != '+' && (c < '0' || c > '9') {
			break
		}
		r.i++
	}
	text := r.s[start:r.i]
	if !real {
		if v, err := strconv.ParseInt(text, 10, 64); err == nil {
			return Value{Kind: Long, Long: v}, true
		}
	}
	v, err := strconv.ParseFloat(text, 64)
	return Value{Kind: Real, Real: v}, err == nil || math.IsInf(v, 0)
}

func (r *jsonReader) str() (string, bool) {
	r.i++
	start := r.i
	for r.i < len(r.s) && r.s[r.i] != '"' && r.s[r.i] != '\\' {
		r.i++
	}
	if r.i < len(r.s) && r.s[r.i] == '"' {
		r.i++
		return r.s[start : r.i-1], true
	}
	var b strings.Builder
	b.WriteString(r.s[start:r.i])
	for r.i < len(r.s) {
		c := r.s[r.i]
		r.i++
		switch {
		case c == '"':
			return b.String(), true
		case c != '\\':
			b.WriteByte(c)
		case r.i >= len(r.s):
			return "", false
		default:
			e := r.s[r.i]
			r.i++
			switch e {
			case 'n':
				b.WriteByte('\n')
			case 't':
				b.WriteByte('\t')
			case 'r':
				b.WriteByte('\r')
			case 'b':
				b.WriteByte('\b')
			case 'f':
				b.WriteByte('\f')
			case '"', '\\', '/':
				b.WriteByte(e)
			case 'u':
				x, ok := r.hex()
				if !ok {
					return "", false
				}
				if utf16.IsSurrogate(x) && strings.HasPrefix(r.s[r.i:], `\u`) {
					r.i += 2
					y, ok := r.hex()
					if !ok {
						return "", false
					}
					x = utf16.DecodeRune(x, y)
				}
				b.WriteRune(x)
			default:
				return "", false
			}
		}
	}
	return "", false
}

func (r *jsonReader) hex() (rune, bool) {
	if r.i+4 > len(r.s) {
		return 0, false
	}
	v, err := strconv.ParseUint(r.s[r.i:r.i+4], 16, 32)
	r.i += 4
	return rune(v), err == nil
}

// Text writes v as compact JSON.
func (v Value) Text() string {
	var b strings.Builder
	v.write(&b)
	return b.String()
}

func (v Value) write(b *strings.Builder) {
	switch v.Kind {
	case Null:
		b.WriteString("null")
	case Bool:
		b.WriteString(strconv.FormatBool(v.Bool))
	case Long:
		b.WriteString(strconv.FormatInt(v.Long, 10))
	case Real:
		b.WriteString(syntax.JSONReal(v.Real))
	case String:
		if !utf8.ValidString(v.Str) {
			v.Str = strings.ToValidUTF8(v.Str, "\ufffd")
		}
		b.WriteString(syntax.JSONQuote(v.Str))
	case Array:
		b.WriteByte('[')
		for i, x := range v.Items {
			if i > 0 {
				b.WriteByte(',')
			}
			x.write(b)
		}
		b.WriteByte(']')
	case Bag:
		b.WriteByte('{')
		for i, x := range v.Items {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(syntax.JSONQuote(v.Names[i]))
			b.WriteByte(':')
			x.write(b)
		}
		b.WriteByte('}')
	}
}

// out gives v back to the engine: null is nil.
func (v Value) out() (any, error) {
	if v.Kind == Null {
		return nil, nil
	}
	return v.Text(), nil
}

// Get returns a property, Null if there is none.
func (v Value) Get(name string) (Value, bool) {
	for i, n := range v.Names {
		if n == name {
			return v.Items[i], true
		}
	}
	return Value{}, false
}

// set replaces or adds a property.
func (v *Value) set(name string, x Value) {
	for i, n := range v.Names {
		if n == name {
			v.Items[i] = x
			return
		}
	}
	v.Names = append(v.Names, name)
	v.Items = append(v.Items, x)
}

// number returns v as a real if it is a number.
func (v Value) number() (float64, bool) {
	switch v.Kind {
	case Long:
		return float64(v.Long), true
	case Real:
		return v.Real, true
	case Bool:
		if v.Bool {
			return 1, true
		}
		return 0, true
	}
	return 0, false
}

// String is v as tostring gives it.
func (v Value) String() string {
	switch v.Kind {
	case Null:
		return ""
	case String:
		return v.Str
	}
	return v.Text()
}

func str(s string) Value    { return Value{Kind: String, Str: s} }
func long(n int64) Value    { return Value{Kind: Long, Long: n} }
func real(f float64) Value  { return Value{Kind: Real, Real: f} }
func boolean(b bool) Value  { return Value{Kind: Bool, Bool: b} }
func array(v []Value) Value { return Value{Kind: Array, Items: v} }

// equal compares two values; whole and other numbers are compared as numbers.
func equal(a, b Value) bool {
	if a.Kind == Long && b.Kind == Long {
		return a.Long == b.Long
	}
	if x, ok := a.number(); ok && a.Kind != Bool {
		y, ok := b.number()
		return ok && b.Kind != Bool && x == y
	}
	return a.Kind == b.Kind && a.Text() == b.Text()
}

// JSONText is how an array or a bag is written as text: numbers as the language
// writes them, whatever they looked like.
func JSONText(a []any) (any, error) {
	if s, ok := a[0].(string); ok && settled(s) {
		return s, nil
	}
	return parse(a[0]).out()
}
