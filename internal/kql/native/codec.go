package native

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/base64"
	"io"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// ToUTF8 is to_utf8.
func ToUTF8(a []any) (any, error) { return bytesArray([]byte(a[0].(string))).out() }

// Codepoints is unicode_codepoints_from_string.
func Codepoints(a []any) (any, error) {
	out := []Value{}
	for _, r := range a[0].(string) {
		out = append(out, long(int64(r)))
	}
	return array(out).out()
}

// CodepointsText is unicode_codepoints_to_string.
func CodepointsText(a []any) (any, error) {
	var b strings.Builder
	for _, x := range a {
		v := parse(x)
		if v.Kind != Array {
			v = array([]Value{v})
		}
		for _, it := range v.Items {
			if it.Kind != Long || it.Long < 0 || it.Long > unicode.MaxRune {
				return nil, nil
			}
			b.WriteRune(rune(it.Long))
		}
	}
	return b.String(), nil
}

// maxInflated bounds what a compressed text may become.
const maxInflated = 16 << 20

// GzipCompress is gzip_compress_to_base64_string.
func GzipCompress(a []any) (any, error) {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(a[0].(string))); err != nil || w.Close() != nil {
		return nil, nil
	}
	return base64.StdEncoding.EncodeToString(b.Bytes()), nil
}

// GzipDecompress is gzip_decompress_from_base64_string.
func GzipDecompress(a []any) (any, error) {
	return inflate(a[0].(string), func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) })
}

// ZlibCompress is zlib_compress_to_base64_string.
func ZlibCompress(a []any) (any, error) {
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	if _, err := w.Write([]byte(a[0].(string))); err != nil || w.Close() != nil {
		return nil, nil
	}
	return base64.StdEncoding.EncodeToString(b.Bytes()), nil
}

// ZlibDecompress is zlib_decompress_from_base64_string.
func ZlibDecompress(a []any) (any, error) {
	return inflate(a[0].(string), func(r io.Reader) (io.Reader, error) { return zlib.NewReader(r) })
}

func inflate(s string, open func(io.Reader) (io.Reader, error)) (any, error) {
	raw, ok := fromBase64(s)
	if !ok {
		return nil, nil
	}
	r, err := open(bytes.NewReader(raw))
	if err != nil {
		return nil, nil
	}
	out, err := io.ReadAll(io.LimitReader(r, maxInflated))
	if err != nil || !utf8.Valid(out) {
		return nil, nil
	}
	return string(out), nil
}

// Translate is translate(from, to, text).
func Translate(a []any) (any, error) {
	from, to := []rune(a[0].(string)), []rune(a[1].(string))
	if len(to) == 0 {
		return "", nil
	}
	return strings.Map(func(r rune) rune {
		for i, f := range from {
			if f == r {
				return to[min(i, len(to)-1)]
			}
		}
		return r
	}, a[2].(string)), nil
}

// ToTitle is totitle.
func ToTitle(a []any) (any, error) {
	start := true
	return strings.Map(func(r rune) rune {
		was := start
		start = !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '\''
		if was {
			return unicode.ToUpper(r)
		}
		return unicode.ToLower(r)
	}, a[0].(string)), nil
}

// IsASCII is isascii.
func IsASCII(a []any) (any, error) { return isASCII(a[0].(string)), nil }

// IsUTF8 is isutf8.
func IsUTF8(a []any) (any, error) { return utf8.ValidString(a[0].(string)), nil }

// RegexQuote is regex_quote.
func RegexQuote(a []any) (any, error) {
	return regexp.MustCompile(`[^0-9A-Za-z_\x{80}-\x{10FFFF}]`).ReplaceAllString(a[0].(string), `\$0`), nil
}

// PunycodeTo is punycode_from_string, without the prefix of domain names.
func PunycodeTo(a []any) (any, error) {
	s, err := idna.Punycode.ToASCII(a[0].(string))
	if err != nil {
		return nil, nil
	}
	return strings.TrimPrefix(s, "xn--"), nil
}

// PunycodeFrom is punycode_to_string.
func PunycodeFrom(a []any) (any, error) {
	s, err := idna.Punycode.ToUnicode("xn--" + strings.TrimPrefix(a[0].(string), "xn--"))
	if err != nil {
		return nil, nil
	}
	return s, nil
}

// PunycodeDomainTo is punycode_domain_from_string.
func PunycodeDomainTo(a []any) (any, error) {
	s, err := idna.Punycode.ToASCII(a[0].(string))
	if err != nil {
		return nil, nil
	}
	return s, nil
}

// PunycodeDomainFrom is punycode_domain_to_string.
func PunycodeDomainFrom(a []any) (any, error) {
	s, err := idna.Punycode.ToUnicode(a[0].(string))
	if err != nil {
		return nil, nil
	}
	return s, nil
}
