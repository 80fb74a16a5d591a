// Package template stores texts as what they have in common and what varies.
//
// The lines of a log are made by few statements of programs, each of which fills
// some places of a fixed text. A text is cut into literals and holes again:
//
//	GET /orders/ 528929  completed with status  404  in  1765 ms (trace= 3191ed2b… )
//	└─ literal ┘ └hole┘ └───── literal ──────┘ └hole┘                      └hole┘
//
// Literals and kinds of holes are the text's template; texts with the same one
// refer to it by its number, and only what is in the holes is stored for each.
// There are no marks within texts: whatever bytes a text has, it comes back as it was.
//
// Holes are where ASCII letters and digits stand together and a digit is among
// them. What a hole can have is part of the template (Kind), so a reader knows of
// many templates, and so of all of their texts, whether a word is in them: Template.Has.
//
// # Use
//
// A Coder takes the texts of a column page by page, and at last gives the
// dictionary, which has the templates of all pages:
//
//	c.Reset()
//	for each page {
//		for each text { c.Add(text) }
//		page = c.Page(page)
//	}
//	dictionary = c.Dictionary(dictionary)
//
// A reader parses the dictionary once (Parse), asks templates what it wants to
// know, and opens pages (Page.Open). An open page tells which template each of its
// values has (Present, At) and gives texts: all (Plain) or those of some values
// (Pick), for which nothing of other templates is looked at.
//
// # Format
//
// Numbers are varints (LEB128), bits the lowest of a byte first.
//
//	dictionary = count template…
//	template   = holes literal {kind literal}…        a literal has its length before it
//	kind       = 0 any, 1 word, 2 digits, 2+n hex: n digits
//	page       = size count {number payload}… width index… payload…
//
// size is how many bytes the texts of the page have; count is of templates that the
// page has. Of each it tells how much larger its number is than the one before (of
// the first, the number) and how many bytes its payload has. An index, of width bits,
// is for each value which of these templates it has. A payload is the holes of one
// value after another:
//
//	any, word   the length, and the bytes. A word is ASCII letters and digits
//	digits      1 to 19 decimal digits: the place among all of those, the short ones
//	            first: 0 … 9, 00 … 99, 000 …
//	hex         lower-case, the first in the lower half of a byte, the last half may be 0
//
// Template 0 is one hole of the kind any: texts that are too long or too odd for one
// of their own.
package template

import "errors"

// ErrDamaged reports bytes that no Coder wrote.
var ErrDamaged = errors.New("texts stored by templates are damaged")

// A Kind says what can be in a hole. Kinds are on disk.
type Kind uint16

// The kinds. Hex of n digits is Hex+n.
const (
	Any    Kind = 0
	Word   Kind = 1 // ASCII letters and digits, one at least
	Digits Kind = 2
	Hex    Kind = 2
)

// Bounds of templates.
const (
	mostDigits    = 19
	mostHex       = 256
	mostHoles     = 200     // of a text that has a template of its own
	mostText      = 4 << 10 // bytes of such a text
	MostTemplates = 4 << 10 // of a column; texts that would need more have template 0
	mostKind      = Hex + mostHex
)

// A Template is what texts have in common.
type Template struct {
	raw      []byte   // as it is stored, which no other template of a dictionary is
	literals [][]byte // one more than kinds; each with slack behind it
	kinds    []Kind
	most     int // bytes of a text at most; of Any and Word, their bytes come in addition
}

// digits is how many hex digits a hole has, 0 if it is of another kind.
func (k Kind) digits() int {
	if k <= Digits {
		return 0
	}
	return int(k - Hex)
}

// most is how many bytes there can be in a hole, of Any and Word those that are stored
// come in addition.
func (k Kind) most() int {
	if k == Digits {
		return mostDigits
	}
	return k.digits()
}

// slack is how many bytes behind a literal, and behind a text that is being
// written, may be read or written: copies are made by whole words.
const slack = 32
