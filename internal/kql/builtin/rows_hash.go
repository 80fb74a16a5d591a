package builtin

import "logkeep/internal/kql/native"

// hashRows are the digests. They are for grouping and comparing, not for secrets.
func hashRows() []Function {
	var rows []Function
	for name, f := range native.Digests() {
		rows = append(rows, Function{Names: []string{name}, Sig: "(value:scalar) string", Go: f, Note: NullSafe, Doc: "A digest as hexadecimal text."})
	}
	return append(rows,
		Function{Names: []string{"hash", "hash_xxhash64"}, Sig: "(value:scalar, mod:long?) long", Go: native.XXHash, Note: NullSafe, Doc: "The xxHash64 of a value."},
		Function{Names: []string{"hash_many"}, Sig: "(values:scalar...) long", Go: native.HashMany, Note: NullSafe, Doc: "One hash of several values; its number is not that of Microsoft's engine."},
		Function{Names: []string{"hash_combine"}, Sig: "(hashes:scalar...) long", Go: native.HashCombine, Doc: "One hash of several hashes; its number is not that of Microsoft's engine."})
}
