package spool

import (
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"path"
	"strings"
	"time"

	"logkeep/internal/disk"
)

// A Count says how much is in files of a spool.
type Count struct {
	Files      int
	Bytes      int64
	Batches    int64
	Rows       int64
	Since      time.Time // when the oldest batch was accepted; zero if there is none
	Generation uint32    // of the account's key that opens the file; of a sum, the newest
}

func (c *Count) add(b Batch) {
	c.Batches++
	c.Rows += b.Rows
	if c.Since.IsZero() || b.Accepted.Before(c.Since) {
		c.Since = b.Accepted.UTC()
	}
}

// Add adds another count.
func (c *Count) Add(o Count) {
	c.Files += o.Files
	c.Bytes += o.Bytes
	c.Batches += o.Batches
	c.Rows += o.Rows
	c.Generation = max(c.Generation, o.Generation)
	if c.Since.IsZero() || !o.Since.IsZero() && o.Since.Before(c.Since) {
		c.Since = o.Since
	}
}

// A Status is what is in a spool.
type Status struct {
	Waiting Count // to be imported
	Aside   Count // could not be
}

// Changed says that somebody else may have removed files or set some aside.
func (s *Spool) Changed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stale = true
}

// Status counts what is there. Files are read only if they are not known.
func (s *Spool) Status() (st Status, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stale {
		if err := s.count(); err != nil {
			return st, err
		}
	}
	for name, c := range s.counted {
		c.Files = 1
		if strings.HasSuffix(name, asideSuffix) {
			st.Aside.Add(c)
		} else {
			st.Waiting.Add(c)
		}
	}
	s.stale = st.Aside.Files > 0 // whoever has looked at those removes them
	return st, nil
}

// count looks at the folder.
func (s *Spool) count() error {
	infos, err := s.fs.List(s.dir)
	if err != nil {
		return err
	}
	now := map[string]Count{}
	for _, info := range infos {
		_, waits := number(info.Name, suffix)
		_, aside := number(info.Name, asideSuffix)
		if !waits && !aside {
			continue
		}
		c, known := s.counted[info.Name]
		if !known || aside {
			if c, err = s.read(info.Name); errors.Is(err, fs.ErrNotExist) {
				continue // imported meanwhile
			} else if err != nil {
				return err
			}
		}
		now[info.Name] = c
	}
	s.counted = now
	return nil
}

// read counts a file from before by the heads of its frames. Where they can't
// be followed any more the rest counts as one batch.
func (s *Spool) read(name string) (c Count, err error) {
	f, err := s.fs.Open(path.Join(s.dir, name))
	if err != nil {
		return c, err
	}
	defer f.Close()
	if c.Bytes, err = f.Size(); err != nil {
		return c, err
	}
	first := make([]byte, min(c.Bytes, fileHeaderSize+maxHeader))
	if _, err := f.ReadAt(first, 0); err != nil && err != io.EOF {
		return c, err
	}
	h, length, whole, err := parseHeader(first)
	if err != nil || !whole {
		return c, nil
	}
	c.Generation = h.Key.Generation
	var b [frameHeaderSize + 32]byte // with the numbers of the body's head
	for at := int64(length); at < c.Bytes; {
		if _, err := f.ReadAt(b[:], at); err != nil && err != io.EOF {
			return c, err
		}
		n := int64(binary.BigEndian.Uint32(b[:]))
		if checksum(b[:16]) != binary.BigEndian.Uint32(b[16:]) || n < 32 || n > c.Bytes-at-frameHeaderSize {
			c.Batches++
			break
		}
		c.add(Batch{
			Accepted: time.Unix(0, int64(binary.BigEndian.Uint64(b[frameHeaderSize+16:]))),
			Rows:     int64(binary.BigEndian.Uint64(b[frameHeaderSize+24:])),
		})
		at += frameHeaderSize + n
	}
	return c, nil
}

// slurp reads a whole file. Files are as long as write lets them be, or foreign.
func slurp(fsys disk.FS, name string) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	if size > fileSize+2*MaxPayload {
		return nil, ErrTooLong
	}
	b := make([]byte, size)
	for n := 0; n < len(b); {
		m, err := f.ReadAt(b[n:], int64(n))
		n += m
		if n < len(b) && err != nil {
			return nil, err
		}
	}
	return b, nil
}

// ErrTooLong reports a file that no writer made.
var ErrTooLong = errors.New("the file is longer than a spool's")
