package syntax

import (
	"strconv"
	"strings"

	"logkeep/internal/schema"
)

// dynamic reads dynamic(…): JSON, more freely quoted and with typed literals.
func (p *parser) dynamic() Expr {
	start := p.advance().Span
	p.expect("(")
	var b strings.Builder
	p.json(&b)
	p.expect(")")
	d := &Dynamic{Span: Span{start.Start, p.prevEnd(start.End)}, JSON: b.String()}
	if d.JSON == "null" {
		d.JSON = ""
	}
	return d
}

// json copies one value of a dynamic literal as compact JSON.
func (p *parser) json(b *strings.Builder) {
	defer p.deeper()()
	t := p.tok()
	switch {
	case p.is("["):
		p.advance()
		p.jsonList(b, '[', "]", func() { p.json(b) })
	case p.is("{"):
		p.advance()
		p.jsonList(b, '{', "}", func() {
			key := p.advance()
			switch key.kind {
			case kQuote:
				b.WriteString(JSONQuote(key.raw))
			case kName:
				b.WriteString(JSONQuote(key.text))
			default:
				p.expected("a property name in quotes")
			}
			p.expect(":")
			b.WriteByte(':')
			p.json(b)
		})
	case t.kind == kName && t.text == "null":
		p.advance()
		b.WriteString("null")
	case t.kind == kName && t.text == "dynamic" && p.peek(1).text == "(":
		p.advance()
		p.expect("(")
		p.json(b)
		p.expect(")")
	case t.kind == kInt || t.kind == kReal: // of any size
		p.advance()
		b.WriteString(jsonNumber(t.text))
	case p.is("-") && (p.peek(1).kind == kInt || p.peek(1).kind == kReal):
		p.advance()
		b.WriteString(jsonNumber("-" + p.advance().text))
	default:
		x := p.unary()
		neg := false
		for {
			u, ok := x.(*Unary)
			if !ok {
				break
			}
			neg = neg != (u.Op == "-")
			x = u.X
		}
		l, ok := x.(*Literal)
		if !ok {
			p.fail(x.Where(), "A dynamic literal holds constants only; use bag_pack or pack_array for values that are computed.")
			return
		}
		b.WriteString(LiteralJSON(l, neg))
	}
}

// jsonNumber writes a number as JSON: longs stay longs, all others are reals.
func jsonNumber(text string) string {
	if v, ok := parseInt(text); ok {
		return strconv.FormatInt(v, 10)
	}
	if v, err := strconv.ParseFloat(text, 64); err == nil {
		return JSONReal(v)
	}
	if strings.Trim(text, "-0123456789") == "" {
		return text
	}
	return "null"
}

func (p *parser) jsonList(b *strings.Builder, open byte, closing string, item func()) {
	b.WriteByte(open)
	for n := 0; !p.stuck && !p.is(closing); n++ {
		if n > 0 {
			b.WriteByte(',')
		}
		item()
		if !p.take(",") {
			break
		}
	}
	p.expect(closing)
	b.WriteByte(open + 2) // ] and } come two after [ and {
}

// LiteralJSON writes a constant as it stands inside a dynamic value.
func LiteralJSON(l *Literal, neg bool) string {
	switch v := l.Value.(type) {
	case nil:
		return "null"
	case bool:
		return strconv.FormatBool(v)
	case int64:
		if neg {
			v = -v
		}
		return strconv.FormatInt(v, 10)
	case float64:
		if neg {
			v = -v
		}
		return JSONReal(v)
	case schema.Ticks:
		return JSONQuote(DateTimeText(v))
	case schema.Span:
		if neg {
			v = -v
		}
		return JSONQuote(v.String())
	case string:
		if l.Type == schema.Decimal && neg {
			return JSONQuote(strings.TrimPrefix("-"+v, "--"))
		}
		return JSONQuote(v)
	}
	return "null"
}

// DateTimeText writes t with all seven digits, as tostring does.
func DateTimeText(t schema.Ticks) string {
	return t.Time().Format("2006-01-02T15:04:05.0000000Z")
}

// JSONReal writes v as a JSON number; what JSON has no number for is text.
func JSONReal(v float64) string {
	s := FormatReal(v)
	switch s {
	case "NaN", "Infinity", "-Infinity":
		return `"` + s + `"`
	}
	return s
}

// JSONQuote writes s as a JSON string: what Quote writes is one.
func JSONQuote(s string) string { return Quote(s) }
