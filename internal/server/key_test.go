package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/authorization/armauthorization/v2"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/keyvault/armkeyvault"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/operationalinsights/armoperationalinsights/v2"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"logkeep/internal/cli/client"
)

// noticed is how long it may take until a change in the built-in vault is
// obeyed: it tells of each, and the bound of the blueprint is a second, on a
// machine at rest (TestADisabledKeyIsObeyedAtOnceAndAnEnabledOne and keyring's
// tests hold that nobody waits for a probe). Roles are not the vault's: their
// loss is seen by the next probe.
const (
	noticed = limit
	probed  = limit
)

func (s *site) enable(version string, on bool) {
	s.t.Helper()
	_, err := s.keys().UpdateKey(s.t.Context(), keyName, version, azkeys.UpdateKeyParameters{KeyAttributes: &azkeys.KeyAttributes{Enabled: &on}}, nil)
	must(s.t, err)
}

func (s *site) rotate() (version string) {
	s.t.Helper()
	rotated, err := s.keys().RotateKey(s.t.Context(), keyName, nil)
	must(s.t, err)
	return rotated.Key.KID.Version()
}

func (s *site) vaults() *armkeyvault.VaultsClient {
	c, err := armkeyvault.NewVaultsClient(s.SubscriptionID, s.Credential(), s.ARM())
	must(s.t, err)
	return c
}

// roles are the ids of the assignments that a principal has at a scope itself.
func (s *site) roles(scope, principal string) (ids []string) {
	s.t.Helper()
	c, err := armauthorization.NewRoleAssignmentsClient(s.SubscriptionID, s.Credential(), s.ARM())
	must(s.t, err)
	for pager := c.NewListForScopePager(scope, &armauthorization.RoleAssignmentsClientListForScopeOptions{Filter: to.Ptr("principalId eq '" + principal + "'")}); pager.More(); {
		page, err := pager.NextPage(s.t.Context())
		must(s.t, err)
		for _, a := range page.Value {
			if strings.EqualFold(*a.Properties.Scope, scope) {
				ids = append(ids, *a.ID)
			}
		}
	}
	return ids
}

func (s *site) ungrant(scope, principal string) {
	s.t.Helper()
	c, err := armauthorization.NewRoleAssignmentsClient(s.SubscriptionID, s.Credential(), s.ARM())
	must(s.t, err)
	for _, id := range s.roles(scope, principal) {
		_, err := c.DeleteByID(s.t.Context(), id, nil)
		must(s.t, err)
	}
}

// dark insists that everything about the cluster's data is refused, that its
// worker is gone, and that its resources can be read.
func (s *site) dark(within time.Duration, worker process) {
	s.t.Helper()
	worker.ends(s.t, within)
	_, err := s.count()
	f := refused(s.t, err, http.StatusForbidden, "CustomerManagedKeyRevoked")
	for _, want := range []string{"cluster-1", "since", "/keys/" + keyName} {
		if !strings.Contains(f.Message, want) {
			s.t.Errorf("the refusal does not name %s: %s", want, f.Message)
		}
	}
	if f := refused(s.t, s.send("dark", 1), http.StatusServiceUnavailable, "CustomerManagedKeyRevoked"); f.RetryAfter != 5*time.Second {
		s.t.Errorf("senders are told to come back after %s", f.RetryAfter)
	}
	c := s.cluster()
	if c.Logkeep.KeyState.State != "Revoked" || c.Logkeep.KeyState.Reason == "" || c.Logkeep.Worker.PID != 0 {
		s.t.Errorf("the cluster shows %+v", c.Logkeep)
	}
	if _, err := s.FindWorkspace(s.t.Context(), s.Workspace.Name); err != nil {
		s.t.Errorf("the workspace can't be read: %v", err)
	}
}

// light waits until the rows are back.
func (s *site) light(within time.Duration, want int) {
	s.t.Helper()
	eventually(s.t, within, "the rows are back", func() error {
		n, err := s.count()
		if err == nil && n != want {
			s.t.Fatalf("%d rows, want %d", n, want)
		}
		return err
	})
	s.comes("Active") // a probe that a busy machine was late for is ridden out
}

func (s *site) worker() process {
	s.t.Helper()
	s.count() // has it started
	return watch(s.t, s.cluster().Logkeep.Worker.PID)
}

// Probes are a minute apart: what is obeyed sooner was told by the vault.
func TestADisabledKeyIsObeyedAtOnceAndAnEnabledOne(t *testing.T) {
	t.Parallel()
	s := linked(t)
	s.logkeep(map[string]any{"probeInterval": "PT60S", "lease": "PT3M"})
	s.mustSend("a", 100)
	for range 2 {
		worker := s.worker()
		s.enable("", false)
		s.dark(noticed, worker)
		s.enable("", true)
		s.light(noticed, 100)
	}
	s.mustSend("b", 1)
	s.holds(101)
}

