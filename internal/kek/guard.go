package kek

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"logkeep/internal/dialer"
)

// A Suffix is a domain under which tenants may name vaults.
type Suffix struct {
	Domain string         // vault.azure.net: one more label stands before it
	Ranges []netip.Prefix // addresses that its hosts may have; none = any public address
}

// A Guard says which vaults may be named and reached.
type Guard struct {
	Suffixes []Suffix
	Timeout  time.Duration // of connecting; 0 is 5 s
}

// Allowed reports as an error why no tenant may name this vault.
func (g *Guard) Allowed(vaultURI string) error {
	id, err := NewID(vaultURI, "any", "")
	if err != nil {
		return err
	}
	host, _, _ := strings.Cut(id.Host(), ":")
	if _, ok := g.suffix(host); !ok {
		return fmt.Errorf("vault %s is not under a domain that this installation permits", id.Host())
	}
	return nil
}

// suffix finds the domain of host. Exactly one label may stand before it.
func (g *Guard) suffix(host string) (Suffix, bool) {
	label, parent, ok := strings.Cut(strings.ToLower(host), ".")
	if !ok || label == "" {
		return Suffix{}, false
	}
	for _, s := range g.Suffixes {
		if strings.EqualFold(strings.Trim(s.Domain, "."), parent) {
			return s, true
		}
	}
	return Suffix{}, false
}

// DialContext connects to addr if its host is permitted and the address that
// is being connected to is too.
func (g *Guard) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	s, ok := g.suffix(host)
	if !ok {
		return nil, fmt.Errorf("vault %s is not under a domain that this installation permits", host)
	}
	return dialer.Dial(ctx, network, addr, cmp.Or(g.Timeout, 5*time.Second), func(a netip.Addr) error {
		if !dialer.Permits(s.Ranges, a) {
			return fmt.Errorf("vault %s resolves to %s, where vaults under %s may not be", host, a, s.Domain)
		}
		return nil
	})
}
