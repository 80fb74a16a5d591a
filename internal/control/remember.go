package control

import (
	"bytes"
	"context"
	"sync"

	"logkeep/internal/catalog"
	"logkeep/internal/resource"
	"logkeep/internal/schema"
)

// Each request with rows needs a rule, a workspace and a table, mostly the same ones:
// to read their records' JSON again was a tenth of what a request of one row costs. What a
// record was read as is remembered, and counts while the record is the same. Those who
// are given it share it, so it is for ingestion, which changes nothing of it.
type remembered struct {
	rules      memory[Rule]
	workspaces memory[Workspace]
	tables     memory[Table]
}

// mostRemembered bounds a memory: what is more than that is read again.
const mostRemembered = 1024

// A memory is what records of one type were read as. It is safe for concurrent use.
type memory[T any] struct {
	mu  sync.Mutex
	all map[string]memoryOf[T] // by id
}

type memoryOf[T any] struct {
	etag  string
	body  []byte
	value T
}

// reader returns read, for what is not remembered of the same record.
func (m *memory[T]) reader(read func(catalog.Resource) (T, error)) func(catalog.Resource) (T, error) {
	return func(res catalog.Resource) (T, error) {
		m.mu.Lock()
		r, ok := m.all[res.ID]
		m.mu.Unlock()
		if ok && r.etag == res.ETag && bytes.Equal(r.body, res.Body) {
			return r.value, nil
		}
		v, err := read(res)
		if err != nil {
			return v, err
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.all == nil || len(m.all) >= mostRemembered {
			m.all = make(map[string]memoryOf[T])
		}
		m.all[res.ID] = memoryOf[T]{res.ETag, res.Body, v}
		return v, nil
	}
}

// End returns the workspace and the table that rows go to. They are others' as well:
// nothing that they refer to may be changed.
func (s *Service) End(ctx context.Context, workspace resource.ID, table schema.TableName) (Workspace, Table, error) {
	w, err := s.readWorkspace(ctx, s.cat.Records, workspace, s.remembered.workspaces.reader(workspaceOf))
	if err != nil {
		return Workspace{}, Table{}, err
	}
	t, err := s.readTable(ctx, s.cat.Records, workspace.Child("tables", string(table)), s.remembered.tables.reader(tableOf))
	return w, t, err
}
