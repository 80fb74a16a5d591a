// Package keystore is what the vault remembers: vaults, keys and their
// versions in one SQLite file, vault.db, that can be stolen but not read and
// not altered unnoticed.
//
//	vaults    name             record mac
//	keys      vault name       record mac
//	versions  vault key id     record mac secret
//	meta      name             record mac secret      the authority, the token key, the root key's mark, the head
//	events    vault sequence   event                  the audit log: neither secret nor authenticated
//	cuts      vault            through records        how much of it was cut before somebody who waits had it
//
// A record is JSON in the clear. Its mac is made under the root key and bound
// to the row's place, so that a row that was edited, moved or copied elsewhere
// is ErrDamaged and is never acted on. A secret is sealed under the root key and
// bound to the same place. One row, the head, stands for all others together, so
// that a row of an earlier time is noticed when the file is opened. What the file
// can't tell is that it is an old copy of itself as a whole: who was told of a
// later head, outside of this disk, can.
//
// An Update that returned nil is on the disk (write-ahead log, synchronous
// FULL) and survives SIGKILL and power loss. Deleted bytes are overwritten.
//
// The rules of vaults and keys are not here but with those who write.
package keystore

import (
	"context"
	"crypto/subtle"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"logkeep/internal/seal"
)

// Numbers in the file. They are on disk: never change one.
const (
	applicationID = 0x4c4b5631 // "LKV1"
	format        = 1          // PRAGMA user_version
	rootLabel     = "logkeep/vault-root@v1"
)

// Errors that a caller tells apart.
var (
	ErrNotFound = errors.New("not found")
	ErrDamaged  = errors.New("the vault's file is damaged or was altered; restore it from a backup")
	ErrRootKey  = errors.New("the root key is not the one that this vault was made with; start with the file that held it then (--root-key)")
	ErrInUse    = errors.New("the vault's folder is in use by another process")
	ErrFull     = errors.New("the disk of the vault is full: make room, nothing was changed")
	ErrNewer    = errors.New("the vault's file was written by a newer version; start with that version or a later one")
)

const schema = `
CREATE TABLE meta (name TEXT PRIMARY KEY, record BLOB NOT NULL, mac BLOB NOT NULL, secret BLOB) STRICT;
CREATE TABLE vaults (name TEXT PRIMARY KEY, uid TEXT NOT NULL UNIQUE, record BLOB NOT NULL, mac BLOB NOT NULL) STRICT;
CREATE TABLE keys (vault TEXT NOT NULL REFERENCES vaults (uid) ON DELETE CASCADE,
	name TEXT NOT NULL, record BLOB NOT NULL, mac BLOB NOT NULL, PRIMARY KEY (vault, name)) STRICT;
CREATE TABLE versions (vault TEXT NOT NULL, key TEXT NOT NULL, id TEXT NOT NULL,
	record BLOB NOT NULL, mac BLOB NOT NULL, secret BLOB NOT NULL, PRIMARY KEY (vault, key, id),
	FOREIGN KEY (vault, key) REFERENCES keys (vault, name) ON DELETE CASCADE) STRICT;
CREATE TABLE events (sequence INTEGER PRIMARY KEY AUTOINCREMENT, vault TEXT NOT NULL, event BLOB NOT NULL) STRICT;
CREATE INDEX events_of_vault ON events (vault, sequence);
`

// later is what files of this format may lack that were made before it was added.
const later = "CREATE TABLE IF NOT EXISTS cuts (vault TEXT PRIMARY KEY REFERENCES vaults (uid) ON DELETE CASCADE, through INTEGER NOT NULL, records INTEGER NOT NULL) STRICT"

// A Store is an open vault.db. It is safe for concurrent use.
type Store struct {
	keys   seal.Keys
	folder *os.File // locked
	writer *sql.DB  // one connection: writes are one after another
	reader *sql.DB
	opened Head // as the file was found

	changing sync.Mutex // held by Update, for the reserve
	reserve  reserve

	readers readers
	room    struct{ newest, waiting int } // for audit records
}

// Open opens or makes the file in the folder. root is the Store's from now on:
// Close destroys it.
func Open(ctx context.Context, dir string, root *seal.Key) (_ *Store, err error) {
	s := &Store{keys: seal.Keys{Inner: root}, readers: readers{since: time.Now()}}
	s.room.newest, s.room.waiting = maxEvents, maxWaiting
	defer func() {
		if err != nil {
			err = fmt.Errorf("open the vault in %s: %w", dir, errors.Join(err, s.Close()))
		}
	}()
	if err := s.lock(dir); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "vault.db")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(f.Close(), s.folder.Sync()); err != nil {
		return nil, err
	}
	if s.writer, err = sql.Open("sqlite", source(path, "_txlock=immediate")); err != nil {
		return nil, err
	}
	s.writer.SetMaxOpenConns(1)
	if err := s.prepare(ctx); err != nil {
		return nil, worded(err)
	}
	if _, err := s.writer.ExecContext(ctx, later); err != nil {
		return nil, worded(err)
	}
	if s.reader, err = sql.Open("sqlite", source(path, "_pragma=query_only(1)")); err != nil {
		return nil, err
	}
	s.reader.SetMaxOpenConns(8)
	s.reader.SetMaxIdleConns(8)
	if err := s.whole(ctx); err != nil {
		return nil, worded(err)
	}
	s.reserve = reserveIn(dir)
	s.reserve.keep()
	return s, nil
}

