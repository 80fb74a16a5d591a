package journal

import (
	"errors"
	"fmt"
	"io"
	"math"

	"logkeep/internal/disk"
	"logkeep/internal/seal"
)

// A Salvage has Open read what can be read of a damaged journal instead of refusing
// it. Nothing that is there is changed or removed; what the caller has taken from it
// must be made durable elsewhere and released, since the journal can't be opened
// without a Salvage before. Whoever salvages has decided that what is lost is lost.
//
// A frame's header tells where the chain stood before it, so the frames behind one
// that is lost open; what they say is as safe from a forger as ever. In files of
// version 1 headers tell nothing, and what follows a lost frame goes with it.
type Salvage struct {
	Seen uint64 // a number that is known to have been durable: what is missing up to it is lost
	Lost []Lost // what could not be read, from old to new
}

// Lost is a stretch of units that a journal has no more, or can't read.
type Lost struct {
	File     string
	From, To uint64 // numbers of the first and the last one; To is 0 if nobody knows
	Reason   string
}

func (l Lost) String() string {
	switch {
	case l.To == 0:
		return fmt.Sprintf("%s: appends from %d on: %s", l.File, l.From, l.Reason)
	case l.From == l.To:
		return fmt.Sprintf("%s: append %d: %s", l.File, l.From, l.Reason)
	}
	return fmt.Sprintf("%s: appends %d to %d: %s", l.File, l.From, l.To, l.Reason)
}

// lose notes that units up to to are lost, and goes on behind them. What lies below
// the floor is in segments and no loss.
func (r *replayer) lose(file string, to uint64, reason string) {
	s := r.cfg.Salvage
	from := max(r.next, r.cfg.Floor, 1)
	if to != 0 {
		r.next = max(r.next, to+1)
		if to < from {
			return
		}
	}
	if n := len(s.Lost); n > 0 && s.Lost[n-1].File == file && s.Lost[n-1].To+1 == from {
		s.Lost[n-1].To = to
		return
	}
	s.Lost = append(s.Lost, Lost{file, from, to, reason})
}

// reason is what is wrong, if it is with the file and not with who reads it.
func reason(err error) (string, bool) {
	if d, ok := errors.AsType[*DamageError](err); ok {
		return d.Err.Error(), true
	}
	if errors.Is(err, disk.ErrDamaged) {
		return err.Error(), true
	}
	return "", false
}

// beyond returns where in a file of a damaged journal to go on after offset at,
// where something is wrong: behind the units that are lost with it, at the end if
// there is no more. limit is as for file.
func (r *replayer) beyond(h io.ReaderAt, f found, at int64, limit uint64, wrong string) (int64, error) {
	last := uint64(math.MaxUint64)
	if limit > 0 {
		last = limit - 1
	}
	if f.version != oldFileVersion {
		next, err := scan(h, f.version, at+1, f.size, r.next, last)
		if err != nil {
			return 0, err
		}
		if next >= 0 {
			head := make([]byte, frameHeaderSize)
			if err := readFull(h, head, next); err != nil {
				return 0, err
			}
			fh, _ := parseFrameHeader(head, f.version)
			r.lose(f.name, fh.first-1, wrong)
			r.previous = fh.previous
			return next, nil
		}
	}
	if limit > 0 {
		r.lose(f.name, limit-1, wrong)
	} else {
		r.lose(f.name, 0, wrong)
	}
	return f.size, nil
}

// headless is a file whose header can't be read, by the first frame that can.
func headless(h io.ReaderAt, info disk.Info, at int64) (found, error) {
	f := found{name: info.Name, size: info.Size, start: at}
	for _, v := range []byte{fileVersion, oldFileVersion} {
		head := make([]byte, min(frameHead(v), info.Size-at))
		if err := readFull(h, head, at); err != nil {
			return f, err
		}
		if fh, ok := parseFrameHeader(head, v); ok {
			f.fileHeader = fileHeader{version: v, first: fh.first, previous: fh.previous}
			return f, nil
		}
	}
	return f, fmt.Errorf("internal error: no frame at byte %d of %s", at, info.Name)
}

// keysFor are the keys that a file's frames may be sealed with: of one generation,
// if its header can be read.
func (r *replayer) keysFor(f found) (all []seal.Keys, err error) {
	from, to := f.generation, f.generation
	if f.generation == 0 {
		from, to = r.cfg.Current, 1
	}
	for g := from; g >= to; g-- {
		keys, ok := r.keys[g]
		if !ok {
			if keys, err = keysOf(r.cfg, g); err != nil {
				return nil, fmt.Errorf("journal file %s: %w", f.name, err)
			}
			r.keys[g] = keys
		}
		all = append(all, keys)
	}
	return all, nil
}
