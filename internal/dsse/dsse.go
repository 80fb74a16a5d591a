// Package dsse signs documents that must be checked elsewhere, in the Dead
// Simple Signing Envelope (DSSE v1).
//
// An envelope carries the exact bytes that were signed and their type. So there
// is nothing to canonicalise: who checks it needs no rule about white space,
// key order or numbers, and parses nothing before the signature is known good.
//
//	{"payloadType":TYPE,"payload":BASE64,"signatures":[{"keyid":ID,"sig":BASE64}]}
//
// What is signed, by Ed25519 directly and by ECDSA on P-256 over its SHA-256
// (r and s of 32 bytes each), is
//
//	"DSSEv1" SP len(TYPE) SP TYPE SP len(PAYLOAD) SP PAYLOAD
//
// with lengths in decimal. The type is signed, so that a document of one kind
// can't be taken for one of another. The key's id only says which key to try.
//
// Of an envelope this package takes one form and no other: the one that Encode
// writes. So a file with any byte changed is refused, also where the change
// would mean nothing.
package dsse

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
)

// MaxSize bounds an envelope, in bytes.
const MaxSize = 64 << 20

// Errors that callers tell apart.
var (
	ErrForm      = errors.New("this is no signed document, or it was changed")
	ErrSignature = errors.New("the signature does not hold: the document was changed, or another key signed it")
	ErrKey       = errors.New("the document is signed with a key that is not among those given")
	ErrType      = errors.New("the document is signed, but is of another kind")
)

// An Envelope is a signed document.
type Envelope struct {
	PayloadType string      `json:"payloadType"`
	Payload     []byte      `json:"payload"`
	Signatures  []Signature `json:"signatures"` // exactly one
}

// A Signature was made with the key of that id.
type Signature struct {
	KeyID string `json:"keyid"`
	Sig   []byte `json:"sig"`
}

// Message is what is signed of a document of a type.
func Message(payloadType string, payload []byte) []byte {
	b := fmt.Appendf(nil, "DSSEv1 %d %s %d ", len(payloadType), payloadType, len(payload))
	return append(b, payload...)
}

// Sign puts a document into an envelope. sign signs a Message.
func Sign(payloadType string, payload []byte, keyID string, sign func(message []byte) ([]byte, error)) (Envelope, error) {
	sig, err := sign(Message(payloadType, payload))
	if err != nil {
		return Envelope{}, fmt.Errorf("sign a document of type %s: %w", payloadType, err)
	}
	return Envelope{PayloadType: payloadType, Payload: payload, Signatures: []Signature{{keyID, sig}}}, nil
}

// Encode writes an envelope: one line.
func (e Envelope) Encode() []byte {
	b, err := json.Marshal(e)
	if err != nil {
		panic("internal error: an envelope can't be written: " + err.Error())
	}
	return append(b, '\n')
}

// Parse reads what Encode wrote, with or without the end of the line. Its error
// is ErrForm. Nothing is verified.
func Parse(b []byte) (Envelope, error) {
	var e Envelope
	if len(b) > MaxSize {
		return e, fmt.Errorf("%w: it has %d bytes, more than %d", ErrForm, len(b), MaxSize)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&e); err != nil {
		return Envelope{}, fmt.Errorf("%w: %v", ErrForm, err)
	}
	if len(e.Signatures) != 1 {
		return Envelope{}, fmt.Errorf("%w: it has %d signatures, not one", ErrForm, len(e.Signatures))
	}
	if again := e.Encode(); !bytes.Equal(again, b) && !bytes.Equal(again[:len(again)-1], b) {
		return Envelope{}, fmt.Errorf("%w: it is not written as it was when it was signed", ErrForm)
	}
	return e, nil
}

// KeyID is the id of a key of reports: the digest of it.
func KeyID(public ed25519.PublicKey) string {
	digest := sha256.Sum256(public)
	return base64.RawURLEncoding.EncodeToString(digest[:])
}

// Keys are public keys by their ids: ed25519.PublicKey or *ecdsa.PublicKey.
type Keys map[string]crypto.PublicKey

// Open returns the document of an envelope if it is of the type and one of the
// keys signed it. Its errors are ErrType, ErrKey and ErrSignature.
func (e Envelope) Open(payloadType string, keys Keys) ([]byte, error) {
	if len(e.Signatures) != 1 {
		return nil, ErrForm
	}
	if e.PayloadType != payloadType {
		return nil, fmt.Errorf("%w: %q, not %q", ErrType, e.PayloadType, payloadType)
	}
	s := e.Signatures[0]
	key, known := keys[s.KeyID]
	if !known {
		return nil, fmt.Errorf("%w: %.100q", ErrKey, s.KeyID)
	}
	message := Message(e.PayloadType, e.Payload)
	switch key := key.(type) {
	case ed25519.PublicKey:
		if ed25519.Verify(key, message, s.Sig) {
			return e.Payload, nil
		}
	case *ecdsa.PublicKey:
		digest := sha256.Sum256(message)
		if len(s.Sig) == 64 && ecdsa.Verify(key, digest[:], new(big.Int).SetBytes(s.Sig[:32]), new(big.Int).SetBytes(s.Sig[32:])) {
			return e.Payload, nil
		}
	default:
		return nil, fmt.Errorf("internal error: a key of type %T", key)
	}
	return nil, ErrSignature
}
