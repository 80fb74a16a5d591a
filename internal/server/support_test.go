package server_test

import (
	"bytes"
	"errors"
	"io/fs"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/operationalinsights/armoperationalinsights/v2"

	"logkeep/internal/cli/client"
	"logkeep/internal/server"
)

func TestAnIdentitySetToNoneIsForSupportAlone(t *testing.T) {
	t.Parallel()
	s := linked(t)
	s.mustSend("kept", 3)
	identify := func(kind armoperationalinsights.ManagedServiceIdentityType) error {
		p, err := s.clusters().BeginUpdate(t.Context(), group, lastOf(s.ClusterID), armoperationalinsights.ClusterPatch{
			Identity: &armoperationalinsights.ManagedServiceIdentity{Type: to.Ptr(kind)},
		}, nil)
		if err != nil {
			return err
		}
		_, err = p.PollUntilDone(t.Context(), nil)
		return err
	}
	var out bytes.Buffer
	if err := server.RestoreIdentity(t.Context(), s.DataDir, lastOf(s.ClusterID), &out); err == nil || !strings.Contains(err.Error(), "was not removed") {
		t.Fatalf("restored what was there: %v", err)
	}
	worker := s.worker()
	must(t, identify(armoperationalinsights.ManagedServiceIdentityTypeNone))
	s.dark(noticed, worker)
	refused(t, identify(armoperationalinsights.ManagedServiceIdentityTypeSystemAssigned), http.StatusConflict, "ClusterIdentityRemoved")

	if err := server.RestoreIdentity(t.Context(), s.DataDir, "no-such-cluster", &out); !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	if err := server.RestoreIdentity(t.Context(), s.DataDir, s.VaultID, &out); err == nil || !strings.Contains(err.Error(), "resource id") {
		t.Fatal(err)
	}
	must(t, server.RestoreIdentity(t.Context(), s.DataDir, lastOf(s.ClusterID), &out))
	principal := *s.identity().PrincipalID
	if !strings.Contains(out.String(), principal) || !strings.Contains(out.String(), "kv-1.vault") {
		t.Errorf("said %q of %s", out.String(), principal)
	}
	s.dark(noticed, worker) // no rights yet
	s.grant(s.VaultID, client.RoleCryptoServiceUser, principal)
	s.light(30*time.Second, 3)

	s.halt()
	if err := server.RestoreIdentity(t.Context(), s.DataDir, lastOf(s.ClusterID), &out); err == nil || !strings.Contains(err.Error(), "no server runs") {
		t.Fatal(err)
	}
	if err := server.RestoreIdentity(t.Context(), t.TempDir(), lastOf(s.ClusterID), &out); err == nil || !strings.Contains(err.Error(), "--data-dir") {
		t.Fatal(err)
	}
}

// identity is the cluster's, as its resource shows it.
func (s *site) identity() *armoperationalinsights.ManagedServiceIdentity {
	s.t.Helper()
	c, err := s.clusters().Get(s.t.Context(), group, lastOf(s.ClusterID), nil)
	must(s.t, err)
	return c.Identity
}
