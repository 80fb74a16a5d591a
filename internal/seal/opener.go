package seal

import "crypto/subtle"

// An opener opens the records of one message. It has no state of its own:
// several goroutines may use it, each with its own nonce buffer.
type opener struct {
	inner, outer box
	two          bool
	commitment   Commitment
}

// newOpener derives the keys of a message from its head and checks that they
// are the ones it was sealed with, before anything is opened.
func newOpener(head []byte, k Keys, inner, outer []byte) (*opener, error) {
	o := &opener{two: k.Outer != nil}
	if o.two {
		b, err := o.layer(k.Outer, labelOuter, head[:headSize], outer)
		if err != nil {
			return nil, err
		}
		o.outer = b
		var nonce [nonceSize]byte
		head, err = b.open(nil, &nonce, 0, head[headSize:])
		if err != nil {
			return nil, tampered("its inner head does not open")
		}
	}
	b, err := o.layer(k.Inner, labelInner, head, inner)
	if err != nil {
		return nil, err
	}
	o.inner = b
	return o, nil
}

func (o *opener) layer(k *Key, label string, head, context []byte) (box, error) {
	b, c, err := derive(k, label, head[:saltSize], context)
	if err != nil {
		return box{}, err
	}
	if subtle.ConstantTimeCompare(c[:], head[saltSize:]) != 1 {
		return box{}, tampered("it does not commit to this key and place")
	}
	o.commitment = c
	return b, nil
}

// open appends the plaintext of record i to dst. It may overwrite the record.
func (o *opener) open(dst []byte, nonce *[nonceSize]byte, i int64, record []byte) ([]byte, error) {
	if o.two {
		var err error
		if record, err = o.outer.open(record[:0], nonce, i+1, record); err != nil {
			return nil, tampered("chunk %d does not open", i)
		}
	}
	out, err := o.inner.open(dst, nonce, i, record)
	if err != nil {
		return nil, tampered("chunk %d does not open", i)
	}
	return out, nil
}
