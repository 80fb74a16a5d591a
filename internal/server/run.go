package server

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"logkeep/internal/activity"
	"logkeep/internal/api"
	"logkeep/internal/audit"
	"logkeep/internal/catalog"
	"logkeep/internal/control"
	"logkeep/internal/dailycap"
	"logkeep/internal/disk"
	"logkeep/internal/domain"
	"logkeep/internal/entra"
	"logkeep/internal/front"
	"logkeep/internal/hostcert"
	"logkeep/internal/ingest"
	"logkeep/internal/kek"
	"logkeep/internal/keyring"
	"logkeep/internal/metrics"
	"logkeep/internal/query"
	"logkeep/internal/rbac"
	"logkeep/internal/schema"
	"logkeep/internal/supervise"
	"logkeep/internal/tunnel"
	"logkeep/internal/vault/admin"
	"logkeep/internal/witness"
	"logkeep/internal/worker/sandbox"
)

// Run serves until ctx ends, then stops in order. It returns nil after that.
func Run(ctx context.Context, cfg Config) (err error) {
	cfg.complete()
	if err := cfg.Policy.Validate(); err != nil {
		return err
	}
	if err := guard(cfg); err != nil {
		return err
	}
	var undo stack
	defer undo.run()

	dir, err := openFolder(cfg.DataDir)
	if err != nil {
		return err
	}
	undo.push(dir.close)
	rootKey, err := checkRootKey(cfg.RootKey, dir.path, cfg.Demo)
	if err != nil {
		return err
	}
	if err := dir.begin(); err != nil {
		return err
	}
	runtime, err := runtimeFolder(dir.path)
	if err != nil {
		return err
	}
	undo.push(func() { os.RemoveAll(runtime) })
	tcp, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", cfg.Listen, err)
	}
	undo.push(func() { tcp.Close() })
	port := tcp.Addr().(*net.TCPAddr).Port

	// The vault asks the keeper about roles before the keeper has any: until
	// then the answer is an error, which is neither yes nor no.
	var backs atomic.Pointer[callbacks]
	keeperSocket := filepath.Join(runtime, "keeper")
	if err := serveCallbacks(cfg, keeperSocket, &backs, &undo); err != nil {
		return err
	}
	v, err := startVault(ctx, append(cfg.Command[:len(cfg.Command):len(cfg.Command)], "vault"), runtime, vaultStart{
		Dir: dir.in("vault"), Domain: cfg.Domain, Port: port, RootKey: rootKey, Keeper: keeperSocket,
		Outside: len(cfg.Issuers) > 0, Certificates: cfg.Certificates, Memory: divide(cfg.Memory).vault,
		Rate: cfg.vaultRate(),
	}, cfg.Log)
	if err != nil {
		return err
	}
	undo.push(v.stop)
	roots, ca, err := authority(ctx, v, dir, cfg.VaultRoots)
	if err != nil {
		return err
	}
	cat, err := catalog.Open(ctx, dir.in("catalog.db"))
	if err != nil {
		return err
	}
	undo.push(func() { cat.Close() })
	state, err := findState(ctx, cat, v)
	if err != nil {
		return err
	}
	if err := bootstrap(ctx, cat, dir); err != nil {
		return err
	}

	issuer := entra.NewIssuer(cat, v, "https://"+net.JoinHostPort(cfg.Domain, strconv.Itoa(port)), entra.Principal{
		ObjectID: admin.ServicePrincipal, AppID: admin.ServicePrincipal, Tenant: admin.ServiceTenant, Kind: entra.FirstParty, Name: "the service itself",
	})
	gate, err := newGate(ctx, cfg, port, issuer, cat)
	if err != nil {
		return err
	}
	access := rbac.New(roleBook{cat, func() {
		if b := backs.Load(); b != nil {
			b.ring.Notice("", "") // a role that is gone may be what a cluster used its key by
		}
	}})
	policy := &tunnel.Policy{
		BuiltIn: []string{"vault." + cfg.Domain, "managedhsm." + cfg.Domain}, Internal: v.dial,
		Outside: &kek.Guard{Suffixes: cfg.Vaults},
	}
	clock, err := keyring.BootClock()
	if err != nil {
		return err
	}
	tokens := tokens{issuer}
	clients := visits{linger: 2 * time.Second}
	accounts, storage, err := openStorage(ctx, cfg, dir, &undo)
	if err != nil {
		return err
	}
	integrity, sign, err := integrityKey(ctx, tokens, policy, roots, cfg.Domain)
	if err != nil {
		return err
	}
	undo.push(sign.client.Close)
	var domains *domain.Domains
	observer, told, err := observe(ctx, cfg, state, cat, dir, roots, witness.Config{
		Key: integrity, Sign: func(ctx context.Context, m []byte) ([]byte, error) { return sign.Sign(ctx, sha256.Sum256(m)) },
		Collect: func(ctx context.Context) (witness.Statement, error) { return collect(ctx, cat, v, domains) },
	})
	if err != nil {
		return fmt.Errorf("%w%s", err, dir.restoredWords())
	}
	var counts metrics.Set
	observed := domain.NewMetrics(&counts)
	domainConfig := domain.Config{
		Metrics:   observed,
		Integrity: integrity, Signer: sign, Spool: cfg.Spool,
		Revoked: clients.end, Entries: entriesOf(told),
		Catalog: cat, Tokens: tokens, Policy: policy, Roots: roots, Accounts: accounts, Storage: storage, Now: clock, Log: cfg.Log, Default: cfg.Policy,
		Service: domain.Service{
			Vault: "https://" + admin.ServiceVault + ".vault." + cfg.Domain, Key: admin.WrapKey,
			Principal: admin.ServicePrincipal, Tenant: admin.ServiceTenant,
		},
	}
	if observer != nil {
		domainConfig.Witness = witnessing{observer}
	}
	domains = domain.New(domainConfig)
	if observer != nil { // before any worker can change something
		if err := observer.Tell(ctx); err != nil && (told.Number == 0 || cfg.WitnessAccept != "") {
			return err
		}
		witnessGauges(&counts, observer)
		observer.Start()
		undo.push(observer.Close)
	}
	if len(cfg.Vaults) > 0 {
		ca = append(append(ca, '\n'), systemRoots()...)
	}
	signer, err := x509.MarshalPKIXPublicKey(integrity)
	if err != nil {
		return fmt.Errorf("internal error: the integrity key can't be written: %w", err)
	}
	sup := supervise.New(supervise.Config{
		Command: append(cfg.Command[:len(cfg.Command):len(cfg.Command)], "worker"), Runtime: runtime, Accounts: accounts,
		Service: "https://" + admin.ServiceVault + ".vault." + cfg.Domain, Roots: ca, Signer: signer,
		Memory: divide(cfg.Memory).workers, Flush: cfg.Flush, Policy: policy, Host: domains, Now: clock, Log: cfg.Log, Revoked: observed.Revoked,
	})
	ring, err := keyring.New(keyring.Config{
		Book: domains, Workers: domains, Open: domains.Open, Integrity: integrity, Now: clock, Log: cfg.Log, Observe: observed,
	})
	if err != nil {
		return err
	}
	domains.Attach(sup, ring)
	domains.Gauges(&counts)
	undo.push(sup.Close)
	undo.push(domains.Close)
	undo.push(ring.Close)
	backs.Store(&callbacks{access: access, ring: ring, gate: gate, catalog: cat})
	if err := domains.Start(ctx); err != nil {
		return err
	}
	journal := activity.Start(cat, domains, cfg.Log)
	undo.push(journal.Close)
	undo.push(activity.Forgetting(cat, domains, cfg.Log))
	plane := control.New(control.Config{
		Ended:   api.Ended(journal.End),
		Catalog: cat, Keys: domains, Domains: domains, Texts: domains, Vaults: located{v, cat}, Log: cfg.Log, Check: ingest.Check, KeyHost: keyHost(policy),
		Limits: control.Limits{
			DoubleEncryption: cfg.DoubleEncryption,
			OutageGrace:      cfg.Policy.Grace, ProbeInterval: cfg.Policy.Interval, ProbeTimeout: cfg.Policy.Timeout, Lease: cfg.Policy.Lease,
		},
	})
	if err := plane.Start(ctx); err != nil {
		return err
	}
	undo.push(plane.Close)
	support := filepath.Join(runtime, "support")
	local, err := disk.OpenReadOnly(accounts)
	if err != nil {
		return err
	}
	undo.push(func() { local.Close() })
	backups := &backups{dir: dir.path, runtime: runtime, catalog: cat, vault: v, accounts: local, storage: storage, domains: domains, key: integrity, sign: sign, log: cfg.Log}
	if err := serveSupport(cfg, support, plane, backups, &undo); err != nil {
		return err
	}
	if err := domains.WatchRest(ctx); err != nil {
		return err
	}
	undo.push(audit.Start(v, plane, cat, domains, cfg.Log).Close)
	// Ready means that every key whose vault answers can be used.
	patience, done := context.WithTimeout(ctx, cfg.Policy.Timeout)
	ring.Heard(patience)
	done()

	caps, err := dailycap.Start(ctx, domains, cat, cfg.Log)
	if err != nil {
		return err
	}
	undo.push(caps.Close)
	files, err := cfg.files()
	if err != nil {
		return err
	}
	rows := ingester{ingest.New(plane, caps)}
	rows.Start(cfg.Log)
	undo.push(rows.Close)
	faces := api.New(api.Deps{
		Sandbox: sandbox.Probe().String(),
		Domain:  cfg.Domain, Port: port, Log: cfg.Log, Tokens: gate, Access: access,
		Identity: api.Identity{Issuer: issuer, Roles: access, Catalog: cat, Vaults: v, Outside: gate.Outside, Login: gate.login()},
		Control:  plane, Vaults: v,
		Ingest: rows, Collector: rows, Shared: v, Query: querier{query.New(plane, domains, journal, files)},
		Activity: journal, Throttling: cfg.throttling(), Evidence: domains, Reports: v, Metrics: counts.Write, Caps: caps,
	})
	return serve(ctx, cfg, dir, tcp, v, faces, issuer, cat, support, &clients)
}