func TestARevokedKeyStaysRevokedOverARestart(t *testing.T) {
	t.Parallel()
	s := linked(t)
	s.mustSend("a", 10)
	worker := s.worker()
	s.enable("", false)
	s.dark(noticed, worker)
	since := s.cluster().Logkeep.KeyState.Since
	s.halt()
	s.serve()
	s.dark(0, worker)
	if now := s.cluster().Logkeep.KeyState.Since; now != since {
		t.Errorf("revoked since %s, after a restart since %s", since, now)
	}
	s.enable("", true)
	s.light(noticed, 10)
}

func TestARecoveredVaultNeedsItsRolesAgain(t *testing.T) {
	t.Parallel()
	s := linked(t)
	s.mustSend("a", 10)
	worker := s.worker()
	principal := s.cluster().PrincipalID
	s.deleteVault()
	s.dark(noticed, worker)
	s.recoverVault()
	if left := s.roles(s.VaultID, principal); len(left) != 0 {
		t.Fatalf("the roles at the vault outlived it: %v", left)
	}
	// The recovery itself is noticed; what the vault answers then is a refusal.
	eventually(t, limit, "the vault refuses for want of a role", func() error {
		state := s.cluster().Logkeep.KeyState
		if state.State != "Revoked" {
			t.Fatalf("state %s", state.State)
		}
		if !strings.Contains(state.Reason, "403") {
			return fmt.Errorf("reason %q", state.Reason)
		}
		return nil
	})
	s.dark(0, worker)
	s.grant(s.VaultID, client.RoleCryptoServiceUser, principal)
	s.light(probed, 10)
}

// The trap of the documents: a cluster that names a version keeps it when the
// key is rotated; to disable the old version then revokes it. The repair is to
// name the newest.
func TestAnExplicitVersionIsNotRotatedAndItsRepairIsTheNewest(t *testing.T) {
	t.Parallel()
	s := linked(t)
	s.mustSend("a", 10)
	first := lastOf(s.cluster().Logkeep.KeyState.KeyVersion)
	s.setKey(first)
	second := s.rotate()
	s.mustSend("b", 10)
	if got := lastOf(s.cluster().Logkeep.KeyState.KeyVersion); got != first {
		t.Fatalf("version %s is in use, want the one that was named, %s", got, first)
	}
	worker := s.worker()
	s.enable(first, false)
	s.dark(noticed, worker)
	// The old version has to be enabled for as long as it takes to move.
	poller, err := s.clusters().BeginUpdate(t.Context(), group, "cluster-1", keyAt(s.VaultURI, second), nil)
	if _, err := client.Wait(t.Context(), poller, err); err == nil {
		t.Error("keys were moved off a version that can't unwrap them")
	}
	s.enable(first, true)
	s.light(noticed, 20)
	s.setKey(second)
	if got := lastOf(s.cluster().Logkeep.KeyState.KeyVersion); got != second {
		t.Fatalf("version %s is in use, want %s", got, second)
	}
	s.enable(first, false)
	s.light(noticed, 20)
	s.halt()
	s.serve() // a new worker has only the new version
	s.holds(20)
}

func keyAt(uri, version string) armoperationalinsights.ClusterPatch {
	return armoperationalinsights.ClusterPatch{Properties: &armoperationalinsights.ClusterPatchProperties{KeyVaultProperties: &armoperationalinsights.KeyVaultProperties{
		KeyVaultURI: &uri, KeyName: to.Ptr(keyName), KeyVersion: &version,
	}}}
}

// lastOf is the version, of a key identifier or of itself.
func lastOf(id string) string { return id[strings.LastIndexByte(id, '/')+1:] }

func TestARotatedKeyTakesOverAndNothingIsLost(t *testing.T) {
	t.Parallel()
	s := linked(t)
	s.mustSend("a", 10)
	old := lastOf(s.cluster().Logkeep.KeyState.KeyVersion)
	worker := s.worker()
	next := s.rotate()
	eventually(t, noticed, "the new version is in use", func() error {
		if got := lastOf(s.cluster().Logkeep.KeyState.KeyVersion); got != next {
			return fmt.Errorf("version %s", got)
		}
		return nil
	})
	if worker.gone() {
		t.Error("a rotation ended the worker")
	}
	s.mustSend("b", 10)
	s.enable(old, false)
	s.holds(20)
	s.halt()
	s.serve()
	s.holds(20)
}
