package score

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"logkeep/internal/kql"
	"logkeep/internal/kql/syntax"
	"logkeep/internal/schema"
)

func judgeEmulator(ctx context.Context, r *runner, c record) (verdict, string) {
	if c.is("suspect") {
		return excluded, ""
	}
	a, err := r.run(ctx, r.tables["none"], c.text("query"))
	if err != nil {
		return refused, err.Error()
	}
	var want []schema.Column
	for _, x := range c.list("columns") {
		pair := x.([]any)
		t, err := schema.ParseType(pair[1].(string))
		if err != nil {
			return excluded, ""
		}
		want = append(want, schema.Column{Name: pair[0].(string), Type: t})
	}
	if d := sameColumns(a.columns, want); d != "" {
		return wrong, d
	}
	if c.is("volatile") {
		return pass, ""
	}
	var rows [][]any
	for _, x := range c.list("rows") {
		rows = append(rows, x.([]any))
	}
	m := matcher{query: c.text("query"), approx: c.is("approx"), types: a.columns}
	if d := m.rows(a.rows, rows, c.is("unordered") || !a.ordered); d != "" {
		return wrong, d
	}
	return pass, ""
}

func sameColumns(got, want []schema.Column) string {
	if fmt.Sprint(got) != fmt.Sprint(want) {
		return fmt.Sprintf("columns %v\nwant    %v", got, want)
	}
	return ""
}

func judgeFuzz(ctx context.Context, r *runner, c record) (verdict, string) {
	if c.is("conflicting") || c.is("volatile") || c.is("error") {
		return excluded, ""
	}
	a, err := r.run(ctx, r.tables["none"], c.text("query"))
	if err != nil {
		return refused, err.Error()
	}
	var names, got []string
	for _, x := range c.list("columns") {
		names = append(names, x.([]any)[0].(string))
	}
	for _, col := range a.columns {
		got = append(got, col.Name)
	}
	if strings.Join(names, "|") != strings.Join(got, "|") {
		return wrong, fmt.Sprintf("columns %v\nwant    %v", got, names)
	}
	count, _ := c["row_count"].(json.Number)
	if count.String() != fmt.Sprint(len(a.rows)) {
		return wrong, fmt.Sprintf("%d rows, want %s: %v", len(a.rows), count, tuples(a))
	}
	m := matcher{query: c.text("query"), approx: c.is("approx"), types: a.columns}
	return m.texts(tuples(a), c.list("rows_text"))
}

func judgeDocs(ctx context.Context, r *runner, c record) (verdict, string) {
	if strings.Contains(c.text("query"), ":::moniker") { // the page's own markup, not a query
		return excluded, ""
	}
	if !c.is("self_contained") || c.is("volatile") || c.list("expected_columns") == nil || c.is("truncated") || c.is("ragged") || c.list("expected_rows") == nil {
		return excluded, ""
	}
	a, err := r.run(ctx, r.tables["none"], c.text("query"))
	if err != nil {
		return refused, err.Error()
	}
	var names, got []string
	for _, x := range c.list("expected_columns") {
		names = append(names, fmt.Sprint(x))
	}
	for _, col := range a.columns {
		got = append(got, col.Name)
	}
	if len(names) != len(got) {
		return wrong, fmt.Sprintf("columns %v\nwant    %v", got, names)
	}
	var rows [][]any
	for _, x := range c.list("expected_rows") {
		row, ok := x.([]any)
		if !ok || len(row) != len(got) {
			return excluded, ""
		}
		rows = append(rows, row)
	}
	m := matcher{query: c.text("query"), approx: true, loose: true, types: a.columns}
	if d := m.rows(a.rows, rows, true); d != "" {
		return wrong, d
	}
	return pass, ""
}

// judgeLoco knows both ways in which that file writes a table: bare rows, or
// the columns with their types, a line, and rows.
func judgeLoco(ctx context.Context, r *runner, c record) (verdict, string) {
	if c.is("skipped") {
		return excluded, ""
	}
	a, err := r.run(ctx, r.tables["none"], c.text("query"))
	if err != nil {
		return refused, err.Error()
	}
	if head := c.list("columns"); head != nil {
		var want []schema.Column
		for _, x := range head {
			pair := x.([]any)
			t, err := schema.ParseType(pair[1].(string))
			if err != nil {
				return excluded, ""
			}
			want = append(want, schema.Column{Name: pair[0].(string), Type: t})
		}
		if d := sameColumns(a.columns, want); d != "" {
			return wrong, d
		}
		var rows [][]any
		for _, x := range c.list("rows_text") {
			row := slices.Clone(x.([]any))
			for i := range row {
				if row[i] == "(null)" {
					row[i] = nil
				}
			}
			rows = append(rows, row)
		}
		if d := (matcher{query: c.text("query"), types: a.columns}).rows(a.rows, rows, !a.ordered); d != "" {
			return wrong, d
		}
		return pass, ""
	}
	squeeze := func(s string) string { return strings.ToLower(strings.Join(strings.Fields(s), "")) }
	var lines []string
	for _, row := range a.rows {
		var cells []string
		for i, v := range row {
			if v == nil {
				cells = append(cells, "<null>")
				continue
			}
			cells = append(cells, plain(a.columns[i].Type, v))
		}
		lines = append(lines, squeeze(strings.Join(cells, ",")))
	}
	var want []string
	for _, l := range strings.Split(strings.TrimSpace(c.text("expected_text")), "\n") {
		want = append(want, squeeze(l))
	}
	if d := sameBag(lines, want); d != "" {
		return wrong, d
	}
	return pass, ""
}

