package keyface

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"logkeep/internal/vault/admin"
)

// address is the client's address without its port.
func (c *call) address() string {
	if host, _, err := net.SplitHostPort(c.r.RemoteAddr); err == nil {
		return host
	}
	return c.r.RemoteAddr
}

// admit applies the vault's network rules. What the keeper does for a cluster
// comes as a trusted service.
func (c *call) admit() error {
	trusted := c.r.RemoteAddr == admin.TrustedAddress
	p := c.vault.Properties
	bypass := p.NetworkACLs == nil || !strings.EqualFold(p.NetworkACLs.Bypass, "None")
	if trusted && bypass {
		return nil
	}
	if strings.EqualFold(p.PublicNetworkAccess, "Disabled") {
		return forbidden("ForbiddenByConnection", "Public network access is disabled and request is not from a trusted service nor via an approved private link.\r\nCaller: %s\r\nVault: %s;location=%s", c.caller.describe(), c.vault.Name, c.vault.Location)
	}
	if p.NetworkACLs == nil || !strings.EqualFold(p.NetworkACLs.DefaultAction, "Deny") {
		return nil
	}
	if from, err := netip.ParseAddr(c.address()); err == nil {
		for _, rule := range p.NetworkACLs.IPRules {
			if allows(rule.Value, from.Unmap()) {
				return nil
			}
		}
	}
	return forbidden("ForbiddenByFirewall", "Client address is not authorized and caller is not a trusted service.\r\nClient address: %s\r\nCaller: %s\r\nVault: %s;location=%s", c.address(), c.caller.describe(), c.vault.Name, c.vault.Location)
}

// allows tells whether a rule, an address or a range, covers the address.
func allows(rule string, from netip.Addr) bool {
	if p, err := netip.ParsePrefix(rule); err == nil {
		return p.Contains(from)
	}
	a, err := netip.ParseAddr(rule)
	return err == nil && a == from
}

// permit asks whether the caller may do the operation, by the vault's model.
func (c *call) permit() error {
	if c.vault.Service() || !c.vault.Properties.EnableRBACAuthorization {
		return c.permitByPolicy()
	}
	action := "Microsoft.KeyVault/vaults/" + c.op.action
	scope := c.vault.ID.String()
	if c.target.name != "" {
		scope += "/keys/" + string(c.target.name)
	}
	allowed, err := c.Authorize(c.ctx, admin.Question{Tenant: c.caller.tenant, ObjectID: c.caller.objectID, AppID: c.caller.appID, Action: action, Scope: scope})
	if err != nil {
		c.Log.Error("role assignments could not be read", "vault", c.vault.Name, "error", err)
		return &refusal{status: http.StatusServiceUnavailable, code: "ServiceUnavailable", message: "The caller's role assignments could not be read. Try again.", retry: true}
	}
	if allowed {
		return nil
	}
	return forbidden("ForbiddenByRbac", "Caller is not authorized to perform action on resource.\r\nIf role assignments, deny assignments or role definitions were changed recently, please observe propagation time.\r\nCaller: %s\r\nAction: '%s'\r\nResource: '%s'\r\nAssignment: (not found)\r\nDenyAssignmentId: null\r\nDecisionReason: null \r\nVault: %s;location=%s\r\n", c.caller.describe(), action, strings.ToLower(scope), c.vault.Name, c.vault.Location)
}

func (c *call) permitByPolicy() error {
	for _, p := range c.vault.Properties.AccessPolicies {
		if strings.EqualFold(p.ObjectID, c.caller.objectID) && (p.ApplicationID == "" || strings.EqualFold(p.ApplicationID, c.caller.appID)) &&
			slices.ContainsFunc(p.Permissions.Keys, func(given string) bool {
				return strings.EqualFold(given, c.op.permission) || strings.EqualFold(given, "all")
			}) {
			return nil
		}
	}
	return forbidden("AccessDenied", "The user, group or application 'appid=%s;oid=%s;numgroups=0;iss=https://sts.windows.net/%s/' does not have keys %s permission on key vault '%s;location=%s'. For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125287", c.caller.appID, c.caller.objectID, c.caller.tenant, c.op.permission, c.vault.Name, c.vault.Location)
}
