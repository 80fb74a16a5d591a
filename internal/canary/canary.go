// Package canary looks for words that must not be found.
//
// A canary is a word that exists nowhere but in data that is said to be
// sealed. The Scanner reads every file of a folder and tells where the word can
// be read, as it is or in a disguise that is no protection:
//
//	UTF-8, UTF-16 (both byte orders), and base64 of each of the three, at every
//	alignment, with both alphabets · inside gzip and zstd streams that begin
//	anywhere in a file · inside the values of Parquet files that begin anywhere
//	in a file · any of these inside any other, four deep · in file names
//
// A scan that could not read everything is an error and never a clean result.
// Only files that vanish during the scan, and what is no regular file (sockets,
// pipes), are passed over.
package canary

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf16"
)

// New returns a fresh canary: one word of lower-case letters that nobody else has
// ever written. There is no digit in it, so no tokenizer splits it, and segments do
// not store a part of it as a number (package template), where no Scanner sees it.
func New() string {
	return "canary" + strings.Map(func(c rune) rune {
		if c >= '2' && c <= '7' {
			return 'g' + c - '2'
		}
		return c
	}, strings.ToLower(rand.Text()))
}

// Disguise says in which form a canary was found.
type Disguise string

// The disguises. What was unpacked on the way is put before them in a Hit.
const (
	UTF8    Disguise = "utf-8"
	UTF16LE Disguise = "utf-16le"
	UTF16BE Disguise = "utf-16be"
)

// A Scanner knows the canaries in all their disguises. It may be used by many
// goroutines.
type Scanner struct {
	patterns []pattern
	longest  int
	grams    map[uint64][]place // the first 8-byte windows of every pattern
	filter   []uint64           // a bit for every hash of a gram: most lookups end here
}

// A pattern is one canary in one disguise.
type pattern struct {
	canary   int
	disguise Disguise
	bytes    []byte
}

type place struct{ pattern, offset int }

// shortest is the least length of a pattern: with windows of 8 bytes taken every
// 8 bytes of the text, any 15 bytes in a row contain a whole window.
const (
	stride     = 8
	shortest   = 2*stride - 1
	filterBits = 1 << 16
)

// NewScanner prepares the search for texts. Each must be long enough that its
// base64 has 15 characters that do not depend on its neighbours: 16 bytes are.
func NewScanner(texts ...string) (*Scanner, error) {
	s := &Scanner{grams: map[uint64][]place{}, filter: make([]uint64, filterBits/64)}
	for i, text := range texts {
		if len(text) < 16 {
			return nil, fmt.Errorf("canary %d has %d bytes; use 16 or more, such as those of New", i, len(text))
		}
		units := utf16.Encode([]rune(text))
		for _, form := range []struct {
			disguise Disguise
			bytes    []byte
		}{
			{UTF8, []byte(text)},
			{UTF16LE, encode16(units, binary.LittleEndian)},
			{UTF16BE, encode16(units, binary.BigEndian)},
		} {
			s.add(i, form.disguise, form.bytes)
			s.addBase64(i, form.disguise, form.bytes)
		}
	}
	return s, nil
}

func encode16(units []uint16, order binary.AppendByteOrder) []byte {
	var b []byte
	for _, u := range units {
		b = order.AppendUint16(b, u)
	}
	return b
}

// addBase64 adds the characters that text always gives, whatever stands before
// and after it: three alignments, two alphabets.
func (s *Scanner) addBase64(canary int, form Disguise, text []byte) {
	for skip := range 3 {
		padded := append(make([]byte, skip), text...)
		first := (skip*8 + 5) / 6     // characters that hold a bit of what stands before
		last := (len(padded) * 8) / 6 // characters full of bits that are known
		for _, alphabet := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			name := Disguise(fmt.Sprintf("base64+%d of %s", skip, form))
			s.add(canary, name, []byte(alphabet.EncodeToString(padded))[first:last])
		}
	}
}

func (s *Scanner) add(canary int, disguise Disguise, text []byte) {
	for _, p := range s.patterns {
		if string(p.bytes) == string(text) {
			return // both alphabets often agree
		}
	}
	if len(text) < shortest {
		panic("internal error: a canary's pattern is too short to be found")
	}
	s.patterns = append(s.patterns, pattern{canary, disguise, text})
	s.longest = max(s.longest, len(text))
	// Exactly one of the windows at offsets 0 to 7 of an occurrence starts at a
	// multiple of the stride: each occurrence is found, and found once.
	for offset := range stride {
		gram := binary.LittleEndian.Uint64(text[offset:])
		s.grams[gram] = append(s.grams[gram], place{len(s.patterns) - 1, offset})
		bit := hash(gram)
		s.filter[bit/64] |= 1 << (bit % 64)
	}
}

func hash(gram uint64) uint64 { return gram * 0x9e3779b97f4a7c15 >> 48 }

// find calls visit for every occurrence of a pattern in text.
func (s *Scanner) find(text []byte, visit func(offset int, p pattern)) {
	for i := 0; i+stride <= len(text); i += stride {
		gram := binary.LittleEndian.Uint64(text[i:])
		if bit := hash(gram); s.filter[bit/64]&(1<<(bit%64)) == 0 {
			continue
		}
		for _, at := range s.grams[gram] {
			p, start := s.patterns[at.pattern], i-at.offset
			if start >= 0 && len(text)-start >= len(p.bytes) && string(text[start:start+len(p.bytes)]) == string(p.bytes) {
				visit(start, p)
			}
		}
	}
}
