// Package outside reads files of the hosts that the operator allows, for the
// externaldata of queries. It is the keeper's: workers have no network.
//
// A query's text comes from whoever may ask, and the server reaches what he can't:
// so only https, only hosts on the list, on the way of every redirect too, and
// only addresses of the open internet, unless the list gives the host others. The
// address that is looked at is the one that is connected to. What a file holds is
// kept in memory only, and bounded in size, number and time.
package outside

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"logkeep/internal/dialer"
	"logkeep/internal/fault"
)

// A Host may be read from.
type Host struct {
	Name   string         // host.example, or *.example for all hosts directly under it
	Ranges []netip.Prefix // addresses that it may have; none: any public one
}

// Config says what may be read. Zero limits are the defaults.
type Config struct {
	Hosts   []Host
	Roots   *x509.CertPool // that may vouch for hosts; nil: the system's
	Timeout time.Duration  // of one query's files together; 0: 30 s
	Bytes   int64          // of one query's files together, as they are sent; 0: 32 MiB
	Files   int            // of one query; 0: 16
	AtOnce  int            // queries that hold files; 0: 4
}

// A Reader reads files.
type Reader struct {
	cfg    Config
	client *http.Client
	slots  chan struct{}
}

// New returns a Reader; nil if no host is allowed.
func New(cfg Config) *Reader {
	if len(cfg.Hosts) == 0 {
		return nil
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 30 * time.Second
	}
	if cfg.Bytes == 0 {
		cfg.Bytes = 32 << 20
	}
	if cfg.Files == 0 {
		cfg.Files = 16
	}
	if cfg.AtOnce == 0 {
		cfg.AtOnce = 4
	}
	r := &Reader{cfg: cfg, slots: make(chan struct{}, cfg.AtOnce)}
	r.client = &http.Client{
		Transport: &http.Transport{
			DialContext: r.dial, TLSClientConfig: &tls.Config{RootCAs: cfg.Roots, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout: 10 * time.Second, MaxIdleConnsPerHost: 1, IdleConnTimeout: 30 * time.Second,
			// A packed answer would not be bounded by what is read of it.
			DisableCompression: true, MaxResponseHeaderBytes: 64 << 10, ForceAttemptHTTP2: true,
		},
		CheckRedirect: func(next *http.Request, before []*http.Request) error {
			if len(before) >= 5 {
				return refusal("it redirects too often")
			}
			_, err := r.allowed(next.URL)
			return err
		},
	}
	return r
}

// Check refuses what is no name of a host.
func (h Host) Check() error {
	name := strings.TrimPrefix(h.Name, "*.")
	if name == "" || strings.ContainsAny(name, "*/:@ ") || name != strings.ToLower(name) || net.ParseIP(name) == nil && !strings.Contains(name, ".") && name != "localhost" {
		return fmt.Errorf("%q is no lower-case name of a host, such as files.example.com, nor *.example.com", h.Name)
	}
	return nil
}

func (h Host) is(name string) bool {
	parent, wild := strings.CutPrefix(h.Name, "*.")
	if !wild {
		return name == h.Name
	}
	_, rest, ok := strings.Cut(name, ".")
	return ok && rest == parent
}

// allowed finds the host of an address on the list.
func (r *Reader) allowed(u *url.URL) (Host, error) {
	if u.Scheme != "https" || u.User != nil {
		return Host{}, refusal("only addresses that begin with https:// are read, without a user")
	}
	return r.host(u.Hostname())
}

func (r *Reader) host(name string) (Host, error) {
	name = strings.TrimSuffix(strings.ToLower(name), ".")
	for _, h := range r.cfg.Hosts {
		if h.is(name) {
			return h, nil
		}
	}
	return Host{}, refusal("the host '" + name + "' is not among those that the operator of this server allows (--externaldata-host)")
}

func (r *Reader) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	name, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	h, err := r.host(name)
	if err != nil {
		return nil, err
	}
	return dialer.Dial(ctx, network, addr, 10*time.Second, func(a netip.Addr) error {
		if !dialer.Permits(h.Ranges, a) {
			return refusal("the host '" + name + "' has an address where it may not be")
		}
		return nil
	})
}

// Fetch reads files into memory, by their addresses; have is what the query holds
// already. Errors are *fault.Error and tell addresses without what may be secret
// in them. Whoever fetches holds: see Hold.
func (r *Reader) Fetch(ctx context.Context, addresses []string, have map[string][]byte) (files map[string][]byte, err error) {
	if len(addresses)+len(have) > r.cfg.Files {
		return nil, fault.New(fault.QueryLimitsExceeded, "A query reads %d files with externaldata at most.", r.cfg.Files)
	}
	ctx, cancel := context.WithTimeout(ctx, r.cfg.Timeout)
	defer cancel()
	left := r.cfg.Bytes
	for _, f := range have {
		left -= int64(len(f))
	}
	files = map[string][]byte{}
	for _, a := range addresses {
		b, err := r.get(ctx, a, left)
		if err != nil {
			return nil, err
		}
		left -= int64(len(b))
		files[a] = b
	}
	return files, nil
}

// Hold waits until a query more may hold files; release lets another.
func (r *Reader) Hold(ctx context.Context) (release func(), err error) {
	select {
	case r.slots <- struct{}{}:
		return func() { <-r.slots }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (r *Reader) get(ctx context.Context, address string, most int64) ([]byte, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return nil, fault.New(fault.BadArgument, "An address of externaldata can't be read; it begins with https:// and a host.")
	}
	shown := "https://" + u.Host + u.EscapedPath()
	no := func(format string, args ...any) error {
		return fault.New(fault.BadArgument, "externaldata can't read %s: %s.", shown, fmt.Sprintf(format, args...))
	}
	if _, err := r.allowed(u); err != nil {
		return nil, no("%s", err)
	}
	if strings.Contains(u.EscapedPath(), ";") || strings.Contains(u.RawQuery, ";") {
		return nil, fault.New(fault.BadArgument, "externaldata takes no key or identity behind a semicolon; use an address with a shared access signature.")
	}
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, no("it is no address")
	}
	answer, err := r.client.Do(q)
	if err != nil {
		return nil, r.failed(ctx, shown, err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, no("the host answered %d", answer.StatusCode)
	}
	b, err := io.ReadAll(io.LimitReader(answer.Body, most+1))
	switch {
	case int64(len(b)) > most:
		return nil, fault.New(fault.QueryLimitsExceeded, "The files that a query reads with externaldata have %d bytes at most, together.", r.cfg.Bytes)
	case err != nil:
		return nil, r.failed(ctx, shown, err)
	}
	return b, nil
}

// A refusal is ours, and says nothing of the network behind the server.
type refusal string

func (r refusal) Error() string { return string(r) }

// failed words what a connection ended with. What the network said is not for
// whoever asks: it would tell him what there is behind the server.
func (r *Reader) failed(ctx context.Context, shown string, err error) error {
	if ctx.Err() != nil {
		return fault.New(fault.QueryTimeout, "externaldata waited for %s longer than it may.", shown).Because(ctx.Err())
	}
	why, ours := errors.AsType[refusal](err)
	if !ours {
		why = "the host can't be reached, or its certificate can't be trusted"
	}
	return fault.New(fault.BadArgument, "externaldata can't read %s: %s.", shown, why).Because(err)
}
