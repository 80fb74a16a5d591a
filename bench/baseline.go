package main

import (
	"bytes"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"logkeep/internal/batch"
	"logkeep/internal/duck"
	"logkeep/internal/kql"
	"logkeep/internal/schema"
	"logkeep/internal/segment"
)

// A baseline is the rows in plain Parquet, as the engine itself writes it, and
// an engine to ask with the settings that the server's has. The files are in
// memory, as the server's decrypted ones are. They have one more column, Time,
// which is TimeGenerated in the engine's own type, for SQL written by hand.
type baseline struct {
	engine *duck.DB
	files  []*os.File
	bytes  int64
}

func openEngine() (*duck.DB, error) {
	var functions []duck.Function
	for _, n := range kql.Natives() {
		functions = append(functions, duck.Function(n))
	}
	return duck.Open(duck.Config{Functions: functions})
}

// fileRows is how many rows a file has: about as many as a segment.
const fileRows = 150_000

func newBaseline(ctx context.Context, l *logs) (_ *baseline, err error) {
	b := &baseline{}
	defer func() {
		if err != nil {
			b.close()
		}
	}()
	if b.engine, err = openEngine(); err != nil {
		return nil, err
	}
	var text bytes.Buffer
	n := 0
	flush := func() error {
		if n == 0 {
			return nil
		}
		defer text.Reset()
		n = 0
		return b.add(ctx, &text)
	}
	for row := range l.rows() {
		text.Write(row)
		text.WriteByte('\n')
		if n++; n == fileRows {
			if err := flush(); err != nil {
				return nil, err
			}
		}
	}
	return b, flush()
}

// add writes one file.
func (b *baseline) add(ctx context.Context, rows io.Reader) error {
	parsed, err := batch.Parse(rows, schema.Table{Name: large, Columns: columns}, 0)
	if err != nil {
		return err
	}
	from, err := segment.NewTail([]arrow.RecordBatch{parsed.Record})
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := duck.Memfd("plain")
	if err != nil {
		return err
	}
	b.files = append(b.files, to)
	const epoch = 621_355_968_000_000_000 // ticks at 1970-01-01
	copied, err := b.engine.Query(ctx, fmt.Sprintf(`COPY (
		SELECT *, make_timestamp((TimeGenerated - %d) // 10) AS Time
		FROM read_parquet('%s') ORDER BY TimeGenerated
	) TO '%s' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 122880, USE_TMP_FILE false)`, epoch, from.Path(), duck.Path(to)), nil)
	if err != nil {
		return plainly(err)
	}
	if err := copied.Close(); err != nil {
		return err
	}
	info, err := to.Stat()
	b.bytes += info.Size()
	return err
}

// relation is the SQL of all rows.
func (b *baseline) relation(columns string) string {
	paths := make([]string, len(b.files))
	for i, f := range b.files {
		paths[i] = "'" + duck.Path(f) + "'"
	}
	return "(SELECT " + columns + " FROM read_parquet([" + strings.Join(paths, ", ") + "]))"
}

// byHand is the statement of a person.
func (b *baseline) byHand(q question) statement {
	return statement{text: strings.Replace(q.sql, "FROM logs", "FROM "+b.relation("*"), 1)}
}

// compiled is the very statement that the server's worker runs, on plain files.
func (b *baseline) compiled(q question) (statement, error) {
	program, err := kql.Compile(q.kql, tables{}, kql.Options{Now: schema.TicksOf(time.Now())})
	if err != nil {
		return statement{}, err
	}
	text, args := program.Statement(func(s kql.Source) string {
		list := slices.Clone(s.Columns)
		for _, m := range s.Members {
			list = append(list, kql.MemberSQL(m, m.Column))
		}
		return b.relation(strings.Join(list, ", "))
	})
	return statement{text, args}, nil
}

type statement struct {
	text string
	args []any
}

// tables is a catalog with the one table.
type tables struct{}

// Table implements kql.Catalog.
func (tables) Table(name string) (schema.Table, bool) {
	return schema.Table{Name: large, Columns: columns}, name == large
}

// Tables implements kql.Catalog.
func (tables) Tables() []string { return []string{large} }

// ask runs a statement to the end of its rows.
func (b *baseline) ask(ctx context.Context, engine *duck.DB, s statement) (took time.Duration, a answer, err error) {
	begin := time.Now()
	rows, err := engine.Query(ctx, s.text, s.args)
	if err != nil {
		return 0, a, plainly(err)
	}
	defer rows.Close()
	values := make([]driver.Value, len(rows.Columns()))
	for {
		switch err := rows.Next(values); {
		case errors.Is(err, io.EOF):
			return time.Since(begin), a, nil
		case err != nil:
			return 0, a, plainly(err)
		}
		a.rows++
		for _, v := range values {
			switch v := v.(type) {
			case int32:
				a.add(int64(v))
			case int64:
				a.add(v)
			}
		}
	}
}

// expect asks, and insists on an answer.
func (b *baseline) expect(ctx context.Context, s statement, want answer) (time.Duration, error) {
	took, got, err := b.ask(ctx, b.engine, s)
	if err == nil && got != want {
		err = fmt.Errorf("the answers differ: %d rows with the sum %d of the server, and %d with %d in plain Parquet", want.rows, want.sum, got.rows, got.sum)
	}
	return took, err
}

// cold asks an engine that has just begun.
func (b *baseline) cold(ctx context.Context, s statement) (time.Duration, error) {
	engine, err := openEngine()
	if err != nil {
		return 0, err
	}
	defer engine.Close()
	took, _, err := b.ask(ctx, engine, s)
	return took, err
}

// plainly shows the engine's own words: here all data are made up.
func plainly(err error) error {
	if e, ok := errors.AsType[*duck.Error](err); ok {
		return fmt.Errorf("%w: %s", err, e.Detail())
	}
	return err
}

func (b *baseline) close() {
	if b.engine != nil {
		b.engine.Close()
	}
	for _, f := range b.files {
		f.Close()
	}
}
