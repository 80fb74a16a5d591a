package server_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/keyvault/armkeyvault"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/operationalinsights/armoperationalinsights/v2"

	"logkeep/internal/cli/client"
	"logkeep/internal/kek/kektest"
	"logkeep/internal/keyring"
	"logkeep/internal/server"
)

// The documented ways to revoke a key in the built-in vault, and the way back.
// One more, a vault that is recovered without its roles, is in key_test.go, and
// what support does after the identity was set to None is in support_test.go.
func TestEveryDocumentedWayRevokesAndRestores(t *testing.T) {
	t.Parallel()
	for _, way := range []struct {
		name         string
		before       func(*site) // brings the vault into the state that the way begins with; nil: it is
		revoke, undo func(*site)
		within       time.Duration
		reason       string // in keyState
	}{
		{"the key is disabled", nil, func(s *site) { s.enable("", false) }, func(s *site) { s.enable("", true) }, noticed, "KeyDisabled"},
		{"the key is deleted", nil, (*site).deleteKey, (*site).recoverKey, noticed, "KeyNotFound"},
		{"the vault is deleted", nil, (*site).deleteVault, func(s *site) {
			s.recoverVault()
			s.grant(s.VaultID, client.RoleCryptoServiceUser, s.cluster().PrincipalID)
		}, noticed, ""},
		{"the role is removed", nil, func(s *site) { s.ungrant(s.VaultID, s.cluster().PrincipalID) },
			func(s *site) { s.grant(s.VaultID, client.RoleCryptoServiceUser, s.cluster().PrincipalID) }, probed, "ForbiddenByRbac"},
		{"the access policy is removed", func(s *site) { s.policy(true); s.model(false) },
			func(s *site) { s.policy(false) }, func(s *site) { s.policy(true) }, probed, "does not have keys"},
		{"the permission model is flipped from roles to policies", nil,
			func(s *site) { s.model(false) }, func(s *site) { s.model(true) }, probed, "does not have keys"},
		{"the permission model is flipped from policies to roles", func(s *site) {
			s.policy(true)
			s.model(false)
			s.ungrant(s.VaultID, s.cluster().PrincipalID)
		}, func(s *site) { s.model(true) }, func(s *site) { s.model(false) }, probed, "ForbiddenByRbac"},
		{"the identity is None", nil, func(s *site) { s.identify(armoperationalinsights.ManagedServiceIdentityTypeNone) }, func(s *site) {
			must(s.t, server.RestoreIdentity(s.t.Context(), s.DataDir, lastOf(s.ClusterID), &s.out))
			s.grant(s.VaultID, client.RoleCryptoServiceUser, *s.identity().PrincipalID)
		}, noticed, "identity is None"},
	} {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			s := linked(t)
			if way.before != nil {
				way.before(s)
			}
			s.mustSend("a", 10)
			s.holds(10)
			if state := s.cluster().Logkeep.KeyState; state.State != "Active" {
				t.Fatalf("before: %+v", state)
			}
			worker := s.worker()
			way.revoke(s)
			begun := time.Now()
			s.dark(way.within, worker)
			t.Logf("dark %s after the change", time.Since(begun).Round(time.Millisecond))
			state := s.cluster().Logkeep.KeyState
			if !strings.Contains(state.Reason, way.reason) {
				t.Errorf("the reason is %q, not %q", state.Reason, way.reason)
			}
			// Everything that is told of a key is told.
			if state.Since == "" || state.LastUnwrap == "" || state.NextProbe == "" || state.KeyVersion == "" {
				t.Errorf("the state is %+v", state)
			}
			way.undo(s)
			s.light(probed, 10)
			s.mustSend("b", 1)
			s.holds(11)
		})
	}
}

func (s *site) deleteKey() {
	s.t.Helper()
	_, err := s.keys().DeleteKey(s.t.Context(), keyName, nil)
	must(s.t, err)
}

func (s *site) recoverKey() {
	s.t.Helper()
	eventually(s.t, limit, "the key can be recovered", func() error {
		_, err := s.keys().RecoverDeletedKey(s.t.Context(), keyName, nil)
		return err
	})
}

func (s *site) deleteVault() {
	s.t.Helper()
	_, err := s.vaults().Delete(s.t.Context(), group, "kv-1", nil)
	must(s.t, err)
}

func (s *site) recoverVault() {
	s.t.Helper()
	poller, err := s.vaults().BeginCreateOrUpdate(s.t.Context(), group, "kv-1", armkeyvault.VaultCreateOrUpdateParameters{
		Location: to.Ptr(location),
		Properties: &armkeyvault.VaultProperties{
			TenantID: &s.TenantID, SKU: &armkeyvault.SKU{Family: to.Ptr(armkeyvault.SKUFamilyA), Name: to.Ptr(armkeyvault.SKUNameStandard)},
			CreateMode: to.Ptr(armkeyvault.CreateModeRecover),
		},
	}, nil)
	_, err = client.Wait(s.t.Context(), poller, err)
	must(s.t, err)
}

