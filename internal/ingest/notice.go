package ingest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"logkeep/internal/control"
	"logkeep/internal/fault"
	"logkeep/internal/schema"
	"logkeep/internal/worker/wire"
)

// Senders of rows are told yes or no. What else became of their rows is told to
// the owner of the workspace, in tables that every workspace has:
//
//	Operation     values that were too long and were cut (behaviour 23.4, 23.10)
//	DCRLogErrors  rows that can't be stored, beside good ones that were
//
// What is told is gathered and written every few seconds. It holds names and
// counts, never values. It is lost with the process.

// noticeEvery is how long what is to be told is gathered.
const noticeEvery = 10 * time.Second

// patience is how often a notice is tried that can't be written, as while a key
// is away.
const patience = 30

// A cause is what a notice is about.
type cause struct {
	workspace schema.WorkspaceID
	table     schema.TableName
	rule      string // id of the rule; "" none
	stream    string
}

// A notice is what is to be told of a cause.
type notice struct {
	workspace control.Workspace
	columns   []string // in which values were cut
	limit     int      // of a value, in bytes
	cut       int64
	refused   int64
	reasons   []string
	tries     int
}

// notices are those that are not written yet.
type notices struct {
	mu  sync.Mutex
	due map[cause]*notice
}

// add tells of a request.
func (n *notices) add(c cause, w control.Workspace, limit int, done wire.Appended) {
	if done.Cut == 0 && done.Refused == 0 {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	of := n.due[c]
	if of == nil {
		if n.due == nil {
			n.due = map[cause]*notice{}
		}
		of = &notice{workspace: w, limit: limit}
		n.due[c] = of
	}
	of.cut += done.Cut
	of.refused += done.Refused
	for _, name := range done.CutIn {
		if !slices.Contains(of.columns, name) {
			of.columns = append(of.columns, name)
		}
	}
	for _, reason := range done.Reasons {
		if len(of.reasons) < 10 && !slices.Contains(of.reasons, reason) {
			of.reasons = append(of.reasons, reason)
		}
	}
}

// Start writes notices until Close.
func (s *Service) Start(log *slog.Logger) {
	ctx, stop := context.WithCancel(context.Background())
	s.stop, s.log = stop, log
	s.over.Go(func() {
		tick := time.NewTicker(noticeEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				s.tell(ctx)
			case <-ctx.Done():
				return
			}
		}
	})
}

// Close writes what is left and stops.
func (s *Service) Close() {
	if s.stop == nil {
		return
	}
	s.stop()
	s.over.Wait()
	ctx, done := context.WithTimeout(context.Background(), 5*time.Second)
	defer done()
	s.tell(ctx)
}

// tell writes what is due. What can't be written is tried again.
func (s *Service) tell(ctx context.Context) {
	s.notices.mu.Lock()
	due := s.notices.due
	s.notices.due = nil
	s.notices.mu.Unlock()
	for c, n := range due {
		err := s.write(ctx, c, n)
		if err == nil || errors.Is(err, fault.WorkspaceNotFound) {
			continue
		}
		if n.tries++; n.tries >= patience {
			s.log.Warn("the owner of a workspace is not told what became of rows", "workspace", string(c.workspace), "table", string(c.table), "cut", n.cut, "refused", n.refused, "cause", err)
			continue
		}
		s.notices.mu.Lock()
		if s.notices.due[c] == nil {
			if s.notices.due == nil {
				s.notices.due = map[cause]*notice{}
			}
			s.notices.due[c] = n
		}
		s.notices.mu.Unlock()
	}
}

func (s *Service) write(ctx context.Context, c cause, n *notice) (err error) {
	// It may have been linked since, so that its rows go elsewhere.
	if n.workspace, err = s.plane.Workspace(ctx, n.workspace.ID); err != nil {
		return err
	}
	if n.cut > 0 {
		err := s.own(ctx, n.workspace, "Operation", map[string]string{
			"OperationCategory": "Ingestion", "OperationKey": "Field content validation", "OperationStatus": "Warning", "Solution": "LogManagement",
			"Detail": fmt.Sprintf("The following fields' values %s of type %s have been trimmed to the max allowed size, %d bytes. Please adjust your input accordingly. Values: %d.",
				strings.Join(n.columns, ", "), c.table, n.limit, n.cut),
		})
		if err != nil {
			return err
		}
		n.cut = 0
	}
	if n.refused > 0 {
		err := s.own(ctx, n.workspace, "DCRLogErrors", map[string]string{
			"InputStreamId": c.stream, "OperationName": "Ingestion", "_ResourceId": c.rule,
			"Message": fmt.Sprintf("%d rows for the table %s could not be stored and were left out: %s.", n.refused, c.table, strings.Join(n.reasons, "; ")),
		})
		if err != nil {
			return err
		}
		n.refused = 0
	}
	return nil
}

// own writes one row of the service's own into a published table of a workspace.
func (s *Service) own(ctx context.Context, w control.Workspace, table schema.TableName, row map[string]string) error {
	t, err := s.known(ctx, w.ID.Child("tables", string(table)))
	if err != nil {
		return err
	}
	body, err := json.Marshal([]map[string]string{row})
	if err != nil {
		return err
	}
	var columns []schema.Column
	for name := range row {
		columns = append(columns, schema.Column{Name: name, Type: schema.String})
	}
	_, err = s.holder.Append(ctx, w, wire.Append{Table: named(t.Writable(), columns), MaxBytes: int64(len(body)), Length: int64(len(body))}, bytes.NewReader(body))
	return err
}
