package native

import (
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"strconv"
	"strings"
)

// network reads an address with or without /prefix. bits is the length of the
// prefix, that of the address if none is given.
func network(s string) (ip netip.Addr, bits int, ok bool) {
	s = strings.TrimSpace(s)
	addr, prefix, has := strings.Cut(s, "/")
	ip, err := netip.ParseAddr(addr)
	if err != nil {
		return ip, 0, false
	}
	if dotted, ok := strings.CutPrefix(addr, "::"); ok { // ::1.2.3.4 is 1.2.3.4
		if four, err := netip.ParseAddr(dotted); err == nil && four.Is4() {
			ip = four
		}
	}
	bits = ip.BitLen()
	if has {
		if bits, err = strconv.Atoi(prefix); err != nil || bits < 0 || bits > ip.BitLen() {
			return ip, 0, false
		}
	}
	return ip, bits, true
}

func ipv4(s string) (ip netip.Addr, bits int, ok bool) {
	ip, bits, ok = network(s)
	return ip, bits, ok && ip.Is4() && !strings.Contains(s, ":")
}

func masked(ip netip.Addr, bits int) netip.Addr {
	p, err := ip.Prefix(bits)
	if err != nil {
		return ip
	}
	return p.Addr()
}

func number4(ip netip.Addr) int64 {
	b := ip.As4()
	return int64(binary.BigEndian.Uint32(b[:]))
}

func from4(n int64) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], uint32(n))
	return netip.AddrFrom4(b)
}

// ParseIPv4 is parse_ipv4.
func ParseIPv4(a []any) (any, error) {
	ip, bits, ok := ipv4(a[0].(string))
	if !ok {
		return nil, nil
	}
	return number4(masked(ip, bits)), nil
}

// ParseIPv4Mask is parse_ipv4_mask.
func ParseIPv4Mask(a []any) (any, error) {
	ip, bits, ok := ipv4(a[0].(string))
	n := a[1].(int64)
	if !ok || n < 0 || n > 32 {
		return nil, nil
	}
	return number4(masked(ip, min(bits, int(n)))), nil
}

// full writes an address in the full form of IPv6; IPv4 is mapped.
func full(ip netip.Addr) string { return netip.AddrFrom16(ip.As16()).StringExpanded() }

// bits6 counts a prefix as one of IPv6.
func bits6(ip netip.Addr, bits int) int {
	if ip.Is4() {
		return bits + 96
	}
	return bits
}

// mask6 masks all 128 bits, also those of mapped addresses, which netip counts apart.
func mask6(ip netip.Addr, bits int) netip.Addr {
	b := ip.As16()
	for i := range b {
		switch left := bits - i*8; {
		case left <= 0:
			b[i] = 0
		case left < 8:
			b[i] &= 0xff << (8 - left)
		}
	}
	return netip.AddrFrom16(b)
}

// ParseIPv6 is parse_ipv6.
func ParseIPv6(a []any) (any, error) {
	ip, bits, ok := network(a[0].(string))
	if !ok {
		return nil, nil
	}
	return full(mask6(ip, bits6(ip, bits))), nil
}

// ParseIPv6Mask is parse_ipv6_mask.
func ParseIPv6Mask(a []any) (any, error) {
	ip, bits, ok := network(a[0].(string))
	n := a[1].(int64)
	if !ok || n < 0 || n > 128 {
		return nil, nil
	}
	return full(mask6(ip, min(bits6(ip, bits), int(n)))), nil
}

// address reads a number or a text.
func address(v Value) (netip.Addr, int, bool) {
	if v.Kind == Long {
		return from4(v.Long), 32, v.Long >= 0 && v.Long <= 0xffffffff
	}
	return ipv4(v.String())
}

// FormatIPv4 is format_ipv4(ip, prefix).
func FormatIPv4(a []any) (any, error) {
	ip, bits, ok := address(parse(a[0]))
	n := optional(a, 1, 32)
	if !ok || n < 0 || n > 32 {
		return "", nil
	}
	return masked(ip, min(bits, int(n))).String(), nil
}

// FormatIPv4Mask is format_ipv4_mask(ip, prefix).
func FormatIPv4Mask(a []any) (any, error) {
	ip, bits, ok := address(parse(a[0]))
	n := optional(a, 1, 32)
	if !ok || n < 0 || n > 32 {
		return "", nil
	}
	bits = min(bits, int(n))
	return masked(ip, bits).String() + "/" + strconv.Itoa(bits), nil
}

// IPv4IsPrivate is ipv4_is_private.
func IPv4IsPrivate(a []any) (any, error) {
	ip, bits, ok := ipv4(a[0].(string))
	if !ok {
		return nil, nil
	}
	for _, p := range [...]string{"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"} {
		if r := netip.MustParsePrefix(p); r.Contains(ip) && bits >= r.Bits() {
			return true, nil
		}
	}
	return false, nil
}