// model sets whether the vault goes by roles, or else by access policies.
func (s *site) model(roles bool) {
	s.t.Helper()
	_, err := s.vaults().Update(s.t.Context(), group, "kv-1", armkeyvault.VaultPatchParameters{
		Properties: &armkeyvault.VaultPatchProperties{EnableRbacAuthorization: &roles},
	}, nil)
	must(s.t, err)
}

// policy adds or removes the access policy of the cluster's identity.
func (s *site) policy(on bool) {
	s.t.Helper()
	kind := armkeyvault.AccessPolicyUpdateKindRemove
	if on {
		kind = armkeyvault.AccessPolicyUpdateKindAdd
	}
	principal := s.cluster().PrincipalID
	_, err := s.vaults().UpdateAccessPolicy(s.t.Context(), group, "kv-1", kind, armkeyvault.VaultAccessPolicyParameters{
		Properties: &armkeyvault.VaultAccessPolicyProperties{AccessPolicies: []*armkeyvault.AccessPolicyEntry{{
			ObjectID: &principal, TenantID: &s.TenantID,
			Permissions: &armkeyvault.Permissions{Keys: []*armkeyvault.KeyPermissions{
				to.Ptr(armkeyvault.KeyPermissionsGet), to.Ptr(armkeyvault.KeyPermissionsWrapKey), to.Ptr(armkeyvault.KeyPermissionsUnwrapKey),
			}},
		}}},
	}, nil)
	must(s.t, err)
}

// identify gives the cluster another kind of identity.
func (s *site) identify(kind armoperationalinsights.ManagedServiceIdentityType) {
	s.t.Helper()
	poller, err := s.clusters().BeginUpdate(s.t.Context(), group, lastOf(s.ClusterID), armoperationalinsights.ClusterPatch{
		Identity: &armoperationalinsights.ManagedServiceIdentity{Type: to.Ptr(kind)},
	}, nil)
	_, err = client.Wait(s.t.Context(), poller, err)
	must(s.t, err)
}

// What a vault elsewhere may say or not say, and what follows. "No" is Revoked,
// nonsense is Damaged, and everything is refused; silence is Riding, and what a proxy says is nothing:
// then rows come in and queries are answered.
func TestWhatAVaultSaysAndWhatFollows(t *testing.T) {
	t.Parallel()
	s := copied(t)
	o := s.outsideVault()
	s.serve()
	s.setKeyAt(o.uri)
	s.mustSend("a", 10)
	newest, _ := o.Newest(keyName)
	says := func(status int, code string) func() {
		return func() { o.Fail(kektest.Fault{Status: status, Own: code}) }
	}
	sent := 10
	for _, c := range []struct {
		name  string
		do    func()
		state string
	}{
		{"the key is disabled", func() { o.Enable(newest, false) }, "Revoked"},
		{"the key is deleted", func() { o.Delete(keyName, true) }, "Revoked"},
		{"the role is taken away", func() { o.Permit(false, "get", "wrap", "unwrap") }, "Revoked"},
		{"403 AccessDenied: the policy is taken away", says(403, "AccessDenied"), "Revoked"},
		{"403 ForbiddenByRbac", says(403, "ForbiddenByRbac"), "Revoked"},
		{"403 ForbiddenByFirewall", says(403, "ForbiddenByFirewall"), "Revoked"},
		{"403 ForbiddenByConnection", says(403, "ForbiddenByConnection"), "Revoked"},
		{"404 KeyNotFound", says(404, "KeyNotFound"), "Revoked"},
		{"403 without Key Vault's words, again and again", says(403, ""), "Revoked"},
		{"404 without Key Vault's words, again and again", says(404, ""), "Revoked"},
		{"401 to every token", func() { o.Tokens("refused") }, "Revoked"},

		{"400 in Key Vault's words", says(400, "BadParameter"), "Damaged"},
		{"the canary unwraps to something else", func() { o.Quirks(false, 0, true) }, "Damaged"},

		{"a proxy's 404 page, once", func() { o.Fail(kektest.Fault{Status: 404, Times: 1}) }, "Active"},
		{"a proxy's 403 page, once", func() { o.Fail(kektest.Fault{Status: 403, Times: 1}) }, "Active"},
		{"a token that ended", func() { o.Tokens("expired") }, "Active"},

		{"no answer", func() { o.Fail(kektest.Fault{Hang: true}) }, "Riding"},
		{"an answer after the timeout", func() { o.Latency(3 * time.Second) }, "Riding"},
		{"the name does not resolve", func() { names.set(o.host, true); o.srv.CloseClientConnections() }, "Riding"},
		{"connections are reset", func() { o.Fail(kektest.Fault{Drop: true}) }, "Riding"},
		{"another certificate", func() { o.foreign.Store(true); o.srv.CloseClientConnections() }, "Riding"},
		{"429 with Retry-After", func() { o.Fail(kektest.Fault{Status: 429, Own: "Throttled", RetryAfter: time.Hour}) }, "Riding"},
		{"500", says(500, "InternalError"), "Riding"},
		{"503 of a gateway", says(503, ""), "Riding"},
		{"a redirect", says(302, ""), "Riding"},
		{"a proxy's 401 page", says(401, ""), "Riding"},
		{"200 with a login page", func() { o.Fail(kektest.Fault{Garbage: true}) }, "Riding"},
	} {
		c.do()
		begun := time.Now()
		s.nudge()
		if c.state == "Active" {
			// The question has had both answers: the second must not be the next case's.
			eventually(t, limit, "the question", func() error {
				if at, err := time.Parse(time.RFC3339Nano, s.cluster().Logkeep.KeyState.LastUnwrap); err != nil || at.Before(begun.Truncate(time.Second).Add(time.Second)) {
					s.nudge()
					return errNotYet
				}
				return nil
			})
		}
		s.comes(c.state)
		_, err := s.count()
		rows := s.send("w", 1)
		if c.state == "Revoked" || c.state == "Damaged" {
			status := http.StatusForbidden
			if c.state == "Damaged" {
				status = http.StatusServiceUnavailable
			}
			refused(t, err, status, "CustomerManagedKey"+c.state)
			refused(t, rows, http.StatusServiceUnavailable, "CustomerManagedKey"+c.state)
			if pid := s.cluster().Logkeep.Worker.PID; pid != 0 {
				t.Errorf("%s: process %d has the keys", c.name, pid)
			}
		} else {
			if err != nil || rows != nil {
				t.Errorf("%s: a query: %v; rows: %v", c.name, err, rows)
			}
			sent++
		}
		o.healthy()
		s.nudge()
		s.comes("Active")
		s.light(limit, sent)
		if t.Failed() {
			t.Fatalf("%s\n%s", c.name, s.out.String())
		}
	}
}

