package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"logkeep/internal/cli/client"
	"logkeep/internal/kql"
	"logkeep/internal/kql/builtin"
	"logkeep/internal/kql/syntax"
	"logkeep/internal/schema"
)

// kqlCommand holds the tools for queries that need no server.
func kqlCommand(t terminal) *cobra.Command {
	c := &cobra.Command{Use: "kql", Short: "Format, check and explain queries", Args: noArgs}
	c.AddCommand(fmtCommand(t), checkCommand(t), explainCommand(t), functionsCommand(t))
	return c
}

func fmtCommand(t terminal) *cobra.Command {
	check := false
	c := &cobra.Command{
		Use: "fmt [FILE...]", Short: "Write queries in their usual form, comments included",
		Long: "Write queries in their usual form to standard output: of files, or of standard input (-). With --check\nnothing is written but the names of files that have another form, and then the exit code is 1.",
		RunE: func(_ *cobra.Command, args []string) error {
			different := false
			err := eachFile(t, args, func(name, text string) error {
				pretty, errs := syntax.Pretty(text)
				if len(errs) > 0 {
					return mistakes(t, name, text, errs)
				}
				if !check {
					_, err := io.WriteString(t.out, pretty)
					return err
				}
				if pretty != text {
					different = true
					fmt.Fprintln(t.out, name)
				}
				return nil
			})
			if err == nil && different {
				err = exitError(exitFailed)
			}
			return err
		},
	}
	c.Flags().BoolVar(&check, "check", false, "only list files that are not in the usual form")
	return c
}

func checkCommand(t terminal) *cobra.Command {
	var tables sourceOfTables
	c := &cobra.Command{
		Use: "check [FILE...]", Short: "Find the mistakes of queries without running them",
		Long: "Find the mistakes of queries, in files or standard input (-), without running them: one line each,\nfile:line:column, code and words, and the place under it. The exit code is 1 if there is one.\n\nThe tables are those of --schema FILE, {\"tables\": {\"TABLE\": {\"COLUMN\": \"type\"}}}, or of a workspace.",
		RunE: func(c *cobra.Command, args []string) error {
			known, err := tables.open(c.Context())
			if err != nil {
				return err
			}
			bad := false
			err = eachFile(t, args, func(name, text string) error {
				_, err := kql.Compile(text, known, kql.Options{Now: schema.TicksOf(time.Now())})
				if errs, ok := errors.AsType[kql.Diagnostics](err); ok {
					bad = true
					mistakes(t, name, text, errs)
					return nil
				}
				return err
			})
			if err == nil && bad {
				err = exitError(exitFailed)
			}
			return err
		},
	}
	tables.flags(c)
	return c
}

func explainCommand(t terminal) *cobra.Command {
	var tables sourceOfTables
	c := &cobra.Command{
		Use: "explain 'KQL'", Short: "Show what becomes of a query: its form, its plan and the engine's SQL",
		Args: func(c *cobra.Command, args []string) error {
			return exactly(c, args, 1, "one query, or - for standard input")
		},
		RunE: func(c *cobra.Command, args []string) error {
			text := args[0]
			if text == "-" {
				b, err := io.ReadAll(t.in)
				if err != nil {
					return err
				}
				text = string(b)
			}
			known, err := tables.open(c.Context())
			if err != nil {
				return err
			}
			p, err := kql.Compile(text, known, kql.Options{Now: schema.TicksOf(time.Now())})
			if errs, ok := errors.AsType[kql.Diagnostics](err); ok {
				return mistakes(t, "query", text, errs)
			} else if err != nil {
				return err
			}
			form, err := kql.Format(text)
			if err != nil {
				return err
			}
			fmt.Fprintf(t.out, "-- query\n%s\n", form)
			for i, p := range append([]*kql.Program{p}, p.More...) {
				sql, args := p.Statement(func(s kql.Source) string {
					return "(" + string(s.Table) + ": " + strings.Join(s.Names(), ", ") + ")"
				})
				number := ""
				if i > 0 {
					number = fmt.Sprintf(" %d", i+1)
				}
				fmt.Fprintf(t.out, "-- plan%s\n%s-- sql%[1]s\n%[3]s\n", number, p.Plan(), sql)
				for j, a := range args {
					fmt.Fprintf(t.out, "-- $%d = %q\n", j+1, a)
				}
				fmt.Fprintf(t.out, "-- columns%s\n", number)
				for _, col := range p.Columns {
					fmt.Fprintf(t.out, "%s: %s\n", col.Name, col.Type)
				}
			}
			return nil
		},
	}
	tables.flags(c)
	return c
}

