// Package witness tells somebody outside how far an installation has come, so that
// nobody can turn it back unnoticed.
//
// Who can write the whole data directory can put an older copy of it in its
// place: a key that was disabled is enabled again, rows that were purged are
// back, rows that were acknowledged are gone. Nothing inside can tell, since all
// of it is as it once was. So after each change, at most once a second, a signed
// [Statement] goes to a [Place] elsewhere: a file on another disk, or a URL. When
// a server starts it asks the place first. What it finds must not be older than
// what was told; else it does not start, unless the operator says, by the
// statement's number, that he put an older copy there himself. That is noted
// where everybody who can see a key can read it.
//
// The numbers say "not older". That what is newer is genuine is another's to
// say: manifests have a MAC, wrap records a signature, the vault's file a head.
//
// What is changed between the last statement and an attack is not covered: a
// second, or as long as the place did not answer. While a server runs it goes on
// without its witness, says so, and tries again: a place that is down must not
// stop the logs. What is deleted for good is told before it is done, and is not
// done if that fails, so that what is missing later is no false alarm.
package witness

import (
	"context"
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strconv"
	"sync"
	"time"

	"logkeep/internal/dsse"
	"logkeep/internal/schema"
)

// ErrNone means that a place holds no statement.
var ErrNone = errors.New("there is no statement")

// A Place keeps one statement, outside of what it is about.
type Place interface {
	// Read returns what was written last, or ErrNone.
	Read(ctx context.Context) ([]byte, error)
	// Write replaces what Read returned last; it fails if somebody else wrote.
	Write(ctx context.Context, statement []byte) error
	// String names it, without secrets.
	String() string
}

// keyID names the integrity key in a statement's envelope.
const keyID = "integrity"

// pace is the least time between two statements, patience the longest that one
// may take, and back the longest pause after a failure.
const (
	pace     = time.Second
	patience = 15 * time.Second
	back     = 30 * time.Second
)

// A Config is what a Witness stands on.
type Config struct {
	Place Place
	Key   *ecdsa.PublicKey                                          // the integrity key
	Sign  func(ctx context.Context, message []byte) ([]byte, error) // with it: r and s of 32 bytes each, over SHA-256
	// Collect returns the state of now. Number, At and Leaving are the Witness's.
	Collect func(ctx context.Context) (Statement, error)
	Log     *slog.Logger
}

// A Witness is safe for concurrent use.
type Witness struct {
	cfg  Config
	stop context.CancelFunc
	done sync.WaitGroup

	telling sync.Mutex // held while a statement is made and written
	leaving map[schema.AccountID]bool

	mu     sync.Mutex // guards what follows
	last   Statement
	failed error
}

// New returns a Witness that has not looked yet.
func New(cfg Config) *Witness {
	return &Witness{cfg: cfg, leaving: map[schema.AccountID]bool{}}
}

// Missing is what accepts, in Check, that a place lost its statement.
const Missing = "missing"

// An Acceptance is that the operator let a server start against its witness.
type Acceptance struct {
	Witness string // what it had said
	Found   string // what was found
}

// Check compares what was found with what was told. known says that this data
// directory was told of there before, accept is what the operator accepts: the
// number of a statement, or Missing. It returns what was told, to go on from; an
// acceptance that is to be noted, if there is one; or an error in words for the
// operator, after which no server may start.
func (w *Witness) Check(ctx context.Context, found Found, known bool, accept string) (told Statement, accepted *Acceptance, err error) {
	ctx, done := context.WithTimeout(ctx, patience)
	defer done()
	text, err := w.cfg.Place.Read(ctx)
	switch {
	case errors.Is(err, ErrNone) && !known:
		return Statement{}, nil, nil
	case errors.Is(err, ErrNone) && accept == Missing:
		return Statement{}, &Acceptance{"the witness " + w.cfg.Place.String() + " was missing", fmt.Sprintf("catalog change %d, vault change %d", found.Catalog, found.Vault.Changes)}, nil
	case errors.Is(err, ErrNone):
		return told, nil, fmt.Errorf("the witness %s holds no statement, although this data directory was told of there: either it was lost, or somebody removed it to put back older data; "+
			"bring it back, or, if you are sure that the data are the newest, start once with --witness-accept=%s", w.cfg.Place, Missing)
	case err != nil:
		return told, nil, fmt.Errorf("the witness %s can't be asked whether the data are the newest: %w; start when it answers, or give it up with --witness=none", w.cfg.Place, err)
	}
	envelope, err := dsse.Parse(text)
	if err == nil {
		var payload []byte
		if payload, err = envelope.Open(Type, dsse.Keys{keyID: w.cfg.Key}); err == nil {
			told, err = read(payload)
		}
	}
	if err != nil {
		return told, nil, fmt.Errorf("the witness %s holds no statement of this installation (%w): is it another server's? Name the right one; if it is lost, remove it and start once with --witness-accept=%s", w.cfg.Place, err, Missing)
	}
	what := older(found, told)
	w.mu.Lock()
	w.last = told
	w.mu.Unlock()
	if len(what) == 0 {
		return told, nil, nil
	}
	if accept != strconv.FormatUint(told.Number, 10) {
		return told, nil, fmt.Errorf("the data directory is older than its witness %s says (statement %d of %s): %s; somebody put back an older state. "+
			"If it was you, to restore a backup, start once with --witness-accept=%d: that is noted in every cluster's key events, and what was changed since is lost",
			w.cfg.Place, told.Number, told.At.Format(time.RFC3339), words(what), told.Number)
	}
	return Statement{Number: told.Number}, &Acceptance{fmt.Sprintf("statement %d of %s", told.Number, told.At.Format(time.RFC3339)), words(what)}, nil
}

