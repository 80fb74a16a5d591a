// Package spool keeps rows that were accepted while nobody had the keys of
// their account.
//
// Who accepts them (the keeper) seals each batch to a public key; whoever gets
// the account's keys (a worker) opens the private half with them, reads the
// batches and removes the files. So a spool opens with the account's key alone,
// and who fills one can't read it. docs/design/0017-spool.md has the why.
//
// # Promise
//
// When Append returns nil the batch is durable. A batch is read only if a
// [Writer] that this installation certified put it there, in that file and at that
// place in it; whatever else is found is told apart and kept.
//
// # File
//
//	NUMBER.spool = header frame…                NUMBER: 16 hex digits, growing
//	NUMBER.aside = header frame…                what could not be read
//	header = "LKS" version(1) length(4) crc(4) text(length)
//	text   = JSON: number, key (wrap.SpoolKey), writer (wrap.SpoolWriter), created
//	frame  = length(4) sequence(8) bodycrc(4) crc(4) body(length)
//	body   = head sealed(length(4)) signature(64)
//	head   = batch(16) accepted(8) rows(8) workspace(length(4)) table(length(4))
//
// Integers are big-endian, checksums CRC-32C; accepted is nanoseconds since
// 1970. Frames of a file are numbered from 1. A crash leaves the last write
// torn: what is cut was not acknowledged.
//
//	signature = Ed25519(writer, "logkeep spool batch 1" SHA-256(header) sequence head sealed)
//	sealed    = HPKE to the key's only pair, or to the first and that again to the second;
//	            the info is "logkeep spool 1", layer, layers, tenant, cluster, account,
//	            generation, id of the key, head
//
// docs/format/spool.md has the bytes.
package spool

import (
	"crypto/hpke"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"logkeep/internal/schema"
	"logkeep/internal/wrap"
)

// A Batch is rows of one table that one request brought.
type Batch struct {
	ID        [16]byte // of NewID
	Accepted  time.Time
	Workspace schema.WorkspaceID
	Table     schema.TableName
	Rows      int64
	Payload   []byte // encoded by the caller
}

// MaxPayload is how large a batch may be.
const MaxPayload = 64 << 20

var (
	// ErrTampered reports bytes that no writer of this installation put where they are.
	ErrTampered = errors.New("the bytes are not what was put into the spool")
	// ErrNewer reports a file that a later release wrote.
	ErrNewer = errors.New("the spool is not of the format that this build knows")
	// ErrTooLarge reports a batch of more than MaxPayload.
	ErrTooLarge = fmt.Errorf("more than %d MiB in one batch; split it", MaxPayload>>20)
)

// ownID begins the ids of batches, so that they are told from those of batches
// that were never in a spool. They are in journals: never change it.
const ownID = "spl\x01"

// NewID draws an id.
func NewID() (id [16]byte) {
	copy(id[:], ownID)
	rand.Read(id[len(ownID):]) // crypto/rand never fails
	return id
}

// Own tells ids of NewID from all others.
func Own(id [16]byte) bool { return string(id[:len(ownID)]) == ownID }

// The suite. Each is on disk by its use: never change one without a new version.
func suite() (hpke.KEM, hpke.KDF) { return hpke.MLKEM768X25519(), hpke.HKDFSHA512() }

// aead is the cipher of a layer: another one for each.
func aead(layer int) hpke.AEAD {
	if layer == 0 {
		return hpke.AES256GCM()
	}
	return hpke.ChaCha20Poly1305()
}

// maxLayers is how many pairs a key may have.
const maxLayers = 2

// NewPair draws a key pair. The private half is secret: seal it and clear it.
func NewPair() (public, private []byte, err error) {
	kem, _ := suite()
	k, err := kem.GenerateKey()
	if err != nil {
		return nil, nil, fmt.Errorf("make a spool key: %w", err)
	}
	if private, err = k.Bytes(); err != nil {
		return nil, nil, fmt.Errorf("make a spool key: %w", err)
	}
	return k.PublicKey().Bytes(), private, nil
}

// Private are the private halves of a key, in the order of its pairs.
type Private []hpke.PrivateKey

// ImportPrivate takes over private halves and clears them.
func ImportPrivate(halves [][]byte) (Private, error) {
	kem, _ := suite()
	var all Private
	for _, b := range halves {
		k, err := kem.NewPrivateKey(b)
		clear(b)
		if err != nil {
			return nil, fmt.Errorf("import a spool key: %w", err)
		}
		all = append(all, k)
	}
	return all, nil
}

// head is the part of a frame that is not sealed.
func (b Batch) head() []byte {
	h := append([]byte(nil), b.ID[:]...)
	h = binary.BigEndian.AppendUint64(h, uint64(b.Accepted.UnixNano()))
	h = binary.BigEndian.AppendUint64(h, uint64(b.Rows))
	h = appendText(h, string(b.Workspace))
	return appendText(h, string(b.Table))
}

func appendText[T string | []byte](b []byte, text T) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(text))), text...)
}

// info binds what is sealed to its account, its key and its head.
func info(k wrap.SpoolKey, layer int, head []byte) []byte {
	var n [8]byte
	binary.BigEndian.PutUint32(n[:], k.Generation)
	n[4], n[5] = byte(layer), byte(len(k.Pairs))
	return wrap.Fields([]byte("logkeep spool 1"), n[:], []byte(k.Tenant), []byte(k.Cluster), []byte(k.Account), []byte(k.ID), head)
}

// seal seals a batch's payload to k.
func seal(k wrap.SpoolKey, b Batch) ([]byte, error) {
	if len(k.Pairs) == 0 || len(k.Pairs) > maxLayers {
		return nil, fmt.Errorf("internal error: a spool key with %d pairs", len(k.Pairs))
	}
	kem, kdf := suite()
	head, text := b.head(), b.Payload
	for layer, pair := range k.Pairs {
		public, err := kem.NewPublicKey(pair.Public)
		if err != nil {
			return nil, fmt.Errorf("the spool key of account %s: %w", k.Account, err)
		}
		if text, err = hpke.Seal(public, kdf, aead(layer), info(k, layer, head), text); err != nil {
			return nil, fmt.Errorf("seal a batch: %w", err)
		}
	}
	return text, nil
}

// open is the other way round.
func open(k wrap.SpoolKey, private Private, head, text []byte) ([]byte, error) {
	if len(private) != len(k.Pairs) || len(private) == 0 || len(private) > maxLayers {
		return nil, fmt.Errorf("%w: %d private halves for %d pairs", ErrTampered, len(private), len(k.Pairs))
	}
	_, kdf := suite()
	for layer := len(private) - 1; layer >= 0; layer-- {
		var err error
		if text, err = hpke.Open(private[layer], kdf, aead(layer), info(k, layer, head), text); err != nil {
			return nil, fmt.Errorf("%w: it does not open", ErrTampered)
		}
	}
	return text, nil
}
