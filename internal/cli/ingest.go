package cli

import (
	"errors"
	"fmt"
	"iter"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"logkeep/internal/cli/client"
	"logkeep/internal/sample"
	"logkeep/internal/schema"
)

func ingestCommand(t terminal) *cobra.Command {
	var server connection
	var workspace, table string
	create := false
	c := &cobra.Command{
		Use: "ingest -w WORKSPACE -t TABLE FILE", Short: "Send the rows of a file: NDJSON or a JSON array; - is standard input",
		Long: "Send the rows of a file to a custom table, through a collection rule that leads there. If there is none,\none is made, with its endpoint, in the workspace's resource group.",
		Args: func(c *cobra.Command, args []string) error { return exactly(c, args, 1, "one file") },
		RunE: func(c *cobra.Command, args []string) error {
			if workspace == "" || table == "" {
				return usageError{errors.New("say where with --workspace NAME and --table NAME")}
			}
			if create && args[0] == "-" {
				return usageError{errors.New("--create needs a file: it reads the rows twice")}
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
			job := ingestJob{command: c, server: s, workspace: w, table: table, file: args[0], create: create}
			return job.run(t)
		},
	}
	server.flags(c)
	c.Flags().StringVarP(&workspace, "workspace", "w", "", "workspace: name, resource id or customer id")
	c.Flags().StringVarP(&table, "table", "t", "", "custom table, such as Orders_CL")
	c.Flags().BoolVar(&create, "create", false, "make the table from the rows if it does not exist")
	return c
}

type ingestJob struct {
	command     *cobra.Command
	server      *client.Server
	workspace   client.Workspace
	table, file string
	create      bool
	shape       *sample.Shape // how rows must change for a table that was made from them
}

func (j *ingestJob) run(t terminal) error {
	ctx := j.command.Context()
	table, err := j.server.Table(ctx, j.workspace, j.table)
	if f, ok := client.FailureOf(err); ok && f.Status == http.StatusNotFound {
		if !j.create {
			return fmt.Errorf("table %s %w in workspace %s; --create makes it from the rows", j.table, client.ErrNotFound, j.workspace.Name)
		}
		table, err = j.makeTable()
	}
	if err != nil {
		return err
	}
	target, found, err := j.server.FindTarget(ctx, j.workspace, j.table)
	if err == nil && !found {
		target, err = j.server.Collect(ctx, j.workspace, table, ruleName(j.workspace.Name, j.table))
	}
	if err != nil {
		return err
	}
	p := newProgress(t.err, 0)
	done, err := j.server.Upload(ctx, target, j.rows(), p.show)
	p.end(done)
	if err != nil {
		if done.Rows > 0 {
			return fmt.Errorf("%d rows are in, then: %w", done.Rows, err)
		}
		return err
	}
	_, err = fmt.Fprintf(t.out, "%d rows ingested into %s\n", done.Rows, j.table)
	return err
}

func (j *ingestJob) rows() iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for row, err := range sample.File(j.file, j.command.InOrStdin()) {
			if err == nil && j.shape != nil {
				row, err = j.shape.Fit(row)
			}
			if !yield(row, err) {
				return
			}
		}
	}
}

func (j *ingestJob) makeTable() (schema.Table, error) {
	j.shape = &sample.Shape{}
	for row, err := range sample.File(j.file, nil) {
		if err == nil {
			err = j.shape.Add(row)
		}
		if err != nil {
			return schema.Table{}, err
		}
	}
	table := schema.Table{Name: schema.TableName(j.table), Columns: j.shape.Columns()}
	return table, j.server.CreateTable(j.command.Context(), j.workspace, table)
}

// ruleName is a legal name for an endpoint and a rule, the same every time.
func ruleName(workspace, table string) string {
	name := strings.ToLower(strings.ReplaceAll("logkeep-"+workspace+"-"+strings.TrimSuffix(table, "_CL"), "_", "-"))
	return strings.Trim(name[:min(len(name), 44)], "-")
}
