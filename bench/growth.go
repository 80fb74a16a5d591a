package main

import (
	"context"
	"fmt"
	"os"
	"time"
)

// A step is what one million rows cost while there are ever more, and what a
// query over one hour of them takes.
type step struct {
	Rows    int           // there are now
	CPU     time.Duration // of the server's processes, for this step's rows until in segments
	Took    time.Duration // until they were acknowledged
	Hour    time.Duration // a query over the first hour, median
	Memory  map[string]int64
	Files   int // open in all processes
	Threads int // of all processes
}

// growStep is how many rows a step has.
const growStep = 1_000_000

// grow sends millions of rows, of which nothing is kept here, and measures each.
func (s *site) grow(ctx context.Context, millions, repeat int, wait time.Duration) (all []step, err error) {
	n := millions * growStep
	l := newLogs(5, n)
	// The first hour is over after the first step, however many rows follow.
	from, to := l.at(0), l.at(0).Add(time.Hour)
	hour := fmt.Sprintf(small+` | where TimeGenerated between (datetime(%s) .. datetime(%s)) | summarize count() by Level`, from.Format(time.RFC3339), to.Format(time.RFC3339))
	for i := range millions {
		st := step{Rows: (i + 1) * growStep}
		before, begin := s.used(), time.Now()
		if _, err := s.upload(ctx, s.small, l.next(growStep), false); err != nil {
			return all, err
		}
		st.Took = time.Since(begin)
		// What the last step left in the journal is in this one's cost, and what
		// this one leaves in the next one's: it is as much. The last one waits.
		if i == millions-1 {
			if err := settle(ctx, wait); err != nil {
				return all, err
			}
		}
		st.CPU = s.used().cpu() - before.cpu()
		var took []time.Duration
		for range repeat {
			one, _, err := s.query(ctx, hour)
			if err != nil {
				return all, err
			}
			took = append(took, one)
		}
		st.Hour, st.Memory, st.Files, st.Threads = median(took), s.used().Memory, s.files(), s.threads()
		all = append(all, st)
		progress("%s rows: %s rows per CPU-second, one hour in %v, %s, %d files, %d threads", count(float64(st.Rows)),
			count(growStep/st.CPU.Seconds()), st.Hour.Round(time.Millisecond/10), megabytes(usage{Memory: st.Memory}.memory()), st.Files, st.Threads)
	}
	return all, nil
}

// files counts what the server's processes have open.
func (s *site) files() int { return s.entries("fd") }

func (s *site) threads() int { return s.entries("task") }

func (s *site) entries(folder string) (total int) {
	for _, pid := range s.own.Processes() {
		// A process that can't be looked into, or has ended, counts as none.
		list, _ := os.ReadDir(fmt.Sprintf("/proc/%d/%s", pid, folder))
		total += len(list)
	}
	return total
}
