package domain

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"logkeep/internal/catalog"
	"logkeep/internal/control"
	"logkeep/internal/fault"
	"logkeep/internal/kek"
	"logkeep/internal/keyring"
	"logkeep/internal/schema"
	"logkeep/internal/supervise"
	"logkeep/internal/worker/wire"
)

// TestMain lets the test binary be a worker that keeps a diary of what it has
// open, in the folder of all accounts.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "worker" {
		play()
	}
	os.Exit(m.Run())
}

func play() {
	lines := bufio.NewReader(os.Stdin)
	first, err := lines.ReadBytes('\n')
	var start wire.Start
	if err != nil || json.Unmarshal(first, &start) != nil {
		os.Exit(3)
	}
	l, err := net.FileListener(os.NewFile(wire.ListenerFD, "listener"))
	if err != nil {
		os.Exit(4)
	}
	go func() {
		for err == nil {
			_, err = lines.ReadBytes('\n')
		}
		os.Exit(0)
	}()
	accounts := filepath.Dir(os.Getenv(wire.FolderVariable))
	open := map[schema.AccountID]*os.File{}
	write := func(verb string, id schema.AccountID) {
		diary, err := os.OpenFile(filepath.Join(accounts, "diary"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			os.Exit(5)
		}
		fmt.Fprintf(diary, "%s %s %s\n", start.Domain, verb, id)
		diary.Close()
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /open", func(w http.ResponseWriter, r *http.Request) {
		var o wire.Open
		json.NewDecoder(r.Body).Decode(&o)
		for _, a := range o.Accounts {
			if open[a.ID] != nil {
				continue
			}
			// The kernel knows whether anybody else has it open.
			if open[a.ID], err = os.OpenFile(filepath.Join(accounts, string(a.ID)+".lock"), os.O_CREATE|os.O_RDWR, 0o600); err != nil {
				os.Exit(6)
			}
			if unix.Flock(int(open[a.ID].Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
				write("clashes over", a.ID)
			}
			write("opens", a.ID)
		}
		w.Write([]byte("{}"))
	})
	mux.HandleFunc("POST /release", func(w http.ResponseWriter, r *http.Request) {
		var o wire.Release
		json.NewDecoder(r.Body).Decode(&o)
		for _, id := range o.Accounts {
			if open[id] != nil {
				write("closes", id)
				open[id].Close()
				delete(open, id)
			}
		}
		if _, err := os.Stat(filepath.Join(accounts, "refuse")); err == nil {
			status, body := wire.EncodeFault(fault.New(fault.ServiceUnavailable, "The disk is full."))
			w.WriteHeader(status)
			w.Write(body)
			return
		}
		w.Write([]byte("{}"))
	})
	http.Serve(l, mux)
}

// running is domains with workers and leases for an hour.
func running(t *testing.T) *Domains {
	t.Helper()
	d := domains(t)
	runtime, err := os.MkdirTemp("", "d")
	must(t, err)
	exe, err := os.Executable()
	must(t, err)
	sup := supervise.New(supervise.Config{
		Command: []string{exe, "worker"}, Runtime: runtime, Accounts: d.cfg.Accounts, Host: d, Policy: d.cfg.Policy, Now: time.Now, Log: d.cfg.Log,
	})
	t.Cleanup(func() { sup.Close(); os.RemoveAll(runtime) })
	d.Attach(sup, nil)
	for _, key := range []schema.ClusterID{schema.ServiceCluster, cluster, stranger} {
		sup.Renew(key, time.Now().Add(time.Hour))
	}
	d.cover(t, catalog.Account{ID: clusterAccountAt(cluster, 0), Domain: cluster, Kind: ofCluster})
	d.cover(t, catalog.Account{ID: clusterAccountAt(stranger, 0), Domain: stranger, Kind: ofCluster})
	d.cover(t, catalog.Account{ID: serviceAccount(workspace), Domain: schema.ServiceCluster, Workspace: workspace, Kind: ofService})
	return d
}

// diary is what workers did to the workspace's own account.
func (d *Domains) diary(t *testing.T) (lines []string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(d.cfg.Accounts, "diary"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	must(t, err)
	for line := range strings.Lines(string(b)) {
		if text, ok := strings.CutSuffix(strings.TrimSpace(line), " "+string(serviceAccount(workspace))); ok {
			lines = append(lines, text)
		}
	}
	return lines
}

func (d *Domains) holds(t *testing.T) schema.ClusterID {
	t.Helper()
	held, err := d.domainOf(t.Context(), workspace)
	must(t, err)
	return held
}

var (
	theWorkspace = control.Workspace{CustomerID: workspace}
	theCluster   = control.Cluster{ClusterID: cluster}
)

func TestALinkedWorkspacesHistoryMovesToTheClusterAndStays(t *testing.T) {
	d := running(t)
	_, err := d.sup.Worker(t.Context(), schema.ServiceCluster)
	must(t, err)
	must(t, d.Link(t.Context(), theWorkspace, theCluster))
	must(t, d.Link(t.Context(), theWorkspace, theCluster)) // done again after a restart
	must(t, d.Unlink(t.Context(), theWorkspace, theCluster))
	must(t, d.Link(t.Context(), theWorkspace, theCluster))
	if held := d.holds(t); held != cluster {
		t.Errorf("held by %s", held)
	}
	want := []string{"service opens", "service closes", string(cluster) + " opens"}
	if got := d.diary(t); !slices.Equal(got, want) {
		t.Errorf("workers did %q, want %q", got, want)
	}
	// What the first cluster holds stays its own; the workspace's account goes
	// with the workspace.
	must(t, d.Link(t.Context(), theWorkspace, control.Cluster{ClusterID: stranger}))
	at, err := d.whereabouts(t.Context(), workspace)
	must(t, err)
	if at.own != stranger || !slices.Equal(at.clusters, []schema.ClusterID{cluster, stranger}) || !slices.Equal(at.domains(), at.clusters) || len(at.accounts(workspace)) != 1+2*AccountsPerCluster {
		t.Errorf("%+v", at)
	}
	must(t, d.cfg.Catalog.RemoveHistory(t.Context(), "", stranger))
	must(t, d.move(t.Context(), catalog.Account{ID: serviceAccount(workspace), Domain: stranger, Workspace: workspace}, schema.ServiceCluster))
	if at, err = d.whereabouts(t.Context(), workspace); err != nil || at.own != schema.ServiceCluster || !slices.Equal(at.domains(), []schema.ClusterID{cluster, schema.ServiceCluster}) {
		t.Errorf("%+v %v", at, err)
	}
}

func TestAnAccountIsNeverOpenTwice(t *testing.T) {
	d := running(t)
	done := make(chan struct{})
	failed := make(chan error, 2)
	for _, id := range []schema.ClusterID{schema.ServiceCluster, cluster} {
		go func() { // others have workers started, and ended, all the time
			for {
				select {
				case <-done:
					failed <- nil
					return
				default:
				}
				w, err := d.sup.Worker(t.Context(), id)
				if err != nil {
					failed <- err
					return
				}
				w.End("a test wants it")
			}
		}()
	}
	account := func() catalog.Account {
		a, err := d.cfg.Catalog.Account(t.Context(), serviceAccount(workspace))
		must(t, err)
		return a
	}
	for range 10 {
		for _, to := range []schema.ClusterID{cluster, schema.ServiceCluster} {
			for {
				err := d.move(t.Context(), account(), to)
				if err == nil {
					break
				}
				if !errors.Is(err, supervise.ErrGone) {
					t.Fatal(err)
				}
				if account().Domain == to {
					break // it was the new one's worker that ended
				}
			}
		}
	}
	close(done)
	for range 2 {
		must(t, <-failed)
	}
	opened := 0
	for _, line := range d.diary(t) {
		if strings.HasSuffix(line, " clashes over") {
			t.Fatal("two workers had the account open at the same time")
		}
		if strings.HasSuffix(line, " opens") {
			opened++
		}
	}
	if opened < 5 {
		t.Errorf("the account was opened %d times: the test tested little", opened)
	}
}

func TestAMoveThatFailsLeavesTheAccountWhereItWas(t *testing.T) {
	d := running(t)
	_, err := d.sup.Worker(t.Context(), schema.ServiceCluster)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(d.cfg.Accounts, "refuse"), nil, 0o600))
	if err := d.Link(t.Context(), theWorkspace, theCluster); !errors.Is(err, fault.ServiceUnavailable) {
		t.Fatalf("a worker that can't close the account: %v", err)
	}
	if held := d.holds(t); held != schema.ServiceCluster {
		t.Errorf("held by %s", held)
	}
	if got, want := d.diary(t), []string{"service opens", "service closes", "service opens"}; !slices.Equal(got, want) {
		t.Errorf("workers did %q, want %q: rows have a place to go", got, want)
	}
	must(t, os.Remove(filepath.Join(d.cfg.Accounts, "refuse")))
	must(t, d.Link(t.Context(), theWorkspace, theCluster))
	if held := d.holds(t); held != cluster {
		t.Errorf("held by %s", held)
	}
}

