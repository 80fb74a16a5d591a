package tunnel

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
)

// An Outside names vaults that are not built in: hosts under Suffix, at
// addresses within Ranges (every public address if there are none).
type Outside struct {
	Suffix string         // with its leading dot: ".vault.azure.net"
	Ranges []netip.Prefix // private ranges are reachable only if they are named here
}

// A Policy decides where a connection for a vault may go (decisions 16). The
// address is checked on the connection that is made, not before.
type Policy struct {
	BuiltIn  []string // suffixes of the built-in vault's names, with their dots
	Internal func(ctx context.Context) (net.Conn, error)
	Outside  []Outside
}

// ErrForbidden is the answer for a host that no policy allows.
var ErrForbidden = errors.New("not a vault that this server may talk to; allow its suffix in the configuration (vaults)")

// Dial connects to a vault; addr is host:port.
func (p *Policy) Dial(ctx context.Context, _, addr string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("vault address %q: %w", addr, err)
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	for _, suffix := range p.BuiltIn {
		if under(host, suffix) {
			return p.Internal(ctx)
		}
	}
	for _, o := range p.Outside {
		if under(host, o.Suffix) {
			d := net.Dialer{Control: o.check}
			return d.DialContext(ctx, "tcp", net.JoinHostPort(host, port))
		}
	}
	return nil, fmt.Errorf("%s: %w", host, ErrForbidden)
}

// Allows reports whether host may be dialled at all.
func (p *Policy) Allows(host string) bool {
	host = strings.ToLower(host)
	for _, suffix := range p.BuiltIn {
		if under(host, suffix) {
			return true
		}
	}
	for _, o := range p.Outside {
		if under(host, o.Suffix) {
			return true
		}
	}
	return false
}

// under reports whether host is one label, or more, below suffix.
func under(host, suffix string) bool {
	suffix = strings.ToLower(suffix)
	return strings.HasPrefix(suffix, ".") && len(host) > len(suffix) && strings.HasSuffix(host, suffix)
}

// check refuses the address that is about to be connected unless it is allowed.
func (o Outside) check(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	ip := ap.Addr().Unmap()
	if len(o.Ranges) == 0 && ip.IsGlobalUnicast() && !ip.IsPrivate() && !ip.IsLoopback() {
		return nil
	}
	for _, r := range o.Ranges {
		if r.Contains(ip) {
			return nil
		}
	}
	return fmt.Errorf("%s is outside the address ranges allowed for *%s", ip, o.Suffix)
}