func judgeBinder(ctx context.Context, r *runner, c record) (verdict, string) {
	q, ok := r.queries[c.text("id")]
	cat, known := r.tables[c.text("schema")]
	if !ok || !known {
		return excluded, ""
	}
	c["query"] = q
	p, err := r.compile(ctx, q, cat)
	if !c.is("accept") {
		if err == nil {
			return wrong, fmt.Sprintf("accepted; Microsoft says %v", c["codes"])
		}
		return pass, ""
	}
	if all, ok := errors.AsType[kql.Diagnostics](err); ok && c.text("kind") == "none" && len(all) == 1 && all[0].Code == syntax.CodeTabular && all[0].Span.Start == 0 {
		return pass, "" // a text that asks for nothing has no mistake to the binder, and no answer
	}
	if err != nil {
		return refused, err.Error()
	}
	if c.text("kind") != "tabular" || c["columns"] == nil {
		return pass, ""
	}
	var got, want []string
	for _, col := range p.Columns {
		got = append(got, col.Name+":"+col.Type.String())
	}
	for _, x := range c.list("columns") {
		pair := x.([]any)
		want = append(want, fmt.Sprintf("%v:%v", pair[0], pair[1]))
	}
	if c.is("open") && len(got) > len(want) {
		got = got[:len(want)]
	}
	if g, w := strings.Join(got, " "), strings.Join(want, " "); g != w {
		return wrong, "columns " + g + "\nwant    " + w
	}
	return pass, ""
}

func judgeRuns(ctx context.Context, r *runner, c record) (verdict, string) {
	if !r.accepts[c.text("id")] {
		return excluded, ""
	}
	if _, err := r.run(ctx, r.tables["schema_la"], c.text("query")); err != nil {
		return refused, err.Error()
	}
	return pass, ""
}

// judgeParser runs the body of a saved function with its parameters. Those
// without a default get an empty table, or the null of their type. A parser
// for which there is no verdict of Microsoft's binder is judged too, unless it
// is a template whose body is still to be written, answers nothing, or reads
// what the schema does not have.
func judgeParser(ctx context.Context, r *runner, c record) (verdict, string) {
	accept, known := r.accepts[c.text("id")]
	if known && !accept || strings.Contains(c.text("query"), "<parser query") {
		return excluded, ""
	}
	text, err := callOf(c.text("params"), c.text("query"))
	if errors.Is(err, errNothing) {
		return excluded, ""
	}
	if err != nil {
		return refused, err.Error()
	}
	if _, err := r.run(ctx, r.tables["schema_la"], text); err != nil {
		if !known && unknownNames(err) {
			return excluded, ""
		}
		return refused, err.Error()
	}
	return pass, ""
}

// unknownNames reports whether all that is wrong with a query is that the
// schema lacks what it names.
func unknownNames(err error) bool {
	all, ok := errors.AsType[kql.Diagnostics](err)
	return ok && !slices.ContainsFunc(all, func(d syntax.Diagnostic) bool {
		return d.Code != syntax.CodeSemantic && !(d.Code == syntax.CodeFunction && strings.Contains(d.Message, "'_")) // saved functions begin so
	})
}

// errNothing: a body defines functions and calls none.
var errNothing = errors.New("the body answers nothing")

// callOf is a query that calls a function once.
func callOf(params, body string) (string, error) {
	params = strings.ReplaceAll(params, "):table", ")") // how the files mark parameters that are tables
	text := "let parser__ = " + params + "{\n" + body + "\n};\n"
	tree, errs := syntax.Parse(text)
	if len(errs) > 0 {
		return "", errs
	}
	let, _ := tree.Statements[0].(*syntax.Let)
	if let == nil {
		return "", errors.New("the parameters can't be read")
	}
	f, ok := let.X.(*syntax.Func)
	if !ok {
		return "", errors.New("the parameters can't be read")
	}
	if n := len(f.Body.Statements); n == 0 {
		return "", errNothing
	} else if _, answers := f.Body.Statements[n-1].(*syntax.Tabular); !answers {
		return "", errNothing
	}
	var args []string
	for _, p := range f.Params {
		if p.Default != nil {
			continue
		}
		value := p.Type.String() + "(null)"
		switch {
		case p.Schema != nil:
			var cols []string
			for _, col := range p.Schema.Columns {
				cols = append(cols, syntax.Text(col.Name)+":"+col.Type.String())
			}
			if len(cols) == 0 {
				cols = []string{"x:long"}
			}
			value = "(datatable(" + strings.Join(cols, ", ") + ")[])"
		case p.Type == schema.String:
			value = `""`
		case p.Type == schema.Dynamic:
			value = "dynamic([])"
		}
		args = append(args, syntax.Text(p.Name)+"="+value)
	}
	return text + "parser__(" + strings.Join(args, ", ") + ")", nil
}
