package api

import (
	"context"
	"time"

	"golang.org/x/sync/semaphore"

	"logkeep/internal/fault"
)

// Rows on their way in take memory in three processes: buffers of their
// connection, the body, columns, the journal. So many bytes of bodies may be on
// their way at a time, and as many may wait; whoever comes then, or has waited
// for long, is told to come again. Memory does not grow with clients.
const (
	intakeWork     = 64 << 20
	intakeRoom     = 2 * intakeWork
	intakeLeast    = 16 << 10 // that a request counts as, however small its body
	intakePatience = 2 * time.Second
)

// An intake lets requests with rows in. It is safe for concurrent use.
type intake struct{ room, work *semaphore.Weighted }

func newIntake() intake {
	return intake{semaphore.NewWeighted(intakeRoom), semaphore.NewWeighted(intakeWork)}
}

// enter waits until there is room for a body of so many bytes, unpacked. The
// caller calls leave when it is done with it.
func (i intake) enter(ctx context.Context, bytes int64) (leave func(), err error) {
	bytes = min(max(bytes, intakeLeast), intakeWork)
	if !i.room.TryAcquire(bytes) {
		return nil, crowded()
	}
	patient, stop := context.WithTimeout(ctx, intakePatience)
	defer stop()
	if err := i.work.Acquire(patient, bytes); err != nil {
		i.room.Release(bytes)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, crowded()
	}
	return func() {
		i.work.Release(bytes)
		i.room.Release(bytes)
	}, nil
}

func crowded() error {
	return fault.New(fault.TooManyRequests, "Nothing was stored: more rows arrive at this moment than can be taken in. Send them again later.").WithRetryAfter(1)
}