// inRange reports whether ip lies in a network; ok is false if one can't be read.
func inRange(ip, r string, only4 bool) (in, ok bool) {
	x, bits, ok1 := network(ip)
	y, size, ok2 := network(r)
	if !ok1 || !ok2 || only4 && (!x.Is4() || !y.Is4()) {
		return false, false
	}
	n := min(bits6(x, bits), bits6(y, size))
	return mask6(x, n) == mask6(y, n), true
}

// IPEnds is the first or the last address of a network, or an address itself, as
// text that sorts as addresses do. Two networks, of which one lies in the other or
// both are apart, have an address in common if and only if neither begins behind
// the end of the other. What can't be read has its first address behind all others
// and its last one before them.
func IPEnds(only4, last bool) func([]any) (any, error) {
	return func(a []any) (any, error) {
		ip, bits, ok := network(a[0].(string))
		switch {
		case ok && (ip.Is4() || !only4):
		case last:
			return "", nil
		default:
			return "~", nil
		}
		b := mask6(ip, bits6(ip, bits)).As16()
		for i, from := bits6(ip, bits), 0; last && from < len(b); from++ {
			b[from] |= byte(0xff >> min(8, max(0, i-from*8)))
		}
		if only4 {
			return hex.EncodeToString(b[12:]), nil
		}
		return hex.EncodeToString(b[:]), nil
	}
}

// IPv4InRange is ipv4_is_in_range.
func IPv4InRange(a []any) (any, error) {
	in, ok := inRange(a[0].(string), a[1].(string), true)
	if !ok {
		return nil, nil
	}
	return in, nil
}

// IPv6InRange is ipv6_is_in_range.
func IPv6InRange(a []any) (any, error) {
	in, ok := inRange(a[0].(string), a[1].(string), false)
	if !ok {
		return nil, nil
	}
	return in, nil
}

// IPInAnyRange is ipv4_is_in_any_range and ipv6_is_in_any_range.
func IPInAnyRange(a []any) (any, error) {
	if _, _, ok := network(a[0].(string)); !ok {
		return nil, nil
	}
	return each(a[1:], func(r string) bool { in, _ := inRange(a[0].(string), r, false); return in }), nil
}

// compareIP compares under the shortest of the prefixes.
func compareIP(a []any, only4 bool) (int64, bool) {
	x, xb, ok1 := network(a[0].(string))
	y, yb, ok2 := network(a[1].(string))
	if !ok1 || !ok2 || only4 && (!x.Is4() || !y.Is4()) {
		return 0, false
	}
	most := int64(128)
	if only4 {
		most = 32
	}
	p := optional(a, 2, most)
	if p < 0 || p > most {
		return 0, false
	}
	if only4 {
		p += 96
	}
	n := min(bits6(x, xb), bits6(y, yb), int(p))
	l, r := mask6(x, n), mask6(y, n)
	return int64(cmp.Compare(l.Compare(r), 0)), true
}

// IPv4IsMatch is ipv4_is_match.
func IPv4IsMatch(a []any) (any, error) { return match(a, true) }

// IPv6IsMatch is ipv6_is_match.
func IPv6IsMatch(a []any) (any, error) { return match(a, false) }

func match(a []any, only4 bool) (any, error) {
	c, ok := compareIP(a, only4)
	if !ok {
		return nil, nil
	}
	return c == 0, nil
}

// IPv4Compare is ipv4_compare.
func IPv4Compare(a []any) (any, error) {
	if c, ok := compareIP(a, true); ok {
		return c, nil
	}
	return nil, nil
}

// IPv6Compare is ipv6_compare.
func IPv6Compare(a []any) (any, error) {
	if c, ok := compareIP(a, false); ok {
		return c, nil
	}
	return nil, nil
}

// IPv4Suffix is ipv4_netmask_suffix.
func IPv4Suffix(a []any) (any, error) {
	_, bits, ok := ipv4(a[0].(string))
	if !ok {
		return nil, nil
	}
	return int64(bits), nil
}

// IPv4RangeToCIDR is ipv4_range_to_cidr_list.
func IPv4RangeToCIDR(a []any) (any, error) {
	x, _, ok1 := ipv4(a[0].(string))
	y, _, ok2 := ipv4(a[1].(string))
	if !ok1 || !ok2 {
		return nil, nil
	}
	out := []Value{}
	for from, to := number4(x), number4(y); from <= to; {
		size, bits := int64(1), 32
		for bits > 0 && from%(size*2) == 0 && from+size*2-1 <= to {
			size, bits = size*2, bits-1
		}
		out = append(out, str(from4(from).String()+"/"+strconv.Itoa(bits)))
		from += size
	}
	return array(out).out()
}

// GeoFromIP is geo_info_from_ip_address where there are no data.
func GeoFromIP(a []any) (any, error) {
	if _, _, ok := network(a[0].(string)); !ok {
		return nil, nil
	}
	return "{}", nil
}
