package plan

import (
	"slices"
	"strings"

	"logkeep/internal/kql/builtin"
	"logkeep/internal/kql/native"
	"logkeep/internal/schema"
)

// Weights says that whoever reads a scan may give one row in place of several that
// are equal, with how many it stands for: its weight. Rows whose TimeGenerated lies
// between the same cuts count as equal; the one time may be any between these. So do
// rows whose texts answer all looks alike; the one text may be any that answers so.
type Weights struct {
	Bins  []Bin          // have a cut at each multiple of Size from At
	Cuts  []schema.Ticks // further ones: what lies before and what does not are apart
	Looks []Look         // of a column that has some, nothing else is read
}

// A Look is that all that is asked of a column's text is whether it has a part, or
// matches a pattern, a regular expression of RE2's syntax.
type Look struct {
	Column  string
	Part    Part
	Pattern string // if it is not empty there is no part
}

// String shows what is asked to people.
func (l Look) String() string {
	if l.Pattern != "" {
		return l.Column + "{/" + l.Pattern + "/}"
	}
	return l.Column + "{" + l.Part.String() + "}"
}

// A Bin is a grid of times.
type Bin struct {
	Size schema.Span // more than 0
	At   schema.Ticks
}

// String shows to people where rows are told apart by their time.
func (w *Weights) String() string {
	var at []string
	for _, b := range w.Bins {
		s := "each " + b.Size.String()
		if b.At != 0 {
			s += " from " + b.At.String()
		}
		at = append(at, s)
	}
	for _, t := range w.Cuts {
		at = append(at, t.String())
	}
	for _, l := range w.Looks {
		at = append(at, "by "+l.String())
	}
	if len(at) == 0 {
		return ""
	}
	return " (" + strings.Join(at, ", ") + ")"
}

// Weigh lets scans give weighted rows where nothing above would tell them from the
// rows that they stand for: where each row is looked at for itself, and then they are
// grouped by aggregates of which builtin.Form.Weigh knows a form that takes weights.
// Columns must have been pruned: one that nobody reads may tell rows apart.
func Weigh(r Rel) Rel {
	w := &weigher{last: lastID(r)}
	return rewrite(r, func(r Rel) Rel {
		if a, ok := r.(*Aggregate); ok {
			w.aggregate(a)
		}
		return r
	}, map[*Shared]bool{})
}

// lastID is the greatest number of a column in a plan.
func lastID(r Rel) (last ID) {
	WalkRel(r, func(r Rel) {
		for _, c := range r.Columns() {
			last = max(last, c.ID)
		}
	}, func(x Expr) {
		switch x := x.(type) {
		case *Col:
			last = max(last, x.ID)
		case *Scalar:
			last = max(last, lastID(x.Rel))
		case *In:
			if x.Rel != nil {
				last = max(last, lastID(x.Rel))
			}
		}
	})
	return last
}

type weigher struct{ last ID }

func (w *weigher) column() Column {
	w.last++
	return Column{ID: w.last, Name: "weight", Type: schema.Long}
}

// A lot is a table of which each row is made of one row of a scan.
type lot struct {
	times map[ID]bool // columns that are TimeGenerated as it is stored
	put   func() ID   // gives the table a column with the weights
}

func (w *weigher) aggregate(a *Aggregate) {
	in := &judge{weights: &Weights{}, read: map[ID]bool{}}
	from, ok := w.lot(a.In, in)
	if !ok {
		return
	}
	for _, k := range a.Keys {
		if !in.allows(k.Value, from.times) {
			return
		}
	}
	for _, it := range a.Aggs {
		g := it.Value.(*Agg)
		if _, _, ok := g.F.Weigh(); !ok || g.Order != nil || !in.allows(g, from.times) {
			return
		}
	}
	id := from.put()
	for i := range a.Aggs {
		g := a.Aggs[i].Value.(*Agg)
		if form, args, _ := g.F.Weigh(); form != nil {
			weight := &Col{Column{ID: id, Name: "weight", Type: schema.Long}}
			a.Aggs[i].Value = &Agg{F: form, Args: append(slices.Clone(g.Args[:args]), weight), T: g.T, Filter: g.Filter}
		}
	}
}

// lot looks at a table and those below it.
func (w *weigher) lot(r Rel, in *judge) (lot, bool) {
	switch r := r.(type) {
	case *Scan:
		return w.scan(r, in)
	case *Filter:
		of, ok := w.lot(r.In, in)
		return of, ok && in.allows(r.Pred, of.times)
	case *Project:
		return w.project(r, in)
	case *Ref:
		return w.ref(r, in)
	case *Union:
		return w.union(r, in)
	}
	return lot{}, false
}

func (w *weigher) scan(r *Scan, in *judge) (lot, bool) {
	if r.External != nil || r.Weights != nil {
		return lot{}, false
	}
	times := map[ID]bool{}
	for _, c := range r.Cols {
		if c.Name == schema.TimeGenerated && c.Type == schema.DateTime {
			times[c.ID] = true
		}
	}
	return lot{times, func() ID {
		c := w.column()
		weights := *in.weights
		weights.Looks = in.looksOf(r)
		r.Weights = &weights
		r.Cols = append(r.Cols[:len(r.Cols):len(r.Cols)], c)
		return c.ID
	}}, true
}

