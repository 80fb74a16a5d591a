package disktest

import (
	"math/rand/v2"
	"slices"
)

// Crash returns the disk as it may be found after a crash now; r chooses among
// what the contract allows. m goes on as if nothing had happened.
func (m *Memory) Crash(r *rand.Rand) *Memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := New()
	for dir := range m.folders {
		out.folders[dir] = true
	}
	entries := map[string]*node{}
	for name, n := range m.durable {
		entries[name] = n
	}
	// Entries change in order; the crash came after some of the changes.
	for _, c := range m.pending[:r.IntN(len(m.pending)+1)] {
		apply(entries, c)
	}
	for _, name := range sortedNames(entries) {
		data := survivor(entries[name], r)
		n := &node{data: data, synced: slices.Clone(data)}
		out.files[name], out.durable[name] = n, n
	}
	return out
}

// Restart returns the disk as it is found after everybody who used it was
// killed while the machine ran on: nothing is lost, and nothing more is durable.
func (m *Memory) Restart() *Memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := New()
	for dir := range m.folders {
		out.folders[dir] = true
	}
	copies := map[*node]*node{nil: nil}
	copyOf := func(n *node) *node {
		if _, ok := copies[n]; !ok {
			copies[n] = &node{data: slices.Clone(n.data), synced: slices.Clone(n.synced)}
		}
		return copies[n]
	}
	for name, n := range m.files {
		out.files[name] = copyOf(n)
	}
	for name, n := range m.durable {
		out.durable[name] = copyOf(n)
	}
	for _, c := range m.pending {
		d := change{}
		for name, n := range c {
			d[name] = copyOf(n)
		}
		out.pending = append(out.pending, d)
	}
	return out
}

// survivor returns what may be left of a file's bytes.
func survivor(n *node, r *rand.Rand) []byte {
	appended := len(n.data) >= len(n.synced) && string(n.data[:len(n.synced)]) == string(n.synced)
	switch choice := r.IntN(4); {
	case choice == 0:
		return slices.Clone(n.synced)
	case choice == 1 || !appended:
		return slices.Clone(n.data)
	case choice == 2: // the first of the new bytes
		return slices.Clone(n.data[:len(n.synced)+r.IntN(len(n.data)-len(n.synced)+1)])
	default: // the size, but not all sectors
		out := slices.Clone(n.data)
		for at := len(n.synced); at < len(out); {
			end := min((at/512+1)*512, len(out))
			if r.IntN(3) == 0 {
				clear(out[at:end])
			}
			at = end
		}
		return out
	}
}
