package journal_test

import (
	"bytes"
	"testing"
)

// A journal that was rolled back, by a restored disk or a crash, goes on where
// it stood. What it writes then must share no key stream with what was written
// the first time under the same numbers: whoever has both would have the
// difference of the rows.
func TestARolledBackJournalSealsAnew(t *testing.T) {
	r := newRing(t, 1)
	was, _ := sample(t, r)
	payload := string(bytes.Repeat([]byte("the same row "), 20))
	var sealed [][]byte
	for range 2 { // the same future, twice
		m := was.Restart()
		j, _ := open(t, m, r)
		before := map[string]int{}
		for _, name := range m.Names() {
			before[name] = len(m.Bytes(name))
		}
		add(t, j, payload)
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		for _, name := range m.Names() {
			if b := m.Bytes(name)[before[name]:]; len(b) > 0 {
				sealed = append(sealed, b)
			}
		}
	}
	if len(sealed) != 2 || len(sealed[0]) != len(sealed[1]) {
		t.Fatalf("%d files were written, want one each time", len(sealed))
	}
	// Of two independent streams about one byte in 256 is the same.
	same := 0
	for i := range sealed[0] {
		if sealed[0][i] == sealed[1][i] {
			same++
		}
	}
	body := sealed[0][len(sealed[0])-len(payload):]
	if bytes.Equal(body, sealed[1][len(sealed[1])-len(payload):]) || same > len(sealed[0])/2 {
		t.Errorf("%d of %d bytes are the same", same, len(sealed[0]))
	}
}
