package canary

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

const (
	maxDepth    = 4
	maxUnpacked = 1 << 26 // bytes of one unpacked stream; more is an error, not a pass
	maxEnds     = 16      // Parquet ends tried for one beginning
)

var errTooLong = errors.New("a packed stream has more than 64 MiB inside: cannot tell whether a canary is in it")

// unpack tries every place where something packed may begin. Most are accidents
// in sealed bytes: what cannot be unpacked holds nothing readable.
func (v visit) unpack(r io.ReaderAt, size int64, found packages, depth int) error {
	for _, at := range found.gzip {
		stream, err := gzip.NewReader(io.NewSectionReader(r, at, size-at))
		if err != nil {
			continue
		}
		if err := v.stream("gzip", at, stream, depth); err != nil {
			return err
		}
	}
	for _, at := range found.zstd {
		stream, err := zstd.NewReader(io.NewSectionReader(r, at, size-at),
			zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(maxUnpacked))
		if err != nil {
			continue
		}
		err = v.stream("zstd", at, stream, depth)
		stream.Close()
		if err != nil {
			return err
		}
	}
	for i, at := range found.parquet {
		for _, end := range found.parquet[i+1 : min(i+1+maxEnds, len(found.parquet))] {
			values, err := parquetValues(io.NewSectionReader(r, at, end+int64(len(parquetMagic))-at))
			if err != nil {
				continue
			}
			if err := v.stream("parquet", at, bytes.NewReader(values), depth); err != nil {
				return err
			}
			break
		}
	}
	return nil
}

// stream scans what comes out of r, even if it breaks off: a torn stream still
// shows its beginning.
func (v visit) stream(kind string, at int64, r io.Reader, depth int) error {
	var inside bytes.Buffer
	if _, err := io.CopyN(&inside, r, maxUnpacked+1); err == nil {
		return errTooLong
	}
	if inside.Len() == 0 {
		return nil
	}
	v.report.Unpacked++
	v.inside += Disguise(kind + "@" + strconv.FormatInt(at, 10) + ": ")
	return v.content(bytes.NewReader(inside.Bytes()), int64(inside.Len()), depth)
}

// parquetValues returns all byte values of a Parquet file, one after the other
// with zeros between. Numbers cannot spell a canary.
func parquetValues(r *io.SectionReader) (values []byte, err error) {
	defer func() {
		if p := recover(); p != nil { // the reader panics on some bytes that are no Parquet file
			err = fmt.Errorf("read parquet: %v", p)
		}
	}()
	f, err := file.NewParquetReader(r)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	for group := range f.NumRowGroups() {
		for column := range f.MetaData().Schema.NumColumns() {
			chunk, err := f.RowGroup(group).Column(column)
			if err != nil {
				return nil, err
			}
			if values, err = appendChunk(values, chunk); err != nil {
				return nil, err
			}
			if len(values) > maxUnpacked {
				return values, nil // stream reports it
			}
		}
	}
	return values, nil
}

func appendChunk(values []byte, chunk file.ColumnChunkReader) ([]byte, error) {
	const batch = 1024
	levels, repeats := make([]int16, batch), make([]int16, batch)
	switch chunk := chunk.(type) {
	case *file.ByteArrayColumnChunkReader:
		read := make([]parquet.ByteArray, batch)
		for chunk.HasNext() {
			total, n, err := chunk.ReadBatch(batch, read, levels, repeats)
			if err != nil {
				return nil, err
			}
			for _, value := range read[:n] {
				values = append(append(values, value...), 0)
			}
			if total == 0 {
				break
			}
		}
		return values, chunk.Err()
	case *file.FixedLenByteArrayColumnChunkReader:
		read := make([]parquet.FixedLenByteArray, batch)
		for chunk.HasNext() {
			total, n, err := chunk.ReadBatch(batch, read, levels, repeats)
			if err != nil {
				return nil, err
			}
			for _, value := range read[:n] {
				values = append(append(values, value...), 0)
			}
			if total == 0 {
				break
			}
		}
		return values, chunk.Err()
	}
	return values, nil
}
