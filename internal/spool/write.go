package spool

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"path"
	"slices"
	"sync"
	"time"

	"logkeep/internal/disk"
	"logkeep/internal/wrap"
)

// fileSize is about how large a file gets: a worker reads it whole.
const fileSize = 16 << 20

// A Writer signs what it puts into spools, with a key that this installation
// certified and that is in memory only. It opens nothing.
type Writer struct {
	key         ed25519.PrivateKey
	certificate wrap.SpoolWriter
}

// NewWriter draws a key and has it certified.
func NewWriter(ctx context.Context, s wrap.Signer) (*Writer, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	w := &Writer{key: private, certificate: wrap.SpoolWriter{Public: public}}
	return w, w.certificate.Sign(ctx, s)
}

// A Spool is one account's, open for putting batches in. It is safe for
// concurrent use; one at a time is open on a folder.
type Spool struct {
	fs    disk.FS
	dir   string
	close func() error

	turn disk.Turn // holds a token while somebody writes; guards the file
	file *outFile

	mu      sync.Mutex
	queue   []*request
	last    uint64 // highest number of a file there ever was
	counted map[string]Count
	stale   bool // what is there may have changed
}

// An outFile is the file that is being written.
type outFile struct {
	disk.File
	name     string
	header   Header
	digest   [32]byte
	size     int64  // durable bytes
	sequence uint64 // of the last batch
	writer   *Writer
}

// A request is a batch that waits to be written.
type request struct {
	key    wrap.SpoolKey
	writer *Writer
	batch  Batch
	sealed []byte
	err    error
	done   chan struct{}
}

// Open opens the spool in dir, which it makes when it is first needed. Numbers
// of new files are above floor, and above those of the files that are there.
func Open(fs disk.FS, dir string, floor uint64) (*Spool, error) {
	s := &Spool{fs: fs, dir: dir, close: func() error { return nil }, turn: disk.NewTurn(), last: floor, counted: map[string]Count{}, stale: true}
	infos, err := fs.List(dir)
	if err != nil {
		return nil, fmt.Errorf("open spool %s: %w", dir, err)
	}
	for _, info := range infos {
		for _, suffix := range [...]string{suffix, asideSuffix} {
			if n, ok := number(info.Name, suffix); ok {
				s.last = max(s.last, n)
			}
		}
	}
	return s, nil
}

// OpenAt opens the spool of the account whose folder is given.
func OpenAt(folder string, floor uint64) (*Spool, error) {
	d, err := disk.OpenFolder(folder)
	if err != nil {
		return nil, fmt.Errorf("open spool: %w", err)
	}
	s, err := Open(d, Dir, floor)
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	s.close = d.Close
	return s, nil
}

// Close ends the file that is being written. Nothing is put in any more.
func (s *Spool) Close() error {
	s.Finish()
	return s.close()
}

// Dir is the folder of a spool in its account's.
const Dir = "spool"

// Append seals a batch to k, of which the caller made sure that it is the
// account's, and makes it durable. After an error it is not acknowledged.
func (s *Spool) Append(ctx context.Context, k wrap.SpoolKey, w *Writer, b Batch) error {
	if len(b.Payload) > MaxPayload {
		return ErrTooLarge
	}
	sealed, err := seal(k, b)
	if err != nil {
		return err
	}
	b.Payload = nil
	r := &request{key: k, writer: w, batch: b, sealed: sealed, done: make(chan struct{})}
	s.mu.Lock()
	s.queue = append(s.queue, r)
	s.mu.Unlock()
	if err := s.turn.Wait(ctx, r.done, s.commit, func() bool { return s.withdraw(r) }); err != nil {
		return err
	}
	if r.err != nil {
		return fmt.Errorf("spool %s: %w", s.dir, r.err)
	}
	return nil
}

func (s *Spool) withdraw(r *request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.queue, r)
	if i >= 0 {
		s.queue = slices.Delete(s.queue, i, i+1)
	}
	return i >= 0
}

// commit writes some of those that wait, with one sync. It runs with the turn.
func (s *Spool) commit() {
	s.mu.Lock()
	n, size := 0, 0
	// A file is sealed to one key by one writer.
	for n < len(s.queue) && (n == 0 || size+len(s.queue[n].sealed) <= fileSize && s.queue[n].key.ID == s.queue[0].key.ID && s.queue[n].writer == s.queue[0].writer) {
		size += len(s.queue[n].sealed)
		n++
	}
	group := slices.Clone(s.queue[:n])
	s.queue = slices.Delete(s.queue, 0, n)
	s.mu.Unlock()
	if n == 0 {
		return
	}
	err := s.write(group)
	for _, r := range group {
		r.err = err
		close(r.done)
	}
}

// write makes a group durable. After an error none of it is acknowledged.
func (s *Spool) write(group []*request) error {
	if f := s.file; f != nil && (f.size >= fileSize || f.header.Key.ID != group[0].key.ID || f.writer != group[0].writer) {
		s.leave()
	}
	var out []byte
	begun := s.file == nil
	if begun {
		var err error
		if out, err = s.begin(group[0].key, group[0].writer); err != nil {
			return err
		}
	}
	f := s.file
	sequence := f.sequence
	for _, r := range group {
		sequence++
		out = appendFrame(out, f.digest, sequence, f.writer.key, r.batch.head(), r.sealed)
	}
	n, err := f.Write(out)
	if err == nil && n != len(out) {
		err = errors.New("short write")
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil && begun {
		err = s.fs.SyncDir(s.dir)
	}
	if err != nil {
		// What the disk has of it is unknown. None of it was acknowledged, so it goes
		// as far as it can be made to; a file whose sync failed is left.
		if f.size == 0 {
			s.leave()
			return errors.Join(err, quiet(s.fs.Remove(path.Join(s.dir, f.name))))
		}
		err = errors.Join(err, quiet(f.Truncate(f.size)))
		s.leave()
		return err
	}
	f.size += int64(len(out))
	f.sequence = sequence
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.counted[f.name]
	c.Bytes, c.Generation = f.size, f.header.Key.Generation
	for _, r := range group {
		c.add(r.batch)
	}
	s.counted[f.name] = c
	return nil
}

// begin makes the next file and gives its header, which is not written yet.
func (s *Spool) begin(k wrap.SpoolKey, w *Writer) ([]byte, error) {
	if err := s.fs.MkdirAll(s.dir); err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.last++ // even if it fails: the name may be taken by what a failure left
	f := &outFile{name: fileName(s.last), header: Header{Number: s.last, Key: k, Writer: w.certificate, Created: time.Now().UTC()}, writer: w}
	s.mu.Unlock()
	out, err := appendHeader(nil, f.header)
	if err != nil {
		return nil, err
	}
	f.digest = sha256.Sum256(out)
	if f.File, err = s.fs.Create(path.Join(s.dir, f.name)); err != nil {
		return nil, err
	}
	s.file = f
	return out, nil
}

// leave closes the file; all it holds is synced.
func (s *Spool) leave() {
	if s.file != nil {
		s.file.Close()
		s.file = nil
	}
}

// Finish ends the file that is being written and tells the highest number that
// any file has: those up to it belong to whoever is told.
func (s *Spool) Finish() (through uint64) {
	s.turn.Take()
	defer s.turn.Give()
	s.leave()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stale = true
	return s.last
}

// quiet keeps the text of a follow-up error, but not its identity.
func quiet(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("then: %v", err)
}