func source(path, more string) string {
	return "file:" + (&url.URL{Path: path}).EscapedPath() +
		"?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=foreign_keys(1)" +
		"&_pragma=secure_delete(1)&_pragma=trusted_schema(0)&_pragma=cell_size_check(1)&" + more
}

// lock makes the folder ours alone until the process ends.
func (s *Store) lock(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	s.folder = f
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			return ErrInUse
		}
		return err
	}
	return nil
}

// prepare checks that the file is ours, of a format that we know and made with
// this root key, or makes it so if it is empty.
func (s *Store) prepare(ctx context.Context) error {
	var id, version, tables int
	for pragma, into := range map[string]*int{"application_id": &id, "user_version": &version} {
		if err := s.writer.QueryRowContext(ctx, "PRAGMA "+pragma).Scan(into); err != nil {
			return err
		}
	}
	if err := s.writer.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&tables); err != nil {
		return err
	}
	switch {
	case tables == 0 && id == 0:
		return s.create(ctx)
	case id != applicationID:
		return fmt.Errorf("%w: it belongs to another application", ErrDamaged)
	case version > format:
		return fmt.Errorf("%w: its format is %d, this version knows %d", ErrNewer, version, format)
	}
	var verdict string
	if err := s.writer.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&verdict); err != nil {
		return err
	}
	if verdict != "ok" {
		return fmt.Errorf("%w: %s", ErrDamaged, verdict)
	}
	mark, err := s.keys.Inner.Commitment(rootLabel)
	if err != nil {
		return err
	}
	var stored []byte
	if err := s.writer.QueryRowContext(ctx, "SELECT record FROM meta WHERE name = 'root'").Scan(&stored); err != nil {
		return fmt.Errorf("%w: it has no mark of a root key", ErrDamaged)
	}
	if subtle.ConstantTimeCompare(mark[:], stored) != 1 {
		return ErrRootKey
	}
	return nil
}

func (s *Store) create(ctx context.Context) error {
	mark, err := s.keys.Inner.Commitment(rootLabel)
	if err != nil {
		return err
	}
	return s.Update(ctx, func(t *Tx) error {
		for _, statement := range []string{schema, fmt.Sprintf("PRAGMA application_id = %d", applicationID), fmt.Sprintf("PRAGMA user_version = %d", format)} {
			if err := t.exec(statement); err != nil {
				return err
			}
		}
		return t.exec("INSERT INTO meta (name, record, mac) VALUES ('root', ?, x'')", mark[:])
	})
}

// Close closes the file and destroys the root key.
func (s *Store) Close() error {
	var errs []error
	if s.reader != nil {
		errs = append(errs, s.reader.Close())
	}
	if s.writer != nil {
		errs = append(errs, s.writer.Close())
	}
	if s.folder != nil {
		errs = append(errs, s.folder.Close())
	}
	s.keys.Inner.Destroy()
	return errors.Join(errs...)
}

// View runs f on one state of the file.
func (s *Store) View(ctx context.Context, f func(*Tx) error) error {
	return s.transact(ctx, s.reader, f)
}

// Update runs f alone and makes what it wrote durable, or undoes all of it when
// f returns an error. On a full disk it runs f again, once the reserve was given for
// it; ErrFull tells that this was not enough.
func (s *Store) Update(ctx context.Context, f func(*Tx) error) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	err := s.update(ctx, f)
	if errors.Is(err, ErrFull) && s.reserve.spend() {
		err = s.update(ctx, f)
	}
	s.reserve.keep()
	return err
}

// update is Update with the room that there is.
func (s *Store) update(ctx context.Context, f func(*Tx) error) error {
	return s.transact(ctx, s.writer, func(t *Tx) error {
		if err := f(t); err != nil {
			return err
		}
		return t.writeHead()
	})
}

func (s *Store) transact(ctx context.Context, db *sql.DB, f func(*Tx) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return worded(err)
	}
	defer tx.Rollback() // after Commit: nothing to do
	if err := f(&Tx{ctx: ctx, tx: tx, keys: s.keys}); err != nil {
		return worded(err)
	}
	return worded(tx.Commit())
}

// Forget makes sure that nothing deleted so far is left in the write-ahead log.
func (s *Store) Forget(ctx context.Context) error {
	var busy, log, moved int
	err := s.writer.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &log, &moved)
	if err == nil && busy != 0 {
		err = errors.New("empty the write-ahead log: readers are in the way")
	}
	return worded(err)
}

// worded adds to the driver's errors what they mean here.
func worded(err error) error {
	e, ok := errors.AsType[*sqlite.Error](err)
	if !ok || errors.Is(err, ErrDamaged) {
		return err
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return fmt.Errorf("%w (%w)", ErrDamaged, err)
	case sqlite3.SQLITE_FULL:
		return fmt.Errorf("%w (%w)", ErrFull, err)
	}
	return err
}

// A Deletion is when something was deleted and when it goes for ever.
type Deletion struct {
	At    time.Time `json:"at"`
	Purge time.Time `json:"purge"`
}

// Over tells whether the time to recover has passed.
func (d *Deletion) Over(now time.Time) bool { return d != nil && !now.Before(d.Purge) }
