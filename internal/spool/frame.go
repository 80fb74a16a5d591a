package spool

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"strconv"
	"strings"
	"time"

	"logkeep/internal/schema"
	"logkeep/internal/wrap"
)

// Numbers of the format. They are on disk: never change one.
const (
	fileVersion     = 1
	fileHeaderSize  = 4 + 4 + 4
	frameHeaderSize = 4 + 8 + 4 + 4
	suffix          = ".spool"
	asideSuffix     = ".aside"
	maxHeader       = 64 << 10
)

func checksum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

func fileName(number uint64) string  { return fmt.Sprintf("%016x%s", number, suffix) }
func asideName(number uint64) string { return fmt.Sprintf("%016x%s", number, asideSuffix) }

// number reads a name that fileName or asideName made.
func number(name, suffix string) (uint64, bool) {
	digits, ok := strings.CutSuffix(name, suffix)
	n, err := strconv.ParseUint(digits, 16, 64)
	return n, ok && err == nil && n > 0 && fmt.Sprintf("%016x%s", n, suffix) == name
}

// A Header says to whom the batches of a file are sealed, and who wrote them.
type Header struct {
	Number  uint64           `json:"number"`
	Key     wrap.SpoolKey    `json:"key"`
	Writer  wrap.SpoolWriter `json:"writer"`
	Created time.Time        `json:"created"`
}

func appendHeader(b []byte, h Header) ([]byte, error) {
	text, err := json.Marshal(h)
	if err != nil {
		return nil, fmt.Errorf("internal error: %w", err)
	}
	b = append(b, 'L', 'K', 'S', fileVersion)
	b = binary.BigEndian.AppendUint32(b, uint32(len(text)))
	b = binary.BigEndian.AppendUint32(b, checksum(text))
	return append(b, text...), nil
}

// parseHeader reads a header and tells its length. whole is false for a file
// that was not begun to the end.
func parseHeader(b []byte) (h Header, length int, whole bool, err error) {
	if len(b) < fileHeaderSize || len(bytes.TrimLeft(b, "\x00")) == 0 {
		return h, 0, false, nil
	}
	if string(b[:3]) != "LKS" {
		return h, 0, false, fmt.Errorf("%w: it does not begin as a spool does", ErrTampered)
	}
	if b[3] != fileVersion {
		return h, 0, false, fmt.Errorf("%w: it is of version %d, this build knows %d; use the release that wrote it, or a later one", ErrNewer, b[3], fileVersion)
	}
	n := binary.BigEndian.Uint32(b[4:])
	if n > maxHeader {
		return h, 0, false, fmt.Errorf("%w: a head of %d bytes", ErrTampered, n)
	}
	if len(b) < fileHeaderSize+int(n) {
		return h, 0, false, nil
	}
	text := b[fileHeaderSize : fileHeaderSize+int(n)]
	if checksum(text) != binary.BigEndian.Uint32(b[8:]) {
		return h, 0, false, fmt.Errorf("%w: its head is damaged", ErrTampered)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&h); err != nil {
		return h, 0, false, fmt.Errorf("%w: %w", ErrTampered, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return h, 0, false, fmt.Errorf("%w: something follows the head", ErrTampered)
	}
	return h, fileHeaderSize + int(n), true, nil
}

// appendFrame signs a batch that was sealed and appends it.
func appendFrame(b []byte, header [32]byte, sequence uint64, key ed25519.PrivateKey, head, sealed []byte) []byte {
	from := len(b)
	b = append(b, make([]byte, frameHeaderSize)...)
	b = append(b, head...)
	b = appendText(b, sealed)
	b = append(b, ed25519.Sign(key, signed(header, sequence, head, sealed))...)
	body := b[from+frameHeaderSize:]
	binary.BigEndian.PutUint32(b[from:], uint32(len(body)))
	binary.BigEndian.PutUint64(b[from+4:], sequence)
	binary.BigEndian.PutUint32(b[from+12:], checksum(body))
	binary.BigEndian.PutUint32(b[from+16:], checksum(b[from:from+16]))
	return b
}

// signed is what a signature covers. What was sealed is there by its digest.
func signed(header [32]byte, sequence uint64, head, sealed []byte) []byte {
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], sequence)
	sum := sha256.Sum256(sealed)
	return wrap.Fields([]byte("logkeep spool batch 1"), header[:], n[:], head, sum[:])
}

// A frame is one batch as it lies in a file.
type frame struct {
	sequence uint64
	head     []byte
	batch    Batch // without its payload
	sealed   []byte
	sum      []byte // signature
	raw      []byte // all of it
}

// parseFrame reads the frame at the beginning of b. ok is false if there is
// none; a head that is whole tells all the same how long it would be.
func parseFrame(b []byte) (f frame, length int, ok bool) {
	if len(b) < frameHeaderSize || checksum(b[:16]) != binary.BigEndian.Uint32(b[16:]) {
		return f, 0, false
	}
	n := int64(binary.BigEndian.Uint32(b))
	if n > int64(len(b)-frameHeaderSize) {
		return f, 0, false
	}
	length = frameHeaderSize + int(n)
	f.sequence = binary.BigEndian.Uint64(b[4:])
	f.raw = b[:length]
	body := f.raw[frameHeaderSize:]
	if checksum(body) != binary.BigEndian.Uint32(b[12:]) {
		return f, length, false
	}
	p := parser{b: body}
	copy(f.batch.ID[:], p.next(16))
	f.batch.Accepted = time.Unix(0, int64(p.number())).UTC()
	f.batch.Rows = int64(p.number())
	f.batch.Workspace = schema.WorkspaceID(p.text())
	f.batch.Table = schema.TableName(p.text())
	f.head = body[:len(body)-len(p.b)]
	f.sealed = p.text()
	f.sum = p.next(ed25519.SignatureSize)
	return f, length, !p.bad && len(p.b) == 0
}

// A parser takes fields from bytes that may be anything.
type parser struct {
	b   []byte
	bad bool
}

func (p *parser) next(n uint64) []byte {
	if p.bad || n > uint64(len(p.b)) {
		p.bad = true
		return make([]byte, min(n, 16))
	}
	field := p.b[:n]
	p.b = p.b[n:]
	return field
}

func (p *parser) number() uint64 { return binary.BigEndian.Uint64(p.next(8)) }

func (p *parser) text() []byte { return p.next(uint64(binary.BigEndian.Uint32(p.next(4)))) }

// frames takes a file's frames apart. What is between two frames, and is none,
// was damaged; what is behind the last one is torn, and was not acknowledged.
func frames(b []byte) (all []frame, damaged [][]byte, torn int) {
	from := 0 // of what is no frame
	for at := 0; at < len(b); {
		f, length, ok := parseFrame(b[at:])
		switch {
		case ok:
			if from < at {
				damaged = append(damaged, b[from:at])
			}
			all = append(all, f)
			at += length
			from = at
		case length > 0: // its body was damaged
			damaged = append(damaged, b[from:at+length])
			at += length
			from = at
		default:
			at++
		}
	}
	return all, damaged, len(b) - from
}
