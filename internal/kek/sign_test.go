package kek_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"strings"
	"testing"

	"logkeep/internal/kek"
	"logkeep/internal/kek/kektest"
)

func TestSignAndPublicKeyBelongTogether(t *testing.T) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := private.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	id := kek.ID{VaultURI: kektest.URI, Name: "integrity", Version: "1"}
	b64 := base64.RawURLEncoding.EncodeToString
	c, err := kek.NewClient(kektest.URI, kektest.ServeHandler(t, authorised(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/sign") {
			json.NewEncoder(w).Encode(map[string]any{"key": map[string]any{"kid": id.String(), "kty": "EC", "crv": "P-256", "x": b64(point[1:33]), "y": b64(point[33:])}})
			return
		}
		var in struct{ Alg, Value string }
		json.NewDecoder(r.Body).Decode(&in)
		digest, _ := base64.RawURLEncoding.DecodeString(in.Value)
		x, y, _ := ecdsa.Sign(rand.Reader, private, digest)
		out := make([]byte, 64)
		x.FillBytes(out[:32])
		y.FillBytes(out[32:])
		json.NewEncoder(w).Encode(map[string]string{"kid": id.String(), "value": b64(out)})
	}), &countingCredential{}))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	digest := sha256.Sum256([]byte("record"))
	signature, by, err := c.Sign(t.Context(), id.At(""), digest)
	if err != nil || by != id {
		t.Fatal(by, err)
	}
	pub, err := c.PublicKey(t.Context(), by)
	if err != nil {
		t.Fatal(err)
	}
	if !ecdsa.Verify(pub, digest[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])) {
		t.Error("the signature does not verify")
	}
}
