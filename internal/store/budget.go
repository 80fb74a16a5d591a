package store

import "sync"

// A Budget bounds the rows that all stores of a process hold in memory until
// they are in segments. One that no store may exceed alone is FlushBytes' matter.
type Budget struct {
	mu     sync.Mutex
	most   int64 // bytes
	used   int64
	waits  int // rows that wait for room, whose ever they are
	stores map[*Store]bool
}

// NewBudget makes a budget of so many bytes of rows, as they are in the journal.
func NewBudget(most int64) *Budget { return &Budget{most: most, stores: map[*Store]bool{}} }

// queue lets one more wait for room, if not too many do; leaveQueue follows.
func (b *Budget) queue() bool {
	if b == nil {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.waits >= mostWaits {
		return false
	}
	b.waits++
	return true
}

func (b *Budget) leaveQueue() {
	if b != nil {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.waits--
	}
}

// join and leave are called by stores that may hold rows. A nil Budget allows all.
func (b *Budget) join(s *Store) {
	if b != nil {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.stores[s] = true
	}
}

func (b *Budget) leave(s *Store, held int64) {
	if b != nil {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.stores, s)
		b.used -= held
		b.ring()
	}
}

// ring tells all who wait that there is room. It needs mu.
func (b *Budget) ring() {
	for s := range b.stores {
		s.room.ring()
	}
}

// spend counts bytes that are held from now on, or no more. From half of the
// budget on all stores are woken: the rows of a store that is asked nothing take
// as much room as any others.
func (b *Budget) spend(bytes int64) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used += bytes
	if bytes > 0 {
		b.press()
	} else {
		b.ring()
	}
}

// press wakes all stores if there is not much room left. It needs mu.
func (b *Budget) press() {
	if b.used >= b.most/2 {
		for s := range b.stores {
			s.wake()
		}
	}
}

// Limit changes the bound. Where more is held, appends are refused until flushes
// have made room.
func (b *Budget) Limit(most int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.most = most
	b.press()
	b.ring()
}

// pressed reports whether stores are to flush, however little they hold.
func (b *Budget) pressed() bool {
	if b == nil {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used >= b.most/2
}

// full reports whether a part of the budget is used up, in quarters.
func (b *Budget) full(quarters int64) bool {
	if b == nil {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used >= b.most/4*quarters
}
