package dailycap

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"logkeep/internal/catalog"
	"logkeep/internal/control"
	"logkeep/internal/fault"
	"logkeep/internal/schema"
	"logkeep/internal/worker/wire"
)

// sink takes everything; each request has so many bytes.
type sink struct{ bytes int64 }

func (s sink) Append(context.Context, control.Workspace, wire.Append, io.Reader) (wire.Appended, error) {
	return wire.Appended{Rows: 1, Bytes: s.bytes}, nil
}

func (s sink) Ready(context.Context, control.Workspace) error { return nil }

// book is a catalog in memory that can fail.
type book struct {
	day   int64
	saved map[schema.WorkspaceID]int64
	fail  error
}

func (b *book) Usages(_ context.Context, day int64) (all []catalog.Usage, err error) {
	for id, n := range b.saved {
		if b.day == day {
			all = append(all, catalog.Usage{Workspace: id, Day: day, Bytes: n})
		}
	}
	return all, b.fail
}

func (b *book) SaveUsages(_ context.Context, day int64, all []catalog.Usage) error {
	if b.fail != nil {
		return b.fail
	}
	if b.day != day {
		clear(b.saved)
	}
	b.day = day
	for _, u := range all {
		b.saved[u.Workspace] = u.Bytes
	}
	return nil
}

func start(t *testing.T, b *book, bytes int64) *Meter {
	t.Helper()
	m, err := Start(t.Context(), sink{bytes}, b, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestACapStopsRowsUntilMidnight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &book{saved: map[schema.WorkspaceID]int64{}}
		m := start(t, b, 10e6)
		capped, free := control.Workspace{CustomerID: "a", DailyQuota: 0.023}, control.Workspace{CustomerID: "b", DailyQuota: -1}
		send := func(w control.Workspace) error {
			_, err := m.Append(t.Context(), w, wire.Append{}, nil)
			return err
		}
		for i, want := range []string{Respected, Respected, Respected} {
			if got := m.State(capped); got != want {
				t.Errorf("before request %d: %s, not %s", i+1, got, want)
			}
			if err := send(capped); err != nil {
				t.Fatal(err)
			}
		}
		if err := m.Ready(t.Context(), capped); !errors.Is(err, fault.DailyCapReached) || m.Ready(t.Context(), free) != nil {
			t.Errorf("told before rows come: %v", err)
		}
		err := send(capped)
		if f := fault.Of(err); !errors.Is(err, fault.DailyCapReached) || f.Status() != 429 || f.RetryAfter() != 60 || m.State(capped) != Over {
			t.Errorf("beyond the cap: %v, %s", err, m.State(capped))
		}
		for range 10 {
			if err := send(free); err != nil {
				t.Fatal(err)
			}
		}
		if n := m.Used(free); n != 100e6 {
			t.Errorf("a workspace without a cap has used %d bytes", n)
		}
		raised := capped
		if raised.DailyQuota = 0.033; m.State(raised) != Approaching || send(raised) != nil {
			t.Errorf("a cap that was raised: %s", m.State(raised))
		}
		// What is counted is known after a restart; of a workspace without a cap it need not be.
		m.Close()
		if b.saved["a"] != 40e6 || len(b.saved) != 1 {
			t.Errorf("noted: %v", b.saved)
		}
		m = start(t, b, 10e6)
		if !errors.Is(send(capped), fault.DailyCapReached) {
			t.Error("a restart forgets the count")
		}
		time.Sleep(time.Until(Resets()) - 20*time.Second)
		if err := send(capped); fault.Of(err).RetryAfter() != 20 {
			t.Errorf("before midnight: %v", err)
		}
		time.Sleep(20 * time.Second)
		if m.State(capped) != Respected || send(capped) != nil {
			t.Errorf("after midnight: %s", m.State(capped))
		}
		m.Close()
		if b.saved["a"] != 10e6 {
			t.Errorf("noted on the next day: %v", b.saved)
		}
	})
}

func TestACountThatCouldNotBeNotedIsNotedLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &book{saved: map[schema.WorkspaceID]int64{}}
		m := start(t, b, 7)
		defer m.Close()
		if _, err := m.Append(t.Context(), control.Workspace{CustomerID: "a", DailyQuota: 1}, wire.Append{}, nil); err != nil {
			t.Fatal(err)
		}
		b.fail = errors.New("the disk is full")
		time.Sleep(2 * pace)
		synctest.Wait()
		if b.fail = nil; len(b.saved) != 0 {
			t.Error(b.saved)
		}
		time.Sleep(pace)
		synctest.Wait()
		if b.saved["a"] != 7 {
			t.Error(b.saved)
		}
	})
}

func TestTheCatalogKeepsOneDay(t *testing.T) {
	cat, err := catalog.Open(t.Context(), filepath.Join(t.TempDir(), "catalog.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer cat.Close()
	var b Book = cat
	for day, bytes := range map[int64]int64{20000: 1, 20001: 2} {
		if err := b.SaveUsages(t.Context(), day, []catalog.Usage{{Workspace: "a", Day: day, Bytes: bytes}, {Workspace: "b", Day: day, Bytes: bytes}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.SaveUsages(t.Context(), 20002, []catalog.Usage{{Workspace: "a", Day: 20002, Bytes: 3}}); err != nil {
		t.Fatal(err)
	}
	for day, want := range map[int64]int{20000: 0, 20001: 0, 20002: 1} {
		if all, err := b.Usages(t.Context(), day); err != nil || len(all) != want || want == 1 && all[0].Bytes != 3 {
			t.Errorf("%d: %v %v", day, all, err)
		}
	}
}
