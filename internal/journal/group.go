package journal

import (
	"encoding/binary"
	"errors"

	"logkeep/internal/schema"
)

// A group is the plaintext of a frame:
//
//	group = version(1) units(4) unit…
//	unit  = entries(4) entry…
//	entry = workspace table batch(16) payload      each but batch with its length(4) before it
const (
	groupVersion  = 1
	groupOverhead = 1 + 4
)

var errGroup = errors.New("a frame opens but can't be read; a newer release may have written it")

// size is how long the payload is.
func (e *Entry) size() int {
	if e.Parts == nil {
		return len(e.Payload)
	}
	n := 0
	for _, part := range e.Parts {
		n += len(part)
	}
	return n
}

// unitSize returns how many bytes a unit has in a group.
func unitSize(entries []Entry) int {
	n := 4
	for _, e := range entries {
		n += 3*4 + len(e.Workspace) + len(e.Table) + len(e.Batch) + e.size()
	}
	return n
}

// headSize returns how many of these bytes are not of payloads.
func headSize(entries []Entry) int {
	n := unitSize(entries)
	for _, e := range entries {
		n -= e.size()
	}
	return n
}

// groupParts returns a group as parts that lie one behind the other: payloads
// where they are, and what is between them in b, which has room for it.
func groupParts(parts [][]byte, b []byte, group []*request) [][]byte {
	from := len(b)
	b = append(b, groupVersion)
	b = binary.BigEndian.AppendUint32(b, uint32(len(group)))
	for _, r := range group {
		b = binary.BigEndian.AppendUint32(b, uint32(len(r.entries)))
		for _, e := range r.entries {
			b = appendField(b, string(e.Workspace))
			b = appendField(b, string(e.Table))
			b = append(b, e.Batch[:]...)
			b = binary.BigEndian.AppendUint32(b, uint32(e.size()))
			parts = append(parts, b[from:])
			if e.Parts == nil {
				parts = append(parts, e.Payload)
			} else {
				parts = append(parts, e.Parts...)
			}
			from = len(b)
		}
	}
	return append(parts, b[from:])
}

func appendField[T string | []byte](b []byte, field T) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(field)))
	return append(b, field...)
}

// parseGroup returns the units of a group. Payloads are parts of b.
func parseGroup(b []byte) ([][]Entry, error) {
	if len(b) < groupOverhead || b[0] != groupVersion {
		return nil, errGroup
	}
	p := parser{b: b[1:]}
	var units [][]Entry
	for n := p.number(); n > 0 && !p.bad; n-- {
		var unit []Entry
		for m := p.number(); m > 0 && !p.bad; m-- {
			var e Entry
			e.Workspace = schema.WorkspaceID(p.field())
			e.Table = schema.TableName(p.field())
			copy(e.Batch[:], p.take(uint32(len(e.Batch))))
			e.Payload = p.field()
			unit = append(unit, e)
		}
		units = append(units, unit)
	}
	if p.bad || len(p.b) > 0 || len(units) == 0 {
		return nil, errGroup
	}
	return units, nil
}

// A parser takes fields off b, and nothing once one is missing.
type parser struct {
	b   []byte
	bad bool
}

func (p *parser) take(n uint32) []byte {
	if p.bad || uint64(n) > uint64(len(p.b)) {
		p.bad = true
		return nil
	}
	out := p.b[:n:n]
	p.b = p.b[n:]
	return out
}

func (p *parser) number() uint32 {
	if b := p.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (p *parser) field() []byte { return p.take(p.number()) }
