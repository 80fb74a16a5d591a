package seal

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha512"
	"encoding/binary"
)

// Numbers of the construction. They are on disk: never change one.
const (
	chunkSize      = 16384
	tagSize        = 16
	saltSize       = 24
	commitmentSize = 32
	headSize       = saltSize + commitmentSize
	nonceSize      = 12
	maxChunks      = 1 << 38 // of a message, so that the counter leaves 58 bits of nonce random

	// labelInner is the published construction's own. labelOuter is ours,
	// because the outer records are not of the published size.
	labelInner = "c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM"
	labelOuter = "logkeep/outer-layer@v1+AEAD_CHACHA20_POLY1305"
)

// A Commitment is the value in a message's head that commits to its key, salt
// and place. It is public, and as the salt is random it names one message.
type Commitment [commitmentSize]byte

// A box is one layer of one message: an AEAD under a key that was derived for
// this message alone, and the nonce from which the records' nonces are made.
type box struct {
	aead cipher.AEAD
	base [nonceSize]byte
}

// derive makes the box and the commitment of one layer of one message.
//
// Key and base nonce come out of HKDF together with the commitment, from a
// salt of 192 random bits: 2^77 messages per input key keep the chance that
// any (key, nonce) pair repeats below 2^-32.
func derive(k *Key, label string, salt, context []byte) (box, Commitment, error) {
	info := make([]byte, 0, len(label)+1+len(salt)+len(context))
	info = append(info, label...)
	info = append(info, 0)
	info = append(info, salt...)
	info = append(info, context...)

	var b box
	var c Commitment
	err := k.use(func(prk []byte) error {
		out, err := hkdf.Expand(sha512.New, prk, string(info), KeySize+nonceSize+commitmentSize)
		if err != nil {
			return err
		}
		defer clear(out)
		if label == labelOuter {
			b.aead, err = newOuter(out[:KeySize])
		} else {
			b.aead, err = newInner(out[:KeySize])
		}
		copy(b.base[:], out[KeySize:])
		copy(c[:], out[KeySize+nonceSize:])
		return err
	})
	return b, c, err
}

// nonce sets n to the nonce of record i. The counter is XORed into the base, so
// two records of a message never share a nonce.
func (b *box) nonce(n *[nonceSize]byte, i int64) {
	*n = b.base
	low := n[nonceSize-8:]
	binary.BigEndian.PutUint64(low, binary.BigEndian.Uint64(low)^uint64(i))
}

// seal appends the sealed plaintext to dst. The nonce buffer is the caller's,
// because one on the stack would be allocated anew for every record.
func (b *box) seal(dst []byte, n *[nonceSize]byte, i int64, plaintext []byte) []byte {
	b.nonce(n, i)
	return b.aead.Seal(dst, n[:], plaintext, nil)
}

// open appends the opened record to dst.
func (b *box) open(dst []byte, n *[nonceSize]byte, i int64, record []byte) ([]byte, error) {
	b.nonce(n, i)
	return b.aead.Open(dst, n[:], record, nil)
}
