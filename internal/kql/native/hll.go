package native

import (
	"encoding/base64"
	"math"
	"math/bits"
	"strconv"

	"github.com/cespare/xxhash/v2"
)

// A hyperloglog counts different values without keeping them. As a dynamic
// value it is [[limit, bits], [hashes], [registers]]: up to limit hashes are kept
// as they are, then 2^bits registers in base64 take their place.
type hyperloglog struct {
	bits      int
	hashes    map[uint64]bool
	registers []byte
}

// exactHashes is how many hashes a sketch keeps before it estimates.
const exactHashes = 1024

func newHyperloglog(accuracy int64) *hyperloglog {
	b := 14
	switch accuracy {
	case 0:
		b = 12
	case 2:
		b = 16
	case 3:
		b = 17
	case 4:
		b = 18
	}
	return &hyperloglog{bits: b, hashes: map[uint64]bool{}}
}

func (h *hyperloglog) add(hash uint64) {
	if h.registers == nil {
		h.hashes[hash] = true
		if len(h.hashes) > exactHashes {
			h.spread()
		}
		return
	}
	i := hash >> (64 - h.bits)
	rank := byte(bits.LeadingZeros64(hash<<h.bits|1<<(h.bits-1))) + 1
	h.registers[i] = max(h.registers[i], rank)
}

// spread begins to use registers.
func (h *hyperloglog) spread() {
	h.registers = make([]byte, 1<<h.bits)
	for x := range h.hashes {
		h.add(x)
	}
	h.hashes = nil
}

func (h *hyperloglog) count() int64 {
	if h.registers == nil {
		return int64(len(h.hashes))
	}
	m, sum, zeros := float64(len(h.registers)), 0.0, 0.0
	for _, r := range h.registers {
		sum += math.Ldexp(1, -int(r))
		if r == 0 {
			zeros++
		}
	}
	estimate := 0.7213 / (1 + 1.079/m) * m * m / sum
	if estimate <= 2.5*m && zeros > 0 {
		estimate = m * math.Log(m/zeros)
	}
	return int64(math.Round(estimate))
}

// merge adds what another sketch has seen. Sketches of different sizes meet in
// the smaller size.
func (h *hyperloglog) merge(o *hyperloglog) {
	if o.registers == nil {
		for x := range o.hashes {
			h.add(x)
		}
		return
	}
	if h.registers == nil {
		h.spread()
	}
	h.shrink(o.bits)
	if o.bits > h.bits {
		o.shrink(h.bits)
	}
	for i, r := range o.registers {
		h.registers[i] = max(h.registers[i], r)
	}
}

// shrink folds registers together.
func (h *hyperloglog) shrink(to int) {
	for h.bits > to {
		out := make([]byte, len(h.registers)/2)
		for i := range out {
			left, right := h.registers[2*i], h.registers[2*i+1]
			if left > 0 {
				left++
			}
			if right > 0 {
				right = 1
			}
			out[i] = max(left, right)
		}
		h.registers, h.bits = out, h.bits-1
	}
}

func (h *hyperloglog) value() Value {
	hashes := []Value{}
	for x := range h.hashes {
		hashes = append(hashes, str(strconv.FormatInt(int64(x), 10)))
	}
	registers := []Value{}
	if h.registers != nil {
		registers = append(registers, str(base64.StdEncoding.EncodeToString(h.registers)))
	}
	return array([]Value{array([]Value{long(exactHashes), long(int64(h.bits))}), array(hashes), array(registers)})
}

// readHyperloglog reads the dynamic form; ok is false if it is none.
func readHyperloglog(v Value) (*hyperloglog, bool) {
	if len(v.Items) != 3 || len(v.Items[0].Items) != 2 {
		return nil, false
	}
	h := &hyperloglog{bits: int(v.Items[0].Items[1].Long), hashes: map[uint64]bool{}}
	if h.bits < 4 || h.bits > 18 {
		return nil, false
	}
	for _, x := range v.Items[1].Items {
		n, err := strconv.ParseInt(x.Str, 10, 64)
		if err != nil {
			return nil, false
		}
		h.hashes[uint64(n)] = true
	}
	if len(v.Items[2].Items) == 1 {
		r, err := base64.StdEncoding.DecodeString(v.Items[2].Items[0].Str)
		if err != nil || len(r) != 1<<h.bits {
			return nil, false
		}
		h.registers = r
	}
	return h, true
}

// HLL makes a sketch of the values of an array.
func HLL(a []any) (any, error) {
	h := newHyperloglog(optional(a, 1, 1))
	for _, x := range parse(a[0]).Items {
		if x.Kind != Null && x.String() != "" {
			h.add(xxhash.Sum64String(x.Text()))
		}
	}
	return h.value().out()
}

// HLLMerge is hll_merge(sketches…).
func HLLMerge(a []any) (any, error) {
	var list []Value
	for _, x := range a {
		list = append(list, parse(x))
	}
	return mergeHLL(list)
}

// HLLMergeAll merges the sketches of an array.
func HLLMergeAll(a []any) (any, error) { return mergeHLL(parse(a[0]).Items) }

func mergeHLL(list []Value) (any, error) {
	var out *hyperloglog
	for _, v := range list {
		h, ok := readHyperloglog(v)
		switch {
		case !ok:
		case out == nil:
			out = h
		default:
			out.merge(h)
		}
	}
	if out == nil {
		return nil, nil
	}
	return out.value().out()
}

// DCountHLL is dcount_hll.
func DCountHLL(a []any) (any, error) {
	h, ok := readHyperloglog(parse(a[0]))
	if !ok {
		return nil, nil
	}
	return h.count(), nil
}

// HLLIsValid is hll_isvalid.
func HLLIsValid(a []any) (any, error) {
	_, ok := readHyperloglog(parse(a[0]))
	return ok, nil
}
