package journal_test

import (
	"encoding/binary"
	"hash/crc32"
	"slices"
	"testing"

	"logkeep/internal/disk/disktest"
	"logkeep/internal/journal"
)

// fileHeaderOfVersion returns the header of file b as a later version may write it.
func fileHeaderOfVersion(v byte, b []byte) []byte {
	h := slices.Clone(b[:52])
	h[3] = v
	binary.BigEndian.PutUint32(h[48:], crc32.Checksum(h[:48], crc32.MakeTable(crc32.Castagnoli)))
	return h
}

// FuzzReplay: whatever a file holds, what is replayed was once appended, and
// what is appended afterwards stays.
func FuzzReplay(f *testing.F) {
	r := newRing(f, 1)
	m, payloads := sample(f, r)
	first, second := m.Bytes(m.Names()[0]), m.Bytes(m.Names()[1])
	f.Add(first, second)
	f.Add(first, second[:len(second)-1])
	f.Add(first, second[:60])
	f.Add(first[:len(first)/2], second)
	f.Add(second, first)
	f.Add(first, fileHeaderOfVersion(3, second))
	f.Add([]byte{}, []byte("LKJ\x01"))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		m := disktest.New()
		m.Damage(dir+"/0000000000000001.journal", a)
		m.Damage(dir+"/0000000000000002.journal", b)
		p := &tape{}
		j, err := journal.Open(config(m, r, p))
		got := p.payloads()
		if len(got) > len(payloads) || !slices.Equal(got, payloads[:len(got)]) {
			t.Fatalf("replayed %q", got)
		}
		if err != nil {
			return
		}
		add(t, j, "new")
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		_, p = open(t, m, r)
		if !slices.Equal(p.payloads(), append(got, "new")) {
			t.Fatalf("replayed %q, then %q", got, p.payloads())
		}
	})
}
