package seal

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/chacha20poly1305"
)

var makeGolden = flag.Bool("golden", false, "make fixtures that are missing; those that exist are never touched")

var goldenPlace = Place{
	Tenant: "11111111-1111-1111-1111-111111111111", Cluster: "22222222-2222-2222-2222-222222222222",
	Workspace: "33333333-3333-3333-3333-333333333333", Table: "Größe_CL", Kind: "segment", Object: "00ff",
}

func goldenKeys(t testing.TB, layers int) Keys {
	k := Keys{Generation: 3}
	for i, dst := range []**Key{&k.Inner, &k.Outer}[:layers] {
		b := make([]byte, KeySize)
		for j := range b {
			b[j] = byte(i*100 + j)
		}
		var err error
		if *dst, err = ImportKey(b); err != nil {
			t.Fatal(err)
		}
	}
	return k
}

func goldenPlain(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*31 + i>>8)
	}
	return b
}

// TestGoldenObjects: what version 1 sealed stays readable for ever, by this
// package and by a second reading of the format that shares no code with it.
func TestGoldenObjects(t *testing.T) {
	for layers := 1; layers <= 2; layers++ {
		for _, n := range []int{0, 20, 16384, 20000} {
			name := fmt.Sprintf("testdata/v1-layers%d-%05d.sealed", layers, n)
			k := goldenKeys(t, layers)
			if _, err := os.Stat(name); *makeGolden && errors.Is(err, fs.ErrNotExist) {
				s, _, err := SealMessage(k, goldenPlace, goldenPlain(n))
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(name, s.b, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			out, _, err := OpenMessage(k, goldenPlace, b)
			if err != nil || !bytes.Equal(out, goldenPlain(n)) {
				t.Errorf("%s: other bytes, or %v", name, err)
			}
			out, err = secondReading(b, layers, goldenPlace, 3)
			if err != nil || !bytes.Equal(out, goldenPlain(n)) {
				t.Errorf("%s: second reading: other bytes, or %v", name, err)
			}
			s, _, err := SealMessage(k, goldenPlace, goldenPlain(n))
			if err != nil {
				t.Fatal(err)
			}
			if out, err = secondReading(s.b, layers, goldenPlace, 3); err != nil || !bytes.Equal(out, goldenPlain(n)) {
				t.Errorf("%s: second reading of what is sealed today: other bytes, or %v", name, err)
			}
		}
	}
	if files, _ := filepath.Glob("testdata/*.sealed"); len(files) != 8 {
		t.Errorf("%d fixtures, 8 expected", len(files))
	}
}

// secondReading opens an object with the golden keys, written down from
// docs/format/sealed.md in the plainest way.
func secondReading(b []byte, layers int, p Place, generation uint32) ([]byte, error) {
	if string(b[:4]) != "LK\x01"+string(rune(layers)) {
		return nil, errors.New("prefix")
	}
	context := func(purpose byte) string {
		s := string([]byte{1, purpose, byte(layers)}) + string(binary.BigEndian.AppendUint32(nil, generation))
		for _, f := range []string{string(p.Tenant), string(p.Cluster), string(p.Workspace), string(p.Table), p.Kind, p.Object} {
			s += string(binary.BigEndian.AppendUint32(nil, uint32(len(f)))) + f
		}
		return s
	}
	expand := func(prk []byte, info string) []byte {
		var out, t []byte
		for i := byte(1); len(out) < 76; i++ {
			h := hmac.New(sha512.New, prk)
			h.Write(append(append(bytes.Clone(t), info...), i))
			t = h.Sum(nil)
			out = append(out, t...)
		}
		return out[:76]
	}
	key := func(first byte) []byte {
		k := make([]byte, 32)
		for i := range k {
			k[i] = first + byte(i)
		}
		return k
	}
	layer := func(prk []byte, head []byte, label string, purpose byte, mk func([]byte) (cipher.AEAD, error)) (func(i int, b []byte) ([]byte, error), error) {
		okm := expand(prk, label+"\x00"+string(head[:24])+context(purpose))
		if !bytes.Equal(okm[44:76], head[24:56]) {
			return nil, errors.New("commitment")
		}
		aead, err := mk(okm[:32])
		return func(i int, b []byte) ([]byte, error) {
			nonce := bytes.Clone(okm[32:44])
			for j := 11; i > 0; j, i = j-1, i>>8 {
				nonce[j] ^= byte(i)
			}
			return aead.Open(nil, nonce, b, nil)
		}, err
	}

	b = b[4:]
	var head []byte
	outer := func(_ int, b []byte) ([]byte, error) { return b, nil }
	var err error
	if layers == 2 {
		if outer, err = layer(key(100), b[:56], "logkeep/outer-layer@v1+AEAD_CHACHA20_POLY1305", 2, chacha20poly1305.New); err != nil {
			return nil, err
		}
		if head, err = outer(0, b[56:128]); err != nil {
			return nil, err
		}
		b = b[128:]
	} else {
		head, b = b[:56], b[56:]
	}
	inner, err := layer(key(0), head, "c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM", 1, func(k []byte) (cipher.AEAD, error) {
		block, err := aes.NewCipher(k)
		if err != nil {
			return nil, err
		}
		return cipher.NewGCM(block)
	})
	if err != nil {
		return nil, err
	}
	var out []byte
	for i := 0; len(b) > 0; i++ {
		n := min(len(b), 16384+16*layers)
		record, err := outer(i+1, b[:n])
		if err != nil {
			return nil, err
		}
		chunk, err := inner(i, record)
		if err != nil {
			return nil, err
		}
		out, b = append(out, chunk...), b[n:]
	}
	return out, nil
}

// TestGoldenPlaces freezes the encoding of places and what is derived from it.
func TestGoldenPlaces(t *testing.T) {
	places := []Place{
		goldenPlace,
		{Kind: "k", Object: "o"},
		{Tenant: "t", Cluster: "service", Kind: "vault-key", Object: "vault/key/version"},
		{Workspace: "w", Table: "T", Kind: "segment", Object: strings.Repeat("o", 300)},
	}
	var got strings.Builder
	for i, p := range places {
		for _, generation := range []uint32{0, 1, 1 << 31} {
			for purpose := byte(purposeInner); purpose <= purposeMAC; purpose++ {
				c, err := p.context(purpose, 1+byte(i%2), generation)
				if err != nil {
					t.Fatal(err)
				}
				text := hex.EncodeToString(c)
				if len(text) > 400 {
					text = fmt.Sprintf("%d bytes, sha256 %x", len(c), sha256.Sum256(c))
				}
				fmt.Fprintf(&got, "%d purpose=%d generation=%d %s\n", i, purpose, generation, text)
			}
		}
		k := goldenKeys(t, 1)
		mac, err := k.MAC(p, []byte("data"))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&got, "%d mac %x\n", i, mac)
	}
	const name = "testdata/place.golden"
	if _, err := os.Stat(name); *makeGolden && errors.Is(err, fs.ErrNotExist) {
		if err := os.WriteFile(name, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("places are encoded in another way; sealed objects would not open:\n%s", got.String())
	}
}
