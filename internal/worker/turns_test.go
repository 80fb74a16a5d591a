package worker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	"logkeep/internal/duck"
)

// Of 32 queries at a time, one wants more memory than there is, again and again. It
// gets the documented error; all others are answered.
func TestAQueryThatWantsTooMuchHurtsNobody(t *testing.T) {
	engine, err := duck.Open(duck.Config{MemoryLimit: 48 << 20, Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	var turns turns
	ask := func(text string) error {
		rows, err := turns.take(t.Context(), func() (*duck.Rows, error) { return engine.Query(t.Context(), text, nil) })
		if err == nil {
			rows.Close()
		}
		return err
	}
	var all sync.WaitGroup
	all.Go(func() {
		for range 2 {
			if err := ask("SELECT k, count(*) FROM (SELECT i::VARCHAR || repeat('x', 80) AS k FROM range(700000) r(i)) GROUP BY k ORDER BY k"); !errors.Is(err, duck.ErrMemory) {
				t.Errorf("the one that wants too much: %v", err)
			}
		}
	})
	for n := range 31 {
		all.Go(func() {
			if err := ask(fmt.Sprintf("SELECT k, count(*) FROM (SELECT (i * %d)::VARCHAR AS k FROM range(70000) r(i)) GROUP BY k ORDER BY k", n+1)); err != nil {
				t.Errorf("query %d: %v", n, err)
			}
		})
	}
	all.Wait()
}

func TestTurns(t *testing.T) {
	fails := func() (*duck.Rows, error) { return nil, &duck.Error{Kind: duck.ErrMemory} }
	count := func(tried *int, run func() (*duck.Rows, error)) func() (*duck.Rows, error) {
		return func() (*duck.Rows, error) { *tried++; return run() }
	}
	t.Run("alone", func(t *testing.T) {
		var turns turns
		tried := 0
		if _, err := turns.take(t.Context(), count(&tried, fails)); !errors.Is(err, duck.ErrMemory) || tried != 1 {
			t.Errorf("tried %d times: %v", tried, err)
		}
	})
	t.Run("beside another", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var turns turns
			end := make(chan struct{})
			go turns.take(t.Context(), func() (*duck.Rows, error) { <-end; return nil, nil })
			synctest.Wait()
			tried := 0
			var err error
			done := make(chan struct{})
			go func() {
				defer close(done)
				_, err = turns.take(t.Context(), func() (*duck.Rows, error) {
					if tried++; tried > 1 {
						return nil, nil
					}
					return fails()
				})
			}()
			synctest.Wait()
			if tried != 1 {
				t.Errorf("tried %d times while the other runs", tried)
			}
			close(end)
			<-done
			if err != nil || tried != 2 {
				t.Errorf("tried %d times: %v", tried, err)
			}
		})
	})
	t.Run("given up", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var turns turns
			end := make(chan struct{})
			go turns.take(t.Context(), func() (*duck.Rows, error) { <-end; return nil, nil })
			synctest.Wait()
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error)
			go func() {
				_, err := turns.take(ctx, fails)
				done <- err
			}()
			synctest.Wait()
			cancel()
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Errorf("%v", err)
			}
			close(end)
		})
	})
}
