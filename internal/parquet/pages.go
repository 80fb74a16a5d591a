package parquet

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
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

// DecodePages reads the text of PagesKey, of a file with these chunks. Pages of a
// chunk fill it and have all its rows.
func DecodePages(text string, chunks []Extent) ([]Pages, error) {
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, errPages
	}
	next := func() (n int64) {
		v, size := binary.Uvarint(b)
		if size <= 0 || v >= 1<<62 {
			err = errPages
			return 0
		}
		b = b[size:]
		return int64(v)
	}
	all := make([]Pages, len(chunks))
	for i, c := range chunks {
		n := next()
		if err != nil || n > int64(len(b)) { // each takes two bytes at least
			return nil, errPages
		}
		pages := make(Pages, n)
		at, row := c.Offset, 0
		for k := range pages {
			size, rows := next(), next()
			if err != nil || size > c.Offset+c.Size-at || rows > int64(c.Rows-row) || rows == 0 && k > 0 {
				return nil, errPages
			}
			pages[k] = Page{at, size, row, int(rows)}
			at, row = at+size, row+int(rows)
		}
		if at != c.Offset+c.Size || row != c.Rows {
			return nil, errPages
		}
		all[i] = pages
	}
	if len(b) > 0 {
		return nil, errPages
	}
	return all, nil
}
