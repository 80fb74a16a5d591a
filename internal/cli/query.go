package cli

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"logkeep/internal/cli/client"
)

func queryCommand(t terminal) *cobra.Command {
	var server connection
	var workspace, timespan, output string
	var explain bool
	c := &cobra.Command{
		Use: "query -w WORKSPACE 'KQL'", Short: "Run a query",
		Args: func(c *cobra.Command, args []string) error { return exactly(c, args, 1, "one query") },
		RunE: func(c *cobra.Command, args []string) error {
			if err := oneOf("output", output, "table", "json", "csv"); err != nil {
				return err
			}
			if workspace == "" {
				return usageError{fmt.Errorf("say which workspace with --workspace NAME")}
			}
			s, err := server.open(c.Context(), client.Options{Retries: true})
			if err != nil {
				return err
			}
			defer s.Close()
			w, err := s.FindWorkspace(c.Context(), workspace)
			if err != nil {
				return err
			}
			kql := args[0]
			if kql == "-" {
				b, err := io.ReadAll(t.in)
				if err != nil {
					return err
				}
				kql = string(b)
			}
			if explain {
				result, spent, err := s.Explain(c.Context(), w.CustomerID, kql, timespan)
				if err != nil && !isPartial(err) {
					return err
				}
				return errors.Join(printResults(t.out, result, output), printStatistics(t.err, spent), err)
			}
			result, err := s.RunQuery(c.Context(), w.CustomerID, kql, timespan)
			if err != nil && !isPartial(err) {
				return err
			}
			return errors.Join(printResults(t.out, result, output), err)
		},
	}
	server.flags(c)
	c.Flags().StringVarP(&workspace, "workspace", "w", "", "workspace: name, resource id or customer id")
	c.Flags().StringVar(&timespan, "timespan", "", "only rows of this time: P1D, or 2026-01-01T00:00:00Z/2026-01-02T00:00:00Z")
	c.Flags().BoolVar(&explain, "explain", false, "say on standard error how long it took and what of the storage was read")
	c.Flags().StringVarP(&output, "output", "o", "table", "table, json or csv")
	return c
}

func isPartial(err error) bool {
	_, partial := errors.AsType[*client.PartialError](err)
	return partial
}

// printResults writes all tables of an answer. Several have their names above
// them and a blank line between them; as JSON they are an object by name.
func printResults(out io.Writer, result client.Result, form string) error {
	all := append([]client.Result{result}, result.More...)
	if form == "json" {
		return printAllJSON(out, all)
	}
	for i, r := range all {
		if i > 0 {
			fmt.Fprintln(out)
		}
		if len(all) > 1 && form == "table" {
			fmt.Fprintln(out, r.Name)
		}
		if err := printResult(out, r, form); err != nil {
			return err
		}
	}
	return nil
}

func printResult(out io.Writer, result client.Result, form string) error {
	if form == "csv" {
		w := csv.NewWriter(out)
		var names []string
		for _, c := range result.Columns {
			names = append(names, c.Name)
		}
		w.Write(names) // its error comes back from Error
		for _, row := range result.Rows {
			var cells []string
			for _, value := range row {
				cells = append(cells, cell(value))
			}
			w.Write(cells)
		}
		w.Flush()
		return w.Error()
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	var line []string
	for _, c := range result.Columns {
		line = append(line, c.Name)
	}
	fmt.Fprintln(w, strings.Join(line, "\t"))
	for i, name := range line {
		line[i] = strings.Repeat("-", utf8.RuneCountInString(name))
	}
	fmt.Fprintln(w, strings.Join(line, "\t"))
	for _, row := range result.Rows {
		line = line[:0]
		for _, value := range row {
			line = append(line, short(cell(value)))
		}
		fmt.Fprintln(w, strings.Join(line, "\t"))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "(%d rows)\n", len(result.Rows))
	return err
}

// printStatistics tells what a query took.
func printStatistics(out io.Writer, s client.Statistics) error {
	ms := func(seconds float64) time.Duration {
		return time.Duration(seconds * float64(time.Second)).Round(10 * time.Microsecond)
	}
	of := s.Storage
	_, err := fmt.Fprintf(out, `time      %v: %v compiling, %v decrypting, %v executing
segments  %d in the time range
groups    %d of %d row groups read, the others ruled out by time or by terms
rows      %d kept of %d looked through by their texts
weights   %d weighted rows in place of %d
bytes     %s of %s decrypted
tail      %d rows not yet in segments
`, ms(s.ExecutionTime), ms(s.CompileTime), ms(s.OpenTime), ms(s.ExecutionTime-s.CompileTime-s.OpenTime),
		of.Segments, of.RowGroupsRead, of.RowGroups, of.KeptRows, of.SiftedRows, of.WeightedRows, of.WeighedRows, size(of.OpenedBytes), size(of.SealedBytes), of.TailRows)
	return err
}

// size is a number of bytes for people.
func size(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d B", n)
}

// cell is a value as text: a string without its quotes, null as nothing.
func cell(value json.RawMessage) string {
	var text string
	switch {
	case string(value) == "null":
		return ""
	case len(value) > 0 && value[0] == '"' && json.Unmarshal(value, &text) == nil:
		return text
	}
	return string(value)
}

// short is a cell that keeps to one line of a table. Control characters of a
// log must not reach the terminal.
func short(text string) string {
	const widest = 120
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
	if utf8.RuneCountInString(text) > widest {
		text = string([]rune(text)[:widest-1]) + "…"
	}
	return text
}

// printJSON writes an array of objects with the columns in order. A dynamic
// value, which travels as a string, becomes what it is.
// printAllJSON writes one table as an array of rows, several as an object of them.
func printAllJSON(out io.Writer, all []client.Result) error {
	if len(all) == 1 {
		return printJSON(out, all[0])
	}
	for i, r := range all {
		name, err := json.Marshal(r.Name)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(out, "%c%s: ", "{,"[min(i, 1)], name); err != nil {
			return err
		}
		if err := printJSON(out, r); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(out, "}")
	return err
}

func printJSON(out io.Writer, result client.Result) error {
	var b bytes.Buffer
	b.WriteByte('[')
	for i, row := range result.Rows {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString("\n{")
		for j, value := range row {
			if j > 0 {
				b.WriteByte(',')
			}
			name, err := json.Marshal(result.Columns[j].Name)
			if err != nil {
				return err
			}
			b.Write(name)
			b.WriteByte(':')
			if inner := cell(value); result.Columns[j].Type == "dynamic" && len(value) > 0 && value[0] == '"' && json.Valid([]byte(inner)) {
				value = json.RawMessage(inner)
			}
			b.Write(value)
		}
		b.WriteByte('}')
	}
	b.WriteString("\n]\n")
	_, err := out.Write(b.Bytes())
	return err
}