func functionsCommand(t terminal) *cobra.Command {
	return &cobra.Command{
		Use: "functions [WORD]", Short: "List what the language has here: operators, functions, aggregates",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 1 {
				return exactly(c, args, 1, "one word that the names have")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			word := strings.ToLower(strings.Join(args, ""))
			w := tabwriter.NewWriter(t.out, 0, 4, 2, ' ', 0)
			line := func(kind, name, signature, state, doc string) {
				if strings.Contains(strings.ToLower(name), word) && !strings.HasPrefix(name, "__") {
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", kind, name+signature, state, doc)
				}
			}
			read, refused := syntax.Operators()
			for _, o := range read {
				line("operator", o.Keyword, "", "here", o.Doc)
			}
			for _, name := range refused {
				line("operator", name, "", "refused", "")
			}
			for _, kind := range []struct {
				word  string
				table *builtin.Table
			}{{"function", builtin.Functions()}, {"aggregate", builtin.Aggregates()}} {
				names := slices.Clone(kind.table.Names())
				slices.Sort(names)
				for _, name := range names {
					for _, f := range kind.table.Forms(name) {
						line(kind.word, name, f.Sig, "here", f.Doc)
					}
				}
			}
			return w.Flush()
		},
	}
}

// eachFile reads files one after another; - and none are standard input.
func eachFile(t terminal, files []string, do func(name, text string) error) error {
	if len(files) == 0 {
		files = []string{"-"}
	}
	for _, name := range files {
		var b []byte
		var err error
		if name == "-" {
			b, err = io.ReadAll(t.in)
			name = "stdin"
		} else {
			b, err = os.ReadFile(name)
		}
		if err != nil {
			return err
		}
		if err := do(name, string(b)); err != nil {
			return err
		}
	}
	return nil
}

// mistakes writes what is wrong with a query, each under its place.
func mistakes(t terminal, name, text string, errs kql.Diagnostics) error {
	for _, e := range errs {
		fmt.Fprintf(t.out, "%s:%d:%d: %s: %s\n", name, e.Line, e.Pos, e.Code, e.Message)
		if place := e.Caret(text); place != "" {
			fmt.Fprintln(t.out, place)
		}
	}
	return exitError(exitFailed)
}

// sourceOfTables says which tables a query may name.
type sourceOfTables struct {
	server    connection
	file      string
	workspace string
}

func (s *sourceOfTables) flags(c *cobra.Command) {
	s.server.flags(c)
	c.Flags().StringVar(&s.file, "schema", "", "file with the tables that queries may name")
	c.Flags().StringVarP(&s.workspace, "workspace", "w", "", "workspace whose tables queries may name")
}

func (s *sourceOfTables) open(ctx context.Context) (knownTables, error) {
	switch {
	case s.file != "" && s.workspace != "":
		return nil, usageError{errors.New("give --schema or --workspace, not both")}
	case s.file != "":
		b, err := os.ReadFile(s.file)
		if err != nil {
			return nil, err
		}
		return readTables(s.file, b)
	case s.workspace == "":
		return knownTables{}, nil
	}
	server, err := s.server.open(ctx, client.Options{Retries: true})
	if err != nil {
		return nil, err
	}
	defer server.Close()
	w, err := server.FindWorkspace(ctx, s.workspace)
	if err != nil {
		return nil, err
	}
	all, err := server.Tables(ctx, w)
	known := knownTables{}
	for _, t := range all {
		known[string(t.Name)] = t
	}
	return known, err
}

// knownTables are tables by name.
type knownTables map[string]schema.Table

// Table implements kql.Catalog.
func (k knownTables) Table(name string) (schema.Table, bool) { t, ok := k[name]; return t, ok }

// Tables implements kql.Catalog.
func (k knownTables) Tables() (names []string) {
	for n := range k {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// readTables reads tables with their columns in the order of the file.
func readTables(name string, text []byte) (knownTables, error) {
	var file struct{ Tables map[string]json.RawMessage }
	if err := json.Unmarshal(text, &file); err != nil {
		return nil, usageError{fmt.Errorf("schema file %s: %w", name, err)}
	}
	known := knownTables{}
	for table, columns := range file.Tables {
		t := schema.Table{Name: schema.TableName(table)}
		d := json.NewDecoder(strings.NewReader(string(columns)))
		if open, err := d.Token(); err != nil || open != json.Delim('{') {
			return nil, usageError{fmt.Errorf("schema file %s: table %s is no object of columns", name, table)}
		}
		for d.More() {
			column, err := d.Token()
			if err != nil {
				return nil, usageError{fmt.Errorf("schema file %s, table %s: %w", name, table, err)}
			}
			var word string
			if err := d.Decode(&word); err != nil {
				return nil, usageError{fmt.Errorf("schema file %s, table %s, column %v: %w", name, table, column, err)}
			}
			kind, err := schema.ParseType(word)
			if err != nil {
				return nil, usageError{fmt.Errorf("schema file %s, table %s, column %v: %w", name, table, column, err)}
			}
			t.Columns = append(t.Columns, schema.Column{Name: fmt.Sprint(column), Type: kind})
		}
		known[table] = t
	}
	return known, nil
}
