package parquet

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"sync/atomic"
)

// Stripe is how many rows the pages of a group are cut by: a page begins with a
// row whose number in the group is a multiple of it, unless so few rows fill
// more than one page. So rows can be found in all columns with few others.
const Stripe = 2048

// PagesKey is the pair of the footer that tells where pages lie, if
// Options.Pages is set.
const PagesKey = "logkeep.pages"

// A Page is one page of a column of a group.
type Page struct {
	Offset int64 // in the file, of its header
	Size   int64 // with its header, as it lies in the file
	First  int   // number of its first row in the group
	Rows   int   // 0: it is the dictionary
}

// Pages are those of a chunk, in the order in which they lie: the dictionary, if
// there is one, then the rows.
type Pages []Page

// errPages reports bytes that are no list of pages.
var errPages = errors.New("the list of pages is not of the format this build knows")

// encodePages writes the pages of all chunks as text: for each chunk their number,
// then of each its size and its rows, as varints.
func encodePages(chunks []Pages) string {
	var b []byte
	for _, pages := range chunks {
		b = binary.AppendUvarint(b, uint64(len(pages)))
		for _, p := range pages {
			b = binary.AppendUvarint(b, uint64(p.Size))
			b = binary.AppendUvarint(b, uint64(p.Rows))
		}
	}
	return base64.StdEncoding.EncodeToString(b)
}

// An Extent is where the pages of a column of a group must lie, and how many rows
// they have.
type Extent struct {
	Offset, Size int64
	Rows         int
}

// A PageList is the text of PagesKey. The pages of a chunk are made of it when they are
// first asked for: a query reads few columns of many. It is safe for concurrent use.
type PageList struct {
	b    []byte
	at   []int // by chunk, where its pages stand
	made []atomic.Pointer[Pages]
}

// ReadPages reads the text of PagesKey, of a file with so many chunks.
func ReadPages(text string, chunks int) (*PageList, error) {
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil || chunks > len(b) { // each takes a byte at least
		return nil, errPages
	}
	l := &PageList{b, make([]int, chunks), make([]atomic.Pointer[Pages], chunks)}
	at := 0
	for i := range l.at {
		l.at[i] = at
		n, size := binary.Uvarint(b[at:])
		at += max(size, 0)
		if size <= 0 || n > uint64(len(b)-at)/2 { // a page takes two bytes at least
			return nil, errPages
		}
		for n *= 2; n > 0; at++ {
			if at == len(b) {
				return nil, errPages
			}
			if b[at] < 0x80 { // the last byte of a number
				n--
			}
		}
	}
	if at < len(b) {
		return nil, errPages
	}
	return l, nil
}

// Chunk returns the pages of a chunk, which fill its extent and have all its rows. The
// caller must not change them.
func (l *PageList) Chunk(i int, of Extent) (Pages, error) {
	if p := l.made[i].Load(); p != nil {
		return *p, nil
	}
	b := l.b[l.at[i]:]
	bad := false
	next := func() int64 {
		v, size := binary.Uvarint(b)
		if size <= 0 || v >= 1<<62 {
			bad = true
			return 0
		}
		b = b[size:]
		return int64(v)
	}
	pages := make(Pages, next()) // no more than half of the text's bytes
	at, row := of.Offset, 0
	for k := range pages {
		size, rows := next(), next()
		if bad || size > of.Offset+of.Size-at || rows > int64(of.Rows-row) || rows == 0 && k > 0 {
			return nil, errPages
		}
		pages[k] = Page{at, size, row, int(rows)}
		at, row = at+size, row+int(rows)
	}
	if at != of.Offset+of.Size || row != of.Rows {
		return nil, errPages
	}
	l.made[i].Store(&pages)
	return pages, nil
}
