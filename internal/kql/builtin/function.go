package builtin

import (
	"fmt"
	"strings"
	"sync"

	"logkeep/internal/schema"
)

// A Native is a function written in Go. See duck.Function for how values are
// carried; the two types have the same fields on purpose.
type Native struct {
	Name     string
	Params   []schema.Type
	Variadic bool
	Result   schema.Type
	Volatile bool
	Eval     func(args []any) (any, error)
	Search   Search // if it is one, to be called instead of Eval
	Longs    Longs  // likewise
}

// Longs computes a function of two values that are carried as int64 for many
// rows; null is called for a row whose result is none.
type Longs = func(x, y, out []int64, null func(row int))

// A Search makes a term ready to be looked for in many texts; what it returns
// must not keep them. Its function has a text, a term and two flags, left and right.
type Search = func(term string) func(text string, left, right bool) bool

// A Function is one row of the table.
type Function struct {
	Names  []string // the first is the real one, the others are aliases
	Sig    string
	SQL    string                          // the SQL form, or
	Go     func(args []any) (any, error)   // the Go function, or
	Search Search                          `json:"-"` // beside Go, of a search
	Longs  Longs                           `json:"-"` // beside Go, for many rows at a time
	Rule   string                          // the binder's rule
	Named  Naming                          // how an unnamed column is called
	Prefix string                          // in that name, if it is not the function's
	Note   Behaviour                       // what is out of the ordinary
	Doc    string                          // one line
	Parts  []Part                          // of a function that gives several columns; its Go form gives an array of them
	Types  func([]schema.Type) schema.Type `json:"-"` // the result's type where the signature can't say it
}

// A Part is one of the columns that a function with several results gives.
type Part struct {
	Name string
	Type schema.Type
}

// Naming is how the column of an unnamed call is called.
type Naming uint8

// The namings. ByDefault is Column1 (print_0 in print).
const (
	ByDefault  Naming = iota
	ByArgument        // the name of the first argument
	ByNameAnd         // name_argument, or prefix_argument
	ByPrefix          // prefix
	ByOnly            // the name of the argument, if there is but one
)

// Behaviour is a set of flags.
type Behaviour uint8

// The flags.
const (
	Volatile   Behaviour = 1 << iota // two calls may differ
	NullSafe                         // the Go function wants nulls too; without it null in, null out
	NoNull                           // the result is never null although an argument may be
	Serialized                       // needs rows in order
)

// A Form is an overload ready for use.
type Form struct {
	*Function
	Signature
	native string // name in the engine
}

// A Table is the functions by name.
type Table struct {
	forms   map[string][]*Form
	names   []string
	natives []Native
}

// Functions returns the table of scalar functions.
var Functions = sync.OnceValue(func() *Table { return build(rows(), "kql_") })

// Aggregates returns the table of aggregates.
var Aggregates = sync.OnceValue(func() *Table { return build(aggregateRows(), "kqlagg_") })

func build(list []Function, prefix string) *Table {
	t := &Table{forms: map[string][]*Form{}}
	for i := range list {
		f := &list[i]
		sig, err := parseSignature(f.Sig)
		if err != nil {
			panic("internal error: " + err.Error())
		}
		form := &Form{Function: f, Signature: sig}
		if f.Go != nil {
			form.native = fmt.Sprintf("%s%s_%d", prefix, strings.ToLower(f.Names[0]), len(t.forms[f.Names[0]]))
			t.natives = append(t.natives, form.nativeOf())
		}
		for _, n := range f.Names {
			if len(t.forms[n]) == 0 {
				t.names = append(t.names, n)
			}
			t.forms[n] = append(t.forms[n], form)
		}
	}
	return t
}

// nativeOf describes the Go function of a form to the engine. It always gets
// all parameters: those left out are null. Unless the row says NullSafe, a
// null among the required ones makes the result null.
func (f *Form) nativeOf() Native {
	n := Native{Name: f.native, Result: f.resultType(nil), Volatile: f.Note&Volatile != 0, Eval: f.Go, Search: f.Search, Longs: f.Longs}
	for _, p := range f.Params {
		n.Params = append(n.Params, p.Carrier())
		n.Variadic = n.Variadic || p.Rest
	}
	if f.Note&NullSafe == 0 {
		eval, params := n.Eval, f.Params
		n.Eval = func(args []any) (any, error) {
			for i, a := range args {
				if a == nil && !params[min(i, len(params)-1)].Optional {
					return nil, nil
				}
			}
			return eval(args)
		}
	}
	return n
}

// Carrier is the type in which an argument reaches a Go function: the type
// itself, long for integers, real for numbers, and JSON text for what can be of
// several types.
func (p Param) Carrier() schema.Type {
	for t := schema.Bool; t <= schema.Dynamic; t++ {
		if p.Class == classOf(t) {
			return t
		}
	}
	switch p.Class {
	case classes["integer"]:
		return schema.Long
	case classes["number"]:
		return schema.Real
	}
	return schema.Dynamic
}

// resultType computes the type of a call from the types of its arguments.
func (f *Form) resultType(args []schema.Type) schema.Type {
	if f.Types != nil {
		return f.Types(args)
	}
	at := func(i int) schema.Type {
		if i < len(args) {
			return args[i]
		}
		return schema.Dynamic
	}
	switch f.Result {
	case "same":
		return at(0)
	case "same1":
		return at(1)
	case "promoted":
		if at(0) == schema.Int {
			return schema.Long
		}
		return at(0)
	case "common":
		t, ok := Common(args...)
		if !ok {
			return schema.Dynamic
		}
		return t
	}
	t, err := schema.ParseType(f.Result)
	if err != nil {
		return schema.Dynamic
	}
	return t
}

// ResultType is the type of a call with arguments of the given types.
func (f *Form) ResultType(args []schema.Type) schema.Type { return f.resultType(args) }

// Native returns the engine's name of the Go function, "" if there is none.
func (f *Form) Native() string { return f.native }

// Forms returns the overloads of a name.
func (t *Table) Forms(name string) []*Form { return t.forms[name] }

// Names returns all names in the order of the table.
func (t *Table) Names() []string { return t.names }

// Natives returns the Go functions to register with the engine.
func (t *Table) Natives() []Native { return t.natives }

// Resolve picks the overload that is nearest to the given types. The error
// says what is wrong with the call.
func (t *Table) Resolve(name string, args []schema.Type) (*Form, error) {
	forms := t.forms[name]
	best, bestCost := (*Form)(nil), 1<<30
	counts := false
	for _, f := range forms {
		if len(args) < f.required() {
			continue
		}
		total, fits := 0, true
		for i, a := range args {
			if _, has := f.param(i); !has {
				fits = false
				break
			}
			_, cost, ok := f.Target(i, a)
			if !ok {
				counts, fits = true, false
				break
			}
			total += cost
		}
		if fits && total < bestCost {
			best, bestCost = f, total
		}
	}
	if best != nil {
		return best, nil
	}
	if counts {
		return nil, fmt.Errorf("%s() does not take arguments of the types (%s); it is %s", name, typeList(args), usage(name, forms))
	}
	return nil, fmt.Errorf("%s() does not take %d arguments; it is %s", name, len(args), usage(name, forms))
}

func typeList(args []schema.Type) string {
	var s []string
	for _, a := range args {
		s = append(s, a.String())
	}
	return strings.Join(s, ", ")
}

func usage(name string, forms []*Form) string {
	var s []string
	for _, f := range forms {
		s = append(s, name+f.Sig)
	}
	return strings.Join(s, " or ")
}
