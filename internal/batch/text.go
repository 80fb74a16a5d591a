package batch

import (
	"bytes"
	"strconv"
)

// appendCompact appends valid JSON text without the blanks between its tokens.
// Strings and numbers stay as they were written.
func appendCompact(dst, src []byte) []byte {
	if bytes.IndexByte(src, ' ') < 0 && bytes.IndexByte(src, '\n') < 0 && bytes.IndexByte(src, '\t') < 0 && bytes.IndexByte(src, '\r') < 0 {
		return append(dst, src...)
	}
	quoted := false
	for i := 0; i < len(src); i++ {
		switch b := src[i]; {
		case quoted && b == '\\':
			dst = append(dst, b)
			i++
			dst = append(dst, src[i])
		case b == '"':
			quoted = !quoted
			dst = append(dst, b)
		case !quoted && (b == ' ' || b == '\n' || b == '\t' || b == '\r'):
		default:
			dst = append(dst, b)
		}
	}
	return dst
}

// appendGUID appends 8-4-4-4-12 hexadecimal digits in lower case. The hyphens
// and a pair of braces or parentheses are optional.
func appendGUID(dst, src []byte) ([]byte, bool) {
	if n := len(src); n >= 2 && (src[0] == '{' && src[n-1] == '}' || src[0] == '(' && src[n-1] == ')') {
		src = src[1 : n-1]
	}
	hyphens := len(src) == 36
	if !hyphens && len(src) != 32 {
		return dst, false
	}
	for i, digits := 0, 0; digits < 32; digits++ {
		if digits == 8 || digits == 12 || digits == 16 || digits == 20 {
			dst = append(dst, '-')
			if hyphens {
				if src[i] != '-' {
					return dst, false
				}
				i++
			}
		}
		b := src[i]
		switch {
		case b >= '0' && b <= '9', b >= 'a' && b <= 'f':
		case b >= 'A' && b <= 'F':
			b += 'a' - 'A'
		default:
			return dst, false
		}
		dst = append(dst, b)
		i++
	}
	return dst, true
}

// maxDigits is what IEEE 754 decimal128 holds; plain text adds zeros up to the
// 38 places that the engine's widest decimal has.
const (
	maxDigits = 34
	maxPlaces = 38
)

// appendDecimal appends the canonical text of a decimal number: a minus sign
// where needed, digits without a leading zero (but one before the point), no
// exponent, no trailing zero after the point, no negative zero.
func appendDecimal(dst, src []byte) ([]byte, bool) {
	negative := false
	if len(src) > 0 && (src[0] == '-' || src[0] == '+') {
		negative, src = src[0] == '-', src[1:]
	}
	mantissa, exponent := src, 0
	if at := bytes.IndexAny(src, "eE"); at >= 0 {
		e, err := strconv.ParseInt(borrow(src[at+1:]), 10, 16)
		if err != nil {
			return dst, false
		}
		mantissa, exponent = src[:at], int(e)
	}
	whole, fraction, point := bytes.Cut(mantissa, []byte("."))
	if len(whole) == 0 || point && len(fraction) == 0 {
		return dst, false
	}
	// digits holds the significant ones; the point stands before digit scale.
	var digits [maxDigits]byte
	n, zeros, scale := 0, 0, 0
	take := func(part []byte, beforePoint bool) bool {
		for _, b := range part {
			if b < '0' || b > '9' {
				return false
			}
			if b != '0' {
				if n+zeros+1 > maxDigits {
					return false
				}
				for ; zeros > 0; zeros-- {
					digits[n] = '0'
					n++
				}
				digits[n] = b
				n++
			} else if n > 0 {
				zeros++ // significant only if another digit follows
			}
			switch {
			case beforePoint && n+zeros > 0:
				scale++
			case !beforePoint && n+zeros == 0:
				scale--
			}
		}
		return true
	}
	if !take(whole, true) || !take(fraction, false) {
		return dst, false
	}
	if n == 0 {
		return append(dst, '0'), true
	}
	scale += exponent
	if scale > maxPlaces || n-scale > maxPlaces {
		return dst, false
	}
	if negative {
		dst = append(dst, '-')
	}
	if scale <= 0 {
		dst = append(dst, '0', '.')
		for range -scale {
			dst = append(dst, '0')
		}
		return append(dst, digits[:n]...), true
	}
	for i := range max(scale, n) {
		if i == scale {
			dst = append(dst, '.')
		}
		if i < n {
			dst = append(dst, digits[i])
		} else {
			dst = append(dst, '0')
		}
	}
	return dst, true
}
