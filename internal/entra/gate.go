package entra

import (
	"logkeep/internal/fault"
	"logkeep/internal/rbac"
)

// A Gate verifies tokens of the built-in issuer and of trusted ones.
type Gate struct {
	Own     *Verifier
	Outside *Outside
	// Closed says that the built-in issuer is switched off: applications' tokens
	// are refused. Managed identities go on.
	Closed bool
}

// Verify returns whom a token speaks for. See Verifier and Outside for faults.
func (g Gate) Verify(token string, audiences []string) (rbac.Caller, error) {
	if g.Outside.Issued(token) {
		c, err := g.Outside.Verify(token, audiences)
		return c.Caller, err
	}
	c, err := g.Own.Verify(token, audiences)
	if err == nil && g.Closed && c.Kind == rbac.Application {
		return rbac.Caller{}, fault.New(fault.InvalidAuthenticationToken, "The access token is invalid: this server's own issuer is switched off. Get a token from an issuer that it trusts.")
	}
	return c, err
}
