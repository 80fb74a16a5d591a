package ingest

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"logkeep/internal/control"
	"logkeep/internal/fault"
	"logkeep/internal/resource"
	"logkeep/internal/schema"
	"logkeep/internal/standard"
	"logkeep/internal/worker/wire"
)

// troubled is a world in which rows come to grief: it tells what is kept.
type troubled struct {
	*world
	done wire.Appended
	away bool
	own  []string // rows of the service's own
}

func (w *troubled) Table(ctx context.Context, id resource.ID) (control.Table, error) {
	t, err := w.world.Table(ctx, id)
	if p, ok := standard.Lookup(id.Name()); ok {
		t.Published = &p
	}
	return t, err
}

func (w *troubled) GrowTable(ctx context.Context, id resource.ID, _ []schema.Column) (control.Table, error) {
	return w.Table(ctx, id)
}

func (w *troubled) Append(ctx context.Context, ws control.Workspace, r wire.Append, body io.Reader) (wire.Appended, error) {
	if r.Table.Name != "Operation" && r.Table.Name != "DCRLogErrors" {
		return w.done, nil
	}
	if w.away {
		return wire.Appended{}, fault.New(fault.CustomerManagedKeyRevoked, "no")
	}
	text, err := io.ReadAll(body)
	var rows []map[string]string
	if err == nil {
		err = json.Unmarshal(text, &rows)
	}
	if err != nil {
		return wire.Appended{}, err
	}
	for _, row := range rows {
		w.own = append(w.own, string(r.Table.Name)+": "+row["Detail"]+row["Message"]+" "+row["InputStreamId"])
	}
	return wire.Appended{Rows: 1}, nil
}

func TestOwnersAreToldWhatBecameOfRows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &troubled{world: &world{}, done: wire.Appended{Rows: 1, Cut: 2, CutIn: []string{"Message"}, Refused: 1, Reasons: []string{"row 2, column N: the value is no long"}}, away: true}
		s := New(w, w)
		s.Start(slog.New(slog.DiscardHandler))
		r := rule(t, control.Flow{Streams: []string{"Custom-A_CL"}, Destinations: []string{"one"}})
		send := func() {
			if err := s.Ingest(t.Context(), Request{Rule: r, Stream: "Custom-A_CL", Body: strings.NewReader("[{}]")}); err != nil {
				t.Fatal(err)
			}
		}
		send()
		send()
		time.Sleep(noticeEvery + time.Second)
		synctest.Wait()
		if len(w.own) != 0 {
			t.Fatalf("written while the key is away: %q", w.own)
		}
		w.away = false
		send()
		time.Sleep(noticeEvery + time.Second)
		synctest.Wait()
		const cut = "Operation: The following fields' values Message of type A_CL have been trimmed to the max allowed size, 65536 bytes. Please adjust your input accordingly. Values: "
		want := []string{cut + "6. ", "DCRLogErrors: 3 rows for the table A_CL could not be stored and were left out: row 2, column N: the value is no long. Custom-A_CL"}
		if !slices.Equal(w.own, want) {
			t.Errorf("got  %q\nwant %q", w.own, want)
		}
		w.own = nil
		w.done.Refused = 0
		send()
		s.Close()
		if len(w.own) != 1 || w.own[0] != cut+"2. " {
			t.Errorf("at the end: %q", w.own)
		}
	})
}
