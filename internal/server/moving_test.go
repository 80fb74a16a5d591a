package server_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"logkeep/internal/cli/client"
)

// A cluster with data of several generations, all of them under its key, moves
// to a key in another vault while rows are written and asked for. Then the old
// key is deleted, with its vault, and nothing is missing.
func TestMovingUnderLoadWithAllGenerations(t *testing.T) {
	t.Parallel()
	s := copied(t)
	s.Flush.Bytes, s.Flush.Age = 16<<10, 50*time.Millisecond
	s.serve()
	s.mustSend("a", 500)
	s.rotate()
	eventually(t, limit, "the rotation", func() error {
		customer, _ := s.census()
		if len(customer) < 2 {
			return errNotYet
		}
		return nil
	})
	s.embrace()
	s.mustSend("b", 500)

	stop := make(chan struct{})
	var load sync.WaitGroup
	var sent atomic.Int64
	sent.Store(1000)
	load.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			_, err := s.Upload(context.WithoutCancel(t.Context()), s.Target, rows("c", 50), nil)
			if f, ok := client.FailureOf(err); ok && f.Status == http.StatusTooManyRequests {
				continue
			}
			if err != nil {
				t.Errorf("a sender: %v", err)
				return
			}
			sent.Add(50)
		}
	})
	load.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			least := int(sent.Load())
			if n, err := s.Count(context.WithoutCancel(t.Context()), s.Workspace.CustomerID, "Events_CL | count"); err != nil || n < least {
				t.Errorf("a query: %d rows of at least %d, %v", n, least, err)
				return
			}
		}
	})

	old := s.keys()
	s.makeVault("kv-2")
	s.grant(s.VaultID, client.RoleCryptoOfficer, s.ObjectID)
	s.grant(s.VaultID, client.RoleCryptoServiceUser, s.cluster().PrincipalID)
	eventually(t, limit, "the key in the other vault", func() error {
		_, err := s.keys().CreateKey(t.Context(), keyName, azkeys.CreateKeyParameters{Kty: to.Ptr(azkeys.KeyTypeRSA), KeySize: to.Ptr(int32(2048))}, nil)
		return err
	})
	s.setKey("")
	s.mustSend("d", 500)
	sent.Add(500)
	close(stop)
	load.Wait()

	customer, _ := s.census()
	moved := 0
	for version, k := range customer {
		switch at2 := strings.HasPrefix(k.KID, "https://kv-2."); {
		case at2 && len(k.Wraps) >= 8: // two generations of four accounts
			moved++
		case at2:
			t.Errorf("the new key has %d wraps", len(k.Wraps))
		case !k.SafeToDisable || len(k.Wraps) != 0:
			t.Errorf("version %s of the old key is still needed: %s", version, k.Reason)
		}
	}
	if moved != 1 || len(customer) < 3 {
		t.Errorf("the census has %d versions, %d of the new key", len(customer), moved)
	}
	// The old key goes as far as its vault lets it: what is purge-protected can
	// be deleted, and purged by nobody before its time.
	_, err := old.DeleteKey(t.Context(), keyName, nil)
	must(t, err)
	if _, err := old.PurgeDeletedKey(t.Context(), keyName, nil); err == nil {
		t.Error("a purge-protected key was purged")
	}
	_, err = s.vaults().Delete(t.Context(), group, "kv-1", nil)
	must(t, err)
	s.halt()
	s.serve()
	s.VaultURI = s.Host("kv-2.vault")
	s.holds(int(sent.Load()))
	if state := s.cluster().Logkeep.KeyState.State; state != "Active" {
		t.Errorf("state %s", state)
	}
}