// A stack undoes what was done, last first.
type stack []func()

func (s *stack) push(f func()) { *s = append(*s, f) }

func (s *stack) run() {
	for i := len(*s) - 1; i >= 0; i-- {
		(*s)[i]()
	}
	*s = nil
}

// callbacks are what the vault asks and tells.
type callbacks struct {
	access  *rbac.Authority
	ring    *keyring.Ring
	gate    *gate
	catalog *catalog.Catalog
}

func serveCallbacks(cfg Config, socket string, backs *atomic.Pointer[callbacks], undo *stack) error {
	l, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	authorize := func(ctx context.Context, q admin.Question) (bool, error) {
		b := backs.Load()
		if b == nil {
			return false, errors.New("the server is starting")
		}
		who := rbac.Caller{Tenant: schema.TenantID(q.Tenant), ObjectID: q.ObjectID, AppID: q.AppID}
		if len(cfg.Issuers) > 0 {
			// The vault has verified the token, or had it verified by identify.
			if p, err := b.catalog.Principal(ctx, q.ObjectID); err == nil && p.Kind == entra.Outsider {
				who.Outside = "the vault"
			}
		}
		return b.access.Decide(ctx, who, q.Action, true, q.Scope)
	}
	notice := func(_ context.Context, n admin.Notice) {
		switch n.What {
		case admin.KeyNearExpiry:
			cfg.Log.Warn("a key will expire soon; extend it or make a new version", "vault", n.VaultURI, "key", n.Key, "version", n.Version)
			return
		case admin.KeyExpired:
			cfg.Log.Warn("a key has expired: it still opens what it protects, and protects nothing new", "vault", n.VaultURI, "key", n.Key, "version", n.Version)
			return
		}
		b := backs.Load()
		if b != nil {
			b.ring.Notice(n.VaultURI, n.Key)
		}
	}
	identify := func(ctx context.Context, token string) (admin.Claims, error) {
		b := backs.Load()
		if b == nil {
			return admin.Claims{}, errors.New("the server is starting")
		}
		return b.gate.identify(ctx, token)
	}
	s := &http.Server{Handler: admin.CallbackHandler(cfg.Log, authorize, notice, identify)}
	go s.Serve(l)
	undo.push(func() { s.Close() })
	return nil
}

