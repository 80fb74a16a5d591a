package worker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"

	"logkeep/internal/batch"
	"logkeep/internal/duck"
	"logkeep/internal/schema"
	"logkeep/internal/store"
	"logkeep/internal/worker/wire"
)

// one is a store as the only source of queries.
type one struct{ *store.Store }

func (o one) shelf(context.Context, schema.AccountID) (shelf, error) { return o.Store, nil }

func (o one) expect(...schema.AccountID) {}

func (o one) again(_ context.Context, _ schema.AccountID, cause error) error { return cause }

func (o one) texts(context.Context, wire.OpenTexts) ([][]byte, error) {
	return nil, errors.New("there are none")
}

var numbered = schema.Table{Name: "N_CL", Columns: []schema.Column{{Name: schema.TimeGenerated, Type: schema.DateTime}, {Name: "Id", Type: schema.Long}, {Name: "Text", Type: schema.String}}}

// hold appends rows with the numbers from first on, one each second, and has them
// in a segment.
func hold(t *testing.T, s *store.Store, first, n int) {
	t.Helper()
	b, err := batch.NewBuilder(numbered.Columns, 1)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if err := b.Row([]any{int64(638_000_000_000_000_000) + int64(first+i)*int64(schema.TicksPerDay/86400), int64(first + i), fmt.Sprint("row ", first+i)}); err != nil {
			t.Fatal(err)
		}
	}
	done, err := b.Done()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Append(t.Context(), store.Rows{Workspace: "w", Table: numbered.Name, Record: done.Record}); err != nil {
		t.Fatal(err)
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func asking(t *testing.T) *base {
	t.Helper()
	engine, err := openEngine(256 << 20)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { engine.Close() })
	w := &base{}
	w.engine = sync.OnceValues(func() (*duck.DB, error) { return engine, nil })
	return w
}

func about(text string) wire.Query {
	return wire.Query{
		Text: text, Now: 638_900_000_000_000_000, Tables: []schema.Table{numbered}, Statistics: true, MaxRows: 1000, MaxBytes: 1 << 20,
		Readable: []wire.Readable{{Workspace: "w", Accounts: []schema.AccountID{"a"}}},
	}
}

// A query that wants the newest rows reads these, and more only if they are too few.
func TestTheNewestRowsAreReadFirst(t *testing.T) {
	const part, parts = 100_000, 4
	s := emptyStore(t)
	for i := range parts {
		hold(t, s, i*part, part)
	}
	w := asking(t)
	for _, c := range []struct {
		text string
		most int // row groups that may be read, of four; one that is read in two tries counts twice
		want string
	}{
		{"N_CL | top 3 by TimeGenerated | project Id", 2, "[[399999],[399998],[399997]]"},
		{"N_CL | where Id % 2 == 0 | top 2 by TimeGenerated desc | project Id", 2, "[[399998],[399996]]"},
		{"N_CL | where Id < 5 | top 2 by TimeGenerated desc | project Id", 100, "[[4],[3]]"}, // all, in the end
		{"N_CL | where Text has '399990' | take 4 | project Id", 3, "[[399990]]"},
		{"N_CL | summarize count()", 100, "[[400000]]"},
	} {
		out, err := w.query(t.Context(), about(c.text), one{s}, nil)
		if err != nil {
			t.Fatalf("%s: %v", c.text, err)
		}
		var answer struct {
			Tables []struct {
				Rows json.RawMessage `json:"rows"`
			} `json:"tables"`
			Statistics struct {
				Query struct {
					Storage wire.Use `json:"storage"`
				} `json:"query"`
			} `json:"statistics"`
		}
		if err := json.Unmarshal(out.Bytes(), &answer); err != nil {
			t.Fatal(err)
		}
		if got := string(answer.Tables[0].Rows); got != c.want {
			t.Errorf("%s: %s, want %s", c.text, got, c.want)
		}
		if use := answer.Statistics.Query.Storage; use.RowGroupsRead > c.most {
			t.Errorf("%s: %d of %d row groups were decrypted", c.text, use.RowGroupsRead, use.RowGroups)
		}
	}
}

// A query that is given up ends with nothing of it left: neither a turn, nor a hold on
// what was decrypted for it.
func TestACancelledQueryLeavesNothing(t *testing.T) {
	s, cache := cachedStore(t)
	hold(t, s, 0, 3000)
	w := asking(t)
	for range 8 {
		ctx, cancel := context.WithCancel(t.Context())
		failed := make(chan error, 1)
		go func() {
			_, err := w.query(ctx, about("N_CL | extend k = 1 | join kind=inner (range x from 1 to 4000000000 step 1 | extend k = 1) on k | where strlen(Text) + x < 0 | summarize sum(Id)"), one{s}, nil)
			failed <- err
		}()
		for len(w.turns.others()) == 0 {
			select {
			case err := <-failed:
				t.Fatalf("it ended by itself: %v", err)
			default:
				runtime.Gosched()
			}
		}
		cancel()
		if err := <-failed; !errors.Is(err, context.Canceled) {
			t.Fatalf("%v", err)
		}
		if n := len(w.turns.others()); n != 0 {
			t.Errorf("%d statements run", n)
		}
	}
	if cache.Used() == 0 {
		t.Error("nothing was decrypted")
	}
	// What nobody reads leaves with its segment.
	if err := s.Drop(t.Context(), "w", numbered.Name); err != nil {
		t.Fatal(err)
	}
	if n := cache.Used(); n != 0 {
		t.Errorf("%d bytes of a segment that is gone are held", n)
	}
	if out, err := w.query(t.Context(), about("N_CL | count"), one{s}, nil); err != nil || !strings.Contains(out.String(), "[[0]]") {
		t.Errorf("the next query: %v", err)
	}
}

// A long answer comes over HTTP in pieces and is whole; one that is not wanted to its
// end leaves nothing.
func TestALongAnswerComesInPieces(t *testing.T) {
	const rows = 60_000
	s := emptyStore(t)
	hold(t, s, 0, rows)
	w := asking(t)
	w.log = slog.New(slog.DiscardHandler)
	face := httptest.NewServer(w.serveQuery(func(context.Context, wire.Query) sourcing { return one{s} }))
	defer face.Close() // waits for handlers
	q := about("N_CL | project Id, Text")
	q.MaxRows, q.MaxBytes = rows, 64<<20
	post := func() *http.Response {
		body, err := json.Marshal(q)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := http.Post(face.URL, "application/json", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
	whole := post()
	defer whole.Body.Close()
	text, err := io.ReadAll(whole.Body)
	if err != nil || whole.StatusCode != http.StatusOK || len(text) < 10*pieceSize {
		t.Fatalf("status %d, %d bytes, %v", whole.StatusCode, len(text), err)
	}
	var answer struct {
		Tables []struct {
			Rows []json.RawMessage `json:"rows"`
		} `json:"tables"`
		Statistics struct {
			Query struct {
				Sizes []tableSize `json:"datasetStatistics"`
			} `json:"query"`
		} `json:"statistics"`
	}
	if err := json.Unmarshal(text, &answer); err != nil || len(answer.Tables) != 1 || len(answer.Tables[0].Rows) != rows {
		t.Fatalf("%d tables, %v", len(answer.Tables), err)
	}
	if size := answer.Statistics.Query.Sizes; len(size) != 1 || size[0].Rows != rows || size[0].Bytes < len(text)*9/10 {
		t.Errorf("the table's size is told as %+v, of an answer of %d bytes", size, len(text))
	}
	post().Body.Close() // the client leaves
}
