package domain

import (
	"context"
	"errors"
	"testing"
	"time"

	"logkeep/internal/control"
	"logkeep/internal/fault"
	"logkeep/internal/schema"
	"logkeep/internal/tunnel"
	"logkeep/internal/worker/wire"
)

// issued gives every principal a token that is its name.
type issued struct{}

func (issued) TokenFor(_ context.Context, objectID, _ string) (string, time.Time, error) {
	return objectID, time.Time{}, nil
}

func TestWorkersGetTokensOfTheirOwnClusterForVaultsOnly(t *testing.T) {
	d := New(Config{
		Tokens: issued{}, Policy: &tunnel.Policy{BuiltIn: []string{"vault.x.test"}},
		Service: Service{Principal: "service"},
	})
	mine, other := schema.ClusterID("mine"), schema.ClusterID("other")
	d.holders[mine] = control.Holder{Cluster: mine, Principal: "my-identity"}
	d.holders[other] = control.Holder{Cluster: other, Principal: "other-identity"}
	const vault = "https://vault.x.test:8443"
	for _, c := range []struct {
		name     string
		owner    wire.Owner
		audience string
		token    string
		code     fault.Code
	}{
		{"its own identity", wire.Owner{Cluster: mine}, vault, "my-identity", ""},
		{"the service", wire.Owner{}, "https://vault.x.test", "service", ""},
		{"another cluster's identity", wire.Owner{Cluster: other}, vault, "", fault.AuthorizationFailed},
		{"the resource manager", wire.Owner{Cluster: mine}, "https://localhost:8443/", "", fault.AuthorizationFailed},
		{"a vault elsewhere", wire.Owner{}, "https://vault.evil.test", "", fault.AuthorizationFailed},
		{"no URL", wire.Owner{}, "vault.x.test", "", fault.AuthorizationFailed},
		{"nothing", wire.Owner{}, "", "", fault.AuthorizationFailed},
	} {
		got, err := d.Token(t.Context(), []schema.ClusterID{mine}, wire.TokenRequest{Owner: c.owner, Audience: c.audience})
		if got.Token != c.token || (c.code != "") != (err != nil) || (err != nil && !errors.Is(err, c.code)) {
			t.Errorf("%s: %q, %v", c.name, got.Token, err)
		}
	}
	d.holders[mine] = control.Holder{Cluster: mine} // the identity was removed
	if _, err := d.Token(t.Context(), []schema.ClusterID{mine}, wire.TokenRequest{Owner: wire.Owner{Cluster: mine}, Audience: vault}); !errors.Is(err, fault.IdentityRemoved) {
		t.Errorf("a cluster without identity: %v", err)
	}
}
