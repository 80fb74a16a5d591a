package kek

import (
	"net"
	"net/netip"
	"strings"
	"testing"
)

func TestGuardNamesWhatItPermits(t *testing.T) {
	g := &Guard{Suffixes: []Suffix{{Domain: "vault.azure.net"}, {Domain: ".vault.logkeep.test"}}}
	for uri, want := range map[string]bool{
		"https://kv.vault.azure.net": true, "https://KV.vault.azure.net/": true, "https://kv.vault.logkeep.test:8443": true,
		"https://vault.azure.net": false, "https://a.b.vault.azure.net": false, "https://kv.vault.azure.net.evil.org": false,
		"https://kvvault.azure.net": false, "http://kv.vault.azure.net": false, "https://10.0.0.1": false,
	} {
		if err := g.Allowed(uri); (err == nil) != want {
			t.Errorf("%s: %v", uri, err)
		}
	}
}

func TestGuardLooksAtTheAddressOfTheConnection(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	// A number is a host name that needs no resolver: one label, then "0.0.1".
	open := &Guard{Suffixes: []Suffix{{Domain: "0.0.1"}}}
	if _, err := open.DialContext(t.Context(), "tcp", l.Addr().String()); err == nil || !strings.Contains(err.Error(), "may not be") {
		t.Errorf("a loopback address was not refused: %v", err)
	}
	private := &Guard{Suffixes: []Suffix{{Domain: "0.0.1", Ranges: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}}}
	c, err := private.DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if _, err := private.DialContext(t.Context(), "tcp", "metadata.internal:80"); err == nil {
		t.Error("a host under no permitted domain was dialled")
	}
}

func FuzzChallenge(f *testing.F) {
	f.Add(`Bearer authorization="https://login.example.org/t", resource="https://example.com"`)
	f.Add(`Bearer error="insufficient_claims", claims="e30=", authorization="https://login.example.org/t"`)
	f.Fuzz(func(t *testing.T, header string) {
		own, err := checkChallenge(header, "kv.example.com")
		if err != nil {
			return
		}
		if again, err := checkChallenge(own, "kv.example.com"); err != nil || again != own {
			t.Errorf("%q became %q, then %q %v", header, own, again, err)
		}
	})
}
