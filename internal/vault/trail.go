package vault

import (
	"context"
	"log/slog"
	"time"

	"logkeep/internal/vault/admin"
	"logkeep/internal/vault/keystore"
)

// trail writes audit records to vault.db, many in one transaction. A record is
// on the disk within flushInterval of its call; a crash may lose the last ones.
// When the disk can't keep up, calls wait.
type trail struct {
	store *keystore.Store
	hook  func(admin.Event)
	log   *slog.Logger
	queue chan keystore.Entry
}

const (
	queueLength   = 1024
	flushInterval = time.Second
)

func newTrail(store *keystore.Store, hook func(admin.Event), log *slog.Logger) *trail {
	return &trail{store, hook, log, make(chan keystore.Entry, queueLength)}
}

func (t *trail) add(v keystore.VaultUID, e admin.Event) {
	if t.hook != nil {
		t.hook(e)
	}
	t.queue <- keystore.Entry{Vault: v, Event: e}
}

// run writes until ctx ends, and then what is still queued. Nobody may add
// after that.
func (t *trail) run(ctx context.Context) {
	tick := time.NewTicker(flushInterval)
	defer tick.Stop()
	var batch []keystore.Entry
	for {
		select {
		case e := <-t.queue:
			if batch = append(batch, e); len(batch) < queueLength {
				continue
			}
		case <-tick.C:
		case <-ctx.Done():
			for len(t.queue) > 0 {
				batch = append(batch, <-t.queue)
			}
			t.flush(batch)
			return
		}
		t.flush(batch)
		batch = batch[:0]
	}
}

func (t *trail) flush(batch []keystore.Entry) {
	if len(batch) == 0 {
		return
	}
	ctx, done := context.WithTimeout(context.Background(), shutdownTimeout)
	defer done()
	if err := t.store.AppendEvents(ctx, batch); err != nil {
		t.log.Error("audit records were lost", "records", len(batch), "error", err)
	}
}
