package vault

import (
	"context"
	"encoding/json"
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

// verifier checks the signatures of this process's own tokens, and asks the
// keeper about others, if it trusts anybody else.
func (s *service) verifier(own *tokens) func(token string) ([]byte, error) {
	return func(token string) ([]byte, error) {
		payload, err := own.verify(token)
		if err == nil || !s.cfg.Outside {
			return payload, err
		}
		ctx, done := context.WithTimeout(context.Background(), authorizeTimeout)
		defer done()
		claims, err := s.keeper.Identify(ctx, token)
		if err != nil {
			return nil, err
		}
		return json.Marshal(claims)
	}
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