func (w *weigher) project(r *Project, in *judge) (lot, bool) {
	of, ok := w.lot(r.In, in)
	if !ok {
		return lot{}, false
	}
	times := map[ID]bool{}
	for _, it := range r.Items {
		if c, isCol := it.Value.(*Col); isCol && of.times[c.ID] {
			times[it.Col.ID] = true
		} else if !in.allows(it.Value, of.times) {
			return lot{}, false
		}
	}
	return lot{times, func() ID {
		c := Column{ID: of.put(), Name: "weight", Type: schema.Long}
		r.Items = append(r.Items[:len(r.Items):len(r.Items)], Item{Col: c, Value: &Col{c}})
		return c.ID
	}}, true
}

// ref is a shared table that nobody else uses.
func (w *weigher) ref(r *Ref, in *judge) (lot, bool) {
	if r.To.Uses != 1 {
		return lot{}, false
	}
	of, ok := w.lot(r.To.In, in)
	if !ok {
		return lot{}, false
	}
	times := map[ID]bool{}
	for i, c := range r.Cols {
		times[c.ID] = of.times[r.From[i]]
		in.read[r.From[i]] = true // by who reads c
	}
	return lot{times, func() ID {
		from, c := of.put(), w.column()
		r.Cols = append(r.Cols[:len(r.Cols):len(r.Cols)], c)
		r.From = append(r.From[:len(r.From):len(r.From)], from)
		return c.ID
	}}, true
}

// union is weighed if all its inputs are. What is a time in one of them is held for
// one in all.
func (w *weigher) union(r *Union, in *judge) (lot, bool) {
	var of []lot
	times := map[ID]bool{}
	for i, input := range r.In {
		l, ok := w.lot(input, in)
		if !ok {
			return lot{}, false
		}
		of = append(of, l)
		for _, it := range r.Items(i) {
			if c, isCol := it.Value.(*Col); isCol {
				times[it.Col.ID] = times[it.Col.ID] || l.times[c.ID]
				in.read[c.ID] = true
			}
		}
	}
	return lot{times, func() ID {
		c := w.column()
		for i := range of {
			from := of[i].put()
			if r.From != nil {
				r.From[i][c.ID] = from
			}
		}
		r.Cols = append(r.Cols[:len(r.Cols):len(r.Cols)], c)
		return c.ID
	}}, len(of) > 0
}

// A judge looks at what is computed of rows, and gathers the cuts of times that
// it tells apart.
type judge struct {
	weights *Weights
	looks   []looked
	read    map[ID]bool // columns of which more is asked than looks tell
}

// looked is a look at a column of a scan, if it is one.
type looked struct {
	id      ID
	part    Part
	pattern string
}

// mostLooks is how many looks at one column there may be. Each doubles the answers
// that a text may give.
const mostLooks = 4

// looksOf are the looks at the columns of a scan of which nothing else is read.
func (j *judge) looksOf(r *Scan) (of []Look) {
	for _, c := range r.Cols {
		n := len(of)
		for _, l := range j.looks {
			if look := (Look{c.Name, l.part, l.pattern}); l.id == c.ID && !j.read[l.id] && !slices.Contains(of[n:], look) {
				of = append(of, look)
			}
		}
		if len(of)-n > mostLooks {
			of = of[:n]
		}
	}
	return of
}

// look notes a search for constants in a column's text. It reports false if the
// search asks more of the text than whether it has an ASCII part, case aside, or
// matches a regular expression.
func (j *judge) look(x *Match) bool {
	c, ok := x.X.(*Col)
	if !ok || c.Column.Type != schema.String || !x.Fold && x.Op != Regex {
		return false
	}
	var all []looked
	for _, y := range x.Y {
		s, _ := y.(*Const)
		if s == nil {
			return false
		}
		text, _ := s.Value.(string)
		if text == "" {
			return false
		}
		if x.Op == Regex {
			all = append(all, looked{id: c.ID, pattern: native.Pattern(text)})
			continue
		}
		if strings.ContainsFunc(text, func(r rune) bool { return r >= 0x80 }) {
			return false
		}
		for _, p := range partsOf(text, x.Op) {
			all = append(all, looked{id: c.ID, part: p})
		}
	}
	j.looks = append(j.looks, all...)
	return true
}

// allows reports whether a value is the same of equal rows, whose times lie between
// the same cuts.
func (j *judge) allows(x Expr, times map[ID]bool) bool {
	switch x := x.(type) {
	case *Col:
		j.read[x.ID] = true
		return !times[x.ID]
	case *Match:
		if j.look(x) {
			return true
		}
	case *WindowCall:
		return false
	case *Call:
		if x.F.Note&builtin.Volatile != 0 {
			return false
		}
		if is(x, 0, times) || is(x, 1, times) {
			return j.steps(x, times)
		}
	case *Compare:
		if f, ok := timeFact(&Compare{Op: x.op(), X: x.X, Y: x.Y}); ok {
			if c, isCol := f.Time.(*Col); isCol && times[c.ID] {
				j.compare(f)
				return true
			}
		}
	case *Scalar:
		return j.still(x.Rel, times)
	case *In:
		if x.Rel != nil && !j.still(x.Rel, times) {
			return false
		}
	}
	for _, a := range x.args() {
		if !j.allows(*a, times) {
			return false
		}
	}
	return true
}