// setKeyAt puts the key of another vault on the cluster.
func (s *site) setKeyAt(uri string) {
	s.t.Helper()
	poller, err := s.clusters().BeginUpdate(s.t.Context(), group, "cluster-1", keyAt(uri, ""), nil)
	_, err = client.Wait(s.t.Context(), poller, err)
	must(s.t, err)
}

// A vault that stays silent ends the worker when grace and lease are over, not
// before and not much later. A server that starts in the outage serves all
// others and says what it knows of this one; rows that come are sealed if that
// is wanted. The end of the outage brings everything back.
func TestASilentVaultIsRiddenOutAndARestartInTheOutageHeals(t *testing.T) {
	t.Parallel()
	s := copied(t)
	o := s.outsideVault()
	s.serve()
	s.setKeyAt(o.uri)
	const grace = 4 * time.Second
	s.logkeep(map[string]any{"ingestionWhenRevoked": "Seal", "outageGrace": "PT4S"})
	free := s.makeWorkspace("free")
	target := s.makeTable(free, events, "dcr-free")
	s.mustSend("a", 10)
	worker := s.worker()
	o.Fail(kektest.Fault{Hang: true})
	s.comes("Riding")
	proven, err := time.Parse(time.RFC3339, s.cluster().Logkeep.KeyState.LastUnwrap)
	must(t, err)
	end := proven.Add(grace + quick.Lease)
	s.holds(10)
	s.comes("Unreachable")
	if early := time.Until(end); early > time.Second { // a second: the time is told in whole ones
		t.Errorf("unreachable %s before grace and lease were over", early)
	}
	worker.ends(t, time.Until(end)+2*time.Second)
	_, err = s.count()
	refused(t, err, http.StatusServiceUnavailable, "CustomerManagedKeyUnreachable")
	s.mustSend("b", 5)
	s.halt()
	s.serve()
	s.comes("Unreachable")
	if _, err := s.Upload(t.Context(), target, rows("free", 3), nil); err != nil {
		t.Errorf("another workspace: %v", err)
	}
	if n, err := s.Count(t.Context(), free.CustomerID, "Events_CL | count"); err != nil || n != 3 {
		t.Errorf("another workspace has %d rows, %v", n, err)
	}
	s.mustSend("c", 5)
	o.healthy()
	s.light(keyring.MaxInterval+limit, 20)
	for mark, n := range s.marks() {
		if n != 1 {
			t.Errorf("%s is there %d times", mark, n)
		}
	}
}
