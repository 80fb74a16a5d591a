package main

import (
	"bytes"
	"context"
	"iter"
	"os"
	"time"

	ingestion "github.com/Azure/azure-sdk-for-go/sdk/monitor/ingestion/azlogs"
	"golang.org/x/sync/errgroup"

	"logkeep/internal/cli/client"
)

// Ingested is one upload as its client saw it, and what it cost the server
// until the last row was acknowledged.
type ingested struct {
	Rows    int
	Bytes   int64 // of JSON
	Took    time.Duration
	CPU     time.Duration            // of the server's processes
	ByRole  map[string]time.Duration // the same, apart
	Client  time.Duration            // of this process, which makes the rows
	Settled time.Duration            // CPU until the rows were in segments, without what passes while nothing comes
	Idle    float64                  // that, as a share of one core
	Memory  usage
}

// ingest adds an upload to in.
func (s *site) ingest(ctx context.Context, in *ingested, to client.Target, rows iter.Seq[[]byte], packed bool) error {
	before, mine, begin := s.used(), ownCPU(), time.Now()
	done, err := s.upload(ctx, to, rows, packed)
	if err != nil {
		return err
	}
	after := s.used()
	in.Rows, in.Bytes, in.Took = in.Rows+done.Rows, in.Bytes+done.Bytes, in.Took+time.Since(begin)
	in.CPU, in.Client, in.Memory = in.CPU+after.cpu()-before.cpu(), in.Client+ownCPU()-mine, after
	if in.ByRole == nil {
		in.ByRole = map[string]time.Duration{}
	}
	for role, cpu := range after.CPU {
		in.ByRole[role] += cpu - before.CPU[role]
	}
	return nil
}

// upload sends rows packed, as the official clients do, or as they are.
func (s *site) upload(ctx context.Context, to client.Target, rows iter.Seq[[]byte], packed bool) (client.Uploaded, error) {
	if packed {
		return s.Upload(ctx, to, func(yield func([]byte, error) bool) {
			for row := range rows {
				if !yield(row, nil) {
					return
				}
			}
		}, nil)
	}
	return s.uploadPlain(ctx, to, rows)
}

// Bodies of plain uploads, and how many are on their way at a time.
const (
	bodySize = 950_000
	inFlight = 4
)

func (s *site) uploadPlain(ctx context.Context, to client.Target, rows iter.Seq[[]byte]) (done client.Uploaded, err error) {
	sender, err := s.Ingestion(to.Endpoint)
	if err != nil {
		return done, err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(inFlight)
	body := bytes.NewBuffer(make([]byte, 0, bodySize))
	send := func() {
		if body.Len() == 0 || ctx.Err() != nil {
			return
		}
		sent := append(body.Bytes(), ']')
		body = bytes.NewBuffer(make([]byte, 0, bodySize))
		done.Bytes += int64(len(sent))
		group.Go(func() error {
			_, err := sender.Upload(ctx, to.RuleID, to.Stream, sent, &ingestion.UploadOptions{})
			return err
		})
	}
	for row := range rows {
		if body.Len()+len(row)+2 > bodySize {
			send()
		}
		if body.Len() == 0 {
			body.WriteByte('[')
		} else {
			body.WriteByte(',')
		}
		body.Write(row)
		done.Rows++
	}
	send()
	return done, group.Wait()
}

// ownCPU is what this process has used.
func ownCPU() time.Duration {
	_, cpu, _, err := process(os.Getpid())
	if err != nil {
		return 0
	}
	return cpu
}
