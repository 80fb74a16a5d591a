package score

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

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

func judgeLoco(ctx context.Context, r *runner, c record) (verdict, string) {
	if c.is("skipped") {
		return excluded, ""
	}
	a, err := r.run(ctx, r.tables["none"], c.text("query"))
	if err != nil {
		return refused, err.Error()
	}
	squeeze := func(s string) string { return strings.ToLower(strings.Join(strings.Fields(s), "")) }
	var lines []string
	for _, row := range a.rows {
		var cells []string
		for i, v := range row {
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
	p, err := compile(q, cat)
	if !c.is("accept") {
		if err == nil {
			return wrong, fmt.Sprintf("accepted; Microsoft says %v", c["codes"])
		}
		return pass, ""
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
