package api

import (
	"fmt"
	"slices"
	"strings"

	"logkeep/internal/fault"
)

// A filter is a parsed $filter: the part of OData that clients send to lists.
//
//	expr    = and { "or" and }
//	and     = unary { "and" unary }
//	unary   = "not" unary | "(" expr ")" | term
//	term    = path ("eq" | "ne") literal
//	        | path "/any(" name ":" name "eq" literal ")"
//	        | name "(" [ arg { "," arg } ] ")"
//	literal = "'" text "'" | word
//
// Names and values are compared without regard to case. What a list does not
// know is an error, never an empty answer.
type filter func(item filtered) (bool, error)

// filtered is an item of a list, as filters see it.
type filtered interface {
	// values are those of a property; ok is false if items have no such one.
	values(property string) (values []string, ok bool)
	// call is a function; ok is false if the list has no such one.
	call(name string, args []string) (result, ok bool)
}

// limits of a filter's text, beyond which nobody means well.
const (
	filterLength = 4096
	filterDepth  = 32
)

// parseFilter reads a $filter. An empty one lets everything through.
func parseFilter(text string) (filter, error) {
	if strings.TrimSpace(text) == "" {
		return func(filtered) (bool, error) { return true, nil }, nil
	}
	if len(text) > filterLength {
		return nil, fault.New(fault.InvalidFilter, "The $filter is longer than %d characters.", filterLength)
	}
	p := &filterParser{}
	if err := p.split(text); err != nil {
		return nil, badFilter(err)
	}
	f, err := p.or()
	if err == nil && p.at < len(p.tokens) {
		err = fmt.Errorf("%q is not expected", p.tokens[p.at].text)
	}
	if err != nil {
		return nil, badFilter(err)
	}
	return f, nil
}

func badFilter(err error) error {
	return fault.New(fault.InvalidFilter, "The $filter can't be read: %s. Write, for example, resourceType eq 'Microsoft.KeyVault/vaults'.", err).WithTarget("$filter")
}

// A filterToken is a word, a quoted text or one of ( ) , :
type filterToken struct {
	text   string
	quoted bool
}

type filterParser struct {
	tokens []filterToken
	at     int
	depth  int
}

func (p *filterParser) split(s string) error {
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case c == ' ' || c == '\t':
			i++
		case strings.IndexByte("(),:", c) >= 0:
			p.tokens = append(p.tokens, filterToken{text: s[i : i+1]})
			i++
		case c == '\'':
			var b strings.Builder
			for i++; ; i++ {
				if i >= len(s) {
					return fmt.Errorf("a quote is not closed")
				}
				if s[i] == '\'' {
					if i+1 < len(s) && s[i+1] == '\'' { // two quotes stand for one
						i++
					} else {
						break
					}
				}
				b.WriteByte(s[i])
			}
			i++
			p.tokens = append(p.tokens, filterToken{b.String(), true})
		default:
			n := strings.IndexAny(s[i:], " \t(),:'")
			if n < 0 {
				n = len(s) - i
			}
			p.tokens = append(p.tokens, filterToken{text: s[i : i+n]})
			i += n
		}
	}
	return nil
}

// word consumes the next token if it is the unquoted word.
func (p *filterParser) word(w string) bool {
	if p.at < len(p.tokens) && !p.tokens[p.at].quoted && strings.EqualFold(p.tokens[p.at].text, w) {
		p.at++
		return true
	}
	return false
}

func (p *filterParser) expect(w string) error {
	if p.word(w) {
		return nil
	}
	return fmt.Errorf("%q is missing", w)
}

func (p *filterParser) or() (filter, error) {
	left, err := p.and()
	for err == nil && p.word("or") {
		var right filter
		l := left
		right, err = p.and()
		left = func(i filtered) (bool, error) {
			a, err1 := l(i)
			if err1 != nil {
				return false, err1
			}
			b, err2 := right(i)
			return a || b, err2
		}
	}
	return left, err
}

