package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path"

	"logkeep/internal/disk"
	"logkeep/internal/seal"
)

// ErrReleased reports that entries which a Follower wants are not there any
// more: a later floor was set, and files below it are gone. If no later floor
// was set, they are lost.
var ErrReleased = errors.New("what is wanted of the journal is not there any more")

// A Mark names the last durable frame of a journal: all before it are chained
// to it. The zero Mark is that of a journal without frames.
type Mark struct {
	Last       uint64 // number of the frame's last unit
	Commitment seal.Commitment
}

// Mark returns the mark of now. What was acknowledged before is at or below it.
func (j *Journal) Mark() Mark {
	j.mu.Lock()
	defer j.mu.Unlock()
	return Mark{j.last, j.head}
}

// A Follower reads a journal that another process appends to. It takes no lock,
// changes nothing, and reads only what a mark says is durable: so it never
// meets a torn frame. What a failed write left behind may look like an entry;
// but only one chain leads to the mark.
//
// It keeps its place between calls and reads each frame once. It is used by
// one goroutine at a time.
type Follower struct {
	cfg Config
	r   replayer
	at  int64 // where the next frame of in begins
	in  found // the file that r.next is in; no name: none was read yet
}

// Follow returns a Follower at the beginning of a journal. Of the Config it
// needs FS, Dir, Place and Keys.
func Follow(cfg Config) *Follower {
	cfg.Place.Kind = Kind
	return &Follower{cfg: cfg, r: replayer{keys: map[uint32]seal.Keys{}}}
}

// A Numbered is an entry and its unit's number.
type Numbered struct {
	Seq uint64
	Entry
}

// Advance returns the entries from floor to the mark that it has not returned
// yet, in order. Both must come from the journal's owner, and floor must not be
// below one of an earlier call. After an error the Follower is where it was.
// The error wraps ErrReleased if files have gone, or are going, meanwhile: try
// again with a later floor.
func (f *Follower) Advance(floor uint64, to Mark) (entries []Numbered, err error) {
	floor = max(floor, 1)
	if to.Last < max(floor, f.r.next) {
		return nil, nil
	}
	f.r.cfg = f.cfg
	f.r.cfg.Floor = floor
	f.r.cfg.Replay = func(seq uint64, e Entry) error {
		entries = append(entries, Numbered{seq, e})
		return nil
	}
	at, in, next, previous := f.at, f.in, f.r.next, f.r.previous
	files, err := f.list()
	if err == nil {
		err = f.advance(files, floor, to)
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w: %w", ErrReleased, err)
	}
	if err != nil {
		f.at, f.in, f.r.next, f.r.previous = at, in, next, previous
		return nil, fmt.Errorf("follow journal %s: %w", f.cfg.Dir, err)
	}
	return entries, nil
}

// Rest is the function of that name, for the followed journal. It leaves the
// Follower where it is.
func (f *Follower) Rest(floor uint64, newest string, sync func(name string) error) (Mark, error) {
	cfg := f.cfg
	cfg.Floor = floor
	return Rest(cfg, newest, sync)
}

// broken says that the chain to a mark is not there.
func broken(file string, at int64, format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrReleased, &DamageError{file, at, fmt.Errorf(format, args...)})
}

