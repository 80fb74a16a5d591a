package parquet

import (
	"bytes"
	"encoding/base64"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
)

// counting is a group whose two columns are counted, as text and bytes.
func counting(t testing.TB, codes ...[]uint16) (text string, b []byte) {
	k := &counter{n: len(codes)}
	for i, of := range codes {
		c := counted{column: i, codes: of}
		for _, code := range of {
			c.values = max(c.values, int(code)+1)
		}
		for v := range c.values {
			c.plain = put32(c.plain, uint32(v))
		}
		c.cells = c.values
		k.columns = append(k.columns, c)
	}
	if err := k.end(len(codes[0])); err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(append([]byte{0}, k.index...)), k.tables
}

// Tables have the rows that have two values, whichever is asked for first, and those
// that have one.
func TestCounts(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	const rows = 1 << 14
	sizes := []int{5, 9, 3, 1}
	codes := make([][]uint16, len(sizes))
	for i := range codes {
		for range rows {
			codes[i] = append(codes[i], uint16(r.IntN(sizes[i])))
		}
	}
	text, b := counting(t, codes...)
	list, err := ReadCounts(text, make([]FooterColumn, len(sizes)), 1, int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	for i := range sizes {
		for k := range sizes {
			of := []int{i, k}
			if i == k {
				of = of[:1]
			}
			c, letGo, err := list.Read(&Desk{}, bytes.NewReader(b), 0, rows, nil, of...)
			if err != nil {
				t.Fatalf("%v: %v", of, err)
			}
			want := make([]uint32, len(c.Cells))
			for row := range rows {
				want[int(codes[i][row])*c.Step[0]+int(codes[k][row])*c.Step[1]]++
			}
			for at, n := range c.Cells {
				if n != want[at] {
					t.Fatalf("%v: cell %d is %d, want %d", of, at, n, want[at])
				}
			}
			for at, v := range c.Columns {
				l, err := v.Unpack(&Desk{}, arrow.INT32)
				if err != nil || v.Codes != sizes[of[at]] {
					t.Fatalf("%v: %d codes, %v", of, v.Codes, err)
				}
				if value, ok := l.Value(v.Codes - 1); !ok || value[0] != byte(v.Codes-1) {
					t.Fatalf("%v: the last value is %v", of, value)
				}
				if _, ok := l.Value(v.Codes); ok {
					t.Fatalf("%v: a value behind the last", of)
				}
			}
			letGo()
		}
	}
	if list.Has(0, 0, 1, 2) || list.Has(1, 0) || list.Has(0) || list.Has(0, 0, 7) {
		t.Error("counts are told of that there are not")
	}
}

func FuzzReadCounts(f *testing.F) {
	text, b := counting(f, []uint16{0, 1, 2, 1}, []uint16{0, 1, 0, 1})
	index, _ := base64.StdEncoding.DecodeString(text)
	f.Add(index, b, 4)
	codes := [3][]uint16{}
	for i := range 4096 {
		codes[0], codes[1], codes[2] = append(codes[0], uint16(i%5)), append(codes[1], uint16(i%7)), append(codes[2], uint16(i%2))
	}
	text, b = counting(f, codes[:]...)
	index, _ = base64.StdEncoding.DecodeString(text)
	f.Add(index, b, 4096)
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 3}, b, 9)
	f.Fuzz(func(t *testing.T, index, b []byte, rows int) {
		columns := []FooterColumn{{}, {Optional: true}, {}}
		list, err := ReadCounts(base64.StdEncoding.EncodeToString(index), columns, 2, int64(len(b)))
		if err != nil {
			return
		}
		for group := range 2 {
			for _, of := range [][]int{{0}, {1}, {0, 1}, {2, 1}} {
				if !list.Has(group, of...) {
					continue
				}
				c, letGo, err := list.Read(&Desk{}, bytes.NewReader(b), group, rows, nil, of...)
				if err != nil {
					continue
				}
				sum, codes := 0, 1
				for _, n := range c.Cells {
					sum += int(n)
				}
				for _, v := range c.Columns {
					codes *= v.Codes
					for _, kind := range []arrow.Type{arrow.STRING, arrow.INT64} {
						if l, err := v.Unpack(&Desk{}, kind); err == nil {
							for code := range v.Codes {
								l.Value(code)
							}
							l.Found(NewSearch([]Part{{Text: "a"}}, Texts{}))
						}
					}
				}
				if sum != rows || codes != len(c.Cells) {
					t.Fatalf("%d rows of %d in %d cells of %d", sum, rows, len(c.Cells), codes)
				}
				letGo()
			}
		}
	})
}
