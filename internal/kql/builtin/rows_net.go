package builtin

import "logkeep/internal/kql/native"

// netRows are the functions on network addresses.
func netRows() []Function {
	g := func(name, sig string, eval func([]any) (any, error), doc string) Function {
		return Function{Names: []string{name}, Sig: sig, Go: eval, Doc: doc}
	}
	return []Function{
		g("parse_ipv4", "(ip:text) long", native.ParseIPv4, "An IPv4 address as a number."),
		g("parse_ipv4_mask", "(ip:text, prefix:long) long", native.ParseIPv4Mask, "An IPv4 address under a mask as a number."),
		g("parse_ipv6", "(ip:text) string", native.ParseIPv6, "An address in the full form of IPv6."),
		g("parse_ipv6_mask", "(ip:text, prefix:long) string", native.ParseIPv6Mask, "An address under a mask in the full form of IPv6."),
		g("format_ipv4", "(ip:scalar, prefix:long?) string", native.FormatIPv4, "An IPv4 address as text."),
		g("format_ipv4_mask", "(ip:scalar, prefix:long?) string", native.FormatIPv4Mask, "An IPv4 network as text."),
		g("ipv4_is_private", "(ip:text) bool", native.IPv4IsPrivate, "Whether an address is of a private network."),
		g("ipv4_is_in_range", "(ip:text, range:text) bool", native.IPv4InRange, "Whether an address is in a network."),
		g("ipv4_is_in_any_range", "(ip:text, ranges:scalar...) bool", native.IPInAnyRange, "Whether an address is in one of several networks."),
		g("ipv4_is_match", "(a:text, b:text, prefix:long?) bool", native.IPv4IsMatch, "Whether two addresses are the same under their masks."),
		g("ipv4_compare", "(a:text, b:text, prefix:long?) long", native.IPv4Compare, "-1, 0 or 1 as one address is below, at or above another."),
		g("ipv4_netmask_suffix", "(ip:text) long", native.IPv4Suffix, "The length of a network's prefix."),
		g("ipv4_range_to_cidr_list", "(from:text, to:text) dynamic", native.IPv4RangeToCIDR, "The networks between two addresses."),
		g("ipv6_is_match", "(a:text, b:text, prefix:long?) bool", native.IPv6IsMatch, "Whether two addresses are the same under their masks."),
		g("ipv6_compare", "(a:text, b:text, prefix:long?) long", native.IPv6Compare, "-1, 0 or 1 as one address is below, at or above another."),
		g("ipv6_is_in_range", "(ip:text, range:text) bool", native.IPv6InRange, "Whether an address is in a network."),
		g("ipv6_is_in_any_range", "(ip:text, ranges:scalar...) bool", native.IPInAnyRange, "Whether an address is in one of several networks."),
		g("geo_info_from_ip_address", "(ip:text) dynamic", native.GeoFromIP, "Where an address is; always empty, as no such data are here."),
	}
}
