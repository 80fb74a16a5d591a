package bucket

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"

	"logkeep/internal/disk"
)

// A part is one piece of a file that grows, as an object:
//
//	part = "LKP" version(1) length(8) crc(4) headcrc(4) body(length)
//
// Integers are big-endian, checksums CRC-32C: of the body, and of what is before
// headcrc. The object's name is the file's, "/", and the offset of the body in
// the file in 16 hex digits. These numbers are on disk: never change one.
const (
	partVersion = 1
	partHeader  = 3 + 1 + 8 + 4 + 4
)

// ErrDamaged reports an object that is not what was put, or one that is missing
// between others. The error names it.
var ErrDamaged = disk.ErrDamaged

func damaged(name, format string, args ...any) error {
	return fmt.Errorf("object %s %s: %w", name, fmt.Sprintf(format, args...), ErrDamaged)
}

func castagnoli(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

func encodePart(body []byte) []byte {
	b := make([]byte, 0, partHeader+len(body))
	b = append(b, 'L', 'K', 'P', partVersion)
	b = binary.BigEndian.AppendUint64(b, uint64(len(body)))
	b = binary.BigEndian.AppendUint32(b, castagnoli(body))
	b = binary.BigEndian.AppendUint32(b, castagnoli(b))
	return append(b, body...)
}

// decodePart returns the body, which is a part of b.
func decodePart(name string, b []byte) ([]byte, error) {
	if len(b) < partHeader {
		return nil, damaged(name, "has %d bytes, which is less than any part", len(b))
	}
	if string(b[:3]) != "LKP" || binary.BigEndian.Uint32(b[partHeader-4:]) != castagnoli(b[:partHeader-4]) {
		return nil, damaged(name, "is no part of a file")
	}
	if b[3] != partVersion {
		return nil, fmt.Errorf("object %s was written by a newer version; use the release that wrote it, or a later one", name)
	}
	body := b[partHeader:]
	if n := binary.BigEndian.Uint64(b[4:]); n != uint64(len(body)) {
		return nil, damaged(name, "has %d of %d bytes", len(body), n)
	}
	if binary.BigEndian.Uint32(b[12:]) != castagnoli(body) {
		return nil, damaged(name, "has other bytes than were put")
	}
	return body, nil
}

// A part is where a piece of a file lies.
type part struct {
	name string // of the object
	at   int64  // offset of its body in the file
	size int64  // of the body
}

func partName(file string, at int64) string { return fmt.Sprintf("%s/%016x", file, at) }

// partsOf gathers the parts of files from a list of objects below dir+"/", which
// is sorted. Parts of a file follow one another.
//
// Where one is missing in the newest file, that is an error. An older file ends
// there: a part of a file that was removed may have been put late, and if it was
// not removed, the journal finds that entries are missing before its next file.
//
// With holes, files have whatever parts there are.
func partsOf(dir string, list []Info, holes bool) (map[string][]part, error) {
	files := map[string][]part{}
	newest, hole := "", ""
	for _, o := range list {
		file, digits, ok := strings.Cut(strings.TrimPrefix(o.Name, dir+"/"), "/")
		at, err := strconv.ParseInt(digits, 16, 64)
		if !ok || err != nil || len(digits) != 16 {
			continue // not ours
		}
		if file != newest {
			newest, hole = file, ""
		}
		end := int64(0)
		if have := files[file]; len(have) > 0 {
			end = have[len(have)-1].at + have[len(have)-1].size
		}
		switch {
		case hole != "":
		case at != end && !holes:
			hole = partName(dir+"/"+file, end)
		default:
			files[file] = append(files[file], part{o.Name, at, max(0, o.Size-partHeader)})
		}
	}
	if hole != "" {
		return nil, damaged(hole, "is missing, or the one before it is shorter than it was")
	}
	return files, nil
}
