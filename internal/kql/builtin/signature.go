package builtin

import (
	"fmt"
	"slices"
	"strings"

	"logkeep/internal/schema"
)

// A Class is a set of types.
type Class uint16

func classOf(types ...schema.Type) (c Class) {
	for _, t := range types {
		c |= 1 << t
	}
	return c
}

// Has reports whether t is in the class.
func (c Class) Has(t schema.Type) bool { return c&(1<<t) != 0 }

// The classes that signatures name.
const (
	anyType Class = 0x7fe
)

var classes = map[string]Class{
	"number": classOf(schema.Int, schema.Long, schema.Real, schema.Decimal), "integer": classOf(schema.Int, schema.Long),
	"summable":  classOf(schema.Int, schema.Long, schema.Real, schema.Decimal, schema.DateTime, schema.TimeSpan),
	"scalar":    anyType,
	"orderable": classOf(schema.Int, schema.Long, schema.Real, schema.Decimal, schema.DateTime, schema.TimeSpan, schema.String),
	"static":    anyType &^ classOf(schema.Dynamic),
	"array":     classOf(schema.Dynamic), "bag": classOf(schema.Dynamic),
	"text": classOf(schema.String), "astext": classOf(schema.String),
}

// A Param is one parameter of a signature.
type Param struct {
	Name     string
	Word     string // as the signature has it
	Class    Class
	Optional bool
	Rest     bool
}

// A Signature is the parsed form of the text in a row.
type Signature struct {
	Params []Param
	Result string
}

// parseSignature reads a signature. A mistake is a bug of the table, found by a test.
func parseSignature(text string) (Signature, error) {
	inside, result, ok := strings.Cut(strings.TrimPrefix(text, "("), ") ")
	if !ok || !strings.HasPrefix(text, "(") {
		return Signature{}, fmt.Errorf("signature %q has no brackets", text)
	}
	s := Signature{Result: result}
	if strings.TrimSpace(inside) == "" {
		return s, nil
	}
	for i, part := range strings.Split(inside, ",") {
		p := Param{Word: strings.TrimSpace(part), Name: fmt.Sprintf("arg%d", i)}
		if n, w, named := strings.Cut(p.Word, ":"); named {
			p.Name, p.Word = n, w
		}
		p.Word, p.Optional = strings.CutSuffix(p.Word, "?")
		p.Word, p.Rest = strings.CutSuffix(p.Word, "...")
		for _, w := range strings.Split(p.Word, "/") {
			c, known := classes[w]
			if !known {
				t, err := schema.ParseType(w)
				if err != nil {
					return s, fmt.Errorf("signature %q: %w", text, err)
				}
				c = classOf(t)
			}
			p.Class |= c
		}
		s.Params = append(s.Params, p)
	}
	return s, nil
}

// param returns the parameter that takes argument i.
func (s Signature) param(i int) (Param, bool) {
	if i < len(s.Params) {
		return s.Params[i], true
	}
	if n := len(s.Params); n > 0 && s.Params[n-1].Rest {
		return s.Params[n-1], true
	}
	return Param{}, false
}

// required counts the arguments that can't be left out.
func (s Signature) required() (n int) {
	for _, p := range s.Params {
		if !p.Optional {
			n++
		}
	}
	return n
}

// Target returns the type to which an argument of type t is converted for
// parameter i, and how far that is; ok is false if it can't be given.
func (s Signature) Target(i int, t schema.Type) (target schema.Type, cost int, ok bool) {
	p, has := s.param(i)
	if !has {
		return 0, 0, false
	}
	switch {
	case p.Class.Has(t):
		if p.Class == anyType {
			return t, 1, true
		}
		return t, 0, true
	case t == schema.Dynamic && (p.Word == "text" || p.Word == "astext"):
		return schema.String, 2, true
	case t == schema.Dynamic && p.Class != anyType:
		for _, to := range [...]schema.Type{schema.Long, schema.Real, schema.String, schema.Bool, schema.DateTime, schema.TimeSpan, schema.GUID, schema.Decimal, schema.Int} {
			if p.Class.Has(to) {
				return to, 6, true
			}
		}
	}
	for n, to := range widening(t) {
		if p.Class.Has(to) {
			if numberRank(to) < numberRank(t) {
				n += 6 // a narrower type only where nothing else fits
			}
			return to, 3 + n, true
		}
	}
	if p.Word == "astext" {
		return schema.String, 4, true
	}
	return 0, 0, false
}

// widening lists the types to which t converts by itself, nearest first.
func widening(t schema.Type) []schema.Type {
	switch t {
	case schema.Int:
		return []schema.Type{schema.Long, schema.Real, schema.Decimal}
	case schema.Long:
		return []schema.Type{schema.Int, schema.Real, schema.Decimal}
	case schema.Real:
		return []schema.Type{schema.Decimal, schema.Long}
	case schema.Decimal:
		return []schema.Type{schema.Real}
	}
	return nil
}

// Common returns the type that holds values of all the given types; ok is
// false if there is none.
func Common(types ...schema.Type) (schema.Type, bool) {
	out := schema.Invalid
	for _, t := range types {
		switch {
		case out == schema.Invalid || out == t:
			out = t
		case numberRank(out) > 0 && numberRank(t) > 0:
			if numberRank(t) > numberRank(out) {
				out = t
			}
		case out == schema.Dynamic: // the type of the others is what a dynamic value becomes
			out = t
		case t == schema.Dynamic:
		default:
			return schema.Invalid, false
		}
	}
	return out, out != schema.Invalid
}

func numberRank(t schema.Type) int {
	return slices.Index([]schema.Type{schema.Int, schema.Long, schema.Real, schema.Decimal}, t) + 1
}

// IsNumber reports whether t is int, long, real or decimal.
func IsNumber(t schema.Type) bool { return numberRank(t) > 0 }
