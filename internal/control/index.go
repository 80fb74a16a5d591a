package control

import (
	"context"
	"sync"

	"logkeep/internal/catalog"
	"logkeep/internal/resource"
)

// An index holds all living resources of a type for as long as none of them
// has changed. What it returns is shared: read only.
type index[T any] struct {
	mu       sync.Mutex
	loaded   bool
	revision uint64
	all      []T
}

func (i *index[T]) get(ctx context.Context, cat *catalog.Catalog, typ resource.Type, read func(catalog.Resource) (T, error)) ([]T, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	revision := cat.Revision(string(typ)) // before reading: a change meanwhile makes the copy old, never new
	if i.loaded && i.revision == revision {
		return i.all, nil
	}
	all, err := list(ctx, cat.Records, resource.Root(), typ, read)
	if err != nil {
		return nil, err
	}
	i.all, i.revision, i.loaded = all, revision, true
	return all, nil
}
