// Package vault is the Key Vault service process: the only holder of private
// keys. It serves two sockets that the keeper makes:
//
//	Data    TLS connections for *.vault.{Domain} and *.managedhsm.{Domain}, which
//	        the keeper splices unopened. Each begins with a line "PROXY {address}\n"
//	        with the client's address, or admin.TrustedAddress. keyface answers.
//	Admin   the keeper's calls (package admin): the server's certificate authority,
//	        token signing, reports, and the resource type Microsoft.KeyVault/vaults (armface).
//
// and calls the keeper back on a third to ask about roles and to tell of changes.
//
// Everything private is in vault.db, sealed under the root key (keystore): the
// customers' keys, the authority's and the token key, and the keys of the
// service's own vault. At the first start they are made, all in one transaction.
// The process never writes a key anywhere else, and no log holds one.
package vault

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"logkeep/internal/hostcert"
	"logkeep/internal/seal"
	"logkeep/internal/throttle"
	"logkeep/internal/vault/admin"
	"logkeep/internal/vault/armface"
	"logkeep/internal/vault/keyface"
	"logkeep/internal/vault/keystore"
)

// Config is what Run needs; Audit and Log may be nil.
type Config struct {
	Dir     string // of vault.db; made if it is not there
	Domain  string // such as logkeep.test
	Port    int    // that the server listens on: a part of every vault's address
	RootKey []byte // 32 bytes; cleared by Run

	Data   net.Listener
	Admin  net.Listener
	Keeper string // Unix socket of the keeper's callbacks

	Outside      bool            // the keeper trusts outside issuers: it is asked about tokens that are not this process's own
	Rate         throttle.Rate   // of requests to one vault; zero: any
	Certificates []hostcert.Pair // that clients get where they cover a vault's name, instead of those of the own authority

	Audit func(admin.Event) // gets every record before it is stored; its call waits, so it must be quick
	Log   *slog.Logger
}

// shutdownTimeout bounds how long calls under way may take when Run ends.
const shutdownTimeout = 5 * time.Second

// Run serves until ctx ends, and then finishes what is under way. It returns
// nil after that, and an error when the vault can't be opened or a socket fails.
// The listeners are closed in any case.
func Run(ctx context.Context, cfg Config) (err error) {
	defer cfg.Data.Close()
	defer cfg.Admin.Close()
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	root, err := seal.ImportKey(cfg.RootKey)
	if err != nil {
		return fmt.Errorf("the root key of the vault: %w", err)
	}
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return err
	}
	store, err := keystore.Open(ctx, dir, root)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	held, err := provision(ctx, store)
	if err != nil {
		return fmt.Errorf("prepare the vault in %s: %w", dir, err)
	}
	s, err := newService(cfg, store, held)
	if err != nil {
		return err
	}
	return s.run(ctx)
}

// service is the process when everything is open.
type service struct {
	cfg    Config
	keeper *admin.Callbacks
	trail  *trail
	keys   *keyface.Face
	admin  *http.Server
	data   *http.Server

	certificates *hostcert.Files
}

func newService(cfg Config, store *keystore.Store, held *held) (*service, error) {
	s := &service{cfg: cfg, keeper: admin.NewCallbacks(cfg.Keeper), trail: newTrail(store, cfg.Audit, cfg.Log)}
	s.keys = keyface.New(keyface.Config{
		Domain: cfg.Domain, Port: cfg.Port, Store: store,
		Verify: s.verifier(held.tokens), Authorize: s.authorize, Notice: s.notice, Audit: s.trail.add, Log: cfg.Log,
	})
	calls := armface.New(armface.Config{
		Domain: cfg.Domain, Port: cfg.Port, Store: store, Notice: s.notice, Audit: s.trail.add, Log: cfg.Log,
	}).Calls()
	maps.Copy(calls, s.keys.Calls())
	held.serve(calls)
	certificates := &renewing{authority: held.authority, names: []string{"*.vault." + cfg.Domain, "*.managedhsm." + cfg.Domain}}
	if _, err := certificates.get(nil); err != nil {
		return nil, fmt.Errorf("issue the vault's certificate: %w", err)
	}
	var err error
	if s.certificates, err = hostcert.Open(cfg.Certificates, cfg.Log); err != nil {
		return nil, err
	}
	errorLog := slog.NewLogLogger(cfg.Log.Handler(), slog.LevelDebug)
	s.admin = &http.Server{Handler: admin.Handler(cfg.Log, calls), ErrorLog: errorLog}
	s.data = &http.Server{
		Handler: throttled(throttle.NewMeter(cfg.Rate), s.keys), TLSConfig: s.tls(certificates), ErrorLog: errorLog, MaxHeaderBytes: 32 << 10,
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: 60 * time.Second,
		IdleTimeout: 2 * time.Minute, // clients reuse connections for so long
	}
	return s, nil
}

func (s *service) run(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	go s.certificates.Watch(ctx)
	var running, last sync.WaitGroup
	serve := func(name string, f func() error) {
		running.Go(func() {
			if err := f(); !errors.Is(err, http.ErrServerClosed) {
				stop(fmt.Errorf("serve the vault's %s socket: %w", name, err))
			}
		})
	}
	serve("admin", func() error { return s.admin.Serve(s.cfg.Admin) })
	serve("data", func() error { return s.data.ServeTLS(preceded{s.cfg.Data}, "", "") })
	running.Go(func() { s.keys.Tend(ctx) })
	trailCtx, endTrail := context.WithCancel(context.WithoutCancel(ctx))
	last.Go(func() { s.trail.run(trailCtx) })

	<-ctx.Done()
	patience, done := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer done()
	for _, server := range []*http.Server{s.data, s.admin} {
		if err := server.Shutdown(patience); err != nil {
			server.Close()
		}
	}
	running.Wait()
	endTrail() // nobody records any more
	last.Wait()
	s.keeper.Close()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}