// is reports whether an argument is a time as it is stored.
func is(x *Call, arg int, times map[ID]bool) bool {
	if len(x.Args) <= arg {
		return false
	}
	c, ok := x.Args[arg].(*Col)
	return ok && times[c.ID]
}

// still reports whether a table is the same whatever row it is computed for.
func (j *judge) still(r Rel, times map[ID]bool) bool {
	ok := true
	WalkRel(r, func(Rel) {}, func(x Expr) {
		switch x := x.(type) {
		case *Col:
			j.read[x.ID] = true
			ok = ok && !times[x.ID]
		case *Call:
			ok = ok && x.F.Note&builtin.Volatile == 0
		}
	})
	return ok
}

// What a part of a time is the same within.
var grains = map[string]schema.Span{
	"dayofweek": schema.TicksPerDay, "dayofmonth": schema.TicksPerDay, "dayofyear": schema.TicksPerDay, "week_of_year": schema.TicksPerDay,
	"getyear": schema.TicksPerDay, "getmonth": schema.TicksPerDay, "hourofday": schema.TicksPerHour,
	"startofday": schema.TicksPerDay, "startofweek": schema.TicksPerDay, "startofmonth": schema.TicksPerDay, "startofyear": schema.TicksPerDay,
	"endofday": schema.TicksPerDay, "endofweek": schema.TicksPerDay, "endofmonth": schema.TicksPerDay, "endofyear": schema.TicksPerDay,

	"year": schema.TicksPerDay, "quarter": schema.TicksPerDay, "month": schema.TicksPerDay, "week": schema.TicksPerDay, "weekofyear": schema.TicksPerDay,
	"day": schema.TicksPerDay, "hour": schema.TicksPerHour, "minute": schema.TicksPerMinute, "second": schema.TicksPerSecond,
}

// steps gathers the cuts between which a function of a time is the same, if its
// other arguments are constants and it is known to have some.
func (j *judge) steps(x *Call, times map[ID]bool) bool {
	of := 0
	if is(x, 1, times) {
		of = 1
	}
	for i, a := range x.Args {
		if _, isConst := a.(*Const); !isConst && i != of {
			return false
		}
	}
	name := x.F.Names[0]
	switch {
	case name == "isnull" || name == "isnotnull" || name == "isempty" || name == "isnotempty":
		return true // no row is without a time
	case name == "bin" && of == 0:
		return j.bin(Bin{Size: whole(x.Args[1])})
	case name == "bin_at" && of == 0:
		at, known := x.Args[2].(*Const).Value.(schema.Ticks)
		return known && j.bin(Bin{Size: whole(x.Args[1]), At: at})
	case name == "datetime_part" && of == 1:
		part, _ := x.Args[0].(*Const).Value.(string)
		return j.bin(Bin{Size: grains[strings.ToLower(part)]})
	case name == "format_datetime" && of == 0:
		format, _ := x.Args[1].(*Const).Value.(string)
		return j.bin(Bin{Size: grainOf(format)})
	case of == 0:
		return j.bin(Bin{Size: grains[name]})
	}
	return false
}

// whole is the whole number that a constant is; 0 if it is none.
func whole(x Expr) schema.Span {
	switch v := x.(*Const).Value.(type) {
	case int64:
		return schema.Span(v)
	case schema.Span:
		return v
	case schema.Ticks:
		return schema.Span(v)
	}
	return 0
}

// grainOf is within what a time looks the same in a format; 0 is not known.
func grainOf(format string) schema.Span {
	switch {
	case strings.ContainsAny(format, "fF"):
		return 0
	case strings.Contains(format, "s"):
		return schema.TicksPerSecond
	case strings.Contains(format, "m"):
		return schema.TicksPerMinute
	case strings.ContainsAny(format, "hHt"):
		return schema.TicksPerHour
	}
	return schema.TicksPerDay
}

// bin adds a grid.
func (j *judge) bin(b Bin) bool {
	if b.Size <= 0 {
		return false
	}
	if !slices.Contains(j.weights.Bins, b) {
		j.weights.Bins = append(j.weights.Bins, b)
	}
	return true
}

// op is the operator that draws the same cuts.
func (x *Compare) op() string {
	if x.Op == "!=" {
		return "=="
	}
	return x.Op
}

// compare gathers the cuts of a comparison.
func (j *judge) compare(f fact) {
	if f.Op != ">" && f.Op != "<=" {
		j.cut(f.At)
	}
	if f.Op != ">=" && f.Op != "<" {
		j.cut(f.At + 1)
	}
}

func (j *judge) cut(at ...schema.Ticks) {
	for _, t := range at {
		if !slices.Contains(j.weights.Cuts, t) {
			j.weights.Cuts = append(j.weights.Cuts, t)
		}
	}
}
