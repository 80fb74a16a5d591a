// Package parquet writes rows, as package batch makes them, into Parquet files.
// It knows the few forms that such rows need, and so takes a fraction of the
// time of a writer that knows all; whatever reads Parquet reads its files.
//
//	file   = PAR1 group… footer length(4) PAR1
//	group  = chunk…                      one for each column
//	chunk  = [dictionary page] data page…
//	page   = header body                 body: [levels] values, compressed as a whole
//
// Pages are data pages of version 1. Those of one column begin with the same rows
// as those of another, or with some of them: see Stripe. Levels, for columns that
// may have nulls, tell for each row whether it has a value. Values are
//
//	RLE_DICTIONARY       where a sample says that they repeat, and the dictionary stays small
//	DELTA_BINARY_PACKED  the column that rows are sorted by
//	templates (64)       texts of few templates, if Options.Templates allows; see template.go
//	PLAIN                all others
//
// The rows of a group are named by where they lie, in the order that they are to
// have, so that they are copied once: from the records into pages.
//
// Members of objects (package batch) have columns of their own. Where the objects are
// stored by templates they are found while that is done: see members.go.
//
// A Column reads a column of such a file again, any pages of it: it finds rows by
// texts and picks cells. What it does not know of Parquet is ErrForm.
package parquet

import (
	"encoding/binary"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	parquetgo "github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/metadata"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"logkeep/internal/batch"
	"logkeep/internal/schema"
	"logkeep/internal/template"
)

const magic = "PAR1"

// Options choose what a file is like.
type Options struct {
	Compress   bool              // pages are packed with zstd
	Dictionary bool              // values that repeat are written once
	Sorted     string            // name of a long or datetime column without nulls by which rows are sorted; "" none
	Pairs      map[string]string // keys and values in the footer
	Pages      bool              // the footer tells where pages lie, and with which value those of the sorted column begin
	Counts     bool              // the footer tells where it is counted how many rows have which values of two columns
	Templates  bool              // texts may be stored by templates, which only this package reads; with Compress

	// Texts is told of every column of text of every group, in their order. What
	// it returns is given the texts that are in the column, as they are written,
	// and in which stripe of the group: by stripes, or with the stripe AnyStripe,
	// each at least once. They are valid until the column is. Either may be nil.
	Texts func(column int) func(text []byte, stripe int)

	// Words is given, in place of what Texts returned, the texts that are stored by
	// templates: with the words of a text that have a digit, and the number of its
	// template in the column. All else is as in other texts of the template; of
	// template 0 nothing is known. Nil: they are given as others are.
	Words func(text []byte, words []template.Span, number, stripe int)
}

// AnyStripe is the stripe of texts that may be in any row of a group.
const AnyStripe = -1

// A Writer writes one file. It is not safe for concurrent use.
type Writer struct {
	w       io.Writer
	o       Options
	at      int64 // bytes written
	columns []schema.Column
	meta    *metadata.FileMetaDataBuilder
	groups  int16
	chunks  []Pages   // of all groups and columns
	firsts  [][]int64 // of all groups

	order   *order // of the group, or of the column, being written
	writing int    // number of the column
	counter counter

	woven bool // a column is stored by templates

	// Buffers, kept from page to page.
	page, packed, header []byte
	index                []uint32
	dictionary           dictionary
	numbers              numbering
	near                 []uint32
	wide                 []int64
	narrow               []int32
	real                 []float64
	cut                  []run // of a page
	weave                weave
}

// NewWriter begins a file of rows with the columns of sc, which package batch
// made, and writes it to w. Nothing is right before Close has returned nil.
func NewWriter(w io.Writer, sc *arrow.Schema, o Options) (*Writer, error) {
	columns, err := batch.Columns(sc)
	if err != nil {
		return nil, err
	}
	p := &Writer{w: w, o: o, columns: columns}
	if err := p.describe(sc); err != nil {
		return nil, err
	}
	return p, p.write([]byte(magic))
}

// describe begins the footer.
func (p *Writer) describe(sc *arrow.Schema) error {
	properties := []parquetgo.WriterProperty{
		parquetgo.WithVersion(parquetgo.V2_LATEST), parquetgo.WithCreatedBy("logkeep"), parquetgo.WithDictionaryDefault(p.o.Dictionary),
	}
	if p.o.Compress {
		properties = append(properties, parquetgo.WithCompression(compress.Codecs.Zstd))
	}
	for i, c := range p.columns {
		if c.Name == p.o.Sorted {
			properties = append(properties, parquetgo.WithDictionaryFor(c.Name, false),
				parquetgo.WithEncodingFor(c.Name, parquetgo.Encodings.DeltaBinaryPacked),
				parquetgo.WithSortingColumns([]parquetgo.SortingColumn{{ColumnIdx: int32(i)}}))
		}
	}
	props := parquetgo.NewWriterProperties(properties...)
	columnar, err := pqarrow.ToParquet(sc, props, pqarrow.DefaultWriterProps())
	if err != nil {
		return err
	}
	p.meta = metadata.NewFileMetadataBuilder(columnar, props, nil)
	for key, value := range p.o.Pairs {
		if err := p.meta.AppendKeyValueMetadata(key, value); err != nil {
			return err
		}
	}
	return nil
}

func (p *Writer) write(b []byte) error {
	n, err := p.w.Write(b)
	p.at += int64(n)
	return err
}

// Append writes bytes that are not Parquet's between the groups and returns where
// they begin. Readers of Parquet, who go by the footer, do not see them.
func (p *Writer) Append(b []byte) (offset int64, err error) {
	offset = p.at
	return offset, p.write(b)
}

// Templates reports whether a column was stored by templates until now, so that only
// this package reads the file.
func (p *Writer) Templates() bool { return p.woven }

// Pair adds a key and its value to the footer.
func (p *Writer) Pair(key, value string) error { return p.meta.AppendKeyValueMetadata(key, value) }

// Close writes the footer. What the file is written to stays open.
func (p *Writer) Close() error {
	if err := p.writeCounts(); err != nil {
		return err
	}
	if p.o.Pages {
		if err := p.Pair(PagesKey, encodePages(p.chunks)); err != nil {
			return err
		}
		if p.firsts != nil {
			if err := p.Pair(FirstsKey, encodeFirsts(p.firsts)); err != nil {
				return err
			}
		}
	}
	footer, err := p.meta.Finish()
	if err != nil {
		return err
	}
	length, err := footer.WriteTo(p.w, nil)
	if p.at += length; err != nil {
		return err
	}
	return p.write(append(binary.LittleEndian.AppendUint32(nil, uint32(length)), magic...))
}

// Size returns how many bytes were written.
func (p *Writer) Size() int64 { return p.at }