// list returns the files that have a whole header, from old to new. It is read
// after through was known to be durable: whatever file holds an entry up to
// there is in it. None vanished while it was made, so it has no hole.
func (f *Follower) list() (files []found, err error) {
	for range 16 {
		if files, err = f.listOnce(); !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	return files, err
}

func (f *Follower) listOnce() (files []found, err error) {
	infos, err := f.cfg.FS.List(f.cfg.Dir)
	if err != nil {
		return nil, err
	}
	for _, info := range infos {
		if _, ok := fileNumber(info.Name); !ok {
			continue
		}
		h, ok := f.in.fileHeader, info.Name == f.in.name
		if !ok {
			h, ok, err = f.header(info)
		}
		if err != nil {
			return nil, err
		}
		if !ok {
			continue // being begun: nothing in it is durable
		}
		files = append(files, found{info.Name, info.Size, fileHeaderSize, h})
	}
	return files, nil
}

func (f *Follower) header(info disk.Info) (fileHeader, bool, error) {
	file, err := f.cfg.FS.Open(path.Join(f.cfg.Dir, info.Name))
	if err != nil {
		return fileHeader{}, false, err
	}
	defer file.Close()
	b := make([]byte, min(info.Size, fileHeaderSize))
	if err := readFull(file, b, 0); err != nil {
		return fileHeader{}, false, err
	}
	h, ok, err := parseFileHeader(b)
	if err != nil {
		return h, false, &DamageError{info.Name, 0, err}
	}
	return h, ok, nil
}

func (f *Follower) advance(files []found, floor uint64, to Mark) error {
	i, err := f.enter(files, floor)
	if err != nil {
		return err
	}
	for ; f.r.next <= to.Last; i++ {
		if i >= len(files) {
			return broken(f.in.name, f.at, "entry %d, which is durable, is in no file", f.r.next)
		}
		if files[i].name != f.in.name {
			if err := f.begin(files[i], floor); err != nil {
				return err
			}
		}
		limit := uint64(math.MaxUint64)
		if i+1 < len(files) {
			limit = files[i+1].first
		}
		if err := f.file(files[i], min(limit, to.Last+1)); err != nil {
			return err
		}
	}
	if f.r.next != to.Last+1 || f.r.previous != to.Commitment {
		return broken(f.in.name, f.at, "entry %d is not the one that is durable", to.Last)
	}
	return nil
}

// enter returns the index of the file to go on with: the one that was being
// read, or, if nothing before the floor is wanted any more, the newest that
// begins at or before it.
func (f *Follower) enter(files []found, floor uint64) (int, error) {
	mine, start := -1, -1
	for i, file := range files {
		if file.name == f.in.name {
			mine = i
		}
		if file.first <= max(floor, f.r.next) {
			start = i
		}
	}
	switch {
	case start < 0:
		return 0, ErrReleased
	case mine >= 0 && (f.r.next >= floor || mine >= start):
		return mine, nil
	}
	if f.r.next >= floor && f.in.name != "" && files[start].first != f.r.next {
		return 0, ErrReleased // its file has gone with entries that were not read
	}
	return start, nil
}

// begin goes on with another file. The chain leads into it, but where what is
// between is not wanted.
func (f *Follower) begin(file found, floor uint64) error {
	if f.in.name != "" && (file.first != f.r.next || file.previous != f.r.previous) && file.first > floor {
		return broken(file.name, 0, "it begins with entry %d, where entry %d must follow", file.first, f.r.next)
	}
	f.in, f.at = file, fileHeaderSize
	f.r.next, f.r.previous = file.first, file.previous
	return nil
}

// file reads the units of a file below end, all of which are durable.
func (f *Follower) file(file found, end uint64) error {
	if f.r.next >= end {
		return nil
	}
	keys, ok := f.r.keys[file.generation]
	if !ok {
		var err error
		if keys, err = keysOf(f.cfg, file.generation); err != nil {
			return fmt.Errorf("file %s: %w", file.name, err)
		}
		f.r.keys[file.generation] = keys
	}
	h, err := f.cfg.FS.Open(path.Join(f.cfg.Dir, file.name))
	if err != nil {
		return err
	}
	defer h.Close()
	if file.size, err = h.Size(); err != nil {
		return err
	}
	for f.r.next < end {
		if f.at >= file.size {
			return broken(file.name, f.at, "it ends before entry %d, which is durable", f.r.next)
		}
		length, torn, err := f.r.frame(h, file, f.at, keys)
		if err != nil {
			return err
		}
		if torn != "" {
			return broken(file.name, f.at, "%s", torn)
		}
		f.at += length
	}
	return nil
}
