package batch

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"logkeep/internal/schema"
)

func good(text string) (Parsed, error) {
	table := schema.Table{Name: "T", Columns: []schema.Column{{Name: schema.TimeGenerated, Type: schema.DateTime}, {Name: "N", Type: schema.Long}, {Name: "S", Type: schema.String}}}
	return Good(bytes.NewBufferString(text), func(r io.Reader) (Parsed, error) { return Parse(r, table, 7) })
}

func TestRowsThatCantBeStoredAreLeftOutAndTold(t *testing.T) {
	for _, c := range []struct {
		text  string
		rows  int64
		wrong string
	}{
		{`[{"N":1},{"N":"x"},{"N":3}]`, 2, "[row 2, column N: the value is no long; send a whole number of 64 bits]"},
		{"{\"N\":1}\n{\"N\":2,\"N\":3}\n{\"S\":\"a\"}", 2, "[row 2, column N: the field occurs twice in the row]"},
		{`[{"N":1},5,[{"N":2}],"x",null,{"N":{}}]`, 1, "[row 2 " + noObject + " row 3 " + noObject + " row 4 " + noObject + " row 5 " + noObject + " row 6, column N: the value is no long; send a whole number of 64 bits]"},
		{`[{"N":1}]`, 1, "[]"},
	} {
		p, err := good(c.text)
		if err != nil || p.Record.NumRows() != c.rows {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		var told []string
		for _, r := range p.Reasons {
			told = append(told, r.Error())
		}
		if got := fmt.Sprint(told); got != c.wrong || p.Refused != int64(len(told)) {
			t.Errorf("%s: %d %s", c.text, p.Refused, got)
		}
	}
	many := "[" + strings.Repeat(`{"N":[]},`, 30) + `{"N":1}]`
	if p, err := good(many); err != nil || p.Refused != 30 || len(p.Reasons) != maxReasons || p.Record.NumRows() != 1 {
		t.Errorf("%+v %v", p, err)
	}
	for _, text := range []string{`[{"N":"x"}]`, `[1,2]`} {
		if _, err := good(text); !isRow(err) {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, text := range []string{`[{"N":"x"},{"N":1}`, `[{"N":"x"},{]`, `[{"N":"x"},{"N":1}] more`} {
		if _, err := good(text); err == nil {
			t.Errorf("%s is taken", text)
		}
	}
}

func isRow(err error) bool { _, ok := errors.AsType[*RowError](err); return ok }

// FuzzGood holds what is left to what was sent: rows are taken or told, one by one.
func FuzzGood(f *testing.F) {
	f.Add(`[{"N":1},{"N":"x"},{"S":"é"}]`)
	f.Add("{\"N\":1}{\"N\":1.5}\n[]")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := good(text)
		if err != nil {
			return
		}
		for i := 0; i < int(p.Record.NumCols()); i++ {
			if p.Record.Column(i).Len() != int(p.Record.NumRows()) {
				t.Fatalf("column %d", i)
			}
		}
		if p.Refused > 0 && p.Record.NumRows() == 0 {
			t.Fatal("nothing is left, and that is no error")
		}
	})
}
