package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"logkeep/internal/schema"
)

// The times in seconds at which a store is flushed, for what happens to it.
func TestPace(t *testing.T) {
	down := errors.New("down")
	for name, c := range map[string]struct {
		arrive  time.Duration // when rows come; 0 is never
		full    time.Duration // when much waits; 0 is never
		ripe    time.Duration // before that much may wait, and a flush would come too early
		failing int           // so many flushes fail
		want    []string
	}{
		"nothing waits":        {want: nil},
		"rows get old":         {arrive: 20 * time.Second, want: []string{"90 all"}},
		"much waits":           {arrive: 20 * time.Second, full: 21 * time.Second, want: []string{"21 groups"}},
		"too early":            {arrive: 20 * time.Second, full: 21 * time.Second, ripe: 22 * time.Second, want: []string{"90 all"}},
		"a flush fails, twice": {arrive: 20 * time.Second, full: 21 * time.Second, failing: 2, want: []string{"21 groups", "22 all", "24 all"}},
		"flushes fail for long": {arrive: 20 * time.Second, full: 21 * time.Second, failing: 7, want: []string{
			"21 groups", "22 all", "24 all", "28 all", "36 all", "52 all", "68 all", "84 all"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				full := make(chan struct{}, 1)
				var got []string
				waiting := false
				flush := func(what string) func(context.Context) error {
					return func(context.Context) error {
						got = append(got, fmt.Sprint(int(time.Since(begin).Seconds()), what))
						if len(got) <= c.failing {
							return down
						}
						waiting = false
						return nil
					}
				}
				p := pace{
					age: time.Minute, full: full, ripe: func() bool { return c.ripe <= time.Since(begin) }, log: slog.New(slog.DiscardHandler),
					old:  func() bool { return waiting && time.Since(begin) >= c.arrive+time.Minute },
					fill: flush(" groups"), flush: flush(" all"),
					merge: func(context.Context) (bool, error) { return false, nil },
				}
				ctx, cancel := context.WithCancel(t.Context())
				go p.run(ctx)
				if c.arrive > 0 {
					time.AfterFunc(c.arrive, func() { waiting = true })
				}
				if c.full > 0 {
					time.AfterFunc(c.full, func() { full <- struct{}{} })
				}
				time.Sleep(10 * time.Minute)
				cancel()
				synctest.Wait()
				if !slices.Equal(got, c.want) {
					t.Errorf("flushed at %v, want %v", got, c.want)
				}
			})
		})
	}
}

// Rows of a few tables are flushed after the age, those of very many later.
func TestManyTablesWaitLonger(t *testing.T) {
	for tables, want := range map[int]time.Duration{1: time.Minute, 127: time.Minute, 640: 10 * time.Minute, 10_000: 30 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			s := &Store{cfg: Config{FlushAge: time.Minute}, tables: map[tableKey]*tableState{}, oldest: time.Now()}
			for i := range tables {
				s.tables[tableKey{"w", schema.TableName(fmt.Sprint(i))}] = &tableState{chunks: make([]*chunk, 1)}
			}
			time.Sleep(want - time.Nanosecond)
			if s.old() {
				t.Errorf("%d tables: flushed before %v", tables, want)
			}
			time.Sleep(time.Nanosecond)
			if !s.old() {
				t.Errorf("%d tables: not flushed after %v", tables, want)
			}
		})
	}
}
