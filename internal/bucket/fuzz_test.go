package bucket_test

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"strings"
	"testing"

	"logkeep/internal/bucket"
	"logkeep/internal/bucket/buckettest"
)

// inParts is a bucket with a journal file of these parts.
func inParts(t testing.TB, parts ...string) *buckettest.Memory {
	t.Helper()
	m := buckettest.New()
	dir, err := bucket.Claim(t.Context(), m, "a", func(error) {})
	if err != nil {
		t.Fatal(err)
	}
	file, err := dir.Create("journal/0000000000000001.journal")
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range parts {
		file.Write([]byte(part))
		if err := file.Sync(); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// FuzzParts reads a journal file whose second part is anything: it is what was
// put, or an error that says it is damaged.
func FuzzParts(f *testing.F) {
	m := inParts(f, "hello ", "world")
	whole, head := m.Bytes(second), m.Bytes(first)
	f.Add(whole)
	f.Add(whole[:20])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		m := buckettest.New()
		m.Damage(first, head)
		m.Damage(second, append([]byte{}, b...))
		text, err := read(bucket.View(m, "a"), "journal/0000000000000001.journal")
		switch {
		case string(b) == string(whole) && (text != "hello world" || err != nil):
			t.Errorf("%q, %v", text, err)
		case err == nil && text[:6] != "hello ":
			t.Errorf("%q", text)
		case err != nil && !errors.Is(err, bucket.ErrDamaged) && (len(b) < 4 || b[3] == 1):
			t.Errorf("%v", err)
		}
	})
}

// A part of a later format is refused in words that tell what it is.
func TestANewerPartIsToldAsSuch(t *testing.T) {
	m := inParts(t, "hello")
	b := m.Bytes(first)
	b[3]++
	binary.BigEndian.PutUint32(b[16:], crc32.Checksum(b[:16], crc32.MakeTable(crc32.Castagnoli)))
	m.Damage(first, b)
	if text, err := read(bucket.View(m, "a"), "journal/0000000000000001.journal"); err == nil || !strings.Contains(err.Error(), "newer version") || errors.Is(err, bucket.ErrDamaged) {
		t.Errorf("%q, %v", text, err)
	}
}
