package native

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math/big"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
)

// ParseURL is parse_url.
func ParseURL(a []any) (any, error) {
	s := a[0].(string)
	out := Value{Kind: Bag}
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok {
		scheme, rest, ok = strings.Cut(s, ":")
		if !ok {
			scheme, rest = "", s
		}
	}
	rest, fragment, _ := strings.Cut(rest, "#")
	rest, query, _ := strings.Cut(rest, "?")
	host, path, hasPath := strings.Cut(rest, "/")
	if hasPath {
		path = "/" + path
	}
	user, password, port := "", "", ""
	if i := strings.LastIndexByte(host, '@'); i >= 0 {
		user, password, _ = strings.Cut(host[:i], ":")
		host = host[i+1:]
	}
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		host, port = host[:i], host[i+1:]
	}
	for _, kv := range [...][2]string{{"Scheme", scheme}, {"Host", host}, {"Port", port}, {"Path", path}, {"Username", user}, {"Password", password}} {
		out.set(kv[0], str(kv[1]))
	}
	out.set("Query Parameters", queryBag(query))
	out.set("Fragment", str(fragment))
	return out.out()
}

func queryBag(q string) Value {
	out := Value{Kind: Bag}
	for _, kv := range strings.Split(q, "&") {
		if k, v, _ := strings.Cut(kv, "="); k != "" {
			out.set(decode(k), str(decode(v)))
		}
	}
	return out
}

func decode(s string) string {
	if d, err := url.QueryUnescape(s); err == nil {
		return d
	}
	return s
}

// ParseURLQuery is parse_urlquery.
func ParseURLQuery(a []any) (any, error) {
	q := strings.TrimPrefix(a[0].(string), "?")
	return Value{Kind: Bag, Names: []string{"Query Parameters"}, Items: []Value{queryBag(q)}}.out()
}