func (p *filterParser) and() (filter, error) {
	left, err := p.unary()
	for err == nil && p.word("and") {
		var right filter
		l := left
		right, err = p.unary()
		left = func(i filtered) (bool, error) {
			a, err1 := l(i)
			if err1 != nil {
				return false, err1
			}
			b, err2 := right(i)
			return a && b, err2
		}
	}
	return left, err
}

func (p *filterParser) unary() (filter, error) {
	if p.depth++; p.depth > filterDepth {
		return nil, fmt.Errorf("it is nested deeper than %d levels", filterDepth)
	}
	defer func() { p.depth-- }()
	switch {
	case p.word("not"):
		f, err := p.unary()
		return func(i filtered) (bool, error) { ok, err := f(i); return !ok, err }, err
	case p.word("("):
		f, err := p.or()
		if err != nil {
			return nil, err
		}
		return f, p.expect(")")
	}
	return p.term()
}

func (p *filterParser) term() (filter, error) {
	name, err := p.name()
	if err != nil {
		return nil, err
	}
	if p.word("(") {
		if list, ok := cutSuffixFold(name, "/any"); ok {
			return p.any(list)
		}
		return p.function(name)
	}
	var negated bool
	switch {
	case p.word("eq"):
	case p.word("ne"):
		negated = true
	default:
		return nil, fmt.Errorf("eq or ne is missing after %q", name)
	}
	want, err := p.literal()
	return equals(name, want, negated), err
}

// any reads the rest of "list/any(c:c eq 'x')".
func (p *filterParser) any(list string) (filter, error) {
	v, err := p.name()
	if err != nil {
		return nil, err
	}
	for _, w := range []string{":", v, "eq"} {
		if err := p.expect(w); err != nil {
			return nil, err
		}
	}
	want, err := p.literal()
	if err != nil {
		return nil, err
	}
	return equals(list, want, false), p.expect(")")
}

func (p *filterParser) function(name string) (filter, error) {
	var args []string
	for !p.word(")") {
		if len(args) > 0 {
			if err := p.expect(","); err != nil {
				return nil, err
			}
		}
		arg, err := p.literal()
		if err != nil {
			return nil, err
		}
		args = append(args, arg)
	}
	return func(i filtered) (bool, error) {
		result, ok := i.call(name, args)
		if !ok {
			return false, badFilter(fmt.Errorf("the function %s is not known here with %d arguments", name, len(args)))
		}
		return result, nil
	}, nil
}

func equals(property, want string, negated bool) filter {
	return func(i filtered) (bool, error) {
		values, ok := i.values(property)
		if !ok {
			return false, badFilter(fmt.Errorf("the property %s is not known here", property))
		}
		return slices.ContainsFunc(values, func(v string) bool { return strings.EqualFold(v, want) }) != negated, nil
	}
}

func (p *filterParser) name() (string, error) {
	if p.at >= len(p.tokens) || p.tokens[p.at].quoted || strings.Contains("(),:", p.tokens[p.at].text) {
		return "", fmt.Errorf("a property or function is missing")
	}
	p.at++
	return p.tokens[p.at-1].text, nil
}

func (p *filterParser) literal() (string, error) {
	if p.at < len(p.tokens) && p.tokens[p.at].quoted {
		p.at++
		return p.tokens[p.at-1].text, nil
	}
	s, err := p.name()
	if err != nil {
		return "", fmt.Errorf("a value is missing")
	}
	return s, nil
}

func cutSuffixFold(s, suffix string) (string, bool) {
	if len(s) > len(suffix) && strings.EqualFold(s[len(s)-len(suffix):], suffix) {
		return s[:len(s)-len(suffix)], true
	}
	return s, false
}

// sieve returns the items that a $filter lets through.
func sieve[T filtered](items []T, text string) ([]T, error) {
	f, err := parseFilter(text)
	if err != nil {
		return nil, err
	}
	kept := items[:0:0]
	for _, item := range items {
		ok, err := f(item)
		if err != nil {
			return nil, err
		}
		if ok {
			kept = append(kept, item)
		}
	}
	return kept, nil
}
