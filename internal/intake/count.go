package intake

import (
	"logkeep/internal/batch"
	"logkeep/internal/worker/wire"
)

// Count tells what became of rows that were read from so many bytes of JSON.
func Count(p batch.Parsed, bytes int64) wire.Appended {
	a := wire.Appended{Rows: p.Record.NumRows(), Bytes: bytes, Ignored: p.Unknown, Cut: p.Cut, CutIn: p.CutIn, Refused: p.Refused}
	for _, r := range p.Reasons {
		a.Reasons = append(a.Reasons, r.Error())
	}
	return a
}
