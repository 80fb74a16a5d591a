package native

import (
	"math"
	"strings"
	"unicode/utf8"
)

// The numbers of RFC 3492. The algorithm is applied as it stands there, without
// the mapping of characters that domain names undergo: case is kept.
const (
	punyBase, punyMin, punyMax  = 36, 1, 26
	punySkew, punyDamp          = 38, 700
	punyFirstBias, punyFirstNon = 72, 128
)

func punyAdapt(delta, points int, first bool) int {
	if first {
		delta /= punyDamp
	} else {
		delta /= 2
	}
	delta += delta / points
	k := 0
	for delta > (punyBase-punyMin)*punyMax/2 {
		delta /= punyBase - punyMin
		k += punyBase
	}
	return k + (punyBase-punyMin+1)*delta/(delta+punySkew)
}

func punyThreshold(k, bias int) int { return max(punyMin, min(punyMax, k-bias)) }

// punyEncode writes s with ASCII only. What is ASCII already stays as it is.
func punyEncode(s string) string {
	if isASCII(s) {
		return s
	}
	var out []byte
	runes := []rune(s)
	for _, r := range runes {
		if r < utf8.RuneSelf {
			out = append(out, byte(r))
		}
	}
	basic := len(out)
	done := basic
	if basic > 0 {
		out = append(out, '-')
	}
	n, delta, bias := rune(punyFirstNon), 0, punyFirstBias
	for done < len(runes) {
		next := rune(math.MaxInt32)
		for _, r := range runes {
			if r >= n && r < next {
				next = r
			}
		}
		delta += int(next-n) * (done + 1)
		n = next
		for _, r := range runes {
			if r < n {
				delta++
			}
			if r != n {
				continue
			}
			q := delta
			for k := punyBase; ; k += punyBase {
				t := punyThreshold(k, bias)
				if q < t {
					break
				}
				out = append(out, punyDigit(t+(q-t)%(punyBase-t)))
				q = (q - t) / (punyBase - t)
			}
			out = append(out, punyDigit(q))
			bias = punyAdapt(delta, done+1, done == basic)
			delta = 0
			done++
		}
		delta++
		n++
	}
	return string(out)
}

func punyDigit(d int) byte {
	if d < 26 {
		return byte('a' + d)
	}
	return byte('0' + d - 26)
}

// punyDecode reads what punyEncode writes.
func punyDecode(s string) (string, bool) {
	if !isASCII(s) {
		return "", false
	}
	var out []rune
	rest := s
	if i := strings.LastIndexByte(s, '-'); i >= 0 {
		out, rest = []rune(s[:i]), s[i+1:]
	}
	n, i, bias := punyFirstNon, 0, punyFirstBias
	for rest != "" {
		old, weight := i, 1
		for k := punyBase; ; k += punyBase {
			if rest == "" {
				return "", false
			}
			c := rest[0]
			rest = rest[1:]
			d := 0
			switch {
			case c >= '0' && c <= '9':
				d = int(c-'0') + 26
			case c|0x20 >= 'a' && c|0x20 <= 'z':
				d = int(c | 0x20 - 'a')
			default:
				return "", false
			}
			if d > (math.MaxInt32-i)/weight {
				return "", false
			}
			i += d * weight
			t := punyThreshold(k, bias)
			if d < t {
				break
			}
			if weight > math.MaxInt32/(punyBase-t) {
				return "", false
			}
			weight *= punyBase - t
		}
		bias = punyAdapt(i-old, len(out)+1, old == 0)
		n += i / (len(out) + 1)
		i %= len(out) + 1
		if n > utf8.MaxRune {
			return "", false
		}
		out = append(out[:i], append([]rune{rune(n)}, out[i:]...)...)
		i++
	}
	return string(out), true
}

// PunycodeTo is punycode_from_string, without the prefix of domain names.
func PunycodeTo(a []any) (any, error) { return punyEncode(a[0].(string)), nil }

// PunycodeFrom is punycode_to_string.
func PunycodeFrom(a []any) (any, error) {
	s, ok := punyDecode(a[0].(string))
	if !ok {
		return nil, nil
	}
	return s, nil
}

const punyPrefix = "xn--"

// PunycodeDomainTo is punycode_domain_to_string: every label that is not ASCII
// is written in Punycode. The dots of other scripts divide labels too.
func PunycodeDomainTo(a []any) (any, error) {
	labels := strings.FieldsFunc(a[0].(string), func(r rune) bool { return strings.ContainsRune(".。．｡", r) })
	for i, l := range labels {
		if !isASCII(l) {
			labels[i] = punyPrefix + punyEncode(l)
		}
	}
	return strings.Join(labels, "."), nil
}

// PunycodeDomainFrom is punycode_domain_from_string: labels in Punycode are read.
func PunycodeDomainFrom(a []any) (any, error) {
	labels := strings.Split(a[0].(string), ".")
	for i, l := range labels {
		if code, ok := strings.CutPrefix(l, punyPrefix); ok {
			if labels[i], ok = punyDecode(code); !ok {
				return nil, nil
			}
		}
	}
	return strings.Join(labels, "."), nil
}
