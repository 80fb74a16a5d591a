package wire

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
)

// What the catalog keeps of a manifest in one piece:
//
//	pack = "LKM" version(1) sum(4) size(4) tables segments
//
// tables are size bytes of JSON, segments are Packed, and sum is the CRC-32C of what
// follows it. It is on disk: never change it. The sum finds damage; whether the
// segments are the account's, its manifest's MAC says.
const (
	packMagic   = "LKM"
	packVersion = 1
	packHeader  = len(packMagic) + 1 + 4 + 4
)

func packSum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// Pack returns the tables and segments of a manifest as one piece.
func (m Manifest) Pack() ([]byte, error) {
	tables, err := json.Marshal(m.Tables)
	if err != nil {
		return nil, fmt.Errorf("internal error: %w", err)
	}
	b := make([]byte, packHeader-4, packHeader+len(tables)+len(m.Packed))
	copy(b, packMagic)
	b[len(packMagic)] = packVersion
	b = binary.BigEndian.AppendUint32(b, uint32(len(tables)))
	b = append(append(b, tables...), m.Packed...)
	binary.BigEndian.PutUint32(b[packHeader-8:], packSum(b[packHeader-4:]))
	return b, nil
}

// Unpack reads what Pack made. It keeps b.
func Unpack(b []byte) (m Manifest, err error) {
	if len(b) < packHeader || string(b[:len(packMagic)]) != packMagic || b[len(packMagic)] != packVersion {
		return m, fmt.Errorf("%w: they are no pack of this version", errManifest)
	}
	if packSum(b[packHeader-4:]) != binary.BigEndian.Uint32(b[packHeader-8:]) {
		return m, fmt.Errorf("%w: the pack is damaged", errManifest)
	}
	size := binary.BigEndian.Uint32(b[packHeader-4:])
	if b = b[packHeader:]; uint64(size) > uint64(len(b)) {
		return m, errManifest
	}
	if err := json.Unmarshal(b[:size], &m.Tables); err != nil {
		return m, fmt.Errorf("%w: %w", errManifest, err)
	}
	m.Packed = b[size:]
	return m, nil
}

// Parts returns a request as it travels: JSON, and the segments of its accounts behind
// it as they are. JSON alone would have them in base64, read four times.
func (o Open) Parts() ([][]byte, error) {
	o.Accounts = slices.Clone(o.Accounts)
	parts := [][]byte{nil}
	for i := range o.Accounts {
		m := &o.Accounts[i].Manifest
		parts = append(parts, m.Packed)
		m.Behind, m.Packed = len(m.Packed), nil
	}
	return headed(parts, o)
}

// ReadOpen reads what Parts returned.
func ReadOpen(from io.Reader) (o Open, err error) {
	rest, err := head(from, &o)
	for i := range o.Accounts {
		if err == nil {
			err = o.Accounts[i].Manifest.readBehind(rest)
		}
	}
	return o, err
}

// Parts returns a manifest as it travels: JSON, and its segments behind it.
func (m Manifest) Parts() ([][]byte, error) {
	parts := [][]byte{nil, m.Packed}
	m.Behind, m.Packed = len(m.Packed), nil
	return headed(parts, m)
}

// ReadManifest reads what Parts returned.
func ReadManifest(from io.Reader) (m Manifest, err error) {
	rest, err := head(from, &m)
	if err == nil {
		err = m.readBehind(rest)
	}
	return m, err
}

func headed(parts [][]byte, v any) ([][]byte, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("internal error: %w", err)
	}
	parts[0] = append(text, '\n')
	return parts, nil
}

// head reads the JSON and returns what follows its line.
func head(from io.Reader, v any) (io.Reader, error) {
	d := json.NewDecoder(from)
	if err := d.Decode(v); err != nil {
		return nil, err
	}
	rest := io.MultiReader(d.Buffered(), from)
	var end [1]byte
	if _, err := io.ReadFull(rest, end[:]); err != nil || end[0] != '\n' {
		return nil, errManifest
	}
	return rest, nil
}

// maxBehind bounds what one account's segments may take: 10 million of them. Room
// for 200,000 is made before they are there.
const (
	maxBehind   = 1 << 30
	usualBehind = 12 << 20
)

func (m *Manifest) readBehind(from io.Reader) error {
	if m.Behind == 0 {
		return nil
	}
	if m.Behind < 0 || m.Behind > maxBehind || len(m.Packed) > 0 {
		return errManifest
	}
	var b bytes.Buffer
	b.Grow(min(m.Behind, usualBehind) + bytes.MinRead)
	if _, err := io.CopyN(&b, from, int64(m.Behind)); err != nil {
		return fmt.Errorf("%w: %w", errManifest, err)
	}
	m.Packed, m.Behind = b.Bytes(), 0
	return nil
}
