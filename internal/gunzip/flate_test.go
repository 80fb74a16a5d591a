package gunzip

import (
	"bytes"
	"compress/flate"
	"io"
	"testing"
)

// same holds the inflater to the standard library's.
func same(t *testing.T, packed, got []byte, err error) {
	t.Helper()
	want, failed := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(packed)), most+1))
	if len(want) > most {
		return
	}
	if (err == nil) != (failed == nil) {
		t.Fatalf("%v; the standard library: %v", err, failed)
	}
	if err == nil && !bytes.Equal(got, want) {
		t.Fatalf("%d bytes, want %d", len(got), len(want))
	}
}
