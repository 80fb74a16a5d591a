package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"net/http"
	"os"
	"sync/atomic"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	ingestion "github.com/Azure/azure-sdk-for-go/sdk/monitor/ingestion/azlogs"
	"github.com/klauspost/compress/gzip"
	"golang.org/x/sync/errgroup"

	"logkeep/internal/cli/client"
)

// Bodies of uploads that the bench makes itself, and how many are on their way
// at a time.
const (
	bodySize = 950_000
	inFlight = 4
)

// A body is what one request brings.
type body struct {
	sent   []byte
	packed bool
	rows   int
	bytes  int64 // of JSON
}

// bodies makes JSON arrays of rows.
func bodies(rows iter.Seq[[]byte]) iter.Seq[body] {
	return func(yield func(body) bool) {
		b := body{sent: make([]byte, 0, bodySize)}
		end := func() bool {
			b.sent = append(b.sent, ']')
			b.bytes = int64(len(b.sent))
			done := b
			b = body{sent: make([]byte, 0, bodySize)}
			return yield(done)
		}
		for row := range rows {
			if b.rows > 0 && len(b.sent)+len(row)+2 > bodySize && !end() {
				return
			}
			if b.rows == 0 {
				b.sent = append(b.sent, '[')
			} else {
				b.sent = append(b.sent, ',')
			}
			b.sent = append(b.sent, row...)
			b.rows++
		}
		if b.rows > 0 {
			end()
		}
	}
}

// post sends bodies, several at a time, with the official client.
// refused is how many answers told it to come again.
func (s *site) post(ctx context.Context, target client.Target, all iter.Seq[body]) (done client.Uploaded, refused int64, err error) {
	var again refusals
	options := s.ARM().ClientOptions
	options.PerRetryPolicies = append(options.PerRetryPolicies, &again)
	sender, err := ingestion.NewClient(target.Endpoint, s.Credential(), &ingestion.ClientOptions{ClientOptions: options})
	if err != nil {
		return done, 0, err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(inFlight)
	for b := range all {
		if ctx.Err() != nil {
			break
		}
		var o ingestion.UploadOptions
		if b.packed {
			o.ContentEncoding = to.Ptr("gzip")
		}
		done.Rows, done.Bytes = done.Rows+b.rows, done.Bytes+b.bytes
		group.Go(func() error {
			_, err := sender.Upload(ctx, target.RuleID, target.Stream, b.sent, &o)
			return err
		})
	}
	err = group.Wait()
	return done, again.n.Load(), err
}

// Refusals counts the answers that tell a client to come again.
type refusals struct{ n atomic.Int64 }

// Do implements policy.Policy.
func (r *refusals) Do(q *policy.Request) (*http.Response, error) {
	answer, err := q.Next()
	if err == nil && answer.StatusCode == http.StatusTooManyRequests {
		r.n.Add(1)
	}
	return answer, err
}

// A parcel is bodies that were packed beforehand, in a file without a name, so
// that packing does not run beside the server that is measured.
type parcel struct {
	file *os.File
	list []body
	size []int // of each, packed
}

// pack packs bodies as our own client does.
func pack(all iter.Seq[body]) (p *parcel, err error) {
	p = &parcel{}
	if p.file, err = os.CreateTemp("", "bench-packed-*"); err != nil {
		return nil, err
	}
	if err := os.Remove(p.file.Name()); err != nil {
		return nil, errors.Join(err, p.close())
	}
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestSpeed)
	if err != nil {
		return nil, errors.Join(err, p.close())
	}
	for b := range all {
		packed.Reset()
		w.Reset(&packed)
		_, err := w.Write(b.sent)
		if err = errors.Join(err, w.Close()); err == nil {
			_, err = p.file.Write(packed.Bytes())
		}
		if err != nil {
			return nil, errors.Join(err, p.close())
		}
		b.sent, b.packed = nil, true
		p.list, p.size = append(p.list, b), append(p.size, packed.Len())
	}
	return p, nil
}

// bodies yields the packed bodies. What went wrong is in failed when the loop
// has ended.
func (p *parcel) bodies(failed *error) iter.Seq[body] {
	return func(yield func(body) bool) {
		at := int64(0)
		for i, b := range p.list {
			b.sent = make([]byte, p.size[i])
			if _, err := p.file.ReadAt(b.sent, at); err != nil && err != io.EOF {
				*failed = err
				return
			}
			at += int64(len(b.sent))
			if !yield(b) {
				return
			}
		}
	}
}

func (p *parcel) close() error { return p.file.Close() }
