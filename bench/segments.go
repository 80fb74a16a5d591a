package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"logkeep/internal/cli/client"
	"logkeep/internal/cli/walk"
)

// A height is what a server with so many segments takes.
type height struct {
	Segments       int
	Rows           int64
	CPU            time.Duration // of all processes until then
	Ready, Hour    time.Duration // from exec until it is ready, and until the first query over one hour is answered
	Writer         time.Duration // from the vault's answer that the key is back until that query is answered by new processes
	Newest         []time.Duration
	Oldest         []time.Duration // the same question of other hours, warm
	Take           []time.Duration
	Memory         map[string]int64 // peaks
	Files, Threads int
	Storage        string
}

// measureSegments starts a server whose account has few segments, and then many,
// of one table, over a year.
func measureSegments(ctx context.Context, o options, r *report) (err error) {
	own, err := walk.Serve(ctx, o.server)
	if err != nil {
		return err
	}
	defer func() {
		own.Kill()
		err = errors.Join(err, own.Remove())
	}()
	once := false
	s, err := open(ctx, client.Where{URL: own.URL, DataDir: own.DataDir}, &once)
	if err != nil {
		return err
	}
	s.own = own
	p, err := s.past(ctx)
	if err != nil {
		return err
	}
	defer p.close()
	for _, n := range []int{o.segments / 100, o.segments} {
		s.Close()
		own.Stop()
		progress("%d segments", n)
		begin := time.Now()
		if err := p.fill(ctx, own.DataDir, n); err != nil {
			return fmt.Errorf("make %d segments: %w", n, err)
		}
		progress("made in %v", time.Since(begin).Round(time.Second))
		h, again, err := s.height(ctx, o, p, n)
		if err != nil {
			return err
		}
		s = again
		r.Heights = append(r.Heights, h)
	}
	s.Close()
	return nil
}

// height starts the server and asks. It returns the site to go on with.
func (s *site) height(ctx context.Context, o options, p *past, n int) (h height, _ *site, err error) {
	h = height{Segments: n, Rows: int64(n) * pastRows}
	newest, oldest := p.hour(n-1), p.hour(0)
	var readies, answers, spent []time.Duration
	for i := range o.repeat {
		if i > 0 {
			s.Close()
			s.own.Stop()
		}
		begin := time.Now()
		if err := s.own.Restart(ctx, o.server); err != nil {
			return h, nil, err
		}
		readies = append(readies, time.Since(begin))
		again := *s
		if again.Server, err = client.Open(ctx, client.Where{URL: s.own.URL, DataDir: s.own.DataDir}, client.Options{Patient: true}); err != nil {
			return h, nil, err
		}
		if s = &again; i == 0 {
			s.keys, err = s.Keys(p.vault)
		}
		if err != nil {
			return h, nil, err
		}
		if _, _, err := s.query(ctx, newest); err != nil {
			return h, nil, err
		}
		answers, spent = append(answers, time.Since(begin)), append(spent, s.used().cpu())
	}
	h.Ready, h.Hour, h.CPU = median(readies), median(answers), median(spent)
	if s.keys, err = s.Keys(p.vault); err != nil {
		return h, nil, err
	}
	var back []time.Duration
	for range o.repeat {
		if err := s.rekey(ctx); err != nil {
			return h, nil, err
		}
		took, _, err := s.query(ctx, newest)
		if err != nil {
			return h, nil, err
		}
		back = append(back, took)
	}
	h.Writer = median(back)
	for _, q := range []struct {
		kql string
		to  *[]time.Duration
	}{{newest, &h.Newest}, {oldest, &h.Oldest}, {large + " | take 10", &h.Take}} {
		for range o.repeat + 1 {
			took, _, err := s.query(ctx, q.kql)
			if err != nil {
				return h, nil, err
			}
			*q.to = append(*q.to, took)
		}
		*q.to = (*q.to)[1:] // the first opens files
	}
	_, use, err := s.Explain(ctx, s.workspace.CustomerID, newest, "")
	if err != nil {
		return h, nil, err
	}
	h.Storage = fmt.Sprintf("%d segments in the hour", use.Storage.Segments)
	u := s.used()
	h.Memory, h.Files, h.Threads = u.Memory, s.files(), s.threads()
	return h, s, nil
}

// printHeights writes the medians.
func (r *report) printHeights(to io.Writer) error {
	t := tabwriter.NewWriter(to, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "segments of one table\trows\texec → ready\texec → first answer\tCPU\tkey back → answer\tnewest hour\toldest hour\ttake 10\tmemory\tfiles\tthreads\t\n")
	for _, h := range r.Heights {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\t%d\t\n", count(float64(h.Segments)), count(float64(h.Rows)),
			milliseconds([]time.Duration{h.Ready}), milliseconds([]time.Duration{h.Hour}), milliseconds([]time.Duration{h.CPU}), milliseconds([]time.Duration{h.Writer}),
			milliseconds(h.Newest), milliseconds(h.Oldest), milliseconds(h.Take), megabytes(usage{Memory: h.Memory}.memory()), h.Files, h.Threads)
	}
	return t.Flush()
}
