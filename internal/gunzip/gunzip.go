// Package gunzip unpacks gzip bodies that lie in memory as a whole, two to three
// times as fast as a reader of streams can: it looks eight bytes ahead, and
// writes where the text is to stay.
//
// It takes what compress/gzip takes, several members one after another
// included, and refuses what that refuses. A fuzz test holds the two together.
package gunzip

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// Errors of Append.
var (
	ErrHeader   = errors.New("not in the gzip format")
	ErrCorrupt  = errors.New("the packed bytes are damaged")
	ErrChecksum = errors.New("the checksum of what was packed does not match")
	ErrShort    = errors.New("the packed bytes end early")
	ErrTooLarge = errors.New("what was packed is larger than allowed")
)

// Bits of a header's flags.
const (
	flagHeaderSum = 1 << 1
	flagExtra     = 1 << 2
	flagName      = 1 << 3
	flagComment   = 1 << 4
)

const (
	headerSize  = 10
	trailerSize = 8 // checksum and length
)

// Room is how much more room than the most that is allowed dst must have for
// Append not to move to other memory.
const Room = 1 << 10

// Append appends what packed holds to dst, at most so many bytes. dst's memory
// is used as far as it goes. After an error what it returns holds nothing right.
func Append(dst, packed []byte, most int) ([]byte, error) {
	if len(packed) == 0 {
		return dst, ErrShort
	}
	start := len(dst)
	var i inflater
	for len(packed) > 0 {
		n, err := header(packed)
		if err != nil {
			return dst, err
		}
		from := len(dst)
		dst, n, err = i.member(dst, packed, n, most-(from-start))
		if err != nil {
			return dst, err
		}
		if len(packed)-n < trailerSize {
			return dst, ErrShort
		}
		text := dst[from:]
		if binary.LittleEndian.Uint32(packed[n:]) != crc32.ChecksumIEEE(text) || binary.LittleEndian.Uint32(packed[n+4:]) != uint32(len(text)) {
			return dst, ErrChecksum
		}
		packed = packed[n+trailerSize:]
	}
	return dst, nil
}

// header returns the length of the header that b begins with.
func header(b []byte) (int, error) {
	if len(b) < headerSize {
		return 0, ErrShort
	}
	if b[0] != 0x1f || b[1] != 0x8b || b[2] != 8 {
		return 0, ErrHeader
	}
	flags, n := b[3], headerSize
	if flags&flagExtra != 0 {
		if len(b) < n+2 {
			return 0, ErrShort
		}
		if n += 2 + int(binary.LittleEndian.Uint16(b[n:])); n > len(b) {
			return 0, ErrShort
		}
	}
	for _, text := range [...]byte{flagName, flagComment} {
		if flags&text == 0 {
			continue
		}
		end := n
		for end < len(b) && b[end] != 0 {
			end++
		}
		switch {
		case end-n >= maxName: // as the standard library has it
			return 0, ErrHeader
		case end == len(b):
			return 0, ErrShort
		}
		n = end + 1
	}
	if flags&flagHeaderSum != 0 {
		if len(b) < n+2 {
			return 0, ErrShort
		}
		if binary.LittleEndian.Uint16(b[n:]) != uint16(crc32.ChecksumIEEE(b[:n])) {
			return 0, ErrHeader
		}
		n += 2
	}
	return n, nil
}

// maxName is the longest name or comment, with the zero at its end.
const maxName = 512
