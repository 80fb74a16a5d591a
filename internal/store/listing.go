package store

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"

	"logkeep/internal/schema"
	"logkeep/internal/segment"
)

// A listing is the segments of a manifest as its MAC covers them: a tree of
// digests of fixed depth, 64 groups of 64 pages. A segment's id says which page it
// is on. So a change costs the pages that it touches, however many segments there
// are. docs/format/manifest.md has the bytes.
//
// A listing never changes: after makes another that shares what stayed. The zero
// value lists nothing.
type listing struct {
	groups [fan]*group
	count  int
}

// fan is how many pages a group has, and how many groups there are. It is on disk.
const fan = 64

type group struct {
	pages  [fan]*page
	digest [sha256.Size]byte
}

// A page has its entries sorted by id. No page is empty and no group is: there is
// one tree for one set of segments.
type page struct {
	entries []entry
	digest  [sha256.Size]byte
}

type entry struct {
	id     schema.SegmentID
	digest [sha256.Size]byte
}

// pageOf is where a segment stands.
func pageOf(id schema.SegmentID) (group, page int) {
	n := int(crc32.ChecksumIEEE([]byte(id)) % (fan * fan))
	return n / fan, n % fan
}

// list lists segments. One that is there twice is ErrForged.
func list(segments []segment.Info) (listing, error) { return listing{}.after(nil, segments) }

// after returns what is listed once some segments have gone and others come. It is
// ErrForged if one is not there to go, or is there twice.
func (l listing) after(gone []schema.SegmentID, come []segment.Info) (listing, error) {
	changed := new([fan * fan]*page)
	for _, id := range gone {
		p := l.open(changed, id, 0)
		at, found := slices.BinarySearchFunc(p.entries, id, entry.compare)
		if !found {
			return l, fmt.Errorf("%w: segment %s is not there", ErrForged, id)
		}
		p.entries = slices.Delete(p.entries, at, at+1)
		l.count--
	}
	usual := len(come) / (fan * fan) * 2
	sums := digests{columns: map[*schema.Column]columnsDigest{}}
	for _, info := range come {
		p := l.open(changed, info.ID, usual)
		p.entries = append(p.entries, entry{info.ID, sums.of(info)})
		l.count++
	}
	groups := map[int]*group{}
	for n, p := range changed {
		if p == nil {
			continue
		}
		slices.SortFunc(p.entries, func(x, y entry) int { return strings.Compare(string(x.id), string(y.id)) })
		for i := range p.entries {
			if i > 0 && p.entries[i].id == p.entries[i-1].id {
				return l, fmt.Errorf("%w: segment %s is there twice", ErrForged, p.entries[i].id)
			}
		}
		g := groups[n/fan]
		if g == nil {
			g = &group{}
			if old := l.groups[n/fan]; old != nil {
				g.pages = old.pages
			}
			groups[n/fan] = g
		}
		if g.pages[n%fan] = nil; len(p.entries) > 0 {
			p.seal()
			g.pages[n%fan] = p
		}
	}
	for n, g := range groups {
		if l.groups[n] = nil; g.pages != [fan]*page{} {
			g.seal()
			l.groups[n] = g
		}
	}
	return l, nil
}

func (e entry) compare(id schema.SegmentID) int { return strings.Compare(string(e.id), string(id)) }

// open returns a copy of a segment's page that may be changed.
func (l *listing) open(changed *[fan * fan]*page, id schema.SegmentID, room int) *page {
	at, on := pageOf(id)
	p := changed[at*fan+on]
	if p == nil {
		p = &page{}
		if g := l.groups[at]; g != nil && g.pages[on] != nil {
			old := g.pages[on].entries
			room = max(room, len(old)+1)
			p.entries = append(make([]entry, 0, room), old...)
		} else {
			p.entries = make([]entry, 0, room)
		}
		changed[at*fan+on] = p
	}
	return p
}

func (p *page) seal() {
	b := make([]byte, 0, len(p.entries)*sha256.Size)
	for i := range p.entries {
		b = append(b, p.entries[i].digest[:]...)
	}
	p.digest = sha256.Sum256(b)
}

// seal takes what is not there for zeros, which no digest is.
func (g *group) seal() {
	var b [fan * sha256.Size]byte
	for i, p := range g.pages {
		if p != nil {
			copy(b[i*sha256.Size:], p.digest[:])
		}
	}
	g.digest = sha256.Sum256(b[:])
}

// digest covers all of it.
func (l listing) digest() [sha256.Size]byte {
	var b [fan * sha256.Size]byte
	for i, g := range l.groups {
		if g != nil {
			copy(b[i*sha256.Size:], g.digest[:])
		}
	}
	return sha256.Sum256(b[:])
}

// digests are those of segments, of which many share their columns.
type digests struct {
	columns map[*schema.Column]columnsDigest
	one     []byte
}

type columnsDigest struct {
	n      int
	digest [sha256.Size]byte
}

// of is the digest of all that decides which rows a segment has. When it was
// created is not covered; it only tells how old they are, and the catalog has the
// last word on that by the tables' retention.
func (d *digests) of(info segment.Info) [sha256.Size]byte {
	b := appendWhose(d.one[:0], info)
	columns := d.columnsOf(info.Columns)
	d.one = append(b, columns[:]...)
	return sha256.Sum256(d.one)
}

func (d *digests) columnsOf(columns []schema.Column) [sha256.Size]byte {
	if len(columns) == 0 {
		return sha256.Sum256(appendColumns(nil, nil))
	}
	if known := d.columns[&columns[0]]; known.n == len(columns) {
		return known.digest
	}
	known := columnsDigest{len(columns), sha256.Sum256(appendColumns(nil, columns))}
	d.columns[&columns[0]] = known
	return known.digest
}

// appendWhose writes what the MAC covers of a segment beside its columns.
func appendWhose(b []byte, info segment.Info) []byte {
	for _, s := range [...]string{string(info.ID), string(info.Account), string(info.Workspace), string(info.Table)} {
		b = appendText(b, s)
	}
	b = binary.BigEndian.AppendUint32(b, info.Generation)
	for _, n := range [...]int64{info.Rows, info.Bytes, int64(info.MinTime), int64(info.MaxTime)} {
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	return b
}

func appendColumns(b []byte, columns []schema.Column) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(columns)))
	for _, c := range columns {
		b = append(appendText(b, c.Name), byte(c.Type))
	}
	return b
}

func appendText(b []byte, s string) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
	return append(b, s...)
}
