package main

import (
	"context"
	"iter"
	"os"
	"time"

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
	Refused int64 // answers that told the client to come again, where it counts them
}

// ingest adds an upload to in, count one of any kind.
func (s *site) ingest(ctx context.Context, in *ingested, to client.Target, rows iter.Seq[[]byte], packed bool) error {
	return s.count(in, func() (client.Uploaded, error) { return s.upload(ctx, to, rows, packed) })
}

func (s *site) count(in *ingested, upload func() (client.Uploaded, error)) error {
	before, mine, begin := s.used(), ownCPU(), time.Now()
	done, err := upload()
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
	done, _, err := s.post(ctx, to, bodies(rows))
	return done, err
}

// ownCPU is what this process has used.
func ownCPU() time.Duration {
	_, cpu, _, err := process(os.Getpid())
	if err != nil {
		return 0
	}
	return cpu
}
