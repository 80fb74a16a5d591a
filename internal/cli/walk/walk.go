// Package walk is the main job of Logkeep, done from the outside: a person makes
// a key, puts logs under it, queries them, disables the key and sees everything
// go dark, enables it and sees everything back, rotates it and loses nothing.
//
// Each step checks what it claims; the first that does not hold ends the walk.
// Everything goes through the public APIs with the official SDK clients, retries
// off. Only three things look behind them, on the server's own machine: whether
// the worker's process is gone, whether any file holds a canary in the clear,
// and, for a server that the walk started itself, the SIGKILL at the end.
package walk

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"logkeep/internal/canary"
	"logkeep/internal/cli/client"
	"logkeep/internal/schema"
)

// Result is what the walk measured. Its JSON is the last line of `logkeep demo`.
type Result struct {
	RowsIngested          int    `json:"rowsIngested"`
	RowsQueried           int    `json:"rowsQueried"`
	RevokedAfterMs        int64  `json:"revokedAfterMs"` // from the vault's answer until the worker's process was gone
	QueryWhileRevoked     string `json:"queryWhileRevoked"`
	IngestWhileRevoked    string `json:"ingestWhileRevoked"`
	RestoredAfterMs       int64  `json:"restoredAfterMs"` // from the vault's answer until a query succeeded
	RowsAfterRestore      int    `json:"rowsAfterRestore"`
	RotatedTo             string `json:"rotatedTo"` // the new version of the key
	RowsAfterRotation     int    `json:"rowsAfterRotation"`
	OldVersionStillNeeded bool   `json:"oldVersionStillNeeded"`
	PlaintextHits         int    `json:"plaintextHits"`
}

// Config says where to walk and with what.
type Config struct {
	Server *client.Server
	Rows   Rows
	Again  bool   // go on with what an earlier walk made on this server, if there is any
	Folder string // whose files must show no canary; "" if they are not on this machine
	Kill   func() // ends everything that works on Folder with SIGKILL; nil leaves the server alone
	Show   Show
}

// Show is told of every step. It prints.
type Show interface {
	Step(took time.Duration, format string, args ...any) // one line, when the step has held
	Upload(total int) func(client.Uploaded)              // progress; called last when all is sent
	Found(hit canary.Hit)                                // plaintext where there must be none
}

// A walker is a walk on its way: what it has made so far.
type walker struct {
	Config
	Result
	name       string // of everything it makes: unique
	location   string
	rowCanary  string // in every row
	textCanary string // in every query's text
	scanner    *canary.Scanner

	vaultID, vaultURI string
	key               string // its newest version
	clusterID         string
	workspace         client.Workspace
	table             schema.Table
	target            client.Target
}

// Made tells what the walk left on the server, for whoever wants to go on.
type Made struct {
	Workspace, Cluster, Vault string
	Query                     string // a first one to try
}

// Run walks. The Result holds what was measured until the walk ended.
func Run(ctx context.Context, config Config) (Result, Made, error) {
	w := &walker{
		Config: config, location: "westeurope",
		name:      namePrefix + strings.ToLower(rand.Text()[:8]),
		rowCanary: canary.New(), textCanary: canary.New(),
	}
	w.table = schema.Table{Name: "DemoLogs_CL", Columns: append(config.Rows.Columns, schema.Column{Name: canaryColumn, Type: schema.String})}
	var err error
	if w.scanner, err = canary.NewScanner(w.rowCanary, w.textCanary); err != nil {
		return Result{}, Made{}, err
	}
	if config.Again {
		if err := w.goOn(ctx); err != nil {
			return Result{}, Made{}, err
		}
	}
	for _, step := range []func(context.Context) error{
		w.makeGroup, w.makeVault, w.makeCluster, w.grantCluster, w.setKey,
		w.makeWorkspace, w.makeTable, w.link,
		w.ingest, w.query, w.scanAlive,
		w.revoke, w.lookWhileRevoked, w.restore,
		w.rotate, w.dropOldVersion,
		w.scanDead,
	} {
		if err := step(ctx); err != nil {
			return w.Result, w.made(), err
		}
	}
	return w.Result, w.made(), nil
}

// namePrefix begins the name of everything that a walk makes.
const namePrefix = "demo-"

// goOn takes the name of an earlier walk whose cluster serves. A subscription
// has few clusters, and the names of deleted ones are reserved for weeks.
func (w *walker) goOn(ctx context.Context) error {
	clusters, err := w.Server.Clusters(ctx)
	if err != nil {
		return fmt.Errorf("look for an earlier walk: %w", err)
	}
	for _, c := range clusters {
		if strings.HasPrefix(c.Name, namePrefix) && c.Logkeep.KeyState.State == "Active" {
			w.name = c.Name
		}
	}
	return nil
}

func (w *walker) made() Made {
	query := string(w.table.Name) + " | take 5"
	if _, ok := w.table.Column("Source"); ok {
		query = string(w.table.Name) + " | summarize Rows = count() by Source | sort by Rows desc"
	}
	return Made{Workspace: w.name, Cluster: w.name, Vault: w.name, Query: query}
}

// step times do and, if it held, shows one line. What do returns is its text.
func (w *walker) step(ctx context.Context, limit time.Duration, what string, do func(context.Context) (string, error)) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	start := time.Now()
	text, err := do(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	w.Show.Step(time.Since(start), "%s: %s", what, text)
	return nil
}

// The longest a step may take. Waits for the key have the bounds of the blueprint
// and room for a slow machine.
const (
	stepLimit   = time.Minute
	uploadLimit = time.Hour
	scanLimit   = 10 * time.Minute
)

// countQuery counts the rows of the walk; both canaries are in its text.
func (w *walker) countQuery() string {
	return fmt.Sprintf("%s | where %s == %q and %s != %q | count", w.table.Name, canaryColumn, w.rowCanary, canaryColumn, w.textCanary)
}

func (w *walker) count(ctx context.Context) (int, error) {
	return w.Server.Count(ctx, w.workspace.CustomerID, w.countQuery())
}

// countAll counts and insists on every ingested row.
func (w *walker) countAll(ctx context.Context) (int, error) {
	n, err := w.count(ctx)
	if err == nil && n != w.RowsIngested {
		err = fmt.Errorf("%d rows where %d were ingested", n, w.RowsIngested)
	}
	return n, err
}

// Every tries do until it succeeds, and returns what it last failed with when
// ctx ends. It never waits before the first try.
func Every(ctx context.Context, pause time.Duration, do func() error) error {
	for {
		err := do()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not in time: %w", err)
		case <-time.After(pause):
		}
	}
}
