package api

import (
	"bytes"
	"context"
	"errors"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"logkeep/internal/fault"
)

// However many come, the bodies being taken in stay within a bound, and so do
// those that wait; the rest are told to come again at once, and those that have
// waited in vain after a while.
func TestIntakeIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 1 << 20
		i := newIntake()
		var inside, most, refused, served atomic.Int64
		for range 1000 {
			go func() {
				leave, err := i.enter(t.Context(), size)
				if err != nil {
					if !errors.Is(err, fault.TooManyRequests) || fault.Of(err).RetryAfter() == 0 {
						t.Error(err)
					}
					refused.Add(1)
					return
				}
				most.Store(max(most.Load(), inside.Add(size)))
				time.Sleep(time.Second)
				inside.Add(-size)
				served.Add(1)
				leave()
			}()
		}
		synctest.Wait()
		if n := refused.Load(); n != 1000-intakeRoom/size {
			t.Errorf("%d are refused at once", n)
		}
		time.Sleep(10 * time.Second)
		if most.Load() != intakeWork || served.Load() != intakeRoom/size {
			t.Errorf("%d bytes at a time, %d served", most.Load(), served.Load())
		}
	})
}

// Who is told to come again is heard out first, so that his connection stays; who
// waits for a word before he sends is not asked to.
func TestRefusedBodiesAreReadToTheirEnd(t *testing.T) {
	for expect, left := range map[string]int{"": 0, "100-continue": maxRows} {
		body := bytes.NewReader(make([]byte, maxRows))
		r := httptest.NewRequest("POST", "/", body)
		r.Header.Set("Expect", expect)
		hearOut(r)
		if body.Len() != left {
			t.Errorf("Expect: %q: %d bytes are left", expect, body.Len())
		}
	}
}

func TestIntakeEndsWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := newIntake()
		leave, err := i.enter(t.Context(), 1<<40) // counts as all there is
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		if _, err := i.enter(t.Context(), 1); !errors.Is(err, fault.TooManyRequests) || time.Since(begin) != intakePatience {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := i.enter(ctx, 1); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		leave()
		for range 1000 { // nothing was kept of those who gave up
			leave, err := i.enter(t.Context(), intakeWork)
			if err != nil {
				t.Fatal(err)
			}
			leave()
		}
	})
}
