package journal

import (
	"errors"
	"fmt"
	"io"
	"math"
	"path"

	"logkeep/internal/disk"
	"logkeep/internal/seal"
)

// A replayer reads the files of a journal, from old to new.
type replayer struct {
	cfg  Config
	keys map[uint32]seal.Keys

	number   uint64 // of the newest file
	files    []fileInfo
	next     uint64 // the number that must come next
	previous seal.Commitment
	body     []byte      // buffer, kept
	void     []disk.Info // files that hold nothing
	rest     *rest       // nil: the journal is ours to mend
}

// A found file is one whose header is whole.
type found struct {
	name  string
	size  int64
	start int64 // where the first frame is
	fileHeader
}

func (r *replayer) run() error {
	list, err := r.list()
	if err != nil {
		return err
	}
	// What lies wholly below the floor was released, if not removed.
	for len(list) > 1 && list[1].first <= r.cfg.Floor {
		r.files = append(r.files, fileInfo{list[0].name, list[0].first})
		list = list[1:]
	}
	r.next = 1
	for i, f := range list {
		if f.generation == 0 && f.version == oldFileVersion {
			f.previous = r.previous // its header can't be read: maybe nothing else is wrong
		}
		if f.first != r.next || f.previous != r.previous {
			// The chain may begin anew only where nothing that is wanted is missing.
			wrong := fmt.Errorf("it begins with entry %d, where entry %d must follow", f.first, r.next)
			switch {
			case f.first >= r.next && f.first <= max(r.cfg.Floor, 1):
			case r.cfg.Salvage == nil:
				return &DamageError{f.name, 0, wrong}
			case f.first < r.next: // another's: the chain leads past it
				r.files = append(r.files, fileInfo{f.name, f.first})
				continue
			default:
				r.lose(f.name, f.first-1, wrong.Error())
			}
			r.next, r.previous = f.first, f.previous
		}
		limit := uint64(0)
		if i+1 < len(list) {
			limit = list[i+1].first
		}
		if err := r.file(f, limit); err != nil {
			return err
		}
		r.files = append(r.files, fileInfo{f.name, f.first})
	}
	r.next = max(r.next, r.cfg.Floor)
	if s := r.cfg.Salvage; s != nil && s.Seen >= r.next {
		r.lose("the journal's end", s.Seen, "what was acknowledged is not there")
	}
	if r.rest != nil {
		return r.rest.settle(list)
	}
	return r.settle(list)
}

// settle makes durable what was replayed. A process that was killed leaves
// frames that can be read and were never synced; the next frame must not build
// on something that the next loss of power takes away.
func (r *replayer) settle(list []found) error {
	for _, info := range r.void { // only now that all else is known to be right
		r.cfg.Report(Cut{info.Name, 0, info.Size, "the file was not begun to the end"})
		if err := r.cfg.FS.Remove(path.Join(r.cfg.Dir, info.Name)); err != nil {
			return err
		}
	}
	if len(list) == 0 {
		return nil
	}
	newest := list[len(list)-1]
	if newest.generation > r.cfg.Current {
		return fmt.Errorf("journal file %s is of generation %d, the current one is said to be %d", newest.name, newest.generation, r.cfg.Current)
	}
	f, err := r.cfg.FS.Open(path.Join(r.cfg.Dir, newest.name))
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close(), r.cfg.FS.SyncDir(r.cfg.Dir))
}

// list returns the files by number. Those that a crash or a failure left without
// a header are void, if nothing in them looks as if it had been acknowledged.
func (r *replayer) list() ([]found, error) {
	infos, err := r.cfg.FS.List(r.cfg.Dir)
	if err != nil {
		return nil, err
	}
	var out []found
	for _, info := range infos { // 16 digits: sorted by name is sorted by number
		number, ok := fileNumber(info.Name)
		if !ok {
			continue
		}
		if r.rest != nil && info.Name > r.rest.newest {
			continue
		}
		r.number = number
		f, whole, err := r.header(info)
		if err != nil {
			return nil, err
		}
		if !whole {
			r.void = append(r.void, info)
			continue
		}
		out = append(out, f)
	}
	return out, nil
}

func (r *replayer) header(info disk.Info) (found, bool, error) {
	f, err := r.cfg.FS.Open(path.Join(r.cfg.Dir, info.Name))
	if err != nil {
		return found{}, false, err
	}
	defer f.Close()
	b := make([]byte, min(info.Size, fileHeaderSize))
	if err := readFull(f, b, 0); err != nil {
		return found{}, false, err
	}
	h, ok, err := parseFileHeader(b)
	if err != nil {
		return found{}, false, &DamageError{info.Name, 0, err}
	}
	if ok {
		return found{info.Name, info.Size, fileHeaderSize, h}, true, nil
	}
	// The header and the first frame's header are written at once and lie
	// in one sector: if a frame is to be seen, the header was damaged later.
	at, err := scan(f, 0, 0, info.Size, 1, math.MaxUint64)
	if err != nil || at < 0 {
		return found{}, false, err
	}
	if r.cfg.Salvage != nil {
		f, err := headless(f, info, at)
		return f, err == nil, err
	}
	return found{}, false, &DamageError{info.Name, 0, errors.New("its header can't be read")}
}

