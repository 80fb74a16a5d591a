package disk

import "context"

// A Turn lets one writer at a time write, for all that wait: group commit.
type Turn chan struct{}

// NewTurn returns a Turn that nobody has.
func NewTurn() Turn { return make(Turn, 1) }

// Take waits for the turn.
func (t Turn) Take() { t <- struct{}{} }

// Give gives it back.
func (t Turn) Give() { <-t }

// Wait returns nil when the caller's request is done. If the caller gets the
// turn before that, it calls commit, which writes some of those that wait, until
// its own is done too; an earlier writer may have done it meanwhile. If ctx ends
// first, withdraw takes the request back and Wait returns ctx's error, unless
// it reports that the write has begun: then the outcome is waited for.
func (t Turn) Wait(ctx context.Context, done <-chan struct{}, commit func(), withdraw func() bool) error {
	select {
	case <-done:
	case t <- struct{}{}:
		defer t.Give()
		for !closed(done) {
			commit()
		}
	case <-ctx.Done():
		if withdraw() {
			return ctx.Err()
		}
		<-done
	}
	return nil
}

func closed(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}
