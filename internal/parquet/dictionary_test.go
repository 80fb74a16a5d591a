package parquet

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// Texts that differ in one byte, of every length about that from which on they are looked
// at in another way, have numbers of their own, and the same number each time.
func TestDictionaryNumbers(t *testing.T) {
	r := rand.New(rand.NewPCG(63, 2))
	var d dictionary
	d.reset()
	number := map[string]uint32{}
	for length := range mostShort + 9 {
		base := []byte(strings.Repeat("host-0123456789.", 4)[:length])
		for at := range max(length, 1) {
			for range 3 {
				text := append([]byte(nil), base...)
				if length > 0 {
					text[at] = byte(r.IntN(256))
				}
				got := d.add(text)
				want, ok := number[string(text)]
				if !ok {
					want = uint32(len(number))
					number[string(text)] = want
				}
				if got != want || string(d.text(got)) != string(text) {
					t.Fatalf("%q is number %d, want %d: %q", text, got, want, d.text(got))
				}
			}
		}
	}
	if len(d.begin) != len(number) {
		t.Errorf("%d texts, want %d", len(d.begin), len(number))
	}
}

// Texts that meet in the table's places are told apart: one hash tells of all of them.
func TestDictionarySpreads(t *testing.T) {
	var d dictionary
	d.reset()
	most := 0
	places := map[uint64]int{}
	for i := range 4096 {
		for _, length := range []int{9, 16, 17, 32} {
			text := []byte(strings.Repeat("a", length))
			text[i%length], text[(i/7)%length] = byte(i), byte(i>>4)
			h := d.hash(text) & 0xffff
			places[h]++
			most = max(most, places[h])
		}
	}
	if len(places) < 4096 || most > 64 {
		t.Errorf("16,384 texts, of which some are the same, have %d places of 65,536, one of them %d", len(places), most)
	}
}
