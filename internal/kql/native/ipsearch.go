package native

import (
	"net/netip"
	"regexp"
	"strings"
)

// addresses finds what looks like an IPv4 address and stands alone.
var addresses = regexp.MustCompile(`\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}`)

func eachIPv4(s string, f func(netip.Addr) bool) bool {
	for _, m := range addresses.FindAllStringIndex(s, -1) {
		if m[0] > 0 && (WordByte(s[m[0]-1]) || s[m[0]-1] == '.') || m[1] < len(s) && WordByte(s[m[1]]) {
			continue
		}
		if ip, err := netip.ParseAddr(s[m[0]:m[1]]); err == nil && f(ip) {
			return true
		}
	}
	return false
}

// HasIPv4 is has_ipv4(text, ip).
func HasIPv4(a []any) (any, error) {
	want, err := netip.ParseAddr(a[1].(string))
	if err != nil {
		return nil, nil
	}
	return eachIPv4(a[0].(string), func(ip netip.Addr) bool { return ip == want }), nil
}

// HasIPv4Prefix is has_ipv4_prefix(text, prefix); the prefix ends with a dot or is an address or CIDR.
func HasIPv4Prefix(a []any) (any, error) { return hasPrefix(a[0].(string), a[1].(string)), nil }

func hasPrefix(s, prefix string) bool {
	if p, err := netip.ParsePrefix(prefix); err == nil {
		return eachIPv4(s, p.Contains)
	}
	if strings.Count(prefix, ".") < 3 && !strings.HasSuffix(prefix, ".") {
		return false
	}
	return eachIPv4(s, func(ip netip.Addr) bool {
		return strings.HasPrefix(ip.String(), prefix) && (strings.HasSuffix(prefix, ".") || ip.String() == prefix)
	})
}

// each calls f for every string among arguments that are JSON texts: strings or arrays of them.
func each(list []any, f func(string) bool) bool {
	for _, x := range list {
		v := parse(x)
		if v.Kind != Array {
			v = array([]Value{v})
		}
		for _, it := range v.Items {
			if f(it.String()) {
				return true
			}
		}
	}
	return false
}

// HasAnyIPv4 is has_any_ipv4(text, ips…).
func HasAnyIPv4(a []any) (any, error) {
	return each(a[1:], func(s string) bool {
		v, _ := HasIPv4([]any{a[0], s})
		return v == true
	}), nil
}

// HasAnyIPv4Prefix is has_any_ipv4_prefix(text, prefixes…).
func HasAnyIPv4Prefix(a []any) (any, error) {
	return each(a[1:], func(s string) bool { return hasPrefix(a[0].(string), s) }), nil
}
