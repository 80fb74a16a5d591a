package client

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"sync"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	ingestion "github.com/Azure/azure-sdk-for-go/sdk/monitor/ingestion/azlogs"
	"github.com/klauspost/compress/gzip"
	"golang.org/x/sync/errgroup"
)

// A Target is where rows go: a stream of a collection rule at an endpoint.
type Target struct {
	Endpoint string // https://dce1.ingest.logkeep.test:8443
	RuleID   string // dcr-…
	Stream   string // Custom-Table_CL
}

const (
	chunkBytes = 950_000 // of rows; the API takes up to 1 MB
	inFlight   = 4
)

// Uploaded counts what the server has acknowledged. Progress sees it grow, one
// call at a time.
type Uploaded struct {
	Rows  int
	Bytes int64 // of the rows, as they were before compression
}

// Upload sends rows in chunks, compressed, several at a time. It stops at the
// first error; what had been acknowledged until then is in the result.
func (s *Server) Upload(ctx context.Context, target Target, rows iter.Seq2[[]byte, error], progress func(Uploaded)) (Uploaded, error) {
	client, err := s.Ingestion(target.Endpoint)
	if err != nil {
		return Uploaded{}, err
	}
	var (
		mu    sync.Mutex
		done  Uploaded
		group *errgroup.Group
	)
	group, ctx = errgroup.WithContext(ctx)
	group.SetLimit(inFlight)
	send := func(c chunk) {
		group.Go(func() error {
			if err := upload(ctx, client, target, c); err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			done.Rows += c.rows
			done.Bytes += int64(len(c.body))
			if progress != nil {
				progress(done)
			}
			return nil
		})
	}
	var c chunk
	var failed error
	for row, err := range rows {
		if err != nil {
			failed = err
			break
		}
		if ctx.Err() != nil {
			break
		}
		if c.rows > 0 && len(c.body)+len(row) > chunkBytes {
			send(c)
			c = chunk{}
		}
		c.add(row)
	}
	if failed == nil && c.rows > 0 {
		send(c)
	}
	if err := group.Wait(); failed == nil {
		failed = err
	}
	return done, failed
}

// A chunk is a JSON array in the making.
type chunk struct {
	body []byte
	rows int
}

func (c *chunk) add(row []byte) {
	if c.rows == 0 {
		c.body = append(make([]byte, 0, chunkBytes/4), '[')
	} else {
		c.body = append(c.body, ',')
	}
	c.body = append(c.body, row...)
	c.rows++
}

func upload(ctx context.Context, client *ingestion.Client, target Target, c chunk) error {
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestSpeed)
	if err != nil {
		return err
	}
	if _, err := w.Write(append(c.body, ']')); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	_, err = client.Upload(ctx, target.RuleID, target.Stream, packed.Bytes(), &ingestion.UploadOptions{ContentEncoding: to.Ptr("gzip")})
	if err != nil {
		return fmt.Errorf("upload %d rows to %s: %w", c.rows, target.Stream, err)
	}
	return nil
}
