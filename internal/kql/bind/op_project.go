package bind

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"logkeep/internal/kql/plan"
	"logkeep/internal/kql/syntax"
	"logkeep/internal/schema"
)

func itoa(i int) string { return strconv.Itoa(i) }

func (b *binder) project(op *syntax.Project, t *table, e *env) *table {
	sc := b.scope(t, e, "project")
	sc.win = &windows{}
	var cols []plan.Column
	var items []plan.Item
	ok := true
	for _, x := range op.Items {
		if _, star := x.(*syntax.Star); star {
			for _, c := range t.cols {
				cols = append(cols, c)
				items = append(items, plan.Item{Col: c, Value: &plan.Col{Column: c}})
			}
			continue
		}
		list, fine := b.item(x, sc)
		ok = ok && fine
		for _, n := range list {
			if n.x == nil {
				continue
			}
			if n.name == "" {
				n.name = numbered(cols)
			}
			if n.given || n.refer {
				if _, twice := find(cols, n.name); twice {
					b.fail(n.at, syntax.CodeDuplicate, "A column named '%s' is there already.", n.name)
					ok = false
					continue
				}
			}
			c := b.column(unique(cols, n.name), n.x.Type())
			cols = append(cols, c)
			items = append(items, plan.Item{Col: c, Value: n.x})
		}
	}
	if !ok {
		return nil
	}
	return &table{rel: &plan.Project{In: b.withWindows(t, sc, op.Span), Items: items}, cols: cols, serial: t.serial}
}

// pick lists the columns that a name with wildcards means.
func (b *binder) pick(x syntax.Expr, t *table, where string) ([]plan.Column, bool) {
	switch x := x.(type) {
	case *syntax.Star:
		return t.cols, true
	case *syntax.Name:
		var out []plan.Column
		for _, c := range t.cols {
			if c.Name == x.Name || !x.Quoted && wild(x.Name, c.Name) {
				out = append(out, c)
			}
		}
		if len(out) == 0 && (x.Quoted || !strings.Contains(x.Name, "*")) {
			return nil, b.name(x, &scope{env: (*env)(nil).child(), cols: t.cols, where: where}) != nil
		}
		return out, true
	}
	b.fail(x.Where(), syntax.CodeSyntax, "'%s' takes names of columns.", where)
	return nil, false
}

func (b *binder) projectAway(op *syntax.ProjectAway, t *table, e *env) *table {
	out, ok := *t, true
	for _, x := range op.Items {
		gone, fine := b.pick(x, t, "project-away")
		ok = ok && fine
		out.cols = slices.DeleteFunc(slices.Clone(out.cols), func(c plan.Column) bool {
			_, drop := find(gone, c.Name)
			return drop
		})
	}
	if !ok {
		return nil
	}
	return &out
}

func (b *binder) projectKeep(op *syntax.ProjectKeep, t *table, e *env) *table {
	keep := map[string]bool{}
	ok := true
	for _, x := range op.Items {
		list, fine := b.pick(x, t, "project-keep")
		ok = ok && fine
		for _, c := range list {
			keep[c.Name] = true
		}
	}
	if !ok {
		return nil
	}
	out := *t
	out.open, out.bag = false, nil
	out.cols = slices.DeleteFunc(slices.Clone(t.cols), func(c plan.Column) bool { return !keep[c.Name] })
	return &out
}

// projectByNames takes names from values. A name of no column is left out, so
// that lists of names can be wider than a table.
func (b *binder) projectByNames(op *syntax.ProjectByNames, t *table, e *env) *table {
	var wanted []string
	for _, x := range op.Items {
		c := b.constant(x, e, "The names of project-by-names")
		if c == nil {
			return nil
		}
		text, _ := c.Value.(string)
		switch c.T {
		case schema.String:
			wanted = append(wanted, text)
		case schema.Dynamic:
			var list []string
			if err := json.Unmarshal([]byte(text), &list); err != nil && text != "" {
				b.fail(x.Where(), syntax.CodeType, "'project-by-names' takes names of columns and arrays of them.")
				return nil
			}
			wanted = append(wanted, list...)
		default:
			b.fail(x.Where(), syntax.CodeType, "'project-by-names' takes names of columns and arrays of them, not a %s.", c.T)
			return nil
		}
	}
	out := *t
	out.open, out.bag, out.cols = false, nil, nil
	for _, w := range wanted {
		for _, c := range t.cols {
			if _, has := find(out.cols, c.Name); !has && wild(w, c.Name) {
				out.cols = append(out.cols, c)
			}
		}
	}
	return &out
}

// ruleColumnNamesOf is an array of the names of a table's columns.
func ruleColumnNamesOf(b *binder, x *syntax.Call, sc *scope) plan.Expr {
	if !b.count(x, 1, 1) {
		return nil
	}
	t := b.table(x.Args[0], sc.env)
	if t == nil {
		return nil
	}
	text, err := json.Marshal(names(t.cols))
	if err != nil {
		b.fail(x.Span, syntax.CodeCall, "The names of the columns can't be written as an array: %s.", err)
		return nil
	}
	return &plan.Const{T: schema.Dynamic, Value: string(text)}
}

