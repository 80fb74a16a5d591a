package server_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"logkeep/internal/keyring"
)

// A vault is asked once an interval, however many rows and queries come, while
// the key works and while it does not.
func TestLoadAsksTheVaultNoMore(t *testing.T) {
	t.Parallel()
	s := copied(t)
	o := s.outsideVault()
	s.serve()
	s.setKeyAt(o.uri)
	s.mustSend("a", 10)
	s.holds(10)
	newest, _ := o.Newest(keyName)

	var requests atomic.Int64
	stop := make(chan struct{})
	var load sync.WaitGroup
	defer load.Wait()
	defer close(stop)
	for n := range 4 {
		load.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if n%2 == 0 {
					s.count()
				} else {
					s.send("load", 1)
				}
				requests.Add(1)
			}
		})
	}
	asked := func(probes int) {
		t.Helper()
		unwraps, gets, wraps, done := o.Calls("unwrap"), o.Calls("get"), o.Calls("wrap"), requests.Load()
		begun := time.Now()
		eventually(t, limit, "the next questions", func() error {
			if o.Calls("unwrap") < unwraps+probes {
				return errNotYet
			}
			return nil
		})
		most := int(time.Since(begun)/keyring.MinInterval) + 1
		if u, g, w := o.Calls("unwrap")-unwraps, o.Calls("get")-gets, o.Calls("wrap")-wraps; u > most || g > most || w > 0 {
			t.Errorf("in %s, with %d requests: %d unwraps, %d reads of the key, %d wraps; an interval is %s",
				time.Since(begun).Round(time.Millisecond), requests.Load()-done, u, g, w, keyring.MinInterval)
		}
		if n := requests.Load() - done; n < 20 {
			t.Errorf("%d requests are no load", n)
		}
	}
	asked(2)
	o.Enable(newest, false)
	s.comes("Revoked")
	asked(2)
	if n := s.cluster().Logkeep.KeyState.NextProbe; n == "" {
		t.Error("nobody is told when the key is asked about next")
	}
}
