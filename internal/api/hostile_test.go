package api

import (
	"bytes"
	"encoding/json"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
)

// What stands where a value was expected. Random values alone rarely reach
// behind the first check.
var (
	hostileNames = []string{"", "x", "%20", "a%20b", "..%2f..", "%2e%2e", "%00", "%C3%A9", "%ff%fe", "'", "%22", "{x}", "%5c", "..", "$batch", "*", "+", ";", "a;b=c", "%25", "_", "-",
		strings.Repeat("n", 300), strings.Repeat("/", 50), "00000000-0000-0000-0000-000000000000", "providers", "subscriptions", "CON", "%F0%9F%92%A9", "1e309"}
	hostileValues = []string{"null", "true", "0", "-1", "1e400", "-0", "9223372036854775808", "99999999999999999999999999", "0.1", `""`, `"\u0000"`, `"\ud800"`, `"x"`, "[]", "{}", "[null]", "[[]]", `{"":null}`,
		`{"a":{"b":[]}}`, `"9999-12-31T23:59:59.9999999Z"`, `"/"`, `"/subscriptions"`, `"/subscriptions/x/resourceGroups//providers"`, `"P"`, `"https://"`, `"https://[::1"`, "\"\xff\xfe\"", `"` + strings.Repeat("é", 5000) + `"`}
	hostileQueries = []string{"", "api-version", "api-version=", "api-version=2023-09-01&api-version=x", "api-version=9999-99-99", "API-Version=2023-09-01", "%zz=1", "a=%", "api-version=2023-09-01;x", "$top=-1", "%24top=1e9", "%24filter=eq", "%24filter=((((((", "%24filter=roleName%20eq%20''",
		"%24skiptoken=x", "%24skiptoken=%00", "%24filter=" + strings.Repeat("not ", 2000), "force=maybe", "query=%00", "timespan=P", "workspaces=,,,", "&&&&", "detailed=x&csl=", "%ff=%ff", "metricnames=%2c&timespan=/&interval=PT"}
	hostileHeaders = [][2]string{{"Content-Type", ""}, {"Content-Type", "text/plain"}, {"Content-Type", "application/json; charset=x; charset=y"}, {"Content-Type", ";;;"}, {"Content-Type", "multipart/form-data"}, {"Content-Type", "application/x-www-form-urlencoded"},
		{"Content-Encoding", "gzip"}, {"Content-Encoding", "br"}, {"Content-Encoding", "gzip, gzip"}, {"If-Match", "*"}, {"If-Match", `"`}, {"If-Match", `W/"x"`}, {"If-None-Match", "*"}, {"If-None-Match", ",,,"}, {"Prefer", "wait=-1"}, {"Prefer", "wait=99999999999999999999"},
		{"Prefer", "=,=;;"}, {"x-ms-client-request-id", "\xff"}, {"x-ms-correlation-request-id", strings.Repeat("c", 70000)}, {"Accept-Language", strings.Repeat("x,", 20000)}, {"x-ms-date", "never"}, {"Log-Type", "1"}, {"Log-Type", "A"}, {"time-generated-field", "\x01"},
		{"x-ms-client-request-id", "00000000-0000-0000-0000-000000000000"}, {"Metadata", "true"}, {"Accept", "nothing/*"}, {"Transfer-Encoding", "x"}, {"Range", "bytes=9-1"}, {"Host", "x"}}
	allMethods = []string{http.MethodGet, http.MethodPut, http.MethodPost, http.MethodPatch, http.MethodDelete, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodConnect, "PROPFIND", "get"}
)

// pick is one of all.
func pick[T any](r *rand.Rand, all []T) T { return all[r.IntN(len(all))] }

// spoil makes a body that was good, or once was, into one that may be anything.
func spoil(r *rand.Rand, body []byte) []byte {
	for range 1 + r.IntN(3) {
		switch r.IntN(9) {
		case 0: // one value is another's
			var v any
			if d := json.NewDecoder(bytes.NewReader(body)); d.Decode(&v) == nil {
				if text, err := json.Marshal(swap(r, v)); err == nil {
					body = bytes.Replace(text, []byte(`"`+hole+`"`), []byte(pick(r, hostileValues)), 1)
				}
			}
		case 1, 2: // any value of the text, so that several are wrong at once
			if i := bytes.IndexByte(body, ':'); i >= 0 {
				at := i + 1 + r.IntN(len(body)-i)
				if j := bytes.IndexByte(body[at-1:], ':'); j >= 0 {
					body = join2(body[:at+j], pick(r, hostileValues), after(body[at+j:]))
				}
			}
		case 3: // cut off
			body = body[:r.IntN(len(body)+1)]
		case 4: // a key twice
			if i := bytes.IndexByte(body, '{'); i >= 0 {
				body = join2(body[:i+1], `"location":`+pick(r, hostileValues)+`,"properties":`+pick(r, hostileValues)+`,"tags":`+pick(r, hostileValues)+`,`, body[i+1:])
			}
		case 5: // deep
			n := 1 << r.IntN(15)
			body = join2(nil, strings.Repeat(pick(r, []string{"[", `{"properties":`, `[{"a":`}), n), body)
		case 6: // bytes that no text has
			if len(body) > 0 {
				body = bytes.Clone(body)
				body[r.IntN(len(body))] = byte(r.Uint32())
			}
		case 7:
			body = []byte(pick(r, hostileValues))
		case 8: // as it was
		}
	}
	return body
}

const hole = "a-hole-in-the-body"

// swap puts the hole in the place of one value of v.
func swap(r *rand.Rand, v any) any {
	switch x := v.(type) {
	case map[string]any:
		if len(x) > 0 && r.IntN(6) > 0 {
			keys := slices.Sorted(maps.Keys(x))
			k := pick(r, keys)
			x[k] = swap(r, x[k])
			return x
		}
	case []any:
		if len(x) > 0 && r.IntN(6) > 0 {
			i := r.IntN(len(x))
			x[i] = swap(r, x[i])
			return x
		}
	}
	return hole
}

// after drops the value that b begins with, roughly: to the next comma or brace.
func after(b []byte) []byte {
	if i := bytes.IndexAny(b, ",}]"); i >= 0 {
		return b[i:]
	}
	return nil
}

func join2(a []byte, middle string, b []byte) []byte {
	return append(append(bytes.Clone(a), middle...), b...)
}
