package seal

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
)

const labelMAC = "logkeep/mac@v1"

// SealMessage seals plaintext as one object in memory, of the same format as a
// Writer's. The plaintext stays the caller's.
func SealMessage(k Keys, p Place, plaintext []byte) (Sealed, Commitment, error) {
	return new(Messenger).Seal(k, p, plaintext)
}

// A Messenger seals one message after another into the same memory. The zero
// Messenger is ready for use. It is not safe for concurrent use.
type Messenger struct {
	// Room is how many bytes of memory are before each message, for Framed.
	Room int

	out   []byte
	chunk []byte // plaintext that lies in several parts
}

// keep is the most memory that a Messenger holds on to between messages.
const keep = 16 << 20

// Seal is SealMessage of all parts, one behind the other; none is copied but
// where a chunk has more than one. What it returns is valid until the next call.
func (m *Messenger) Seal(k Keys, p Place, parts ...[]byte) (Sealed, Commitment, error) {
	var length int64
	for _, part := range parts {
		length += int64(len(part))
	}
	size := m.Room + int(prefixSize+layoutOf(k.layers()).sealed(length))
	if cap(m.out) < size || cap(m.out) > keep {
		m.out = make([]byte, m.Room, size)
	}
	s, out, err := begin(m.out[:m.Room], k, p)
	if err == nil {
		out, err = m.seal(s, out, parts)
	}
	if err != nil {
		return Sealed{}, Commitment{}, fmt.Errorf("seal %s %s: %w", p.Kind, p.Object, err)
	}
	m.out = out
	return Sealed{out[m.Room:]}, s.commitment, nil
}

// seal appends the records of all chunks. The last one is shorter than all others.
func (m *Messenger) seal(s *sealer, out []byte, parts [][]byte) (_ []byte, err error) {
	most := 0 // bytes of plaintext that were in chunk
	defer func() { clear(m.chunk[:most]) }()
	m.chunk = m.chunk[:0]
	for _, part := range parts {
		for len(part) > 0 {
			if len(m.chunk) == 0 && len(part) >= chunkSize {
				if out, err = s.seal(out, part[:chunkSize]); err != nil {
					return nil, err
				}
				part = part[chunkSize:]
				continue
			}
			if m.chunk == nil {
				m.chunk = make([]byte, 0, chunkSize)
			}
			n := min(len(part), chunkSize-len(m.chunk))
			m.chunk, part = append(m.chunk, part[:n]...), part[n:]
			if most = max(most, len(m.chunk)); len(m.chunk) == chunkSize {
				if out, err = s.seal(out, m.chunk); err != nil {
					return nil, err
				}
				m.chunk = m.chunk[:0]
			}
		}
	}
	return s.seal(out, m.chunk)
}

// Framed returns the last message and so many bytes before it, at most Room, for
// the caller to write there.
func (m *Messenger) Framed(head int) []byte { return m.out[m.Room-head:] }

// OpenMessage opens what SealMessage or a Writer made, if it was sealed with k
// at p. b is left as it was; the plaintext is the caller's.
func OpenMessage(k Keys, p Place, b []byte) ([]byte, Commitment, error) {
	out, c, err := openBytes(k, p, b)
	if err != nil {
		return nil, Commitment{}, fmt.Errorf("open %s %s: %w", p.Kind, p.Object, err)
	}
	return out, c, nil
}

func openBytes(k Keys, p Place, b []byte) ([]byte, Commitment, error) {
	layers := k.layers()
	lay := layoutOf(layers)
	inner, outer, err := contexts(k, p)
	if err != nil {
		return nil, Commitment{}, err
	}
	if len(b) < prefixSize {
		return nil, Commitment{}, tampered("%d bytes are too few", len(b))
	}
	if err := checkPrefix(b, layers); err != nil {
		return nil, Commitment{}, err
	}
	b = b[prefixSize:]
	size, _, err := lay.plain(int64(len(b)))
	if err != nil {
		return nil, Commitment{}, err
	}
	o, err := newOpener(b[:lay.head], k, inner, outer)
	if err != nil {
		return nil, Commitment{}, err
	}

	var nonce [nonceSize]byte
	var own []byte // a record that the outer layer may be opened in
	out := make([]byte, 0, size)
	b = b[lay.head:]
	for i := int64(0); len(b) > 0; i++ { // the last record is never empty: it has its tags
		n := min(int64(len(b)), lay.record)
		record := b[:n]
		if layers == 2 {
			own = append(own[:0], record...)
			record = own
		}
		if out, err = o.open(out, &nonce, i, record); err != nil {
			return nil, Commitment{}, err
		}
		b = b[n:]
	}
	return out, o.commitment, nil
}

// contexts returns the contexts of both layers.
func contexts(k Keys, p Place) (inner, outer []byte, err error) {
	if inner, err = p.context(purposeInner, k.layers(), k.Generation); err != nil {
		return nil, nil, err
	}
	outer, err = p.context(purposeOuter, k.layers(), k.Generation)
	return inner, outer, err
}

// MAC authenticates data that is stored in the clear beside sealed objects. It
// is bound to p and to the generation as sealed bytes are.
func (k Keys) MAC(p Place, data []byte) ([32]byte, error) {
	var sum [32]byte
	context, err := p.context(purposeMAC, k.layers(), k.Generation)
	if err != nil {
		return sum, err
	}
	err = k.Inner.use(func(prk []byte) error {
		key, err := hkdf.Expand(sha512.New, prk, labelMAC+"\x00"+string(context), sha256.Size)
		if err != nil {
			return err
		}
		defer clear(key)
		h := hmac.New(sha256.New, key)
		h.Write(data)
		h.Sum(sum[:0])
		return nil
	})
	return sum, err
}

// VerifyMAC returns ErrTampered unless mac is the MAC of data at p.
func (k Keys) VerifyMAC(p Place, data []byte, mac []byte) error {
	want, err := k.MAC(p, data)
	if err != nil {
		return err
	}
	if !hmac.Equal(want[:], mac) {
		return tampered("the MAC of %s %s does not match", p.Kind, p.Object)
	}
	return nil
}
