package intake

import (
	"bytes"
	"testing"

	"github.com/klauspost/compress/gzip"

	"logkeep/internal/fault"
	"logkeep/internal/gunzip"
	"logkeep/internal/schema"
)

// FuzzBody: whatever a client sends, packed or not, it is rows or the client's to
// correct, within the memory that was allowed; and a body that was packed is read
// as the same one that was not.
func FuzzBody(f *testing.F) {
	zip := func(b []byte) []byte {
		var out bytes.Buffer
		w := gzip.NewWriter(&out)
		w.Write(b) // to memory
		w.Close()
		return out.Bytes()
	}
	for _, text := range []string{"", "[]", `[{"Message":"a","N":1}]`, "{\"Message\":\"\\u00e9\"}\n{}", `[{"N":"x"},{"N":2}]`, `[{"Message":1},7]`, "\xff"} {
		f.Add([]byte(text), false)
		f.Add(zip([]byte(text)), true)
	}
	table := schema.Table{Name: "T_CL", Columns: []schema.Column{{Name: schema.TimeGenerated, Type: schema.DateTime}, {Name: "Message", Type: schema.String}, {Name: "N", Type: schema.Long}}}
	const most = 64 << 10
	read := func(t *testing.T, body []byte, encoding string) (rows int64, code fault.Code) {
		var kept bytes.Buffer
		p, n, err := Body{Table: table, Encoding: encoding, Most: most}.Rows(bytes.NewReader(body), &kept, 0)
		if room := kept.Cap(); room > 2*most+bytes.MinRead+2*gunzip.Room {
			t.Errorf("%d bytes took %d of memory", len(body), room)
		}
		if err != nil {
			of := fault.Of(Fault(err))
			if s := of.Status(); s != 400 && s != 413 {
				t.Fatalf("%d: %v", s, err)
			}
			return 0, of.Code
		}
		if n > most {
			t.Errorf("%d bytes were read", n)
		}
		return p.Record.NumRows(), ""
	}
	f.Fuzz(func(t *testing.T, body []byte, packed bool) {
		if packed {
			read(t, body, "gzip")
			return
		}
		rows, code := read(t, body, "")
		if len(body) > most {
			return
		}
		again, other := read(t, zip(body), "gzip")
		if rows != again || code != other {
			t.Errorf("%d rows, %q; packed %d, %q", rows, code, again, other)
		}
	})
}
