package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"logkeep/internal/entra"
	"logkeep/internal/hostcert"
	"logkeep/internal/kek"
	"logkeep/internal/keyring"
	"logkeep/internal/outside"
	"logkeep/internal/server"
	"logkeep/internal/worker"
	"logkeep/internal/worker/wire"
)

// TestMain lets this binary be every process of a server: the children that a
// keeper inside a test starts, and a keeper that a test can kill.
func TestMain(m *testing.M) {
	role := ""
	if len(os.Args) > 1 {
		role = os.Args[1]
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	ctx := context.Background()
	switch role {
	case "vault":
		end(server.RunVault(ctx, os.Stdin, log))
	case "worker":
		end(worker.Run(ctx, os.Stdin, log))
	case "keeper":
		if err := server.Erase(); err != nil {
			end(err)
		}
		ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM)
		defer stop()
		var s setting
		if err := json.NewDecoder(os.Stdin).Decode(&s); err != nil {
			end(err)
		}
		c := s.config()
		c.Out, c.Log = os.Stdout, log
		end(server.Run(ctx, c))
	}
	net.DefaultResolver = names.resolver()
	// The tests mostly wait for other processes.
	if err := flag.Set("test.parallel", "6"); err != nil {
		end(err)
	}
	code := m.Run()
	removePrepared()
	os.Exit(code)
}

func end(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// A setting is what differs between the servers of the tests; it can be sent
// to another process.
type setting struct {
	DataDir, RootKey, Listen string
	Witness, WitnessAccept   string
	Policy                   keyring.Policy
	Flush                    wire.Flush
	Spool                    int64
	Storage                  string
	Memory                   int64
	Vaults                   []kek.Suffix
	VaultRoots               []byte
	External                 []outside.Host
	ExternalRoots            []byte

	Issuers      []entra.Trust
	IssuerRoots  []byte
	Admins       []string
	Closed       bool
	Certificates []hostcert.Pair
	Doubles      []string // regions with double encryption; nil: all
}

// quick are the shortest bounds that a policy may have.
var quick = keyring.Policy{Interval: keyring.MinInterval, Timeout: time.Second, Lease: 2*keyring.MinInterval + time.Second, Grace: time.Hour}

func (s setting) config() server.Config {
	exe, err := os.Executable()
	if err != nil {
		panic(err)
	}
	if s.Listen == "" {
		s.Listen = "127.0.0.1:0"
	}
	if s.Policy == (keyring.Policy{}) {
		s.Policy = quick
	}
	return server.Config{
		DataDir: s.DataDir, RootKey: s.RootKey, Listen: s.Listen, IMDS: "off", Policy: s.Policy, Flush: s.Flush, Spool: s.Spool, Storage: s.Storage, Vaults: s.Vaults, VaultRoots: s.VaultRoots, Swap: server.WarnOfSwap,
		Witness: s.Witness, WitnessAccept: s.WitnessAccept,
		Memory: s.Memory, Command: []string{exe},
		Issuers: s.Issuers, IssuerRoots: s.IssuerRoots, Admins: s.Admins, Closed: s.Closed, External: s.External, ExternalRoots: s.ExternalRoots, Certificates: s.Certificates, DoubleEncryption: s.Doubles,
	}
}

var errNotYet = errors.New("not yet")

// eventually tries until it works. The limit is for a machine that is busy.
func eventually(t *testing.T, limit time.Duration, what string, try func() error) {
	t.Helper()
	var err error
	for end := time.Now().Add(limit); ; {
		if err = try(); err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s: not within %s: %v", what, limit, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
