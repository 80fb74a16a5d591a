package catalog

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"
)

// A Status is where a long-running operation stands, in the words of the wire.
type Status string

// The statuses of operations.
const (
	InProgress Status = "InProgress"
	Updating   Status = "Updating"
	Deleting   Status = "Deleting"
	Succeeded  Status = "Succeeded"
	Failed     Status = "Failed"
	Canceled   Status = "Canceled"
)

// An Operation is a long-running operation: written before the work starts,
// so that a restarted keeper finds it in RunningOperations and goes on.
type Operation struct {
	ID       string
	Kind     string // of the service that runs it: "cluster.put"
	Resource string // id of the resource it works on
	Status   Status
	Error    json.RawMessage // {"code","message"} once Failed
	Input    json.RawMessage // what the work needs to start again
	Caller   string          // object id
	Started  time.Time
	Ended    time.Time // zero while it runs
}

// StartOperation writes a running operation. A zero Started means now.
func (r Records) StartOperation(ctx context.Context, op Operation) (Operation, error) {
	if op.Started.IsZero() {
		op.Started = time.Now().UTC()
	}
	if op.Status == "" {
		op.Status = InProgress
	}
	op.Ended = time.Time{}
	err := r.change(ctx, func(tx *Tx) error {
		_, err := tx.exec(ctx, "INSERT INTO operations (id, kind, resource, key, status, error, input, caller, started) VALUES (?,?,?,?,?,NULL,?,?,?)",
			op.ID, op.Kind, op.Resource, fold(op.Resource), string(op.Status), text(op.Input), op.Caller, stamp(op.Started))
		return err
	})
	if err != nil {
		return Operation{}, fmt.Errorf("start operation %s: %w", op.ID, err)
	}
	return op, nil
}

// FinishOperation ends a running operation; fault is its error or nil. An
// operation that has ended already is left as it is, with ErrConflict.
func (r Records) FinishOperation(ctx context.Context, id string, status Status, fault json.RawMessage) error {
	return r.change(ctx, func(tx *Tx) error {
		n, err := tx.exec(ctx, "UPDATE operations SET status = ?, error = ?, ended = ? WHERE id = ? AND ended IS NULL",
			string(status), text(fault), stamp(time.Now()), id)
		if err != nil {
			return fmt.Errorf("finish operation %s: %w", id, err)
		}
		if n == 0 {
			if _, err := tx.Operation(ctx, id); err != nil {
				return err
			}
			return fmt.Errorf("finish operation %s: it has ended: %w", id, ErrConflict)
		}
		return nil
	})
}

// Operation returns the operation with the id.
func (r Records) Operation(ctx context.Context, id string) (Operation, error) {
	op, err := scanOperation(r.read().QueryRowContext(ctx, selectOperation+"WHERE id = ?", id).Scan)
	if err != nil {
		return Operation{}, fmt.Errorf("operation %s: %w", id, worded(err))
	}
	return op, nil
}

// RunningOperations returns what has started and not ended, oldest first.
func (r Records) RunningOperations(ctx context.Context) ([]Operation, error) {
	return query(ctx, r.read(), scanOperation, selectOperation+"WHERE ended IS NULL ORDER BY started, id")
}

// OperationsOf returns the operations on a resource, newest first.
func (r Records) OperationsOf(ctx context.Context, resource string) ([]Operation, error) {
	return query(ctx, r.read(), scanOperation, selectOperation+"WHERE key = ? ORDER BY started DESC, id", fold(resource))
}

// ForgetOperations removes operations that ended before the time.
func (r Records) ForgetOperations(ctx context.Context, before time.Time) error {
	return r.change(ctx, func(tx *Tx) error {
		_, err := tx.exec(ctx, "DELETE FROM operations WHERE ended < ?", stamp(before))
		return err
	})
}

const selectOperation = "SELECT id, kind, resource, status, error, input, caller, started, ended FROM operations "

func scanOperation(scan func(...any) error) (Operation, error) {
	var (
		op             Operation
		fault, input   sql.NullString
		started, ended sql.NullInt64
	)
	if err := scan(&op.ID, &op.Kind, &op.Resource, &op.Status, &fault, &input, &op.Caller, &started, &ended); err != nil {
		return Operation{}, err
	}
	op.Error, op.Input = raw(fault), raw(input)
	op.Started, op.Ended = moment(started), moment(ended)
	return op, nil
}

func text(b json.RawMessage) any {
	if len(b) == 0 {
		return nil
	}
	return string(b)
}

func raw(s sql.NullString) json.RawMessage {
	if !s.Valid {
		return nil
	}
	return json.RawMessage(s.String)
}
