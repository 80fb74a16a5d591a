package journal

import (
	"errors"
	"path"

	"logkeep/internal/seal"
)

// A rest is a journal that nobody writes to, as it was found.
type rest struct {
	dir    string
	newest string // file; later ones are somebody's who writes by now
	sync   func(name string) error
}

// Rest returns the mark of a journal whose owner is gone: that which the next
// owner would find, since its end is judged as Open judges it. Nothing is cut,
// and no lock is taken. newest is the journal's newest file when nobody wrote, ""
// if there was none. An owner who comes meanwhile begins a file of his own, so
// that what he writes is not taken for his predecessor's.
//
// What a killed process left may be whole and not durable. sync makes a file, or
// a folder, durable before the mark is returned.
//
// Of the Config it needs FS, Dir, Place, Keys and Floor. An error says nothing
// of the journal but that its next owner has to judge it.
func Rest(cfg Config, newest string, sync func(name string) error) (Mark, error) {
	cfg.Place.Kind = Kind
	cfg.Replay = func(uint64, Entry) error { return nil }
	cfg.Report = func(Cut) {}
	cfg.Salvage = nil
	r := replayer{cfg: cfg, keys: map[uint32]seal.Keys{}, rest: &rest{cfg.Dir, newest, sync}}
	if err := r.run(); err != nil {
		return Mark{}, err
	}
	return Mark{r.next - 1, r.previous}, nil
}

// settle is replayer.settle for who may change nothing.
func (s *rest) settle(list []found) error {
	if len(list) == 0 {
		return nil
	}
	return errors.Join(s.sync(path.Join(s.dir, list[len(list)-1].name)), s.sync(s.dir))
}
