package plan

import "logkeep/internal/schema"

// An ID numbers a column within a query.
type ID int

// A Column is a column of a Rel.
type Column struct {
	ID   ID
	Name string // for the reader and the answer
	Type schema.Type
}

// A Rel is a table.
type Rel interface {
	Columns() []Column
	inputs() []*Rel
}

// Rels.
type (
	// A Scan reads a stored table.
	Scan struct {
		Table    schema.TableName
		Place    string // of another place than the request's own; "" is all that it reads
		Cols     []Column
		From, To schema.Ticks  // bounds of TimeGenerated, From inclusive, To exclusive; 0 is open
		Needs    []Need        // all of them are true of every row that matters
		External *External     // instead of Table
		Members  map[ID]Member // what columns are that the table does not have; they stand behind its own
		Weights  *Weights      // rows may stand for several; then the last column is the weight
	}
	// Values are constant rows.
	Values struct {
		Cols []Column
		Rows [][]Expr
	}
	// A Filter keeps the rows for which Pred is true.
	Filter struct {
		In   Rel
		Pred Expr
	}
	// A Project computes columns.
	Project struct {
		In    Rel
		Items []Item
	}
	// An Aggregate groups rows by Keys. Without keys it answers one row,
	// unless Keyed says that the query had keys.
	Aggregate struct {
		In   Rel
		Keys []Item
		Aggs []Item // values are *Agg
	}
	// A Sort puts rows in order.
	Sort struct {
		In Rel
		By []Order
	}
	// A Limit answers the first N rows.
	Limit struct {
		In Rel
		N  Expr
	}
	// A Join pairs rows. The columns are those of Left and Right, except for
	// the kinds that filter, which have one side's.
	Join struct {
		Kind        JoinKind
		Left, Right Rel
		On          []Expr // all must be true
	}
	// A Union is all rows of its inputs. From says for each input which of its
	// columns the union's are; a column that is not there is null, or empty.
	// Where From is nil, inputs have the same columns in the same order.
	Union struct {
		Cols []Column
		In   []Rel
		From []map[ID]ID
	}
	// An Unnest answers a row for each element of the longest of Lists.
	Unnest struct {
		In    Rel
		Lists []Unnested
		Index *Column // the position, from 0
		Outer bool    // a row without elements is kept
		Limit Expr
	}
	// A Window adds columns that look at other rows of an ordered input.
	Window struct {
		In    Rel
		Items []Item // values are *WindowCall
	}
	// A Sequence is a column of values From, From+Step, … up to To.
	Sequence struct {
		Col            Column
		From, To, Step Expr
	}
	// A Ref is one use of a shared table.
	Ref struct {
		To   *Shared
		Cols []Column // of this use
		From []ID     // the columns of To.In that they are
	}
	// A Number adds the position of each row, from 1, as a column.
	Number struct {
		In  Rel
		Col Column
	}
	// A Rank adds the position of each row by an order within rows of equal values.
	Rank struct {
		In     Rel
		Col    Column
		Within []Expr
		By     Order
	}
	// An Apply runs Sub once for every row of In and answers In's columns beside Sub's.
	Apply struct {
		In, Sub Rel
		Outer   bool
	}
	// A Sample answers N random rows.
	Sample struct {
		In Rel
		N  Expr
	}
)

// A Shared is a table that is used more than once.
type Shared struct {
	Name string
	In   Rel
	Once bool // materialize: compute it exactly once
	Uses int  // how many Refs there are; set by the rules
}

// An External is what externaldata reads: files from elsewhere, of which every
// cell comes as its text.
type External struct {
	URIs      []string
	Columns   []ExternalColumn // all that a file has, in its order
	Format    string           // csv, json, …; "" is what a file's name ends with
	SkipFirst bool             // the first record is no row
	SkipLast  bool             // nor is the last
}

// An ExternalColumn is where a cell comes from. In forms that have no names the
// order counts, in JSON the path.
type ExternalColumn struct {
	Name    string
	Ordinal int      // from 0
	Path    []string // keys and [indexes] from the record's top; empty is all of it
}

// An Item is a computed column.
type Item struct {
	Col   Column
	Value Expr
}

// An Order is a sort key.
type Order struct {
	Value      Expr
	Desc       bool
	NullsFirst bool
}

// An Unnested is one list of an Unnest.
type Unnested struct {
	Col   Column
	Value Expr // dynamic: array, bag or anything else as a single element
	Bags  bool // elements of a bag are [key, value] pairs, not {key: value}
}

// A JoinKind is a kind of join.
type JoinKind string

