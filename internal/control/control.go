// Package control is the control plane: clusters and the keys on them,
// workspaces and their links, tables, collection endpoints and rules.
//
// It owns the rules: who may be changed in which state, what may change
// together, what is reserved and for how long. It knows nothing of HTTP. Every
// error that it returns is a *fault.Error, or an internal error.
//
// # Long work
//
// What takes longer than a transaction is an operation: the wish and the
// operation are written in one transaction, the work is done, and its outcome
// and the operation's end are written in another. The work of every kind of
// operation can be done again from the beginning, so that Start finishes after
// a restart what was begun before it. A resource with a running operation
// refuses others.
//
// # Keys
//
// A key is set in the order of checks that callers are promised: the form of
// the request, the cluster's state, its identity, region and tenant of the
// vault, then what the vault says of the key. All of it happens before the
// operation starts; a request that is refused has changed nothing.
package control

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"logkeep/internal/catalog"
	"logkeep/internal/fault"
	"logkeep/internal/kek"
	"logkeep/internal/purge"
	"logkeep/internal/resource"
	"logkeep/internal/schema"
)

// A Holder is a cluster as its vault meets it.
type Holder struct {
	Cluster   schema.ClusterID
	Name      string // for messages
	Tenant    schema.TenantID
	Principal string // object id of the identity; "" if it was removed: then the key is revoked
	Settings  Settings

	DoubleEncryption bool // accounts that it is given are sealed twice
}

// KeyStatus is what is known of a cluster's key.
type KeyStatus struct {
	State      string // Active, Riding, Unreachable, Revoked, Damaged
	Reason     string
	Since      time.Time
	LastUnwrap time.Time
	NextProbe  time.Time
	Version    string    // that wraps new keys now
	Expires    time.Time // of that version; zero if it has no end, or none is known

	Spool *SpoolStatus // nil if there is nothing in it
}

// A SpoolStatus tells of rows that were accepted while the key could not be used.
type SpoolStatus struct {
	Batches int64
	Rows    int64
	Bytes   int64     // sealed
	Since   time.Time // when the oldest came; zero if none waits

	AsideBatches int64 // that could not be imported and are kept
	AsideBytes   int64
}

// Keys keeps the keys of clusters. SetKey, ClearKey, Watch and Forget may be
// called again with the same arguments and then change nothing.
type Keys interface {
	// Check tells whether the key, if it is an RSA key with that many bits at
	// least, could be set: *kek.Unfit or *kek.Silent.
	Check(ctx context.Context, h Holder, id kek.ID, bits int32) error
	// SetKey puts the cluster's keys under the KEK and watches it; those of
	// data from before only if the settings say that they are to be covered.
	SetKey(ctx context.Context, h Holder, id kek.ID) error
	// ClearKey puts new data under the service's key again.
	ClearKey(ctx context.Context, h Holder) error
	// Watch goes on with a key that was set: after a start, and when the
	// identity or the settings have changed.
	Watch(ctx context.Context, h Holder, id kek.ID) error
	// Forget drops everything about a cluster that is being deleted.
	Forget(ctx context.Context, cluster schema.ClusterID) error
	// Status is the state of a customer's key; ok is false if there is none.
	Status(cluster schema.ClusterID) (status KeyStatus, ok bool)
}

// Domains keeps accounts and workers. All methods that change something may be
// called again with the same arguments and then change nothing.
type Domains interface {
	EnsureCluster(ctx context.Context, c Cluster) error
	EnsureWorkspace(ctx context.Context, w Workspace) error
	Link(ctx context.Context, w Workspace, c Cluster) error
	Unlink(ctx context.Context, w Workspace, c Cluster) error
	DropCluster(ctx context.Context, c Cluster) error
	DropWorkspace(ctx context.Context, w Workspace) error
	// DropTable removes a table's rows.
	DropTable(ctx context.Context, w Workspace, table schema.TableName) error
	// Retain removes from the disk what is older than a table's edge, also while
	// the key is away.
	Retain(ctx context.Context, w schema.WorkspaceID, edge func(schema.TableName) schema.Ticks) error
	// Readable is nil if the keys of all rows of the workspace can be used.
	Readable(ctx context.Context, w Workspace) error
	// Purge removes the rows of a table that all filters match, and counts them.
	Purge(ctx context.Context, w Workspace, operation string, table schema.Table, filters []purge.Filter) (rows int64, err error)
	// Worker is the process that holds the cluster's data now.
	Worker(cluster schema.ClusterID) (pid int, since time.Time, ok bool)
	// Readers are the pids of the processes that have the cluster's keys to answer queries.
	Readers(cluster schema.ClusterID) []int
}

// Texts seals what the catalog keeps and may not read, in the workspace's own
// account, and opens it again. Faults about the key are those of
// rows and queries.
type Texts interface {
	// SealText seals a text that belongs at a place of the workspace and nowhere else.
	SealText(ctx context.Context, w Workspace, place string, text []byte) (SealedText, error)
	// OpenTexts opens what lies at places of the workspace, in their order.
	OpenTexts(ctx context.Context, w Workspace, places []string, sealed []SealedText) ([][]byte, error)
}

