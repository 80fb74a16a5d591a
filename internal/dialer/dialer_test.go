package dialer

import (
	"net/netip"
	"testing"
)

func TestAddressesThatAreNotPublic(t *testing.T) {
	for _, a := range []string{"127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255",
		"::1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "64:ff9b::a00:1", "2001:db8::1"} {
		if Permits(nil, netip.MustParseAddr(a)) {
			t.Errorf("%s is taken for public", a)
		}
	}
	for _, a := range []string{"20.50.1.1", "8.8.8.8", "2603:1020::1", "::ffff:20.50.1.1"} {
		if !Permits(nil, netip.MustParseAddr(a)) {
			t.Errorf("%s is not taken for public", a)
		}
	}
}
