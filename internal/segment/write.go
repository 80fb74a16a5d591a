package segment

import (
	"context"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"

	"logkeep/internal/batch"
	"logkeep/internal/parquet"
	"logkeep/internal/schema"
	"logkeep/internal/seal"
)

// Write writes the rows of recs, which have the same columns and may be in any
// order, to dst as the segment that info names (ID, Workspace, Table), sealed
// with k at the account's place. It returns info with the rest filled in, but
// for Created. The object is not durable before the owner of dst makes it so.
func Write(ctx context.Context, dst seal.Sink, k seal.Keys, account seal.Place, info Info, recs []arrow.RecordBatch) (Info, error) {
	info, err := write(ctx, dst, k, account, info, recs)
	if err != nil {
		return Info{}, fmt.Errorf("write segment %s: %w", info.ID, err)
	}
	return info, nil
}

func write(ctx context.Context, dst seal.Sink, k seal.Keys, account seal.Place, info Info, recs []arrow.RecordBatch) (Info, error) {
	refs, err := batch.ByTime(recs)
	if err != nil {
		return info, err
	}
	if len(refs) == 0 {
		return info, fmt.Errorf("internal error: a segment needs rows")
	}
	if info.Columns, err = batch.Columns(recs[0].Schema()); err != nil {
		return info, err
	}
	sealed, err := seal.NewWriter(dst, k, place(account, info.Workspace, info.Table, info.ID))
	if err != nil {
		return info, err
	}
	// Close frees plaintext, also after an error; the second Close does nothing.
	defer sealed.Close()

	times, err := newTimes(recs)
	if err != nil {
		return info, err
	}
	terms := newTermWriter(info.Columns)
	file, err := parquet.NewWriter(sealed, recs[0].Schema(), parquet.Options{
		Compress: true, Dictionary: true, Sorted: schema.TimeGenerated, Pages: true, Counts: true, Templates: true, Texts: terms.column, Words: terms.words,
	})
	if err != nil {
		return info, err
	}
	info.Rows, info.Generation = int64(len(refs)), k.Generation
	info.MinTime, info.MaxTime = times.at(refs[0]), times.at(refs[len(refs)-1])
	var groups []*parquet.Group
	for len(refs) > 0 {
		n := min(len(refs), GroupRows)
		groups = append(groups, file.Begin(recs, refs[:n]))
		refs = refs[n:]
	}
	further, err := addMembers(ctx, file, groups, recs, terms)
	if err != nil {
		return info, err
	}
	for i, g := range groups {
		if err := ctx.Err(); err != nil {
			return info, err
		}
		if err := g.End(further[i]...); err != nil {
			return info, err
		}
	}
	if err := terms.end(file); err != nil {
		return info, err
	}
	columns, err := encode(info.Columns)
	if err != nil {
		return info, err
	}
	key := columnsKey
	if file.Templates() {
		key = wovenKey // which builds from before templates do not know, so they refuse the segment
	}
	if err := file.Pair(key, columns); err != nil {
		return info, err
	}
	if err := file.Close(); err != nil {
		return info, err
	}
	if err := sealed.Close(); err != nil {
		return info, err
	}
	info.Bytes = sealed.Size()
	return info, nil
}

// times are the times of all rows, by record.
type times [][]int64

func newTimes(recs []arrow.RecordBatch) (t times, err error) {
	t = make(times, len(recs))
	for i, rec := range recs {
		if t[i], err = batch.Times(rec); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func (t times) at(r batch.Ref) schema.Ticks { return schema.Ticks(t[r.Record][r.Row]) }
