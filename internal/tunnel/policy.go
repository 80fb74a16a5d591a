package tunnel

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"logkeep/internal/kek"
)

// A Policy decides where a connection for a vault may go (decisions 16).
type Policy struct {
	BuiltIn  []string                                    // domains of the built-in vault's names
	Internal func(ctx context.Context) (net.Conn, error) // connects to the built-in vault
	Outside  *kek.Guard                                  // of all other vaults; nil: there are none
}

// ErrForbidden is the answer for a host that no policy allows.
var ErrForbidden = errors.New("not a vault that this server may talk to; allow its domain in the configuration (vaults)")

// Dial connects to a vault; addr is host:port.
func (p *Policy) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("vault address %q: %w", addr, err)
	}
	if p.IsBuiltIn(host) {
		return p.Internal(ctx)
	}
	if p.Outside == nil || p.Outside.Allowed("https://"+host) != nil {
		return nil, fmt.Errorf("%s: %w", host, ErrForbidden)
	}
	return p.Outside.DialContext(ctx, network, addr)
}

// IsBuiltIn reports whether host is a name of the built-in vault: one label
// before one of its domains.
func (p *Policy) IsBuiltIn(host string) bool {
	label, parent, ok := strings.Cut(strings.ToLower(host), ".")
	if !ok || label == "" {
		return false
	}
	for _, d := range p.BuiltIn {
		if parent == strings.ToLower(strings.Trim(d, ".")) {
			return true
		}
	}
	return false
}

// Allowed reports as an error why no tenant may name the vault.
func (p *Policy) Allowed(vaultURI string) error {
	id, err := kek.NewID(vaultURI, "any", "")
	if err != nil {
		return err
	}
	host, _, _ := strings.Cut(id.Host(), ":")
	if p.IsBuiltIn(host) {
		return nil
	}
	if p.Outside == nil {
		return fmt.Errorf("%s: %w", host, ErrForbidden)
	}
	return p.Outside.Allowed(vaultURI)
}
