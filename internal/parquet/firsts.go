package parquet

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
)

// FirstsKey is the pair of the footer that tells with which values the pages of the
// sorted column begin, if Options.Pages is set: so it is known in which page a value
// is, and others need not be read.
const FirstsKey = "logkeep.firsts"

// errFirsts reports bytes that are no list of first values.
var errFirsts = errors.New("the list of the pages' first values is not of the format this build knows")

// encodeFirsts writes the first values of all groups as text: for each group their
// number, the first as it is, and by how much each further one is more, as varints.
func encodeFirsts(groups [][]int64) string {
	var b []byte
	for _, firsts := range groups {
		b = binary.AppendUvarint(b, uint64(len(firsts)))
		for i, v := range firsts {
			if i == 0 {
				b = binary.AppendVarint(b, v)
			} else {
				b = binary.AppendUvarint(b, uint64(v-firsts[i-1]))
			}
		}
	}
	return base64.StdEncoding.EncodeToString(b)
}

// DecodeFirsts reads the text of FirstsKey, of a file with so many groups. They ascend.
func DecodeFirsts(text string, groups int) ([][]int64, error) {
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, errFirsts
	}
	all := make([][]int64, groups)
	for g := range all {
		n, size := binary.Uvarint(b)
		if size <= 0 || n > uint64(len(b)-size) { // each takes a byte at least
			return nil, errFirsts
		}
		b = b[size:]
		firsts := make([]int64, n)
		for i := range firsts {
			var size int
			if i == 0 {
				firsts[i], size = binary.Varint(b)
			} else {
				var more uint64
				more, size = binary.Uvarint(b)
				firsts[i] = firsts[i-1] + int64(more)
			}
			if size <= 0 || i > 0 && firsts[i] < firsts[i-1] {
				return nil, errFirsts
			}
			b = b[size:]
		}
		all[g] = firsts
	}
	if len(b) > 0 {
		return nil, errFirsts
	}
	return all, nil
}
