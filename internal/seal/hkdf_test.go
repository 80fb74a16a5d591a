package seal

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha512"
	"encoding/json"
	"os"
	"testing"
)

// Every key of an object comes out of HKDF-SHA-512: what this build has under
// that name, module or library, gives the published answers.
func TestPublishedVectorsOfHKDF(t *testing.T) {
	b, err := os.ReadFile("testdata/hkdf_sha512_test.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		NumberOfTests int
		TestGroups    []struct {
			Tests []struct {
				ID                   int `json:"tcId"`
				IKM, Salt, Info, OKM string
				Size                 int
				Result               string
			}
		}
	}
	if err := json.Unmarshal(b, &file); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, g := range file.TestGroups {
		for _, v := range g.Tests {
			n++
			okm, err := hkdf.Key(sha512.New, unhex(t, v.IKM), unhex(t, v.Salt), string(unhex(t, v.Info)), v.Size)
			if valid := v.Result == "valid"; valid != (err == nil) || valid && !bytes.Equal(okm, unhex(t, v.OKM)) {
				t.Errorf("vector %d, %s: %x, %v", v.ID, v.Result, okm, err)
			}
		}
	}
	if n != file.NumberOfTests || n == 0 {
		t.Errorf("%d vectors of %d", n, file.NumberOfTests)
	}
}