// file replays the frames of f whose numbers are below limit, 0 for the newest file.
func (r *replayer) file(f found, limit uint64) error {
	keys, err := r.keysFor(f)
	if err != nil {
		return err
	}
	h, err := r.cfg.FS.Open(path.Join(r.cfg.Dir, f.name))
	if err != nil {
		return err
	}
	defer h.Close()

	at := f.start
	for at < f.size {
		if limit > 0 && r.next >= limit {
			r.cfg.Report(Cut{f.name, at, f.size - at, "the write failed and was not acknowledged"})
			break
		}
		length, torn, err := r.frame(h, f, at, keys[0])
		for len(keys) > 1 && err != nil { // which one it is shows when one fits
			keys = keys[1:]
			length, torn, err = r.frame(h, f, at, keys[0])
		}
		if err == nil && torn != "" {
			if err = r.cut(h, f, at, limit, torn); err == nil {
				return nil
			}
		}
		if err == nil {
			at += length
			continue
		}
		wrong, damaged := reason(err)
		if r.cfg.Salvage == nil || !damaged {
			return err
		}
		if at, err = r.beyond(h, f, at, limit, wrong); err != nil {
			return err
		}
	}
	return nil
}

// frame replays the frame at offset at and returns its length. torn says why
// the bytes there are no whole frame.
func (r *replayer) frame(h disk.File, f found, at int64, keys seal.Keys) (length int64, torn string, err error) {
	n := frameHead(f.version)
	head := make([]byte, min(n, f.size-at))
	if err := readFull(h, head, at); err != nil {
		return 0, "", err
	}
	fh, ok := parseFrameHeader(head, f.version)
	switch {
	case !ok:
		return 0, "the frame's header is torn", nil
	case fh.first != r.next:
		return 0, "", &DamageError{f.name, at, fmt.Errorf("entry %d stands where entry %d must", fh.first, r.next)}
	case f.version != oldFileVersion && fh.previous != r.previous:
		return 0, "", &DamageError{f.name, at, fmt.Errorf("entry %d does not follow the one before it", fh.first)}
	case int64(fh.length) > f.size-at-n: // so the file bounds what is allocated
		return 0, "the frame is not whole", nil
	}
	r.body = sized(r.body, int(fh.length))[:fh.length]
	if err := readFull(h, r.body, at+n); err != nil {
		return 0, "", err
	}
	if checksum(r.body) != fh.bodySum {
		return 0, "the frame is torn", nil
	}
	plain, commitment, err := seal.OpenMessage(keys, framePlace(r.cfg.Place, r.next, r.previous), r.body)
	if errors.Is(err, seal.ErrTampered) {
		return 0, "", &DamageError{f.name, at, err}
	}
	if err != nil {
		return 0, "", fmt.Errorf("journal file %s: %w", f.name, err)
	}
	units, err := parseGroup(plain)
	if err != nil {
		return 0, "", &DamageError{f.name, at, err}
	}
	for _, unit := range units {
		for _, e := range unit {
			if r.next < r.cfg.Floor {
				continue
			}
			if err := r.cfg.Replay(r.next, e); err != nil {
				return 0, "", fmt.Errorf("replay entry %d: %w", r.next, err)
			}
		}
		r.next++
	}
	r.previous = commitment
	return n + int64(fh.length), "", nil
}

// cut cuts a torn end off f. It is the end only if no file and no frame follows.
func (r *replayer) cut(h disk.File, f found, at int64, limit uint64, reason string) error {
	damage := &DamageError{f.name, at, errors.New(reason + ", and more follows it")}
	if limit > 0 {
		return damage
	}
	// A group has fewer than 2^32 units.
	later, err := scan(h, f.version, at+1, f.size, r.next+1, r.next+1<<32)
	if err != nil {
		return err
	}
	if later >= 0 {
		return damage
	}
	r.cfg.Report(Cut{f.name, at, f.size - at, reason})
	if r.cfg.Salvage != nil || r.rest != nil {
		return nil // as it was
	}
	return errors.Join(h.Truncate(at), h.Sync())
}

// scan returns where the first frame header with a number from first to last
// is, in the bytes from from to to of a file of a version, 0 for any, or -1. Bytes
// that are no header hardly ever pass for one; if they do, a cut becomes an error,
// never the other way round.
func scan(f io.ReaderAt, version byte, from, to int64, first, last uint64) (int64, error) {
	versions := []byte{fileVersion, oldFileVersion}
	if version != 0 {
		versions = []byte{version}
	}
	const window = 1 << 20
	buf := make([]byte, min(window, to-from))
	for len(buf) >= oldFrameHeaderSize && from+oldFrameHeaderSize <= to {
		b := buf[:min(int64(len(buf)), to-from)]
		if err := readFull(f, b, from); err != nil {
			return 0, err
		}
		for i := 0; i+oldFrameHeaderSize <= len(b); i++ {
			for _, v := range versions {
				if h, ok := parseFrameHeader(b[i:], v); ok && h.first >= first && h.first <= last {
					return from + int64(i), nil
				}
			}
		}
		if int64(len(b)) == to-from {
			break
		}
		from += int64(len(b) - frameHeaderSize + 1)
	}
	return -1, nil
}

func readFull(r io.ReaderAt, b []byte, off int64) error {
	n, err := r.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	return fmt.Errorf("read %d bytes at %d: %w", len(b), off, err)
}
