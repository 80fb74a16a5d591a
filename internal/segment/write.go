package segment

import (
	"context"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"logkeep/internal/batch"
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

	var parquetFile *pqarrow.FileWriter
	info.Rows, info.Generation = int64(len(refs)), k.Generation
	for len(refs) > 0 {
		if err := ctx.Err(); err != nil {
			return info, err
		}
		n := min(len(refs), GroupRows)
		group, err := batch.Gather(recs, refs[:n])
		if err != nil {
			return info, err
		}
		first, last, err := batch.Span(group)
		if err != nil {
			return info, err
		}
		if parquetFile == nil {
			info.MinTime = first
			if parquetFile, err = newFile(sealed, group.Schema(), info.Columns, tuned(group, info.Columns)); err != nil {
				return info, err
			}
		}
		info.MaxTime = last
		if err := parquetFile.Write(group); err != nil {
			return info, err
		}
		refs = refs[n:]
	}
	if err := parquetFile.Close(); err != nil {
		return info, err
	}
	if err := sealed.Close(); err != nil {
		return info, err
	}
	info.Bytes = sealed.Size()
	return info, nil
}

func newFile(w io.Writer, sc *arrow.Schema, columns []schema.Column, properties []parquet.WriterProperty) (*pqarrow.FileWriter, error) {
	text, err := encodeColumns(columns)
	if err != nil {
		return nil, err
	}
	properties = append(properties, parquet.WithVersion(parquet.V2_LATEST), parquet.WithCreatedBy("logkeep"), parquet.WithMaxRowGroupLength(GroupRows))
	f, err := pqarrow.NewFileWriter(sc, w, parquet.NewWriterProperties(properties...), pqarrow.DefaultWriterProps())
	if err != nil {
		return nil, err
	}
	return f, f.AppendKeyValueMetadata(columnsKey, text)
}

// tuned chooses how each column of a segment is coded, from its first rows.
func tuned(group arrow.RecordBatch, columns []schema.Column) []parquet.WriterProperty {
	// The fastest level: on logs the slower ones cost a third more for nothing.
	properties := []parquet.WriterProperty{parquet.WithCompression(compress.Codecs.Zstd), parquet.WithCompressionLevel(1)}
	for i, c := range columns {
		switch col := group.Column(i).(type) {
		case *array.String:
			if !repeats(col) {
				properties = append(properties, parquet.WithDictionaryFor(c.Name, false))
			}
		case *array.Int64:
			if c.Name == schema.TimeGenerated {
				// Sorted: the differences are small.
				properties = append(properties, parquet.WithDictionaryFor(c.Name, false),
					parquet.WithEncodingFor(c.Name, parquet.Encodings.DeltaBinaryPacked),
					parquet.WithSortingColumns([]parquet.SortingColumn{{ColumnIdx: int32(i)}}))
			}
		}
	}
	return properties
}

// repeats reports whether a dictionary is likely to pay: whether at most half
// of a sample, taken all over the column, is distinct. Building a dictionary
// only to drop it when it is full costs more than the column's compression.
func repeats(col *array.String) bool {
	const sample = 2048
	step := max(1, col.Len()/sample)
	seen := make(map[string]struct{}, sample)
	looked := 0
	for i := 0; i < col.Len(); i += step {
		if !col.IsNull(i) {
			looked++
			seen[col.Value(i)] = struct{}{}
		}
	}
	return len(seen)*2 <= looked+1
}