// The kinds of joins. Innerunique is an inner join whose left side was made
// distinct on the keys by the binder.
const (
	Inner      JoinKind = "inner"
	LeftOuter  JoinKind = "leftouter"
	RightOuter JoinKind = "rightouter"
	FullOuter  JoinKind = "fullouter"
	LeftSemi   JoinKind = "leftsemi"
	RightSemi  JoinKind = "rightsemi"
	LeftAnti   JoinKind = "leftanti"
	RightAnti  JoinKind = "rightanti"
)

func (r *Scan) Columns() []Column     { return r.Cols }
func (r *Values) Columns() []Column   { return r.Cols }
func (r *Filter) Columns() []Column   { return r.In.Columns() }
func (r *Sort) Columns() []Column     { return r.In.Columns() }
func (r *Limit) Columns() []Column    { return r.In.Columns() }
func (r *Sample) Columns() []Column   { return r.In.Columns() }
func (r *Union) Columns() []Column    { return r.Cols }
func (r *Ref) Columns() []Column      { return r.Cols }
func (r *Sequence) Columns() []Column { return []Column{r.Col} }
func (r *Project) Columns() []Column  { return columnsOf(r.Items) }
func (r *Window) Columns() []Column   { return concat(r.In.Columns(), columnsOf(r.Items)) }
func (r *Number) Columns() []Column   { return concat(r.In.Columns(), []Column{r.Col}) }
func (r *Rank) Columns() []Column     { return concat(r.In.Columns(), []Column{r.Col}) }
func (r *Apply) Columns() []Column    { return concat(r.In.Columns(), r.Sub.Columns()) }
func (r *Aggregate) Columns() []Column {
	return concat(columnsOf(r.Keys), columnsOf(r.Aggs))
}

func (r *Join) Columns() []Column {
	switch r.Kind {
	case LeftSemi, LeftAnti:
		return r.Left.Columns()
	case RightSemi, RightAnti:
		return r.Right.Columns()
	}
	return concat(r.Left.Columns(), r.Right.Columns())
}

// Items says what the union's columns are in terms of an input's, as far as it
// has them.
func (r *Union) Items(input int) (out []Item) {
	cols := r.In[input].Columns()
	if r.From == nil {
		for i, c := range cols {
			out = append(out, Item{Col: r.Cols[i], Value: &Col{c}})
		}
		return out
	}
	byID := make(map[ID]Column, len(cols))
	for _, c := range cols {
		byID[c.ID] = c
	}
	for to, from := range r.From[input] {
		if c, ok := byID[from]; ok {
			out = append(out, Item{Col: Column{ID: to, Name: c.Name, Type: c.Type}, Value: &Col{c}})
		}
	}
	return out
}

// Columns are those of the input, with the elements and the position behind.
func (r *Unnest) Columns() []Column {
	out := concat(r.In.Columns(), nil)
	for _, l := range r.Lists {
		out = append(out, l.Col)
	}
	if r.Index != nil {
		out = append(out, *r.Index)
	}
	return out
}

func (r *Scan) inputs() []*Rel      { return nil }
func (r *Values) inputs() []*Rel    { return nil }
func (r *Sequence) inputs() []*Rel  { return nil }
func (r *Ref) inputs() []*Rel       { return nil }
func (r *Filter) inputs() []*Rel    { return []*Rel{&r.In} }
func (r *Project) inputs() []*Rel   { return []*Rel{&r.In} }
func (r *Aggregate) inputs() []*Rel { return []*Rel{&r.In} }
func (r *Sort) inputs() []*Rel      { return []*Rel{&r.In} }
func (r *Limit) inputs() []*Rel     { return []*Rel{&r.In} }
func (r *Sample) inputs() []*Rel    { return []*Rel{&r.In} }
func (r *Unnest) inputs() []*Rel    { return []*Rel{&r.In} }
func (r *Window) inputs() []*Rel    { return []*Rel{&r.In} }
func (r *Number) inputs() []*Rel    { return []*Rel{&r.In} }
func (r *Rank) inputs() []*Rel      { return []*Rel{&r.In} }
func (r *Join) inputs() []*Rel      { return []*Rel{&r.Left, &r.Right} }
func (r *Apply) inputs() []*Rel     { return []*Rel{&r.In, &r.Sub} }
func (r *Union) inputs() []*Rel {
	out := make([]*Rel, len(r.In))
	for i := range r.In {
		out[i] = &r.In[i]
	}
	return out
}

func columnsOf(items []Item) []Column {
	out := make([]Column, len(items))
	for i, it := range items {
		out[i] = it.Col
	}
	return out
}

func concat(a, b []Column) []Column {
	out := make([]Column, 0, len(a)+len(b))
	return append(append(out, a...), b...)
}
