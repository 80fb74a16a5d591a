package ingest

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"logkeep/internal/control"
	"logkeep/internal/fault"
	"logkeep/internal/schema"
)

// A rule may take a stream to several tables. They have journals of their own,
// so no write covers them all: what is promised is that a request is acknowledged
// when every table has its rows, and that the one sent again after an error adds
// rows only where they are missing. See docs/design/0043-data-in-and-what-is-told.md.
//
//	before the first write   every workspace and table is there and every key can be used
//	the order                tables whose rows are changed first: only there can rows be wrong for one table alone
//	an error in between      what is stored is remembered, for halfFor, by the request itself
//	the same request again   goes to the rest
//
// The memory ends with the process; then the request stores rows twice where it had stored them.

const (
	halfFor  = 15 * time.Minute // longer than clients try again
	maxHalf  = 10000            // requests that are remembered
	nothing  = "Nothing was stored: "
	takesOff = "the same request, sent again, goes to the others only"
)

// A way is a route with what is known of its end.
type way struct {
	control.Route
	workspace control.Workspace
	table     control.Table
	dropped   bool // its owner wants rows to be accepted and lost now
}

// several stores rows in more than one table.
func (s *Service) several(ctx context.Context, r Request, routes []control.Route, stream []schema.Column) error {
	whole, err := io.ReadAll(io.LimitReader(r.Body, MaxBytes+1))
	defer clear(whole)
	if err != nil {
		return fault.New(fault.MalformedJSON, "The body could not be read to its end.").Because(err)
	}
	if len(whole) > MaxBytes {
		return fault.New(fault.ContentLengthLimit, "The request body is larger than %d bytes. Send fewer rows at a time.", MaxBytes)
	}
	var ways []way
	for _, route := range routes {
		w, err := s.way(ctx, route)
		if err != nil {
			return err
		}
		ways = append(ways, w)
	}
	slices.SortStableFunc(ways, func(a, b way) int {
		if (a.Transform == "") == (b.Transform == "") {
			return 0
		}
		return strings.Compare(b.Transform, a.Transform)
	})
	key := s.half.key(r, whole)
	stored := s.half.take(key)
	for _, w := range ways {
		if w.dropped || slices.Contains(stored, w.Route) {
			continue
		}
		if err := s.store(ctx, r, w, stream, int64(len(whole)), bytes.NewReader(whole)); err != nil {
			s.half.put(key, stored)
			return partly(err, w.Route, stored)
		}
		stored = append(stored, w.Route)
	}
	return nil
}

// end finds the end of a route.
func (s *Service) end(ctx context.Context, route control.Route) (w way, err error) {
	w.Route = route
	w.workspace, w.table, err = s.plane.End(ctx, route.Workspace, route.Table)
	if t := w.table; err == nil && t.Published != nil && !t.Known() { // it is about to have rows
		w.table, err = s.plane.GrowTable(ctx, t.ID, nil)
	}
	return w, err
}

// way is end, and insists that it takes rows now.
func (s *Service) way(ctx context.Context, route control.Route) (way, error) {
	w, err := s.end(ctx, route)
	if err != nil {
		return w, err
	}
	if err = s.holder.Ready(ctx, w.workspace); err != nil && s.dropped(ctx, w.workspace, err) {
		w.dropped, err = true, nil
	}
	return w, err
}

// partly says with an error what is stored all the same.
func partly(err error, at control.Route, stored []control.Route) error {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || len(stored) == 0 {
		return err
	}
	var tables []string
	for _, r := range stored {
		tables = append(tables, nameOf(r))
	}
	told := *f
	told.Message = fmt.Sprintf("In %s nothing was stored: %s The rows are in %s; %s.", nameOf(at), strings.TrimPrefix(f.Message, nothing), strings.Join(tables, ", "), takesOff)
	return told.Because(err)
}

func nameOf(r control.Route) string {
	return fmt.Sprintf("table '%s' of workspace '%s'", r.Table, r.Workspace.Name())
}

// halves are requests that some of their tables have the rows of.
type halves struct {
	mu   sync.Mutex
	seed []byte // of this process: what is remembered tells nothing of rows
	all  map[[sha256.Size]byte]half
}

type half struct {
	stored []control.Route
	until  time.Time
}

// key is what a request is known by: its bytes and where they go.
func (h *halves) key(r Request, body []byte) [sha256.Size]byte {
	h.mu.Lock()
	if h.seed == nil {
		h.seed = make([]byte, 32)
		rand.Read(h.seed) // crypto/rand never fails
		h.all = map[[sha256.Size]byte]half{}
	}
	h.mu.Unlock()
	sum := sha256.New()
	sum.Write(h.seed)
	for _, part := range []string{r.Rule.ID.String(), r.Rule.ImmutableID, strings.ToLower(r.Stream), strings.ToLower(r.Encoding)} {
		sum.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		io.WriteString(sum, part)
	}
	sum.Write(body)
	return [sha256.Size]byte(sum.Sum(nil))
}

// take is where the request's rows are already, and forgets it: of two that are
// the same one is the second half.
func (h *halves) take(key [sha256.Size]byte) []control.Route {
	h.mu.Lock()
	defer h.mu.Unlock()
	was, ok := h.all[key]
	delete(h.all, key)
	if !ok || time.Now().After(was.until) {
		return nil
	}
	return was.stored
}

func (h *halves) put(key [sha256.Size]byte, stored []control.Route) {
	if len(stored) == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for other, was := range h.all {
		if len(h.all) < maxHalf {
			break
		}
		if time.Now().After(was.until) {
			delete(h.all, other)
		}
	}
	if len(h.all) < maxHalf {
		h.all[key] = half{stored, time.Now().Add(halfFor)}
	}
}
