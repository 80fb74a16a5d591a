package kek

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"time"
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
// is being connected to is too. Looking the name up beforehand would prove
// nothing: it may change in between.
func (g *Guard) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	s, ok := g.suffix(host)
	if !ok {
		return nil, fmt.Errorf("vault %s is not under a domain that this installation permits", host)
	}
	d := net.Dialer{Timeout: g.Timeout, Control: func(_, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err != nil {
			return err
		}
		if !s.permits(at.Addr()) {
			return fmt.Errorf("vault %s resolves to %s, where vaults under %s may not be", host, at.Addr(), s.Domain)
		}
		return nil
	}}
	if d.Timeout == 0 {
		d.Timeout = 5 * time.Second
	}
	return d.DialContext(ctx, network, addr)
}

func (s Suffix) permits(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if len(s.Ranges) == 0 {
		return Public(a)
	}
	for _, p := range s.Ranges {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// Public reports whether a is an address of the open internet.
func Public(a netip.Addr) bool {
	if !a.IsGlobalUnicast() || a.IsPrivate() {
		return false
	}
	for _, p := range [...]string{
		"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
		"64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "fec0::/10",
	} {
		if netip.MustParsePrefix(p).Contains(a) {
			return false
		}
	}
	return true
}
