package native

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"

	"github.com/cespare/xxhash/v2"

	"logkeep/internal/kql/syntax"
)

// Digests are the cryptographic digests that queries use to group values.
func Digests() map[string]func([]any) (any, error) {
	return map[string]func([]any) (any, error){
		"hash_md5":    func(a []any) (any, error) { d := md5.Sum(digested(a[0])); return hex.EncodeToString(d[:]), nil },
		"hash_sha1":   func(a []any) (any, error) { d := sha1.Sum(digested(a[0])); return hex.EncodeToString(d[:]), nil },
		"hash_sha256": func(a []any) (any, error) { d := sha256.Sum256(digested(a[0])); return hex.EncodeToString(d[:]), nil },
	}
}

func digested(a any) []byte { return []byte(parse(a).String()) }

// hashed is what the hash of a value is computed over: numbers and times by
// their eight bytes, all else by its text.
func hashed(a any) []byte {
	v := parse(a)
	switch v.Kind {
	case Long:
		return binary.LittleEndian.AppendUint64(nil, uint64(v.Long))
	case Real:
		return binary.LittleEndian.AppendUint64(nil, math.Float64bits(v.Real))
	case String:
		if len(v.Str) == 28 && v.Str[10] == 'T' && v.Str[27] == 'Z' {
			if t, ok := syntax.ParseDateTime(v.Str); ok {
				return binary.LittleEndian.AppendUint64(nil, uint64(t))
			}
		}
	}
	return []byte(v.String())
}

// XXHash is hash(value, mod).
func XXHash(a []any) (any, error) {
	h := int64(xxhash.Sum64(hashed(a[0])))
	if mod, ok := a[1].(int64); ok && mod > 0 {
		return int64(uint64(h) % uint64(mod)), nil
	}
	return h, nil
}

// HashMany is hash_many(values…).
func HashMany(a []any) (any, error) {
	hashes := make([]any, len(a))
	for i, x := range a {
		hashes[i] = int64(xxhash.Sum64(hashed(x)))
	}
	return HashCombine(hashes)
}

// HashCombine is hash_combine(hashes…).
func HashCombine(a []any) (any, error) {
	h := uint64(0)
	for _, x := range a {
		n, ok := x.(int64)
		if v := parse(x); !ok && v.Kind == Long {
			n = v.Long
		} else if !ok {
			n = int64(xxhash.Sum64(hashed(x)))
		}
		h = h*31 + uint64(n)
	}
	return int64(h), nil
}
