package foreign

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// Commands of the file are forms, with columns as places or paths, and their
// input the file; the answer is a line a record.
func TestRecords(t *testing.T) {
	datadriven.RunTest(t, "testdata/records", func(t *testing.T, d *datadriven.TestData) string {
		f := Form{Name: "file." + d.Cmd, Format: d.Cmd, SkipFirst: d.HasArg("skipfirst"), SkipLast: d.HasArg("skiplast"), Most: 1 << 20}
		var columns []Column
		for i, arg := range d.CmdArgs {
			if arg.Key != "columns" {
				continue
			}
			for _, v := range d.CmdArgs[i].Vals {
				c := Column{Ordinal: len(columns)}
				if v != "$" {
					c.Path = strings.Split(v, "/")
				}
				fmt.Sscan(v, &c.Ordinal)
				columns = append(columns, c)
			}
		}
		var out strings.Builder
		input := strings.NewReplacer("␉", "\t", "␁", "\x01").Replace(d.Input)
		if _, err := Read([]byte(input), f, columns, func(cells []string) error {
			fmt.Fprintf(&out, "%q\n", cells)
			return nil
		}); err != nil {
			fmt.Fprintf(&out, "error: the file %s\n", err)
		}
		return out.String()
	})
}

func TestPackedFilesAreBoundedByWhatTheyBecome(t *testing.T) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write(bytes.Repeat([]byte("a,b\n"), 1000))
	z.Close()
	rows := 0
	count := func([]string) error { rows++; return nil }
	if size, err := Read(b.Bytes(), Form{Name: "https://h/x.csv.gz?sv=1", Most: 4000}, []Column{{}}, count); err != nil || size != 4000 || rows != 1000 {
		t.Errorf("%d rows of %d bytes, %v", rows, size, err)
	}
	if _, err := Read(b.Bytes(), Form{Name: "x.csv", Most: 3999}, []Column{{}}, count); !errors.Is(err, ErrLarge) {
		t.Errorf("one byte more than allowed: %v", err)
	}
	if _, err := Read(b.Bytes()[:20], Form{Name: "x.csv.gz", Most: 4000}, []Column{{}}, count); err == nil {
		t.Error("half a file was taken for a whole one")
	}
}

func FuzzRead(f *testing.F) {
	for _, s := range []string{"a,b\n", "\"", `{"a":[1,{"b":null}]}[{"a":2},3]`, "\x1f\x8b", "PK\x03\x04"} {
		for i := range 11 {
			f.Add([]byte(s), uint8(i))
		}
	}
	formats := []string{"csv", "tsv", "tsve", "psv", "scsv", "sohsv", "txt", "raw", "json", "multijson", "singlejson"}
	f.Fuzz(func(t *testing.T, file []byte, format uint8) {
		columns := []Column{{Path: []string{"a"}}, {Ordinal: 1}, {Ordinal: 7, Path: []string{"a", "[1]", "b"}}}
		Read(file, Form{Name: "x.zip", Format: formats[int(format)%len(formats)], Most: 1 << 16}, columns, func(cells []string) error {
			for _, c := range cells {
				if len(c) > 3<<16 {
					t.Error("a cell is larger than the file")
				}
			}
			return nil
		})
	})
}