// Tell makes a statement of now and returns when it is kept.
func (w *Witness) Tell(ctx context.Context) error {
	w.telling.Lock()
	defer w.telling.Unlock()
	return w.tell(ctx)
}

func (w *Witness) tell(ctx context.Context) (err error) {
	ctx, done := context.WithTimeout(ctx, patience)
	defer done()
	w.mu.Lock()
	last := w.last
	w.mu.Unlock()
	s, err := w.cfg.Collect(ctx)
	if err != nil {
		return w.outcome(last, fmt.Errorf("collect what is to be told: %w", err))
	}
	for id := range w.leaving {
		if a, there := s.Accounts[id]; there {
			a.Leaving = true
			s.Accounts[id] = a
		} else {
			delete(w.leaving, id)
		}
	}
	if same(s, last) {
		return w.outcome(last, nil)
	}
	s.Number, s.At = last.Number+1, time.Now().UTC().Truncate(time.Millisecond)
	payload, err := json.Marshal(s)
	if err != nil {
		return err
	}
	envelope, err := dsse.Sign(Type, payload, keyID, func(m []byte) ([]byte, error) { return w.cfg.Sign(ctx, m) })
	if err != nil {
		return w.outcome(last, err)
	}
	if err := w.cfg.Place.Write(ctx, envelope.Encode()); err != nil {
		return w.outcome(last, fmt.Errorf("tell the witness %s: %w", w.cfg.Place, err))
	}
	return w.outcome(s, nil)
}

// same reports whether there is nothing new to tell.
func same(s, last Statement) bool {
	return last.Number > 0 && s.Catalog == last.Catalog && s.Vault == last.Vault && maps.Equal(s.Accounts, last.Accounts)
}

// outcome notes what became of a statement, and logs when that changes.
func (w *Witness) outcome(last Statement, err error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if (err == nil) != (w.failed == nil) {
		if err != nil {
			w.cfg.Log.Error("the witness is not told; what changes from now on can be turned back unnoticed", "witness", w.cfg.Place.String(), "error", err.Error())
		} else {
			w.cfg.Log.Info("the witness is told again", "witness", w.cfg.Place.String(), "statement", last.Number)
		}
	}
	w.last, w.failed = last, err
	return err
}

// Leaving tells that accounts are about to be deleted. They may be once it has
// returned nil.
func (w *Witness) Leaving(ctx context.Context, ids ...schema.AccountID) error {
	w.telling.Lock()
	defer w.telling.Unlock()
	for _, id := range ids {
		w.leaving[id] = true
	}
	return w.tell(ctx)
}

// Start tells of changes until Close.
func (w *Witness) Start() {
	ctx, stop := context.WithCancel(context.Background())
	w.stop = stop
	w.done.Go(func() {
		for pause := pace; ; {
			select {
			case <-ctx.Done():
				return
			case <-time.After(pause):
			}
			began := time.Now()
			if err := w.Tell(ctx); err != nil {
				pause = min(2*pause, back)
			} else {
				pause = max(pace, 10*time.Since(began)) // a large installation tells less often
			}
		}
	})
}

// Close tells of what was changed last and ends. Nothing may be changed any more.
func (w *Witness) Close() {
	if w.stop != nil {
		w.stop()
	}
	w.done.Wait()
	ctx, done := context.WithTimeout(context.Background(), 5*time.Second)
	defer done()
	w.Tell(ctx)
}

// A Status is what can be said of a witness.
type Status struct {
	Place  string
	Number uint64    // of the last statement
	At     time.Time // when it was made
	Failed error     // of the last try, nil if it held
}

// Status returns what can be said now.
func (w *Witness) Status() Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	return Status{w.cfg.Place.String(), w.last.Number, w.last.At, w.failed}
}
