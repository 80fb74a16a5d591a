package server_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"logkeep/internal/cli/client"
)

// expire sets when the newest version of the key expires.
func (s *site) expire(at time.Time) {
	s.t.Helper()
	_, err := s.keys().UpdateKey(s.t.Context(), keyName, "", azkeys.UpdateKeyParameters{KeyAttributes: &azkeys.KeyAttributes{Expires: &at}}, nil)
	must(s.t, err)
}

// warned waits until the cluster's state has a warning with the words.
func (s *site) warned(words string) {
	s.t.Helper()
	eventually(s.t, noticed, "the cluster warns", func() error {
		if k := s.cluster().Logkeep.KeyState; !strings.Contains(k.Warning, words) || k.State != "Active" {
			return fmt.Errorf("%+v", k)
		}
		return nil
	})
}

// The expiry of a key is foretold; when it has come rows are taken and answered
// as before, and the key can't be set until it is extended (behaviour 12.4).
func TestAnExpiredKeyReadsAndTakesAndCannotBeSet(t *testing.T) {
	t.Parallel()
	s := linked(t)
	s.mustSend("a", 10)
	if k := s.cluster().Logkeep.KeyState; k.Warning != "" || k.KeyExpires != "" {
		t.Errorf("a key without end: %+v", k)
	}
	s.expire(time.Now().Add(20 * 24 * time.Hour))
	s.warned("expires at")
	s.expire(time.Now().Add(-time.Minute))
	s.warned("expired at")
	s.mustSend("b", 10)
	s.holds(20)
	poller, err := s.clusters().BeginUpdate(t.Context(), group, "cluster-1", keyAt(s.VaultURI, ""), nil)
	if _, err := client.Wait(t.Context(), poller, err); err == nil || !strings.Contains(err.Error(), "expired") {
		t.Errorf("an expired key was set: %v", err)
	}
	s.halt()
	s.serve() // a start unwraps
	s.light(probed, 20)
	s.mustSend("c", 10)
	s.expire(time.Now().Add(400 * 24 * time.Hour))
	eventually(t, noticed, "nothing to warn of", func() error {
		if w := s.cluster().Logkeep.KeyState.Warning; w != "" {
			return fmt.Errorf("still %q", w)
		}
		return nil
	})
	s.setKey("")
	s.holds(30)
}
