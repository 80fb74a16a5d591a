package worker

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"logkeep/internal/journal"
	"logkeep/internal/schema"
	"logkeep/internal/store"
	"logkeep/internal/worker/wire"
)

// An asked is the accounts of one query, on their way to the marks that came
// with it. An account is opened, and its keys are asked for, if the query reads it.
type asked struct {
	reader *Reader
	ctx    context.Context // the query's
	marks  map[schema.AccountID]wire.Mark

	mu      sync.Mutex
	reached map[schema.AccountID]*reached
}

// A reached is an account that is being moved on to a query's mark.
type reached struct {
	done chan struct{} // closed when it is there, or can't be; then the others are set
	err  error
	of   *followed
	mark store.Mark
}

// begin opens the accounts that a query is likely to read, and moves them on to
// its marks, while it is compiled. An account that is being opened is opened to
// the end, for the next query.
func (r *Reader) begin(ctx context.Context, q wire.Query) sourcing {
	a := &asked{reader: r, ctx: ctx, marks: make(map[schema.AccountID]wire.Mark, len(q.Marks)), reached: map[schema.AccountID]*reached{}}
	for _, m := range q.Marks {
		a.marks[m.Account] = m
	}
	a.expect(q.Likely()...)
	return a
}

// expect implements sourcing.
func (a *asked) expect(ids ...schema.AccountID) {
	for _, id := range ids {
		a.reach(id)
	}
}

// reach returns an account that is on its way from now on.
func (a *asked) reach(id schema.AccountID) *reached {
	a.mu.Lock()
	defer a.mu.Unlock()
	one := a.reached[id]
	if one == nil {
		one = &reached{done: make(chan struct{})}
		a.reached[id] = one
		go func() {
			defer close(one.done)
			one.err = a.move(id, one)
		}()
	}
	return one
}

func (a *asked) move(id schema.AccountID, one *reached) (err error) {
	m, ok := a.marks[id]
	if !ok {
		return fmt.Errorf("internal error: a query without a mark for account %s", id)
	}
	if one.of, err = a.reader.account(a.ctx, id); err != nil {
		return err
	}
	if one.mark = markOf(m); m.Rest != nil {
		if one.mark.Journal, err = one.of.rest(*m.Rest); err != nil {
			// Its next owner has to judge it, and may mend it.
			a.reader.log.Info("a journal that nobody writes to is left to its writer", "account", string(id), "why", err.Error())
			return &wire.Wanted{Marks: true}
		}
	}
	return one.of.store.Advance(a.ctx, one.mark)
}

// rest finds the end of a journal that nobody writes to.
func (a *followed) rest(r wire.Rest) (journal.Mark, error) {
	return a.store.Rest(r.Floor, r.Seen, r.Newest, a.disk.Settle)
}

// shelf implements sourcing.
func (a *asked) shelf(ctx context.Context, id schema.AccountID) (shelf, error) {
	f, err := a.there(ctx, id)
	if err != nil {
		return nil, err
	}
	return f.store, nil
}

// there waits until an account is at its mark.
func (a *asked) there(ctx context.Context, id schema.AccountID) (*followed, error) {
	one := a.reach(id)
	select {
	case <-one.done:
		return one.of, keyFault(one.err)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// again implements sourcing: the account's owner may have replaced segments.
func (a *asked) again(ctx context.Context, id schema.AccountID, cause error) error {
	f, err := a.there(ctx, id)
	if err != nil {
		return err
	}
	return f.store.Renew(ctx, a.reach(id).mark, cause)
}

// texts implements sourcing.
func (a *asked) texts(ctx context.Context, r wire.OpenTexts) ([][]byte, error) {
	for _, t := range r.Texts {
		a.expect(t.Account)
	}
	return openTexts(r, func(id schema.AccountID) (wire.Account, *chain, error) {
		f, err := a.there(ctx, id)
		if err != nil {
			return wire.Account{}, nil, err
		}
		if _, err := a.reader.keys(f, maxGeneration(r, id)); err != nil {
			return wire.Account{}, nil, err
		}
		return f.info, f.chain, nil
	})
}

// maxGeneration is the newest generation that texts in an account were sealed with.
func maxGeneration(r wire.OpenTexts, id schema.AccountID) (newest uint32) {
	for _, t := range r.Texts {
		if t.Account == id {
			newest = max(newest, t.Generation)
		}
	}
	return newest
}

func markOf(m wire.Mark) store.Mark {
	mark := store.Mark{Seq: m.Seq, Journal: journal.Mark{Last: m.Last}}
	copy(mark.Journal.Commitment[:], m.Head) // a wrong one fits no journal
	return mark
}

// accountsOf are those that may have rows of a table, of the workspaces that a
// place names; all, if it names none.
func accountsOf(q wire.Query, place string, table schema.TableName) (ids []schema.AccountID) {
	for _, r := range q.Readable {
		if place == "" || place == string(r.Workspace) {
			ids = append(ids, r.Of(table)...)
		}
	}
	return slices.Compact(ids)
}
