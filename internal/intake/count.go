package intake

import (
	"logkeep/internal/batch"
	"logkeep/internal/worker/wire"
)

// Count tells what became of rows that were read from so many bytes of JSON. A
// record that is nil has no rows.
func Count(p batch.Parsed, bytes int64) wire.Appended {
	a := wire.Appended{Bytes: bytes, Ignored: p.Unknown, Cut: p.Cut, CutIn: p.CutIn, Refused: p.Refused}
	if p.Record != nil {
		a.Rows = p.Record.NumRows()
	}
	for _, r := range p.Reasons {
		a.Reasons = append(a.Reasons, r.Error())
	}
	return a
}
