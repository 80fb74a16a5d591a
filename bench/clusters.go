package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"logkeep/internal/domain"
	"logkeep/internal/kek"
	"logkeep/internal/kek/kektest"
	"logkeep/internal/keyring"
	"logkeep/internal/metrics"
	"logkeep/internal/schema"
	"logkeep/internal/wrap"
	"logkeep/internal/wrap/wraptest"
)

// held is what it costs a keeper to hold the leases of many clusters.
type held struct {
	Clusters int
	Took     time.Duration // of the measurement
	CPU      time.Duration // of this process: the ring, the clients, TLS and tokens; not the vault
	Probes   int64         // unwraps that the vault answered, and as many questions which version is the newest
	Missed   int           // leases that were not there when they were looked for
}

// share is the part of one core.
func (h held) share() float64 { return h.CPU.Seconds() / h.Took.Seconds() }

const (
	holdFor    = 30 * time.Second // three times round all clusters
	vaultToken = "the bench's token"
)

// holding watches so many clusters with keys of their own in a vault that is
// another process, over TLS and with the client that a server has. Workers are
// started on demand, and nobody demands one: what stands for them makes keys
// for a start and then does nothing. The book is in memory: a ring reads it when
// a watch begins, and no more.
func holding(ctx context.Context, clusters int) (h held, err error) {
	cfg, end, err := startVault(ctx, clusters)
	if err != nil {
		return h, err
	}
	defer func() { err = errors.Join(err, end()) }()
	integrity, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return h, err
	}
	clock, err := keyring.BootClock()
	if err != nil {
		return h, err
	}
	k := &idleKeeper{cfg: cfg, integrity: integrity, pages: map[schema.ClusterID]keyring.Page{}, observed: domain.NewMetrics(&metrics.Set{})}
	ring, err := keyring.New(keyring.Config{
		Book: k, Workers: k, Integrity: &integrity.PublicKey, Now: clock, Observe: k, Log: slog.New(slog.DiscardHandler),
		Open: func(_ keyring.Cluster, uri string) (kek.Vault, error) { return kek.NewClient(uri, cfg) },
	})
	if err != nil {
		return h, err
	}
	defer ring.Close()
	if err := watchAll(ctx, ring, clusters); err != nil {
		return h, err
	}
	before, probes, began := cpuTime(), k.count(), time.Now()
	for time.Since(began) < holdFor {
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return h, ctx.Err()
		}
		for i := range clusters {
			if _, err := ring.Lease(clusterName(i)); err != nil {
				h.Missed++
			}
		}
	}
	h.Clusters, h.Took, h.CPU, h.Probes = clusters, time.Since(began), cpuTime()-before, k.count()-probes
	return h, nil
}

func clusterName(i int) schema.ClusterID { return schema.ClusterID(fmt.Sprintf("c%d", i)) }

// watchAll has the service and every cluster under a key. They are set one
// after the other over an interval, as they would come in time.
func watchAll(ctx context.Context, ring *keyring.Ring, clusters int) error {
	service := keyring.Cluster{ID: schema.ServiceCluster, Tenant: "host", Identity: "service", Accounts: []schema.AccountID{"ws-1"}}
	if err := ring.Watch(ctx, service); err != nil {
		return err
	}
	if err := ring.SetKey(ctx, service.ID, kek.ID{VaultURI: kektest.URI, Name: "mmk"}); err != nil {
		return err
	}
	some, ctx := errgroup.WithContext(ctx)
	some.SetLimit(4)
	for i := range clusters {
		some.Go(func() error {
			id := clusterName(i)
			c := keyring.Cluster{ID: id, Tenant: "t", Identity: "oid", Accounts: []schema.AccountID{schema.AccountID(id + "-0")}}
			if err := ring.Watch(ctx, c); err != nil {
				return err
			}
			return ring.SetKey(ctx, id, kek.ID{VaultURI: kektest.URI, Name: string(id)})
		})
	}
	return some.Wait()
}

// idleKeeper is what stands around the ring: a book in memory, workers that
// only make their first keys, and the metrics that a server has.
type idleKeeper struct {
	cfg       kek.Config
	integrity *ecdsa.PrivateKey
	observed  *domain.Metrics

	mu     sync.Mutex
	pages  map[schema.ClusterID]keyring.Page
	client *kek.Client // of all workers
	probes int64
}

func (k *idleKeeper) count() int64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.probes
}

