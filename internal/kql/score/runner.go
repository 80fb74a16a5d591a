package score

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"logkeep/internal/duck"
	"logkeep/internal/kql"
	"logkeep/internal/schema"
)

// at is the time of all scored queries.
var at = schema.TicksOf(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))

// runner compiles and runs queries over empty tables.
type runner struct {
	db      *duck.DB
	tables  map[string]catalog // by the name of the schema
	queries map[string]string  // by id, for files that hold only ids
	accepts map[string]bool    // what Microsoft's binder says
}

// catalog is a set of tables and functions.
type catalog struct {
	tables    map[string]schema.Table
	functions map[string]string
}

func (c catalog) Table(name string) (schema.Table, bool) { t, ok := c.tables[name]; return t, ok }
func (c catalog) Function(name string) (string, bool)    { f, ok := c.functions[name]; return f, ok }
func (c catalog) Tables() (out []string) {
	for n := range c.tables {
		out = append(out, n)
	}
	slices.Sort(out)
	return out
}

func newRunner(dir string) (*runner, error) {
	r := &runner{tables: map[string]catalog{"none": {}}, queries: map[string]string{}, accepts: map[string]bool{}}
	var functions []duck.Function
	for _, n := range kql.Natives() {
		functions = append(functions, duck.Function(n))
	}
	var err error
	if r.db, err = duck.Open(duck.Config{Functions: functions}); err != nil {
		return nil, err
	}
	if err := r.readSchema(filepath.Join(dir, "schema_la.json")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		err := each(f, func(c record) error {
			if q := c.text("query"); q != "" {
				r.queries[c.text("id")] = q
			}
			if _, ok := c["accept"]; ok {
				r.accepts[c.text("id")] = c.is("accept")
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f, err)
		}
	}
	return r, nil
}

// readSchema keeps the order of columns, which is that of the file.
func (r *runner) readSchema(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var file struct {
		Tables    map[string]json.RawMessage
		Functions map[string]struct{ Params, Body string }
	}
	if err := json.Unmarshal(text, &file); err != nil {
		return err
	}
	c := catalog{tables: map[string]schema.Table{}, functions: map[string]string{}}
	for name, raw := range file.Tables {
		d := json.NewDecoder(strings.NewReader(string(raw)))
		t := schema.Table{Name: schema.TableName(name)}
		if _, err := d.Token(); err != nil {
			return err
		}
		for d.More() {
			key, err := d.Token()
			if err != nil {
				return err
			}
			var typ string
			if err := d.Decode(&typ); err != nil {
				return err
			}
			col := schema.Column{Name: key.(string)}
			if col.Type, err = schema.ParseType(typ); err != nil {
				return err
			}
			t.Columns = append(t.Columns, col)
		}
		c.tables[name] = t
	}
	for name, f := range file.Functions {
		c.functions[name] = f.Params + "{" + f.Body + "\n}"
	}
	r.tables["schema_la"] = c
	return nil
}

func (r *runner) close() { r.db.Close() }

// answer is what a query gave.
type answer struct {
	columns []schema.Column
	ordered bool
	rows    [][]any
}

func (r *runner) run(ctx context.Context, cat catalog, text string) (*answer, error) {
	p, err := r.compile(ctx, text, cat)
	if err != nil {
		return nil, err
	}
	a := &answer{columns: p.Columns, ordered: p.Ordered}
	a.rows, err = r.rows(ctx, cat, p)
	return a, err
}

// rows runs a program.
func (r *runner) rows(ctx context.Context, cat catalog, p *kql.Program) (all [][]any, err error) {
	types := func(s kql.Source) string {
		var cols []string
		for _, name := range s.Columns {
			c, _ := cat.tables[string(s.Table)].Column(name)
			if s.External != nil {
				c.Type = schema.String
			}
			cols = append(cols, "CAST(NULL AS "+physical(c.Type)+")")
		}
		for _, m := range s.Members {
			cols = append(cols, kql.MemberSQL(m, "CAST(NULL AS VARCHAR)"))
		}
		return "(SELECT " + strings.Join(cols, ", ") + " WHERE false)"
	}
	sql, args := p.Statement(types)
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	rows, err := r.db.Query(ctx, sql, args)
	if err != nil {
		return nil, detail(err)
	}
	defer rows.Close()
	dest := make([]driver.Value, len(p.Columns))
	for {
		if err := rows.Next(dest); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, detail(err)
		}
		row := make([]any, len(dest))
		for i, v := range dest {
			row[i] = v
		}
		all = append(all, row)
	}
}

// compile turns a crash of the compiler into a refusal that says so.
func (r *runner) compile(ctx context.Context, text string, cat catalog) (p *kql.Program, err error) {
	defer func() {
		if x := recover(); x != nil {
			err = fmt.Errorf("PANIC: %v", x)
		}
	}()
	return kql.Compile(text, cat, kql.Options{Now: at, External: true, Ask: func(p *kql.Program) ([][]string, error) {
		rows, err := r.rows(ctx, cat, p)
		out := make([][]string, len(rows))
		for i, row := range rows {
			for _, v := range row {
				s, _ := v.(string)
				out[i] = append(out[i], s)
			}
		}
		return out, err
	}})
}

// detail shows the engine's own text; the data of scored queries is no secret.
func detail(err error) error {
	if e, ok := errors.AsType[*duck.Error](err); ok {
		text := e.Detail()
		if len(text) > 1500 {
			text = text[:1500]
		}
		return fmt.Errorf("%w: %s", err, text)
	}
	return err
}

func physical(t schema.Type) string {
	switch t {
	case schema.Bool:
		return "BOOLEAN"
	case schema.Int:
		return "INTEGER"
	case schema.Long, schema.DateTime, schema.TimeSpan:
		return "BIGINT"
	case schema.Real:
		return "DOUBLE"
	}
	return "VARCHAR"
}
