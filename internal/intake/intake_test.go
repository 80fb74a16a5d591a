package intake

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/klauspost/compress/gzip"

	"logkeep/internal/fault"
	"logkeep/internal/schema"
)

// Whatever is wrong with a packed body is the sender's to correct, never an
// internal error.
func TestDamagedGzipIsToldAsSuch(t *testing.T) {
	var rows, packed bytes.Buffer
	for i := range 2000 {
		fmt.Fprintf(&rows, `{"Message":"row %d of a body that is damaged on its way, %x"}`+"\n", i, i*i*7919)
	}
	w := gzip.NewWriter(&packed)
	w.Write(rows.Bytes())
	w.Close()
	whole := packed.Bytes()
	table := schema.Table{Name: "T_CL", Columns: []schema.Column{{Name: schema.TimeGenerated, Type: schema.DateTime}, {Name: "Message", Type: schema.String}}}
	parse := func(body []byte, most int64) error {
		for _, cleared := range []bool{false, true} {
			var kept bytes.Buffer
			p, read, err := Body{Table: table, Encoding: "gzip", Most: most, Clear: cleared}.Rows(bytes.NewReader(body), &kept, 0)
			kept.Reset()
			if left := bytes.Trim(kept.AvailableBuffer()[:kept.Cap()], "\x00"); cleared && len(left) > 0 || !cleared && err == nil && len(left) == 0 {
				t.Errorf("cleared %t: %d bytes of rows were left in memory", cleared, len(left))
			}
			if err != nil {
				return Fault(err)
			}
			if p.Record.NumRows() != 2000 || read != int64(rows.Len()) {
				t.Errorf("%d rows, %d bytes", p.Record.NumRows(), read)
			}
		}
		return nil
	}
	if err := parse(whole, 1<<20); err != nil {
		t.Fatalf("the whole body: %v", err)
	}
	if err := parse(whole, int64(rows.Len())-1); fault.Of(err).Code != fault.ContentLengthLimit {
		t.Errorf("a body larger than allowed: %v", err)
	}
	for at := 0; at < len(whole); at += 97 {
		if err := parse(whole[:at], 1<<20); fault.Of(err).Code != fault.MalformedJSON {
			t.Errorf("cut at byte %d of %d: %v", at, len(whole), err)
		}
		damaged := slices.Clone(whole)
		damaged[at] ^= 0x55
		if err := parse(damaged, 1<<20); err != nil && fault.Of(err).Status() != 400 {
			t.Errorf("damaged at byte %d: %v", at, err)
		}
	}
}
