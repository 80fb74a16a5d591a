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

func TestAddressesThatAreNotPublic(t *testing.T) {
	for _, a := range []string{"127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255",
		"::1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "64:ff9b::a00:1", "2001:db8::1"} {
		if (Suffix{}).permits(netip.MustParseAddr(a)) {
			t.Errorf("%s is taken for public", a)
		}
	}
	for _, a := range []string{"20.50.1.1", "8.8.8.8", "2603:1020::1", "::ffff:20.50.1.1"} {
		if !(Suffix{}).permits(netip.MustParseAddr(a)) {
			t.Errorf("%s is not taken for public", a)
		}
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
