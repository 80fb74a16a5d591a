package material_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"testing"

	"logkeep/internal/vault/material"
)

// What others wrapped by RSA-OAEP is unwrapped, and what they spoilt is
// refused, always in the same words: padding must not become an oracle.
func TestPublishedVectorsOfOAEP(t *testing.T) {
	files, err := filepath.Glob("testdata/rsa_oaep_*_test.json")
	if err != nil || len(files) != 4 {
		t.Fatalf("%q, %v", files, err)
	}
	refusals := map[string]bool{}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var file struct {
			NumberOfTests int
			TestGroups    []struct {
				SHA        string
				PrivateKey struct{ Modulus, PublicExponent, PrivateExponent, Prime1, Prime2 bytesOf }
				Tests      []struct {
					ID             int `json:"tcId"`
					Msg, CT, Label bytesOf
					Result         string
				}
			}
		}
		if err := json.Unmarshal(b, &file); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		n := 0
		for _, g := range file.TestGroups {
			k, err := material.Import(material.Numbers{
				Kind: material.RSA, N: trim(g.PrivateKey.Modulus), E: trim(g.PrivateKey.PublicExponent), D: trim(g.PrivateKey.PrivateExponent),
				P: trim(g.PrivateKey.Prime1), Q: trim(g.PrivateKey.Prime2),
			})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			alg := map[string]string{"SHA-1": "RSA-OAEP", "SHA-256": "RSA-OAEP-256"}[g.SHA]
			for _, v := range g.Tests {
				n++
				// Key Vault has no labels: what has one was not made for it.
				valid := v.Result == "valid" && len(v.Label) == 0
				out, err := k.Unwrap(alg, v.CT)
				if valid && (err != nil || !bytes.Equal(out, v.Msg)) {
					t.Errorf("%s, vector %d: %x, %v", name, v.ID, out, err)
				}
				if !valid {
					if !refused(err) {
						t.Errorf("%s, vector %d is invalid and was opened: %x", name, v.ID, out)
					}
					refusals[fmt.Sprint(err)] = true
				}
			}
		}
		if n != file.NumberOfTests || n == 0 {
			t.Errorf("%s: %d vectors of %d", name, n, file.NumberOfTests)
		}
	}
	if len(refusals) != 1 {
		t.Errorf("refused in %d different words: %v", len(refusals), refusals)
	}
}

// bytesOf is written in hex.
type bytesOf []byte

func (b *bytesOf) UnmarshalText(text []byte) (err error) {
	*b, err = hex.DecodeString(string(text))
	return err
}

// trim takes the sign's zero off.
func trim(b []byte) []byte { return new(big.Int).SetBytes(b).Bytes() }
