package syntax

import (
	"strconv"
	"strings"

	"logkeep/internal/schema"
)

// printer writes nodes as text.
type printer struct {
	strings.Builder
	indent  int
	source  string   // with remarks: the text that they are of
	remarks []remark // comments that are not yet written
}

// Text writes a node as text that parses to the same node.
func Text(n Node) string {
	p := &printer{}
	n.print(p)
	return p.String()
}

func (p *printer) line() {
	p.WriteByte('\n')
	p.WriteString(strings.Repeat("    ", p.indent))
}

// s writes strings as they are and nodes by their own rules.
func (p *printer) s(parts ...any) {
	for _, x := range parts {
		switch x := x.(type) {
		case string:
			p.WriteString(x)
		case Node:
			x.print(p)
		}
	}
}

func printList[T Node](p *printer, list []T) {
	for i, x := range list {
		if i > 0 {
			p.s(", ")
		}
		x.print(p)
	}
}

func (p *printer) params(list []Param) {
	for _, x := range list {
		p.s(" ", x.Name, "=", x.Value)
	}
}

// ops writes | operator for each; inline ones stay on the line.
func (p *printer) ops(ops []Operator, inline bool) {
	for i, op := range ops {
		switch {
		case inline && i == 0:
		case inline:
			p.s(" | ")
		default:
			for _, r := range p.until(op.Where().End) {
				p.line()
				p.s(r.text)
			}
			p.line()
			p.s("| ")
		}
		op.print(p)
		if !inline && i < len(ops)-1 { // behind the last one something may follow on the line
			p.trailing(op.Where().End)
		}
	}
}

func (q *Query) print(p *printer) {
	for i, s := range q.Statements {
		if i > 0 {
			p.s(";")
			p.line()
		}
		for _, r := range p.until(s.Where().Start) {
			p.s(r.text)
			p.line()
		}
		s.print(p)
	}
}

func (n *Name) print(p *printer) {
	if n.Quoted || !plainName(n.Name) {
		p.s("[", Quote(n.Name), "]")
		return
	}
	p.s(n.Name)
}

// plainName reports whether s can be written without brackets, wildcards included.
func plainName(s string) bool {
	if s == "" {
		return false
	}
	rest := s
	if s[0] == '$' {
		rest = s[1:]
	}
	letters := 0
	for i := range len(rest) {
		if !isWord(rest[i]) && rest[i] != '*' && rest[i] != '-' {
			return false
		}
		if isLetter(rest[i]) || rest[i] == '*' {
			letters++
		}
	}
	return letters > 0
}

func (l *Literal) print(p *printer) {
	switch v := l.Value.(type) {
	case nil:
		p.s(l.Type.String(), "(null)")
	case bool:
		p.s(strconv.FormatBool(v))
	case int64:
		if l.Type == schema.Int || v < 0 {
			p.s(l.Type.String(), "(", strconv.FormatInt(v, 10), ")")
		} else {
			p.s(strconv.FormatInt(v, 10))
		}
	case float64:
		switch s := FormatReal(v); {
		case strings.ContainsAny(s, "Ny") || s[0] == '-':
			p.s("real(", strings.NewReplacer("Infinity", "inf", "NaN", "nan").Replace(s), ")")
		default:
			p.s(s)
		}
	case schema.Ticks:
		p.s("datetime(", v.String(), ")")
	case schema.Span:
		p.s("timespan(", v.String(), ")")
	case string:
		if l.Type == schema.String {
			p.s(Quote(v))
		} else {
			p.s(l.Type.String(), "(", v, ")")
		}
	}
}

func (d *Dynamic) print(p *printer) {
	if d.JSON == "" {
		p.s("dynamic(null)")
		return
	}
	p.s("dynamic(", d.JSON, ")")
}

func (*Star) print(p *printer)     { p.s("*") }
func (u *Unary) print(p *printer)  { p.s(u.Op, u.X) }
func (b *Binary) print(p *printer) { p.s(b.X, " ", b.Op, " ", b.Y) }
func (m *Member) print(p *printer) { p.s(m.X, ".", m.Name) }
func (m *Method) print(p *printer) { p.s(m.X, ".", m.Call) }
func (i *Index) print(p *printer)  { p.s(i.X, "[", i.I, "]") }
func (x *Paren) print(p *printer)  { p.s("(", x.X, ")") }
func (s *Source) print(p *printer) { p.s(s.Op) }

