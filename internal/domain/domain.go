// Package domain knows which storage accounts a key domain has, and brings
// rows, queries and keys to the worker that holds them.
//
// A cluster has a fixed number of accounts, over which tables are spread; a
// workspace has one account of its own under the service's key. The workspace's
// account belongs to the domain "service" until the workspace is first linked,
// and to the cluster's domain from then on: so one worker holds all that a
// query over the workspace's history needs, and all of it goes dark together.
//
//	account                 sealed under                     holds
//	{clusterId}-{0..3}      the service's key, then the KEK  rows of linked workspaces
//	ws-{workspaceId}        the service's key                rows from before a link and after an unlink
//
// Domains is what the control plane, the keyring and the supervisor see of
// this: it implements control.Keys, control.Domains, keyring.Book,
// keyring.Workers and supervise.Host.
package domain

import (
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"logkeep/internal/catalog"
	"logkeep/internal/control"
	"logkeep/internal/kek"
	"logkeep/internal/keyring"
	"logkeep/internal/schema"
	"logkeep/internal/spool"
	"logkeep/internal/supervise"
	"logkeep/internal/tunnel"
	"logkeep/internal/worker/wire"
	"logkeep/internal/wrap"
)

// AccountsPerCluster is how many storage accounts a cluster has.
const AccountsPerCluster = 4

// Words of the catalog: kinds of accounts.
const (
	ofCluster = "cluster"
	ofService = "service"
)

// A Tokens gives tokens of principals, whoever they are, to the keeper.
type Tokens interface {
	TokenFor(ctx context.Context, objectID, audience string) (token string, expires time.Time, err error)
}

// A Service names what belongs to the installation and not to a customer.
type Service struct {
	Vault     string // URI of the service's own vault
	Key       string // name of the key that wraps what no customer key covers
	Principal string // object id of the identity that may use it
	Tenant    schema.TenantID
}

// ID is the service's key, newest version.
func (s Service) ID() kek.ID { return kek.ID{VaultURI: s.Vault, Name: s.Key} }

// A Config is what Domains stand on.
type Config struct {
	Catalog *catalog.Catalog
	Tokens  Tokens
	Policy  *tunnel.Policy
	Roots   *x509.CertPool
	Service Service

	Integrity *ecdsa.PublicKey // who signs what the catalog has of keys
	Signer    wrap.Signer      // that key

	Accounts string         // folder of all accounts' data
	Storage  *Storage       // nil: their segments and journals lie in that folder too
	Default  keyring.Policy // of clusters that set nothing of their own
	Now      func() time.Time
	Log      *slog.Logger
	Spool    int64                       // bytes that may wait for one cluster; 0: DefaultSpool
	Witness  Witness                     // nil: nobody outside is told how far the accounts have come
	Entries  map[schema.AccountID]uint64 // what a witness was told of the journals before this start
	Metrics  *Metrics                    // may be nil
	Revoked  func()                      // called when a key is, after its workers were killed; nil: nobody wants to know
}

// Domains is safe for concurrent use. Attach comes before anything else.
type Domains struct {
	cfg  Config
	sup  *supervise.Supervisor
	ring *keyring.Ring

	placing  sync.Mutex // held while accounts are made, moved or removed
	settling sync.Mutex // held while their folders are

	changes   changeLog // of manifests, for readers
	manifests manifests
	mu        sync.RWMutex
	holders   map[schema.ClusterID]control.Holder
	gates     map[schema.WorkspaceID]*sync.RWMutex
	shut      map[schema.AccountID]bool   // being moved or removed: no worker may open them
	entries   map[schema.AccountID]uint64 // of each journal, one that was acknowledged
	noted     map[string]time.Time        // when a reader's use of a key version was noted last, by domain
	spooled   map[schema.ClusterID]*spools

	certifying sync.Mutex
	writer     *spool.Writer // nil until it is needed

	cacheForgot time.Duration                           // that the last removal of a hot cache took
	dark        map[schema.ClusterID][]schema.ClusterID // key domains without hot cache, and whose keys were denied for it

	parsing     chan struct{}   // holds a token for each request that is being sealed
	importing   context.Context // ends with Close
	stopImports context.CancelFunc
	imports     sync.WaitGroup
}

// New returns Domains that know nothing yet.
func New(cfg Config) *Domains {
	importing, stop := context.WithCancel(context.Background())
	entries := maps.Clone(cfg.Entries)
	if entries == nil {
		entries = map[schema.AccountID]uint64{}
	}
	return &Domains{
		importing: importing, stopImports: stop, parsing: make(chan struct{}, parses),
		cfg:     cfg,
		holders: map[schema.ClusterID]control.Holder{},
		gates:   map[schema.WorkspaceID]*sync.RWMutex{},
		noted:   map[string]time.Time{},
		shut:    map[schema.AccountID]bool{},
		spooled: map[schema.ClusterID]*spools{},
		entries: entries,
	}
}

// Attach names the two that call back.
func (d *Domains) Attach(sup *supervise.Supervisor, ring *keyring.Ring) { d.sup, d.ring = sup, ring }

