package vault

import (
	"context"
	"time"

	"logkeep/internal/vault/admin"
)

const (
	authorizeTimeout = 5 * time.Second
	noticeTimeout    = 5 * time.Second
	noticePatience   = 100 * time.Millisecond // that a call waits for the keeper to take a notice
)

func (s *service) authorize(ctx context.Context, q admin.Question) (bool, error) {
	ctx, done := context.WithTimeout(ctx, authorizeTimeout)
	defer done()
	return s.keeper.Authorize(ctx, q)
}

// notice tells the keeper, and returns when it knows or after a tenth of a
// second, whichever is first. A notice outlives the call that caused it: the
// change is made, whether or not its client still listens.
func (s *service) notice(ctx context.Context, n admin.Notice) {
	ctx, done := context.WithTimeout(context.WithoutCancel(ctx), noticeTimeout)
	told := make(chan struct{})
	go func() {
		defer done()
		defer close(told)
		if err := s.keeper.Notice(ctx, n); err != nil {
			s.cfg.Log.Warn("the keeper was not told of a change; its next probe will find it", "vault", n.VaultURI, "key", n.Key, "change", n.What, "error", err)
		}
	}()
	patience := time.NewTimer(noticePatience)
	defer patience.Stop()
	select {
	case <-told:
	case <-patience.C:
	}
}
