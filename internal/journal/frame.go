package journal

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"

	"logkeep/internal/seal"
)

// Numbers of the format. They are on disk: never change one.
const (
	fileVersion        = 2
	oldFileVersion     = 1
	fileHeaderSize     = 4 + 4 + 8 + 32 + 4
	frameHeaderSize    = 4 + 8 + 32 + 4 + 4
	oldFrameHeaderSize = 4 + 8 + 4 + 4
	suffix             = ".journal"
)

// frameHead is how long frames' headers are in files of a version.
func frameHead(version byte) int64 {
	if version == oldFileVersion {
		return oldFrameHeaderSize
	}
	return frameHeaderSize
}

var errVersion = errors.New("the file is of a newer version; use the release that wrote it, or a later one")

func checksum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// appendSum appends the checksum of b[from:].
func appendSum(b []byte, from int) []byte {
	return binary.BigEndian.AppendUint32(b, checksum(b[from:]))
}

// checkSum reports whether b ends with the checksum of what is before.
func checkSum(b []byte) bool {
	n := len(b) - 4
	return binary.BigEndian.Uint32(b[n:]) == checksum(b[:n])
}

func fileName(number uint64) string { return fmt.Sprintf("%016x%s", number, suffix) }

// fileNumber reads a name that fileName made.
func fileNumber(name string) (uint64, bool) {
	digits, ok := strings.CutSuffix(name, suffix)
	n, err := strconv.ParseUint(digits, 16, 64)
	return n, ok && err == nil && fileName(n) == name
}

// A fileHeader says what all frames of a file have in common and where the
// chain stood when it began.
type fileHeader struct {
	version    byte
	generation uint32
	first      uint64
	previous   seal.Commitment
}

func appendFileHeader(b []byte, h fileHeader) []byte {
	from := len(b)
	b = append(b, 'L', 'K', 'J', fileVersion)
	b = binary.BigEndian.AppendUint32(b, h.generation)
	b = binary.BigEndian.AppendUint64(b, h.first)
	b = append(b, h.previous[:]...)
	return appendSum(b, from)
}

// parseFileHeader reads a header of fileHeaderSize bytes. ok is false if they
// are none; err says that they are one that this release can't read.
func parseFileHeader(b []byte) (h fileHeader, ok bool, err error) {
	if len(b) < fileHeaderSize || string(b[:3]) != "LKJ" || !checkSum(b[:fileHeaderSize]) {
		return h, false, nil
	}
	if h.version = b[3]; h.version != fileVersion && h.version != oldFileVersion {
		return h, false, errVersion
	}
	h.generation = binary.BigEndian.Uint32(b[4:])
	h.first = binary.BigEndian.Uint64(b[8:])
	copy(h.previous[:], b[16:])
	return h, h.first > 0, nil
}

// putFrameHeader writes the header of a frame before its body, for which frame
// has room.
func putFrameHeader(frame []byte, first uint64, previous seal.Commitment) {
	head, body := frame[:0:frameHeaderSize], frame[frameHeaderSize:]
	head = binary.BigEndian.AppendUint32(head, uint32(len(body)))
	head = binary.BigEndian.AppendUint64(head, first)
	head = append(head, previous[:]...)
	head = binary.BigEndian.AppendUint32(head, checksum(body))
	appendSum(head, 0)
}

// A frameHeader is the clear part of a frame. What it says of the chain only helps to
// go on behind a frame that is lost: the body opens after the right one alone.
type frameHeader struct {
	length   uint32
	first    uint64
	previous seal.Commitment // not in files of version 1
	bodySum  uint32
}

// parseFrameHeader reads the first bytes of b, if they are a frame's header in a
// file of a version.
func parseFrameHeader(b []byte, version byte) (h frameHeader, ok bool) {
	n := int(frameHead(version))
	if len(b) < n || !checkSum(b[:n]) {
		return frameHeader{}, false
	}
	h.length, h.first, h.bodySum = binary.BigEndian.Uint32(b), binary.BigEndian.Uint64(b[4:]), binary.BigEndian.Uint32(b[n-8:])
	if version != oldFileVersion {
		copy(h.previous[:], b[12:])
	}
	return h, true
}

// framePlace binds a frame to its journal, its number and all frames before it.
func framePlace(p seal.Place, first uint64, previous seal.Commitment) seal.Place {
	p.Object = fmt.Sprintf("%s/%016x/%s", p.Object, first, hex.EncodeToString(previous[:]))
	return p
}