// authority fetches the certificate of the server's own authority and puts it
// where people find it.
//
// The roots, as a pool and as PEM, are it and those that vouch for vaults elsewhere.
func authority(ctx context.Context, v *vaultProcess, dir *folder, others []byte) (roots *x509.CertPool, all []byte, err error) {
	var ca []byte
	if ca, err = v.CA(ctx); err != nil {
		return nil, nil, err
	}
	if roots, err = x509.SystemCertPool(); err != nil {
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM(ca) {
		return nil, nil, errors.New("internal error: the authority's certificate is no PEM")
	}
	if len(others) > 0 && !roots.AppendCertsFromPEM(others) {
		return nil, nil, errors.New("vault-roots holds no certificate in PEM form")
	}
	return roots, append(ca[:len(ca):len(ca)], others...), writeFile(dir.in("tls", "ca.pem"), ca, 0o644)
}

// bootstrap makes the administrator of a new catalog.
func bootstrap(ctx context.Context, cat *catalog.Catalog, dir *folder) error {
	_, _, err := cat.Bootstrap(ctx, func(a catalog.Administrator) error {
		text, err := json.MarshalIndent(a, "", "  ")
		if err != nil {
			return err
		}
		return writeFile(dir.in("bootstrap.json"), append(text, '\n'), 0o600)
	})
	return err
}

// tokens gives the keeper tokens of any principal.
type tokens struct{ issuer *entra.Issuer }

func (t tokens) TokenFor(ctx context.Context, objectID, audience string) (string, time.Time, error) {
	token, err := t.issuer.TokenFor(ctx, objectID, audience)
	return token.Text, token.Expires, err
}

// keyHost tells the control plane which vaults a tenant may name.
func keyHost(p *tunnel.Policy) func(string) bool {
	return func(host string) bool { return p.Allowed("https://"+host) == nil }
}

// serve opens the doors and waits.
func serve(ctx context.Context, cfg Config, dir *folder, tcp net.Listener, v *vaultProcess, faces http.Handler, issuer *entra.Issuer, cat *catalog.Catalog, support string, clients *visits) error {
	own, err := hostcert.Open(cfg.Certificates, cfg.Log)
	if err != nil {
		return err
	}
	cert := &certificates{vault: v, names: serverNames(cfg.Domain, cfg.Listen), own: own}
	if err := cert.renew(ctx); err != nil {
		return err
	}
	doors := front.Listen(tcp, func(name string) (func(context.Context) (net.Conn, error), bool) {
		return v.splice, name != "" && (strings.HasSuffix(name, ".vault."+cfg.Domain) || strings.HasSuffix(name, ".managedhsm."+cfg.Domain))
	})
	quiet := cfg.quiet()
	main := &http.Server{
		Handler: clients.handler(faces), ErrorLog: quiet, MaxHeaderBytes: 64 << 10, ConnState: clients.state, ConnContext: clients.context,
		ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		TLSConfig: speaking(&tls.Config{GetCertificate: cert.get, MinVersion: tls.VersionTLS12}, cfg.Domain),
	}
	servers := map[*http.Server]func() error{main: func() error { return main.ServeTLS(doors, "", "") }}
	imdsURL := ""
	if cfg.IMDS != "off" {
		l, err := net.Listen("tcp", cfg.IMDS)
		switch {
		case errors.Is(err, syscall.EADDRINUSE) && cfg.IMDS == defaultIMDS: // nobody asked for this one: a second server on the machine does without
			cfg.Log.Warn("there is no managed-identity endpoint: another program, maybe another server, has its port; choose another address with --imds, or off", "address", cfg.IMDS)
		case err != nil:
			return fmt.Errorf("listen for the managed-identity endpoint on %s (choose another with --imds, or off): %w", cfg.IMDS, err)
		default:
			imdsURL = "http://" + l.Addr().String()
			imds := &http.Server{Handler: api.HostIdentity{Issuer: issuer, Catalog: cat, Identities: cfg.Identities, Header: cfg.IdentityHeader, Log: cfg.Log}.Handler(), ErrorLog: quiet, ReadHeaderTimeout: 10 * time.Second}
			servers[imds] = func() error { return imds.Serve(l) }
		}
	}
	group, gctx := errgroup.WithContext(ctx)
	for _, run := range servers {
		group.Go(func() error { return stopped(run()) })
	}
	group.Go(func() error { cert.keep(gctx); return nil })
	group.Go(func() error { forget(gctx); return nil })
	group.Go(func() (ended error) {
		// Nothing can go on without the vault: not a token, not a lease. Who
		// started this server starts it again.
		select {
		case <-v.gone:
			ended = v.err
		case <-gctx.Done():
		}
		patience, done := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer done()
		for s := range servers {
			if s.Shutdown(patience) != nil {
				s.Close()
			}
		}
		return ended
	})
	if err := announce(cfg, dir, tcp, imdsURL, support); err != nil {
		return err
	}
	return group.Wait()
}

func stopped(err error) error {
	if errors.Is(err, http.ErrServerClosed) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// announce writes where the server is and says that it is ready.
func announce(cfg Config, dir *folder, l net.Listener, imds, support string) error {
	at := l.Addr().(*net.TCPAddr)
	url := "https://" + net.JoinHostPort("localhost", strconv.Itoa(at.Port))
	text, err := json.Marshal(endpoint{URL: url, IMDS: imds, Support: support})
	if err != nil {
		return err
	}
	text = append(text, '\n')
	err = writeFile(dir.in("endpoint"), text, 0o644)
	if errors.Is(err, syscall.ENOSPC) { // the old one is wrong anyway, and its room is enough
		err = errors.Join(os.Remove(dir.in("endpoint")), writeFile(dir.in("endpoint"), text, 0o644))
	}
	if errors.Is(err, syscall.ENOSPC) {
		cfg.Log.Warn("the disk is full: commands on this machine find the server by --url only", "url", url, "error", err)
	} else if err != nil {
		return err
	}
	if cfg.Out != nil {
		fmt.Fprintf(cfg.Out, "ready %s\n", url)
	}
	return nil
}
