// Package cli is the command line of Logkeep: what a person types, what it
// prints, and the exit code.
//
//	0 done · 1 failed · 2 usage · 3 not found · 4 denied · 5 the customer's key
//	is revoked · 6 it cannot be reached
//
// Results go to standard output, everything else to standard error. Commands
// that use a server go through its public APIs (package client); those that are
// a server (serve, vault, worker) are given from outside (Commands), so that
// this package knows no implementation.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/spf13/cobra"

	"logkeep/internal/cli/client"
)

// Commands are the commands that other packages carry out. A command that is
// nil does not exist.
type Commands struct {
	// Serve runs the server until ctx ends. It writes the line
	// "ready https://…" to out when it can be used.
	Serve func(ctx context.Context, settings Settings, out io.Writer) error
	// Vault and Worker run the two child processes with the arguments that
	// Serve gave them. They are hidden: nobody types them.
	Vault  func(ctx context.Context, args []string) error
	Worker func(ctx context.Context, args []string) error
	// RestoreIdentity has the server on dataDir give a cluster, by name or
	// resource id, a new identity.
	RestoreIdentity func(ctx context.Context, dataDir, cluster string, out io.Writer) error
	// Backup has the server on dataDir make a backup, or look after those in a
	// folder. Restore puts one back while no server runs.
	Backup  func(ctx context.Context, dataDir string, what BackupAction, folder, vault, name string, out io.Writer) error
	Restore func(ctx context.Context, r Restoration, out io.Writer) error
	// Check compares what lies at rest below dataDir with what the catalog says, and
	// takes what can't be read out of use if it is to repair.
	Check func(ctx context.Context, ask Checking, out io.Writer) error
	// Score measures the query language against a folder of cases. Hidden.
	Score func(dir string, out io.Writer, verbose bool) error
}

// The exit codes.
const (
	exitDone = iota
	exitFailed
	exitUsage
	exitNotFound
	exitDenied
	exitKeyRevoked
	exitKeyUnreachable
)

// A usageError is a mistake in what was typed.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// An exitError ends the command with a code and no further words.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// failed is a failure whatever lies beneath it.
type failed struct{ error }

func (f failed) Unwrap() error { return f.error }

// terminal is where a command reads and writes.
type terminal struct {
	in       io.Reader
	out, err io.Writer
}

// Run carries out one command line, without the program's name, and returns
// the exit code.
func Run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, commands Commands) int {
	t := terminal{stdin, stdout, stderr}
	root := &cobra.Command{
		Use:           "logkeep",
		Short:         "A log-analytics store whose key stays with you",
		Long:          "Logkeep ingests logs, answers KQL, and keeps every byte at rest under a key in your own vault.\nDisable the key and nothing can be read; enable it and everything is back.",
		Args:          noArgs,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetArgs(args)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w; see `%s --help`", err, c.CommandPath())}
	})
	root.CompletionOptions.HiddenDefaultCmd = true
	addServing(root, commands, t)
	root.AddCommand(demoCommand(t), ingestCommand(t), queryCommand(t), keyCommand(t), envCommand(t), hostsCommand(t))
	addSupport(root, commands, t)
	addBackup(root, commands, t)
	err := root.ExecuteContext(ctx)
	code := exitCode(err)
	if _, silent := errors.AsType[exitError](err); err != nil && !silent {
		fmt.Fprintf(stderr, "logkeep: %s\n", explain(err))
	}
	return code
}

func noArgs(c *cobra.Command, args []string) error { return exactly(c, args, 0, "nothing") }

func exactly(c *cobra.Command, args []string, n int, what string) error {
	switch {
	case len(args) == n:
		return nil
	case n == 0 && c.HasAvailableSubCommands():
		return usageError{fmt.Errorf("unknown command %q; see `%s --help`", args[0], c.CommandPath())}
	}
	return usageError{fmt.Errorf("`%s` takes %s, not %d arguments; see `%[1]s --help`", c.CommandPath(), what, len(args))}
}

// exitCode is the one place that joins errors and exit codes.
func exitCode(err error) int {
	if code, ok := errors.AsType[exitError](err); ok {
		return int(code)
	}
	if _, ok := errors.AsType[usageError](err); ok {
		return exitUsage
	}
	if _, ok := errors.AsType[failed](err); ok {
		return exitFailed
	}
	f, answered := client.FailureOf(err)
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, client.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		return exitNotFound
	case errors.Is(err, client.ErrNoIdentity), errors.Is(err, fs.ErrPermission):
		return exitDenied
	case !answered:
		return exitFailed
	case f.Code == client.KeyRevoked:
		return exitKeyRevoked
	case f.Code == client.KeyUnreachable:
		return exitKeyUnreachable
	case f.Status == http.StatusNotFound:
		return exitNotFound
	case f.Status == http.StatusUnauthorized, f.Status == http.StatusForbidden:
		return exitDenied
	}
	return exitFailed
}

// explain is err's text with the pages that the SDK prints about an answer cut
// down to what the answer says.
func explain(err error) string {
	text := err.Error()
	f, ok := client.FailureOf(err)
	if !ok {
		return text
	}
	short := fmt.Sprintf("%d %s", f.Status, f.Code)
	if f.Message != "" {
		short = f.Code + ": " + f.Message
	}
	long := ""
	if e, ok := errors.AsType[*azidentity.AuthenticationFailedError](err); ok {
		long = e.Error()
	} else if e, ok := errors.AsType[*azcore.ResponseError](err); ok {
		long = e.Error()
	}
	return strings.Replace(text, long, short, 1)
}

// A connection is the flags of every command that uses a server.
type connection struct{ where client.Where }

func (c *connection) flags(command *cobra.Command) {
	command.Flags().StringVar(&c.where.DataDir, "data-dir", "", "data directory of a server on this machine (LOGKEEP_DATA_DIR; default .logkeep)")
	command.Flags().StringVar(&c.where.URL, "url", "", "address of the server (LOGKEEP_URL; default what the data directory says, then "+client.DefaultURL+")")
}

func (c *connection) open(ctx context.Context, options client.Options) (*client.Server, error) {
	c.where.Getenv = os.Getenv
	return client.Open(ctx, c.where, options)
}

func oneOf(flag, value string, allowed ...string) error {
	for _, a := range allowed {
		if value == a {
			return nil
		}
	}
	return usageError{fmt.Errorf("--%s %q is none of %s", flag, value, strings.Join(allowed, ", "))}
}
