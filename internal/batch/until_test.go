package batch

import (
	"bytes"
	"testing"
)

// Every byte at every place of texts of every length up to some: what is found to
// stand for itself does, all of it is copied, and the first that does not is not passed.
func TestUntil(t *testing.T) {
	stands := func(c byte) bool { return c >= ' ' && c < 0x80 && c != '"' && c != '\\' }
	for length := 1; length < 70; length++ {
		for at := range length {
			for c := range 256 {
				src := bytes.Repeat([]byte{'a' + byte(length%26)}, length)
				src[at] = byte(c)
				dst := make([]byte, length)
				whole := length &^ 15 // as far as it may go by sixteen
				want := whole
				if !stands(byte(c)) && at < whole {
					want = at
				}
				n := copyUntil(&dst[0], &src[0], length)
				if n != want && n != 0 { // 0: not on this processor
					t.Fatalf("copyUntil: %#x at %d of %d: %d, want %d", c, at, length, n, want)
				}
				if !bytes.Equal(dst[:n], src[:n]) {
					t.Fatalf("copyUntil: %#x at %d of %d: copied %q of %q", c, at, length, dst[:n], src)
				}
				if m := until(&src[0], length); m != n {
					t.Fatalf("until: %#x at %d of %d: %d, want %d", c, at, length, m, n)
				}
			}
		}
	}
}
