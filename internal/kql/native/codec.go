package native

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"hash/adler32"
	"hash/crc32"
	"io"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

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
	text := []byte(a[0].(string))
	if _, err := w.Write(text); err != nil || w.Close() != nil {
		return nil, nil
	}
	if n := len(text); n <= 0xffff && b.Len() >= n+len(gzipHead)+storedHead+8 {
		out := append([]byte(gzipHead), stored(text)...)
		out = binary.LittleEndian.AppendUint32(out, crc32.ChecksumIEEE(text))
		out = binary.LittleEndian.AppendUint32(out, uint32(n))
		return base64.StdEncoding.EncodeToString(out), nil
	}
	return base64.StdEncoding.EncodeToString(b.Bytes()), nil
}

// gzipHead says deflate, no flags, no time, an unknown system.
const gzipHead = "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"

// GzipDecompress is gzip_decompress_from_base64_string.
func GzipDecompress(a []any) (any, error) {
	return inflate(a[0].(string), func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) })
}

// ZlibCompress is zlib_compress_to_base64_string.
func ZlibCompress(a []any) (any, error) {
	var b bytes.Buffer
	text := []byte(a[0].(string))
	w := zlib.NewWriter(&b)
	if _, err := w.Write(text); err != nil || w.Close() != nil {
		return nil, nil
	}
	if n := len(text); n <= 0xffff && b.Len() >= n+2+storedHead+4 {
		out := append([]byte{0x78, 0x01}, stored(text)...)
		return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(out, adler32.Checksum(text))), nil
	}
	return base64.StdEncoding.EncodeToString(b.Bytes()), nil
}

// storedHead is how many bytes stand before a stored text.
const storedHead = 5

// stored is the only block of deflate of a text that does not get shorter, of
// at most 65,535 bytes.
func stored(text []byte) []byte {
	n := uint16(len(text))
	out := []byte{1}
	out = binary.LittleEndian.AppendUint16(out, n)
	out = binary.LittleEndian.AppendUint16(out, ^n)
	return append(out, text...)
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
