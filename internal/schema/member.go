package schema

// IsMemberKey reports whether a key of a dynamic column may have a column of its
// own in a segment: who writes segments and who reads them must agree.
func IsMemberKey(key string) bool {
	for i := range len(key) {
		if c := key[i]; c != '_' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			return false
		}
	}
	return len(key) > 0 && len(key) <= 64
}
