package catalog

import (
	"context"
	"encoding/json"
)

// A Pending is an event of the activity log that is not a sealed row yet.
type Pending struct {
	Seq   int64 // grows
	Event json.RawMessage
}

// AddActivity writes events to the outbox, in their order.
func (r Records) AddActivity(ctx context.Context, events []json.RawMessage) error {
	return r.change(ctx, func(tx *Tx) error {
		for _, e := range events {
			if _, err := tx.exec(ctx, "INSERT INTO activity (event) VALUES (?)", string(e)); err != nil {
				return err
			}
		}
		return nil
	})
}

// PendingActivity returns the oldest events of the outbox.
func (r Records) PendingActivity(ctx context.Context, most int) ([]Pending, error) {
	return query(ctx, r.read(), func(scan func(...any) error) (p Pending, err error) {
		var text string
		err = scan(&p.Seq, &text)
		p.Event = json.RawMessage(text)
		return p, err
	}, "SELECT seq, event FROM activity ORDER BY seq LIMIT ?", most)
}

// ForgetActivity removes the events up to a number from the outbox.
func (r Records) ForgetActivity(ctx context.Context, upTo int64) error {
	return r.change(ctx, func(tx *Tx) error {
		_, err := tx.exec(ctx, "DELETE FROM activity WHERE seq <= ?", upTo)
		return err
	})
}