// ParsePath is parse_path.
func ParsePath(a []any) (any, error) {
	s := a[0].(string)
	out := Value{Kind: Bag}
	scheme, rest := "", s
	if i := strings.Index(s, "://"); i > 0 {
		scheme, rest = s[:i], s[i+3:]
	}
	root := ""
	switch {
	case len(rest) > 1 && rest[1] == ':':
		root = rest[:2]
	}
	stream := ""
	if i := strings.LastIndexByte(rest, ':'); i > 1 && !strings.ContainsAny(rest[i:], `/\`) {
		rest, stream = rest[:i], rest[i+1:]
	}
	i := strings.LastIndexAny(rest, `/\`)
	dir, file := "", rest
	if i >= 0 {
		dir, file = rest[:i], rest[i+1:]
	}
	dirName := dir
	if j := strings.LastIndexAny(dir, `/\`); j >= 0 {
		dirName = dir[j+1:]
	}
	ext := ""
	if j := strings.LastIndexByte(file, '.'); j >= 0 {
		ext = file[j+1:]
	}
	for _, kv := range [...][2]string{{"Scheme", scheme}, {"RootPath", root}, {"DirectoryPath", dir}, {"DirectoryName", dirName}, {"Filename", file}, {"Extension", ext}, {"AlternateDataStreamName", stream}} {
		out.set(kv[0], str(kv[1]))
	}
	return out.out()
}

// ParseVersion is parse_version: up to four parts of eight digits each.
func ParseVersion(a []any) (any, error) {
	parts := strings.Split(a[0].(string), ".")
	if len(parts) > 4 {
		return nil, nil
	}
	n := new(big.Int)
	for i := range 4 {
		n.Mul(n, big.NewInt(100_000_000))
		if i < len(parts) {
			v, ok := new(big.Int).SetString(parts[i], 10)
			if !ok || v.Sign() < 0 || len(parts[i]) > 8 {
				return nil, nil
			}
			n.Add(n, v)
		}
	}
	return n.String(), nil
}

// ParseCommandLine is parse_command_line(text, "windows").
func ParseCommandLine(a []any) (any, error) {
	if !strings.EqualFold(a[1].(string), "windows") {
		return nil, nil
	}
	out := []Value{}
	var b strings.Builder
	quoted, has := false, false
	for _, r := range a[0].(string) {
		switch {
		case r == '"':
			quoted, has = !quoted, true
		case unicode.IsSpace(r) && !quoted:
			if has {
				out = append(out, str(b.String()))
			}
			b.Reset()
			has = false
		default:
			b.WriteRune(r)
			has = true
		}
	}
	if has {
		out = append(out, str(b.String()))
	}
	return array(out).out()
}

// Base64Encode is base64_encode_tostring.
func Base64Encode(a []any) (any, error) {
	return base64.StdEncoding.EncodeToString([]byte(a[0].(string))), nil
}

func fromBase64(s string) ([]byte, bool) {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		b, err = base64.RawStdEncoding.DecodeString(strings.TrimRight(s, "="))
	}
	return b, err == nil
}

// Base64Decode is base64_decode_tostring.
func Base64Decode(a []any) (any, error) {
	b, ok := fromBase64(a[0].(string))
	if !ok || !utf8.Valid(b) {
		return nil, nil
	}
	return string(b), nil
}

// Base64DecodeArray is base64_decode_toarray.
func Base64DecodeArray(a []any) (any, error) {
	b, ok := fromBase64(a[0].(string))
	if !ok || len(a[0].(string))%4 != 0 {
		return nil, nil
	}
	return bytesArray(b).out()
}

func bytesArray(b []byte) Value {
	out := make([]Value, len(b))
	for i, c := range b {
		out[i] = long(int64(c))
	}
	return array(out)
}

// Base64EncodeArray is base64_encode_fromarray.
func Base64EncodeArray(a []any) (any, error) {
	v := parse(a[0])
	b := make([]byte, len(v.Items))
	for i, x := range v.Items {
		if x.Kind != Long || x.Long < 0 || x.Long > 255 {
			return nil, nil
		}
		b[i] = byte(x.Long)
	}
	return base64.StdEncoding.EncodeToString(b), nil
}

// swap turns a guid's bytes into the order of Windows and back.
func swap(b []byte) []byte {
	out := append([]byte{}, b...)
	binary.LittleEndian.PutUint32(out[0:], binary.BigEndian.Uint32(b[0:]))
	binary.LittleEndian.PutUint16(out[4:], binary.BigEndian.Uint16(b[4:]))
	binary.LittleEndian.PutUint16(out[6:], binary.BigEndian.Uint16(b[6:]))
	return out
}

// Base64EncodeGUID is base64_encode_fromguid.
func Base64EncodeGUID(a []any) (any, error) {
	g, err := uuid.Parse(a[0].(string))
	if err != nil {
		return nil, nil
	}
	return base64.StdEncoding.EncodeToString(swap(g[:])), nil
}

// Base64DecodeGUID is base64_decode_toguid.
func Base64DecodeGUID(a []any) (any, error) {
	b, ok := fromBase64(a[0].(string))
	if !ok || len(b) != 16 {
		return nil, nil
	}
	return uuid.UUID(swap(b)).String(), nil
}

// percent encodes all bytes but letters, digits and those in keep.
func percent(s, keep string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c < 0x80 && WordByte(c) || strings.IndexByte(keep, c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02x", c)
		}
	}
	return b.String()
}

// URLEncode is url_encode.
func URLEncode(a []any) (any, error) {
	return strings.ReplaceAll(percent(a[0].(string), " -_.!*()"), " ", "+"), nil
}

// URLEncodeComponent is url_encode_component.
func URLEncodeComponent(a []any) (any, error) { return percent(a[0].(string), "-_.!*()"), nil }

// URLDecode is url_decode.
func URLDecode(a []any) (any, error) { return decode(a[0].(string)), nil }