func (k *idleKeeper) Probed(cluster schema.ClusterID, said keyring.Said, took time.Duration) {
	k.observed.Probed(cluster, said, took)
	k.mu.Lock()
	defer k.mu.Unlock()
	if said == keyring.Yes {
		k.probes++
	}
}

func (k *idleKeeper) Moved(from keyring.State, s keyring.Status) { k.observed.Moved(from, s) }

func (k *idleKeeper) Load(_ context.Context, c schema.ClusterID) (keyring.Page, keyring.Verdict, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.pages[c], keyring.Verdict{}, nil
}

func (k *idleKeeper) Save(_ context.Context, c schema.ClusterID, p keyring.Page) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.pages[c] = p
	return nil
}

func (k *idleKeeper) Note(context.Context, schema.ClusterID, keyring.Verdict) error { return nil }
func (k *idleKeeper) Renew(schema.ClusterID, time.Time)                             {}
func (k *idleKeeper) Revoke(schema.ClusterID, keyring.Status)                       {}
func (k *idleKeeper) Adopt(context.Context, schema.ClusterID, keyring.Page) error   { return nil }

func (k *idleKeeper) Rewrap(context.Context, schema.ClusterID, kek.ID, []wrap.Record) ([]wrap.Record, wrap.Canary, error) {
	return nil, wrap.Canary{}, errors.New("internal error: nothing is rotated here")
}

func (k *idleKeeper) NewGeneration(ctx context.Context, c schema.ClusterID, kid, _ kek.ID, accounts []schema.AccountID) ([]wrap.Record, wrap.Canary, error) {
	v, err := k.workers()
	if err != nil {
		return nil, wrap.Canary{}, err
	}
	tenant := schema.TenantID("t")
	if c == schema.ServiceCluster {
		tenant = "host"
	}
	var out []wrap.Record
	for _, a := range accounts {
		key := make([]byte, kek.KeySize)
		rand.Read(key)
		at := wrap.Place{Tenant: tenant, Cluster: c, Account: a, Generation: 1}
		rec, err := wrap.New(ctx, v, wraptest.Signer{Key: k.integrity}, at, kid, key, sha256.Sum256(key))
		if err != nil {
			return nil, wrap.Canary{}, err
		}
		out = append(out, rec)
	}
	canary, err := wrap.NewCanary(ctx, v, wraptest.Signer{Key: k.integrity}, tenant, c, kid)
	return out, canary, err
}

func (k *idleKeeper) workers() (*kek.Client, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.client == nil {
		c, err := kek.NewClient(kektest.URI, k.cfg)
		if err != nil {
			return nil, err
		}
		k.client = c
	}
	return k.client, nil
}

// cpuTime is what this process has used, its children not.
func cpuTime() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// startVault starts this program once more, as the vault, and tells how to
// reach it.
func startVault(ctx context.Context, clusters int) (cfg kek.Config, end func() error, err error) {
	self, err := os.Executable()
	if err != nil {
		return cfg, nil, err
	}
	cmd := exec.CommandContext(ctx, self, "-vault", fmt.Sprint(clusters))
	in, err := cmd.StdinPipe() // it ends when this is closed
	if err != nil {
		return cfg, nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return cfg, nil, err
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return cfg, nil, err
	}
	end = func() error { in.Close(); return cmd.Wait() }
	lines := bufio.NewReader(out)
	address, err := lines.ReadString('\n')
	var certificate []byte
	if err == nil {
		certificate, err = io.ReadAll(lines)
	}
	roots := x509.NewCertPool()
	if err == nil && !roots.AppendCertsFromPEM(certificate) {
		err = errors.New("the vault told no certificate")
	}
	if err != nil {
		return cfg, nil, errors.Join(err, end())
	}
	address = strings.TrimSpace(address)
	return kek.Config{
		Credential: oneToken{}, Roots: roots,
		Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, address)
		},
	}, end, nil
}

// oneToken is an issuer.
type oneToken struct{}

func (oneToken) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: vaultToken, ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// serveVault is a vault with a key for each cluster and the service's, until
// standard input ends. It tells its address and its certificate.
func serveVault(clusters int) {
	v := kektest.New()
	v.Accept(vaultToken)
	v.NewKey("mmk")
	for i := range clusters {
		v.NewKey(string(clusterName(i)))
	}
	srv := httptest.NewTLSServer(v)
	fmt.Println(srv.Listener.Addr())
	pem.Encode(os.Stdout, &pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	os.Stdout.Close()
	io.Copy(io.Discard, os.Stdin)
	srv.CloseClientConnections()
	srv.Close()
}