func (b *binder) projectRename(op *syntax.ProjectRename, t *table, e *env) *table {
	out := *t
	out.cols = slices.Clone(t.cols)
	ok := true
	for _, x := range op.Items {
		a, isAssign := x.(*syntax.Assign)
		from, isName := x.(*syntax.Name)
		if isAssign && !a.Tuple {
			from, isName = a.X.(*syntax.Name)
		}
		if !isAssign || !isName {
			b.fail(x.Where(), syntax.CodeSyntax, "'project-rename' takes new = old with names of columns.")
			ok = false
			continue
		}
		i := slices.IndexFunc(t.cols, func(c plan.Column) bool { return c.Name == from.Name })
		if i < 0 {
			b.name(from, &scope{env: (*env)(nil).child(), cols: t.cols, where: "project-rename"})
			ok = false
			continue
		}
		out.cols[i].Name = a.Names[0].Name
	}
	if !ok {
		return nil
	}
	// A column that is renamed takes the place of another of that name.
	renamed := map[string]plan.ID{}
	for i, c := range out.cols {
		if c.Name != t.cols[i].Name {
			renamed[c.Name] = c.ID
		}
	}
	out.cols = slices.DeleteFunc(out.cols, func(c plan.Column) bool {
		id, is := renamed[c.Name]
		return is && id != c.ID
	})
	return &out
}

func (b *binder) projectReorder(op *syntax.ProjectReorder, t *table, e *env) *table {
	out := *t
	out.cols = nil
	taken := map[string]bool{}
	ok := true
	for _, o := range op.Items {
		list, fine := b.pick(o.X, t, "project-reorder")
		ok = ok && fine
		list = slices.DeleteFunc(slices.Clone(list), func(c plan.Column) bool { return taken[c.Name] })
		if o.Dir != "" {
			slices.SortStableFunc(list, func(x, y plan.Column) int {
				n := cmp.Compare(strings.ToLower(x.Name), strings.ToLower(y.Name))
				if strings.HasPrefix(o.Dir, "granny") {
					n = granny(x.Name, y.Name)
				}
				if strings.HasSuffix(o.Dir, "desc") {
					return -n
				}
				return n
			})
		}
		for _, c := range list {
			taken[c.Name] = true
			out.cols = append(out.cols, c)
		}
	}
	if !ok {
		return nil
	}
	for _, c := range t.cols {
		if !taken[c.Name] {
			out.cols = append(out.cols, c)
		}
	}
	return &out
}

// granny compares names so that a2 comes before a10.
func granny(x, y string) int {
	split := func(s string) (string, int) {
		i := len(s)
		for i > 0 && s[i-1] >= '0' && s[i-1] <= '9' {
			i--
		}
		n, _ := strconv.Atoi(s[i:])
		return strings.ToLower(s[:i]), n
	}
	a, m := split(x)
	c, n := split(y)
	return cmp.Or(cmp.Compare(a, c), cmp.Compare(m, n))
}

func (b *binder) distinct(op *syntax.Distinct, t *table, e *env) *table {
	sc := b.scope(t, e, "distinct")
	agg := &plan.Aggregate{In: t.rel}
	var cols []plan.Column
	ok := true
	add := func(name string, x plan.Expr) {
		c := b.column(unique(cols, name), x.Type())
		cols = append(cols, c)
		agg.Keys = append(agg.Keys, plan.Item{Col: c, Value: x})
	}
	for _, x := range op.Items {
		if n, isName := x.(*syntax.Name); isName && !n.Quoted && strings.Contains(n.Name, "*") {
			list, _ := b.pick(x, t, "distinct")
			for _, c := range list {
				add(c.Name, &plan.Col{Column: c})
			}
			continue
		}
		if _, star := x.(*syntax.Star); star {
			for _, c := range t.cols {
				add(c.Name, &plan.Col{Column: c})
			}
			continue
		}
		list, fine := b.item(x, sc)
		ok = ok && fine
		for _, n := range list {
			if n.x == nil {
				continue
			}
			if n.name == "" {
				n.name = numbered(cols)
			}
			add(n.name, n.x)
		}
	}
	if !ok {
		return nil
	}
	return &table{rel: agg, cols: cols}
}

func (b *binder) sampleDistinct(op *syntax.SampleDistinct, t *table, e *env) *table {
	n := b.rows(op.N, e, "sample-distinct")
	d := b.distinct(&syntax.Distinct{Span: op.Span, Items: []syntax.Expr{op.Of}}, t, e)
	if n == nil || d == nil {
		return nil
	}
	return &table{rel: &plan.Limit{In: d.rel, N: n}, cols: d.cols}
}
