// Package worker is the process that holds one key domain's keys and data: as
// a writer all of them, to itself, as a reader what queries need, beside the
// writer and without changing anything.
//
// It is born in a sandbox and with a deadline, and lives as long as the keeper
// moves it; it has no network but the tunnel to vaults; it unwraps account keys itself, so that
// the keeper never sees one. Rows arrive as the client sent them, are parsed
// once, sealed, and on the disk before they are acknowledged. Queries are
// compiled here, run on decrypted columns in memory, and answered as the bytes
// that the client gets. When the process ends, all of it is gone.
package worker

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"

	"logkeep/internal/bucket/courier"
	"logkeep/internal/disk"
	"logkeep/internal/duck"
	"logkeep/internal/kek"
	"logkeep/internal/schema"
	"logkeep/internal/seal"
	"logkeep/internal/segment"
	"logkeep/internal/store"
	"logkeep/internal/tunnel"
	"logkeep/internal/worker/deadline"
	"logkeep/internal/worker/sandbox"
	"logkeep/internal/worker/wire"
)

// A Worker is the state of a writer.
type Worker struct {
	*base
	disk     *disk.Folder
	tails    *store.Budget // of all accounts
	bodies   sync.Pool     // of *bytes.Buffer: unpacked rows on their way to columns
	headers  headers       // of requests with rows
	programs programs      // transformations that are ready to run
	joints   joints        // requests that wait for one

	mu       sync.Mutex
	accounts map[schema.AccountID]*account
	broken   map[schema.AccountID]error // could not be opened since their journals are damaged
	pending  map[place]*seal.Key        // generated, not adopted
}

// Run is the whole life of a worker: input carries the start and the leases,
// its end is the order to stop. Messages for the operator go to log; they name
// things and never hold data.
func Run(ctx context.Context, input io.Reader, log *slog.Logger) error {
	reach := sandbox.Reach{Own: os.Getenv(wire.FolderVariable)}
	if folders := os.Getenv(wire.ReadVariable); folders != "" {
		reach.Read = strings.Split(folders, "\n")
	}
	if err := sandbox.Enter(reach); err != nil {
		return err
	}
	if err := sandbox.Harden(); err != nil {
		return err
	}
	lines := bufio.NewReaderSize(input, 1<<20)
	first, err := lines.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("read the keeper's first line: %w", err)
	}
	var start wire.Start
	if err := json.Unmarshal(first, &start); err != nil {
		return fmt.Errorf("read the keeper's first line: %w", err)
	}
	heap(start.Memory)
	begun()
	timer, err := deadline.Arm(start.Deadline)
	if err != nil {
		return err
	}
	if err := sandbox.Seal(); err != nil {
		return err
	}
	file := os.NewFile(wire.ListenerFD, "listener")
	listener, err := net.FileListener(file)
	if err != nil {
		return fmt.Errorf("take over the keeper's socket: %w", err)
	}
	file.Close()
	keeper, err := tunnel.Opener(os.NewFile(wire.ChannelFD, "channel"))
	if err != nil {
		return err
	}

	if !seal.Sealing {
		log.Error("this program stores everything as it is: it is for benchmarks alone")
	}
	face, resize, end, err := begin(start, reach, keeper, log)
	if err != nil {
		return err
	}
	defer end()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		defer stop()
		if err := follow(lines, timer, resize); !errors.Is(err, io.EOF) {
			log.Error("leases can't be read any more", "error", err.Error())
		}
	}()
	server := &http.Server{Handler: face, BaseContext: func(net.Listener) context.Context { return ctx }}
	go func() {
		<-ctx.Done()
		server.Close()
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// follow moves the deadline, and the bounds of memory, with every lease.
func follow(lines *bufio.Reader, timer *deadline.Timer, resize func(wire.Memory)) error {
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return err
		}
		var l wire.Lease
		if err := json.Unmarshal(line, &l); err != nil {
			return err
		}
		if err := timer.Move(l.Deadline); err != nil {
			return err
		}
		if l.Memory != (wire.Memory{}) {
			resize(l.Memory)
		}
	}
}

// begin makes a writer or a reader, as the keeper said and the sandbox was built.
func begin(start wire.Start, reach sandbox.Reach, keeper func(context.Context) (net.Conn, error), log *slog.Logger) (face http.Handler, resize func(wire.Memory), end func(), err error) {
	if start.Reads != (reach.Own == "") {
		return nil, nil, nil, errors.New("internal error: this process is confined as a writer and told to be a reader, or the other way")
	}
	b, err := newBase(start, keeper, log)
	if err != nil {
		return nil, nil, nil, err
	}
	if start.Reads {
		go b.engine() // while the first query is on its way
		b.bound.rest(start.Memory)
		r := newReader(b)
		return r.face(), b.resize, r.close, nil
	}
	w, err := newWorker(b, reach.Own)
	if err != nil {
		return nil, nil, nil, err
	}
	resize = func(m wire.Memory) {
		b.resize(m)
		w.tails.Limit(m.Tail)
	}
	return w.face(), resize, w.close, nil
}

// A base is what writers and readers have in common: the way to the keeper and
// to vaults, and what runs queries.
type base struct {
	start  wire.Start
	host   *host
	vaults *vaults
	engine func() (*duck.DB, error) // started when it is first needed; most writers do without
	bound  bound                    // of the engine
	turns  turns
	images *segment.Cache
	bucket *courier.Client // where accounts lie in a bucket
	log    *slog.Logger
}

func newBase(start wire.Start, keeper func(context.Context) (net.Conn, error), log *slog.Logger) (*base, error) {
	signer, err := signer(start.Signer)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(start.Roots)
	h := newHost(keeper)
	var objects *courier.Client
	if start.InBucket {
		objects = courier.NewClient(keeper)
	}
	b := &base{
		bucket: objects,
		start:  start, host: h, images: segment.NewCache(start.Memory.Images), log: log,
		vaults: &vaults{host: h, dial: tunnel.Dialer(keeper), roots: roots, service: start.Service, signer: signer, clients: map[whose]*kek.Client{}},
		bound:  bound{memory: start.Memory.Engine, moved: make(chan struct{}, 1)},
	}
	if start.InBucket {
		b.images.Far()
	}
	b.engine = sync.OnceValues(b.openEngine)
	return b, nil
}

func newWorker(b *base, accounts string) (*Worker, error) {
	folder, err := disk.OpenFolder(accounts)
	if err != nil {
		return nil, err
	}
	return &Worker{
		base: b, disk: folder, tails: store.NewBudget(b.start.Memory.Tail),
		accounts: map[schema.AccountID]*account{}, broken: map[schema.AccountID]error{},
		pending: map[place]*seal.Key{},
		bodies:  sync.Pool{New: func() any { return new(bytes.Buffer) }},
	}, nil
}

// close lets go of everything in order. What is only in the journal stays there.
func (w *Worker) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, a := range w.accounts {
		if err := a.store.Close(); err != nil {
			w.log.Error("an account was not closed cleanly; its journal is whole", "account", string(id), "error", err.Error())
		}
		a.chain.destroy()
	}
	for _, k := range w.pending {
		k.Destroy()
	}
}