func (l *List) print(p *printer) {
	p.s(l.X, " ", l.Op, " (")
	printList(p, l.Items)
	p.s(")")
}

func (b *Between) print(p *printer) {
	not := ""
	if b.Not {
		not = "!"
	}
	p.s(b.X, " ", not, "between (", b.Lo, " .. ", b.Hi, ")")
}

func (c *Call) print(p *printer) {
	p.s(c.Name, "(")
	printList(p, c.Args)
	p.s(")")
}

func (x *Pipe) print(p *printer) {
	if x.Source != nil {
		p.s(x.Source)
	}
	p.ops(x.Ops, false)
}

func (a *Assign) print(p *printer) {
	if a.Tuple {
		p.s("(")
		printList(p, a.Names)
		p.s(") = ", a.X)
		return
	}
	p.s(a.Names[0], " = ", a.X)
}

func (t *TypeOf) print(p *printer) {
	if t.Schema != nil {
		p.s("typeof", t.Schema)
		return
	}
	p.s("typeof(", t.Type.String(), ")")
}

func (s *RowSchema) print(p *printer) {
	p.s("(")
	if s.Star && s.Lead {
		p.s("*")
	}
	for i, c := range s.Columns {
		if i > 0 || s.Lead {
			p.s(", ")
		}
		p.s(c.Name, ":", c.Type.String())
	}
	if s.Star && !s.Lead {
		if len(s.Columns) > 0 {
			p.s(", ")
		}
		p.s("*")
	}
	p.s(")")
}

func (d *Datatable) print(p *printer) {
	p.s("datatable", d.Schema, "[")
	printList(p, d.Values)
	p.s("]")
}

func (d *External) print(p *printer) {
	p.s("externaldata", d.Schema, "[")
	printList(p, d.URIs)
	p.s("]")
	if len(d.Params) > 0 {
		p.s(" with (")
		for i, x := range d.Params {
			if i > 0 {
				p.s(", ")
			}
			p.s(x.Name, "=", x.Value)
		}
		p.s(")")
	}
}

func (f *Func) print(p *printer) {
	if f.View {
		p.s("view ")
	}
	p.funcParams(f.Params)
	p.s(" {")
	p.indent++
	p.line()
	p.s(f.Body)
	p.indent--
	p.line()
	p.s("}")
}

func (p *printer) funcParams(list []FuncParam) {
	p.s("(")
	for i, f := range list {
		if i > 0 {
			p.s(", ")
		}
		f.print(p)
	}
	p.s(")")
}

func (f FuncParam) print(p *printer) {
	p.s(f.Name, ":")
	if f.Schema != nil {
		p.s(f.Schema)
	} else {
		p.s(f.Type.String())
	}
	if f.Default != nil {
		p.s(" = ", f.Default)
	}
}

func (o *Ordered) print(p *printer) {
	p.s(o.X)
	if o.Dir != "" {
		p.s(" ", o.Dir)
	}
	if o.Nulls != "" {
		p.s(" nulls ", o.Nulls)
	}
}

func (s *Let) print(p *printer)     { p.s("let ", s.Name, " = ", s.X) }
func (s *Tabular) print(p *printer) { p.s(s.X) }
func (s *Alias) print(p *printer)   { p.s("alias database ", s.Name, " = ", s.X) }

func (s *Set) print(p *printer) {
	p.s("set ", s.Name)
	if s.Value != nil {
		p.s(" = ", s.Value)
	}
}

func (s *Declare) print(p *printer) {
	p.s("declare query_parameters")
	p.funcParams(s.Params)
}

func (s *Restrict) print(p *printer) {
	p.s("restrict access to (")
	printList(p, s.To)
	p.s(")")
}

func (s *Pattern) print(p *printer) {
	p.s("declare pattern ", s.Name)
	if s.Args == nil {
		return
	}
	p.s(" = ")
	p.funcParams(s.Args)
	if s.Path != nil {
		p.s("[")
		s.Path.print(p)
		p.s("]")
	}
	p.s(" {")
	for _, c := range s.Cases {
		p.s(" (")
		printList(p, c.Values)
		p.s(")")
		if c.Path != nil {
			p.s(".[", c.Path, "]")
		}
		p.s(" = { ", c.Body, " };")
	}
	p.s(" }")
}
