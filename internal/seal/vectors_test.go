package seal

import (
	"bytes"
	"compress/zlib"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"testing"
)

type vector struct {
	ID        int    `json:"tcId"`
	Comment   string `json:"comment"`
	Key       string `json:"key"`
	Ctx       string `json:"ctx"`
	Ct        string `json:"ct"`
	MsgLength int    `json:"msgLength"`
	MsgSHA512 string `json:"msgSha512"`
	Result    string `json:"result"`
}

func readVectors(t testing.TB) []vector {
	b, err := os.ReadFile("testdata/c2sp_chunked_encryption_aes_256_gcm_test.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		NumberOfTests int
		TestGroups    []struct{ Tests []vector }
	}
	if err := json.Unmarshal(b, &file); err != nil {
		t.Fatal(err)
	}
	var all []vector
	for _, g := range file.TestGroups {
		all = append(all, g.Tests...)
	}
	if len(all) != file.NumberOfTests || len(all) == 0 {
		t.Fatalf("read %d vectors of %d", len(all), file.NumberOfTests)
	}
	return all
}

func unhex(t testing.TB, s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestPublishedVectors opens the published messages, which are what an object
// of one layer has behind its prefix.
func TestPublishedVectors(t *testing.T) {
	for _, v := range readVectors(t) {
		z, err := zlib.NewReader(bytes.NewReader(unhex(t, v.Ct)))
		if err != nil {
			t.Fatal(err)
		}
		ct, err := io.ReadAll(z)
		if err != nil {
			t.Fatal(err)
		}
		plain, err := openVector(unhex(t, v.Key), unhex(t, v.Ctx), ct)
		switch {
		case v.Result == "valid" && err != nil:
			t.Errorf("%d (%s): %v", v.ID, v.Comment, err)
		case v.Result == "valid":
			if sum := sha512.Sum512(plain); len(plain) != v.MsgLength || hex.EncodeToString(sum[:]) != v.MsgSHA512 {
				t.Errorf("%d (%s): another plaintext of %d bytes", v.ID, v.Comment, len(plain))
			}
		case err == nil:
			t.Errorf("%d (%s): opened, must not", v.ID, v.Comment)
		case len(v.Key) == 2*KeySize && !errors.Is(err, ErrTampered):
			t.Errorf("%d (%s): %v, want ErrTampered", v.ID, v.Comment, err)
		}
	}
}

func openVector(key, context, ct []byte) ([]byte, error) {
	k, err := ImportKey(key)
	if err != nil {
		return nil, err
	}
	defer k.Destroy()
	r := &Reader{r: bytes.NewReader(ct), sealed: int64(len(ct)), lay: layoutOf(1)}
	if _, err := r.begin(getScratch(), ct[:min(len(ct), headSize)], Keys{Inner: k}, context, nil); err != nil {
		return nil, err
	}
	return io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
}
