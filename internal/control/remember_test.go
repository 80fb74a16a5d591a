package control

import (
	"errors"
	"fmt"
	"testing"

	"logkeep/internal/catalog"
)

// A record is read once while it is the same, and again when anything of it changed;
// what could not be read is not remembered, and no more than a bound is.
func TestMemory(t *testing.T) {
	var m memory[string]
	reads := 0
	var broken error
	read := m.reader(func(res catalog.Resource) (string, error) {
		reads++
		return string(res.Body), broken
	})
	look := func(res catalog.Resource, want string, wantReads int) {
		t.Helper()
		got, err := read(res)
		if err != broken && got != want || reads != wantReads {
			t.Errorf("%s: %q, %v after %d reads, want %q after %d", res.ID, got, err, reads, want, wantReads)
		}
	}
	a := catalog.Resource{ID: "/a", ETag: "1", Body: []byte("x")}
	look(a, "x", 1)
	look(a, "x", 1)
	a.ETag = "2"
	look(a, "x", 2)
	a.Body = []byte("y")
	look(a, "y", 3)
	look(catalog.Resource{ID: "/b", ETag: "2", Body: []byte("y")}, "y", 4)
	look(a, "y", 4)
	broken = errors.New("broken")
	a.ETag = "3"
	look(a, "", 5)
	broken = nil
	look(a, "y", 6)
	for i := range 3 * mostRemembered {
		read(catalog.Resource{ID: fmt.Sprint("/", i)})
		if len(m.all) > mostRemembered {
			t.Fatalf("%d are remembered", len(m.all))
		}
	}
}
