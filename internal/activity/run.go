package activity

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"logkeep/internal/catalog"
	"logkeep/internal/control"
	"logkeep/internal/schema"
	"logkeep/internal/worker/wire"
)

const (
	group    = 256              // events of one commit to the outbox
	batch    = 500              // events of one append; a row has about 2 KiB
	every    = time.Second      // how long events wait in the outbox when nobody asks
	patience = 30 * time.Second // after which an append is taken up again
)

// record takes events to the outbox as they come, many in one commit. Writes of
// the control plane wait for it, so it waits for nothing else.
func (j *Journal) record(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			j.take(context.WithoutCancel(ctx), nil)
			return
		case e := <-j.entries:
			j.take(ctx, &e)
			select {
			case j.fresh <- struct{}{}:
			default:
			}
		}
	}
}

// carry takes events from the outbox to where rows are kept.
func (j *Journal) carry(ctx context.Context) {
	tick := time.NewTimer(every) // then goes what the last process has left
	defer tick.Stop()
	due, failures := true, 0 // due: the timer runs
	for {
		select {
		case <-ctx.Done():
			return
		case <-j.fresh:
			if !due {
				due = true
				tick.Reset(every)
			}
		case done := <-j.flush:
			done <- j.deliver(ctx)
		case <-tick.C:
			due = false
			if err := j.deliver(ctx); err != nil {
				failures++
				j.log.Warn("activity stays in the catalog for now", "cause", err)
				due = true
				tick.Reset(min(every<<min(failures, 5), patience))
			} else {
				failures = 0
			}
		}
	}
}

// take writes an event, and all that have come meanwhile, to the outbox.
func (j *Journal) take(ctx context.Context, first *entry) {
	var all []entry
	if first != nil {
		all = append(all, *first)
	}
	for len(all) < group {
		select {
		case e := <-j.entries:
			all = append(all, e)
			continue
		default:
		}
		break
	}
	if len(all) == 0 {
		return
	}
	var texts []json.RawMessage
	for _, e := range all {
		if e.event != nil {
			texts = append(texts, e.event)
		}
	}
	var err error
	if len(texts) > 0 {
		err = j.outbox.AddActivity(ctx, texts)
	}
	for _, e := range all {
		if e.done != nil {
			e.done <- err
		} else if err != nil {
			j.log.Error("activity is not recorded", "event", string(e.event), "cause", err)
		}
	}
}

// deliver empties the outbox.
func (j *Journal) deliver(ctx context.Context) error {
	for {
		pending, err := j.outbox.PendingActivity(ctx, batch)
		if err != nil || len(pending) == 0 {
			if err == nil {
				j.doubt = false
			}
			return err
		}
		if err := j.store(ctx, pending); err != nil {
			j.doubt = true
			return err
		}
		if err := j.outbox.ForgetActivity(ctx, pending[len(pending)-1].Seq); err != nil {
			j.doubt = true
			return err
		}
	}
}

// store makes rows of events.
func (j *Journal) store(ctx context.Context, pending []catalog.Pending) error {
	byPlace := map[schema.WorkspaceID][]Event{}
	for _, p := range pending {
		var e Event
		if err := json.Unmarshal(p.Event, &e); err != nil {
			return fmt.Errorf("%w: event %d of the activity log: %w", catalog.ErrDamaged, p.Seq, err)
		}
		w := Workspace(e.Tenant, e.Subscription).CustomerID
		byPlace[w] = append(byPlace[w], e)
	}
	for _, events := range byPlace {
		w := Workspace(events[0].Tenant, events[0].Subscription)
		if err := j.place(ctx, w); err != nil {
			return err
		}
		if j.doubt {
			var err error
			if events, err = j.missing(ctx, w, events); err != nil {
				return err
			}
		}
		if len(events) == 0 {
			continue
		}
		var body bytes.Buffer
		rows := make([]row, len(events))
		for i, e := range events {
			rows[i] = e.row()
		}
		if err := json.NewEncoder(&body).Encode(rows); err != nil {
			return err
		}
		r := wire.Append{Table: Schema(), MaxBytes: int64(body.Len())}
		if _, err := j.holder.Append(ctx, w, r, &body); err != nil {
			return fmt.Errorf("store activity: %w", err)
		}
	}
	return nil
}

// missing returns the events that are no rows yet.
func (j *Journal) missing(ctx context.Context, w control.Workspace, events []Event) ([]Event, error) {
	from, to := events[0].Time, events[0].Time
	for _, e := range events {
		if e.Time.Before(from) {
			from = e.Time
		}
		if e.Time.After(to) {
			to = e.Time
		}
	}
	rows, err := j.ask(ctx, w, Table+" | project EventDataId", from, to, 1<<20)
	if err != nil {
		return nil, fmt.Errorf("find out which activity is stored: %w", err)
	}
	stored := map[string]bool{}
	for _, r := range rows {
		stored[r.EventDataID] = true
	}
	kept := events[:0]
	for _, e := range events {
		if !stored[e.ID] {
			kept = append(kept, e)
		}
	}
	return kept, nil
}