// Start has the service's key watched, and made first if there is none.
func (d *Domains) Start(ctx context.Context) error {
	c, err := d.service(ctx)
	if err != nil {
		return err
	}
	if err := d.ring.Watch(ctx, c); err != nil {
		return err
	}
	if d.ring.Status(c.ID).Setting.IsZero() {
		if err := d.ring.SetKey(ctx, c.ID, d.cfg.Service.ID()); err != nil {
			return fmt.Errorf("take the service's key into use: %w", err)
		}
	}
	return nil
}

// service is the service's key domain in the words of the ring.
func (d *Domains) service(ctx context.Context) (keyring.Cluster, error) {
	c := keyring.Cluster{ID: schema.ServiceCluster, Tenant: d.cfg.Service.Tenant, Identity: d.cfg.Service.Principal, Policy: d.cfg.Default}
	err := d.cfg.Catalog.View(ctx, func(tx *catalog.Tx) error {
		accounts, err := ownAccounts(ctx, tx, c.ID)
		for _, a := range accounts {
			c.Accounts = append(c.Accounts, a.ID)
		}
		return err
	})
	return c, err
}

// WatchRest watches the clusters that the control plane watches no key for:
// they go by the service's.
func (d *Domains) WatchRest(ctx context.Context) error {
	accounts, err := d.cfg.Catalog.Accounts(ctx, "")
	if err != nil {
		return err
	}
	for _, a := range accounts {
		if a.Kind != ofCluster || d.ring.Status(a.Domain).State != keyring.Unknown {
			continue
		}
		wraps, err := d.cfg.Catalog.Wraps(ctx, a.ID)
		if err != nil || len(wraps) == 0 {
			return err
		}
		first, err := wrap.DecodeRecord(wraps[0].Record)
		if err != nil {
			return err
		}
		if err := d.watch(ctx, control.Holder{Cluster: a.Domain, Tenant: first.Tenant}); err != nil {
			return err
		}
	}
	return nil
}

// watch tells the ring of a cluster.
func (d *Domains) watch(ctx context.Context, h control.Holder) error {
	c, err := d.known(ctx, h)
	if err != nil {
		return err
	}
	if err := d.openSpools(ctx, c.ID, c.Accounts); err != nil {
		return err
	}
	return d.ring.Watch(ctx, c)
}

// known is a cluster in the words of the ring.
func (d *Domains) known(ctx context.Context, h control.Holder) (keyring.Cluster, error) {
	d.mu.Lock()
	d.holders[h.Cluster] = h
	d.mu.Unlock()
	c := keyring.Cluster{ID: h.Cluster, Tenant: h.Tenant, Identity: h.Principal, Policy: d.policyOf(h.Settings), DoubleEncryption: h.DoubleEncryption}
	accounts, err := d.cfg.Catalog.Accounts(ctx, h.Cluster)
	if err != nil {
		return c, err
	}
	for _, a := range accounts {
		if a.Kind == ofCluster {
			c.Accounts = append(c.Accounts, a.ID)
		}
	}
	return c, nil
}

// policyOf reads a cluster's settings; what is not set has its default.
func (d *Domains) policyOf(s control.Settings) keyring.Policy {
	p := d.cfg.Default
	if s.ProbeInterval > 0 {
		p.Interval = s.ProbeInterval
		p.Timeout = min(p.Timeout, p.Interval)
	}
	if s.Lease > 0 {
		p.Lease = s.Lease
	}
	if s.OutageGrace > 0 {
		p.Grace = s.OutageGrace
	}
	return p
}

// serviceAccount is the id of a workspace's own account.
func serviceAccount(w schema.WorkspaceID) schema.AccountID { return schema.AccountID("ws-" + w) }

// clusterAccount is the account of a cluster that holds a table's rows. The
// choice is for ever: queries look there and nowhere else.
func clusterAccount(c schema.ClusterID, w schema.WorkspaceID, table schema.TableName) schema.AccountID {
	return clusterAccountAt(c, wire.Spread(w, table, AccountsPerCluster))
}

func clusterAccounts(c schema.ClusterID) (all []schema.AccountID) {
	for i := range AccountsPerCluster {
		all = append(all, clusterAccountAt(c, i))
	}
	return all
}

func clusterAccountAt(c schema.ClusterID, i int) schema.AccountID {
	return schema.AccountID(fmt.Sprintf("%s-%d", c, i))
}

// gate is what lets appends and queries of a workspace wait while its account moves.
func (d *Domains) gate(w schema.WorkspaceID) *sync.RWMutex {
	d.mu.Lock()
	defer d.mu.Unlock()
	g := d.gates[w]
	if g == nil {
		g = &sync.RWMutex{}
		d.gates[w] = g
	}
	return g
}

// name is how a cluster is called in messages.
func (d *Domains) name(c schema.ClusterID) string {
	if n := d.holder(c).Name; n != "" {
		return n
	}
	return string(c)
}

func (d *Domains) holder(c schema.ClusterID) control.Holder {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.holders[c]
}
