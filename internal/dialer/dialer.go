// Package dialer connects to hosts that somebody else has named, where they may
// be. The address that is looked at is the one that is connected to: looking the
// name up beforehand would prove nothing, since it may change in between.
package dialer

import (
	"context"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// Dial connects to addr unless check returns an error for the address that it
// turns out to have, which is then the error.
func Dial(ctx context.Context, network, addr string, timeout time.Duration, check func(netip.Addr) error) (net.Conn, error) {
	d := net.Dialer{Timeout: timeout, Control: func(_, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err != nil {
			return err
		}
		return check(at.Addr())
	}}
	return d.DialContext(ctx, network, addr)
}

// Permits reports whether a host may have an address: one within ranges, or, if
// there are none, one of the open internet.
func Permits(ranges []netip.Prefix, a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if len(ranges) == 0 {
		return public(a)
	}
	for _, p := range ranges {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

func public(a netip.Addr) bool {
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
