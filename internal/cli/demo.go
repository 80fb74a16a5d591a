package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"logkeep/internal/canary"
	"logkeep/internal/cli/client"
	"logkeep/internal/cli/walk"
)

func demoCommand(t terminal) *cobra.Command {
	d := demo{terminal: t}
	c := &cobra.Command{
		Use: "demo [FILE...]", Short: "Walk the main job: key, logs, query, disable, enable, rotate",
		Long: "Walk the main job against a server that is started in a temporary folder, or with --url or --data-dir\nagainst one that runs. Every step is checked; the last line is one JSON object with what was measured.\n\nThe logs are real lines of this machine and a generated sample, or the rows of the given files\n(NDJSON or JSON arrays).",
		RunE: func(c *cobra.Command, files []string) error { return d.run(c, files) },
	}
	d.server.flags(c)
	c.Flags().BoolVar(&d.keep, "keep", false, "leave the temporary folder for inspection")
	c.Flags().IntVar(&d.generated, "rows", 20_000, "rows to generate beside the real ones")
	c.Flags().StringVar(&d.logs, "logs", "/var/log", "folder of this machine's logs")
	c.Flags().StringVarP(&d.output, "output", "o", "text", "text, or json: nothing but the last line on standard output")
	return c
}

type demo struct {
	terminal
	server       connection
	keep         bool
	generated    int
	logs, output string
}

func (d *demo) run(c *cobra.Command, files []string) error {
	if err := oneOf("output", d.output, "text", "json"); err != nil {
		return err
	}
	ctx := c.Context()
	steps := d.out
	if d.output == "json" {
		steps = d.err
	}
	rows := walk.Rows{}
	if len(files) > 0 {
		var err error
		if rows, err = walk.Given(files); err != nil {
			return err
		}
	} else {
		rows = walk.Sampled(ctx, d.logs, d.generated)
	}
	config := walk.Config{Rows: rows, Show: &show{steps: steps, progress: d.err}}
	own := d.server.where.URL == "" && d.server.where.DataDir == ""
	if own {
		executable, err := os.Executable()
		if err != nil {
			return err
		}
		start := time.Now()
		server, err := walk.Serve(ctx, executable)
		if err != nil {
			return err
		}
		defer d.tidy(steps, server)
		d.server.where.DataDir = server.DataDir
		d.server.where.URL = server.URL
		config.Folder, config.Kill = server.Folder, server.Kill
		config.Show.Step(time.Since(start), "server: %s in %s; the root key lies beside the data there, which only a demo may do", server.URL, server.Folder)
	} else {
		config.Again = len(files) == 0
		if _, err := os.Stat(d.server.where.DataDir); err == nil {
			config.Folder = d.server.where.DataDir
		}
	}
	s, err := d.server.open(ctx, client.Options{})
	if err != nil {
		return err
	}
	defer s.Close()
	config.Server = s
	result, made, err := walk.Run(ctx, config)
	line, jsonErr := json.Marshal(result)
	if !own && err == nil {
		d.goOn(steps, made)
	}
	fmt.Fprintf(d.out, "%s\n", line)
	if err = errors.Join(err, jsonErr); err != nil {
		return failed{err} // a revoked key in the wrong place is a walk that failed, no more
	}
	return nil
}

// goOn tells what a person can do next with what the walk has made.
func (d *demo) goOn(steps io.Writer, made walk.Made) {
	where := ""
	if dir := d.server.where.DataDir; dir != "" {
		where = " --data-dir " + quote(dir)
	} else if url := d.server.where.URL; url != "" {
		where = " --url " + quote(url)
	}
	program := os.Args[0]
	fmt.Fprintf(steps, "Go on with:\n    %s query%s -w %s '%s'\n    %s key status%s %s\n", program, where, made.Workspace, made.Query, program, where, made.Cluster)
}

// tidy ends the server and removes its folder, or says where it is.
func (d *demo) tidy(steps io.Writer, server *walk.OwnServer) {
	server.Kill()
	if d.keep {
		fmt.Fprintf(d.err, "kept: %s\n", server.Folder)
		return
	}
	if err := server.Remove(); err != nil {
		fmt.Fprintf(d.err, "logkeep: remove %s: %v\n", server.Folder, err)
	}
}

// show prints the walk.
type show struct {
	steps, progress io.Writer
	number          int
	bar             *progress
}

func (s *show) Step(took time.Duration, format string, args ...any) {
	if s.bar != nil {
		s.bar.end(client.Uploaded{})
		s.bar = nil
	}
	s.number++
	fmt.Fprintf(s.steps, "%2d  %7s  %s\n", s.number, took.Round(time.Millisecond), fmt.Sprintf(format, args...))
}

func (s *show) Upload(total int) func(client.Uploaded) {
	s.bar = newProgress(s.progress, total)
	return s.bar.show
}

func (s *show) Found(hit canary.Hit) { fmt.Fprintf(s.steps, "    PLAINTEXT  %s\n", hit) }