// A SealedText is opaque. It is part of catalog records.
type SealedText struct {
	Account    schema.AccountID `json:"account"`
	Generation uint32           `json:"generation"`
	Sealed     []byte           `json:"sealed"`
}

// Vaults finds where a vault is. One that is not built in is not found, which
// is no error.
type Vaults interface {
	Locate(ctx context.Context, vaultURI string) (tenant schema.TenantID, location string, found bool, err error)
}

// Config is what a Service stands on.
type Config struct {
	Catalog *catalog.Catalog
	Keys    Keys
	Domains Domains
	Texts   Texts // nil: nothing that must be sealed can be saved
	Vaults  Vaults
	Limits  Limits                 // zero fields get Azure's numbers
	KeyHost func(host string) bool // whether a key may be at host[:port]; nil forbids all
	Check   Checker                // of transformations; nil allows none
	Log     *slog.Logger

	// Ended is told of every operation that has ended, with the note of the
	// request that began it (see WithTrace), or none. It must not block. nil: nobody is.
	Ended func(ctx context.Context, o Operation, note json.RawMessage)
}

// A Service is the control plane. It is safe for concurrent use.
type Service struct {
	cat     *catalog.Catalog
	keys    Keys
	domains Domains
	texts   Texts
	vaults  Vaults
	limits  Limits
	keyHost func(string) bool
	check   Checker
	log     *slog.Logger
	told    func(context.Context, Operation, json.RawMessage)

	remembered remembered

	ctx     context.Context // of all work; ends with Close
	stop    context.CancelFunc
	work    sync.WaitGroup
	mu      sync.Mutex
	running map[string]chan struct{} // operation id → closed when its work is over

	// What every row and every query asks for.
}

// New returns a service that does no work before Start.
func New(c Config) *Service {
	s := &Service{cat: c.Catalog, keys: c.Keys, domains: c.Domains, texts: c.Texts, vaults: c.Vaults, limits: c.Limits.orDefault(),
		keyHost: c.KeyHost, check: c.Check, told: c.Ended, log: cmp.Or(c.Log, slog.New(slog.DiscardHandler)), running: map[string]chan struct{}{}}
	s.ctx, s.stop = context.WithCancel(context.Background())
	return s
}

// Start watches the keys of all clusters and goes on with operations that a
// former process has left. It returns when that has begun.
func (s *Service) Start(ctx context.Context) error {
	clusters, err := s.clusters(ctx, s.cat.Records, resource.Root())
	if err != nil {
		return err
	}
	for _, c := range clusters {
		if !c.Key.ID.IsZero() && c.State != resource.Deleting {
			if err := s.keys.Watch(ctx, c.holder(), c.Key.ID); err != nil {
				return fmt.Errorf("watch the key of %s: %w", c.ID, err)
			}
		}
	}
	left, err := s.cat.RunningOperations(ctx)
	if err != nil {
		return err
	}
	for _, op := range left {
		if _, mine := s.job(op.Kind); mine {
			s.launch(op)
		}
	}
	s.work.Go(s.sweeping)
	return nil
}

// Close stops the work where it can be taken up again and waits for that.
func (s *Service) Close() {
	s.stop()
	s.work.Wait()
}

// decode reads a catalog record's body into v, which was written by us.
func decode(res catalog.Resource, v any) error {
	if err := json.Unmarshal(res.Body, v); err != nil {
		return fmt.Errorf("read %s: %w: %w", res.ID, catalog.ErrDamaged, err)
	}
	return nil
}

// idOf reads the id of a stored record.
func idOf(res catalog.Resource) (resource.ID, error) {
	id, err := resource.Parse(res.ID)
	if err != nil {
		return resource.ID{}, fmt.Errorf("%w: %w", catalog.ErrDamaged, err)
	}
	return id, nil
}

// record makes a catalog record.
func record(id resource.ID, location string, tags map[string]string, body any) (catalog.Resource, error) {
	b, err := json.Marshal(body)
	if err != nil {
		return catalog.Resource{}, err
	}
	return catalog.Resource{ID: id.String(), Type: string(id.Type()), Name: id.Name(), Location: location, Tags: tags, Body: b}, nil
}

// place checks what every new tracked resource needs, and returns the tenant
// of its subscription.
func (s *Service) place(ctx context.Context, tx catalog.Records, id resource.ID) (schema.TenantID, error) {
	sub, err := tx.Get(ctx, resource.SubscriptionID(id.Subscription()).String())
	if errors.Is(err, catalog.ErrNotFound) {
		return "", fault.New(fault.SubscriptionNotFound, "The subscription '%s' could not be found.", id.Subscription())
	}
	if err != nil {
		return "", err
	}
	if _, err := tx.Get(ctx, id.GroupID().String()); errors.Is(err, catalog.ErrNotFound) {
		return "", fault.New(fault.ResourceGroupNotFound, "Resource group '%s' could not be found. Create it first.", id.Group())
	} else if err != nil {
		return "", err
	}
	return sub.Tenant, nil
}