func TestADroppedWorkspaceLeavesNothing(t *testing.T) {
	d := running(t)
	folder := filepath.Join(d.cfg.Accounts, string(schema.ServiceCluster), string(serviceAccount(workspace)))
	must(t, os.MkdirAll(folder, 0o700))
	a, err := d.cfg.Catalog.Account(t.Context(), serviceAccount(workspace))
	must(t, err)
	must(t, d.shutWhile(t.Context(), a, func() error { return d.remove(t.Context(), a.ID) }))
	must(t, d.remove(t.Context(), a.ID)) // done again after a restart
	if _, err := os.Stat(folder); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder: %v", err)
	}
	wraps, err := d.cfg.Catalog.Wraps(t.Context(), a.ID)
	if err != nil || len(wraps) != 0 {
		t.Errorf("%d wraps, %v", len(wraps), err)
	}
	must(t, d.DropWorkspace(t.Context(), theWorkspace))
}

// While the service's key can't be used, accounts can't be placed. That passes:
// who asked is told to ask again, not that something is wrong with the service.
func TestAccountsThatWaitForTheServicesKeyCanBePlacedLater(t *testing.T) {
	d := running(t)
	signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	d.ring, err = keyring.New(keyring.Config{Book: d, Workers: d, Open: d.Open, Integrity: &signer.PublicKey, Log: d.cfg.Log})
	must(t, err)
	t.Cleanup(d.ring.Close)
	c := control.Cluster{ClusterID: "55555555-5555-5555-5555-555555555555", Tenant: tenant}
	if err := d.EnsureCluster(t.Context(), c); !errors.Is(err, fault.ServiceUnavailable) {
		t.Errorf("a cluster: %v", err)
	}
	w := control.Workspace{CustomerID: "66666666-6666-6666-6666-666666666666", Tenant: tenant}
	if err := d.EnsureWorkspace(t.Context(), w); !errors.Is(err, fault.ServiceUnavailable) {
		t.Errorf("a workspace: %v", err)
	}
	for _, err := range []error{
		&kek.Silent{Op: "unwrap", Err: io.ErrUnexpectedEOF}, fmt.Errorf("cover: %w", context.DeadlineExceeded), &keyring.Unavailable{}, supervise.ErrNoLease,
	} {
		if d.word(c.ClusterID, &err); !errors.Is(err, fault.ServiceUnavailable) {
			t.Errorf("told as %v", err)
		}
	}
	err = errors.New("anything else")
	if d.word(c.ClusterID, &err); errors.Is(err, fault.ServiceUnavailable) {
		t.Error("what does not pass is told as if it did")
	}
}
