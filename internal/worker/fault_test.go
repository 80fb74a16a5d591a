package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"

	"logkeep/internal/bucket"
	"logkeep/internal/fault"
	"logkeep/internal/store"
)

// Who sends rows while flushes fail is told why they wait, and not that he is too fast.
func TestWhyRowsAreNotTaken(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string // code, seconds, a part of the words
	}{
		{store.ErrBehind, "TooManyRequests 1 faster than they can be written"},
		{fmt.Errorf("%w: %w", store.ErrBehind, errors.New("no keys")), "TooManyRequests 1 faster than they can be written"},
		{fmt.Errorf("%w: flush: %w", store.ErrBehind, syscall.ENOSPC), "ServiceUnavailable 5 disk is full"},
		{fmt.Errorf("append: %w", syscall.EDQUOT), "ServiceUnavailable 5 disk is full"},
		{fmt.Errorf("%w: flush: %w", store.ErrBehind, bucket.ErrSilent), "ServiceUnavailable 5 object store does not answer"},
	} {
		f := fault.Of(appendFault(c.err))
		begin := fmt.Sprint(f.Code, " ", f.RetryAfter())
		if _, words, _ := strings.Cut(c.want, begin+" "); words == "" || !strings.Contains(f.Message, words) {
			t.Errorf("%v: %s %s, want %s", c.err, begin, f.Message, c.want)
		}
	}
}

// A client that leaves is nobody's failure.
func TestWhatIsAFailureOfTheWorker(t *testing.T) {
	for cause, logged := range map[error]bool{
		fmt.Errorf("query: %w", context.Canceled): false,
		context.DeadlineExceeded:                  true,
		syscall.EIO:                               true,
	} {
		var log strings.Builder
		w := &base{log: slog.New(slog.NewTextHandler(&log, nil))}
		w.refuse(httptest.NewRecorder(), fault.New(fault.ServiceUnavailable, "Not now.").Because(cause))
		if (log.Len() > 0) != logged {
			t.Errorf("%v: the log says %q", cause, log.String())
		}
	}
}
