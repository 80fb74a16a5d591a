package worker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"logkeep/internal/batch"
	"logkeep/internal/fault"
	"logkeep/internal/schema"
	"logkeep/internal/worker/wire"
)

var oneColumn = []schema.Column{{Name: "S", Type: schema.String}}

// request is one with rows of the given texts, which are kept in k.
func request(t testing.TB, k *shelved, texts ...string) *joined {
	t.Helper()
	var rows []string
	for _, s := range texts {
		rows = append(rows, fmt.Sprintf(`{"S":%q}`, s))
	}
	in, err := batch.ParseStream(strings.NewReader("["+strings.Join(rows, ",")+"]"), oneColumn, 1)
	if err != nil {
		t.Fatal(err)
	}
	return &joined{rec: in.Record, bytes: int64(10 * len(texts)), keep: k.keep}
}

// A shelved is what was kept, write by write.
type shelved struct {
	mu     sync.Mutex
	writes []string
	err    error
}

func (k *shelved) keep(_ context.Context, rec arrow.RecordBatch) (uint64, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.err != nil {
		return 0, k.err
	}
	k.writes = append(k.writes, texts(rec))
	return uint64(len(k.writes)), nil
}

func texts(recs ...arrow.RecordBatch) string {
	var all []string
	for _, rec := range recs {
		for i := range int(rec.NumRows()) {
			all = append(all, rec.Column(0).(*array.String).Value(i))
		}
	}
	return strings.Join(all, " ")
}

// mirror is a transformation that changes nothing, cannot be computed of "bad",
// and panics at "worse".
func mirror(_ context.Context, _ wire.Change, recs []arrow.RecordBatch) (batch.Parsed, error) {
	all := texts(recs...)
	if strings.Contains(all, "worse") {
		panic("as asked")
	}
	if strings.Contains(all, "bad") {
		return batch.Parsed{}, fault.New(fault.InvalidRow, "Nothing was stored: it can't be computed of these rows.")
	}
	var rows []string
	for _, s := range strings.Fields(all) {
		rows = append(rows, fmt.Sprintf(`{"S":%q}`, s))
	}
	return batch.ParseStream(strings.NewReader("["+strings.Join(rows, ",")+"]"), oneColumn, 1)
}

// What comes while a run is under way shares the next one, and each request is
// told of its own rows.
func TestRequestsThatWaitShareARun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j joints
		var k shelved
		var runs []string
		begun, goOn := make(chan struct{}), make(chan struct{})
		run := func(ctx context.Context, c wire.Change, recs []arrow.RecordBatch) (batch.Parsed, error) {
			runs = append(runs, texts(recs...))
			if len(runs) == 1 {
				close(begun)
				<-goOn
			}
			return mirror(ctx, c, recs)
		}
		told := map[string]error{}
		var mu sync.Mutex
		var all sync.WaitGroup
		send := func(key string, words ...string) {
			m := request(t, &k, words...)
			all.Go(func() {
				err := j.join(t.Context(), key, m, run)
				mu.Lock()
				defer mu.Unlock()
				told[strings.Join(words, " ")] = err
			})
			synctest.Wait() // they come in this order
		}
		send("rule", "first")
		<-begun
		for _, w := range []string{"a", "bad", "b", "c"} {
			send("rule", w)
		}
		close(goOn)
		all.Wait()
		if got, want := strings.Join(runs, "|"), "first|a bad b c|a bad|a|bad|b c"; got != want {
			t.Errorf("runs %s, want %s", got, want)
		}
		if got, want := strings.Join(k.writes, "|"), "first|a|b c"; got != want {
			t.Errorf("writes %s, want %s", got, want)
		}
		for w, err := range told {
			if bad := w == "bad"; bad != errors.Is(err, fault.InvalidRow) || !bad && err != nil {
				t.Errorf("%s is told %v", w, err)
			}
		}
		if len(j.queues) != 0 || j.bytes != 0 {
			t.Errorf("left: %d queues, %d bytes", len(j.queues), j.bytes)
		}
		// What can't be kept is told to all, and a panic ends nothing.
		k.err = errors.New("the disk is full")
		if err := j.join(t.Context(), "rule", request(t, &k, "x"), mirror); !errors.Is(err, k.err) {
			t.Errorf("told %v", err)
		}
		k.err = nil
		if err := j.join(t.Context(), "rule", request(t, &k, "worse"), mirror); err == nil || !strings.Contains(err.Error(), "panicked") {
			t.Errorf("told %v", err)
		}
		if err := j.join(t.Context(), "rule", request(t, &k, "x"), mirror); err != nil {
			t.Error(err)
		}
	})
}

// What waits is bounded, in rows of a run and in memory, and whoever gives up
// does not hold up the others.
func TestWhatWaitsForARunIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j joints
		var k shelved
		var largest atomic.Int64
		goOn := make(chan struct{})
		run := func(ctx context.Context, c wire.Change, recs []arrow.RecordBatch) (batch.Parsed, error) {
			<-goOn
			rows := int64(0)
			for _, rec := range recs {
				rows += rec.NumRows()
			}
			largest.Store(max(largest.Load(), rows))
			return mirror(ctx, c, recs)
		}
		many := make([]string, smallRequest)
		for i := range many {
			many[i] = "x"
		}
		var all sync.WaitGroup
		for range 30 {
			m := request(t, &k, many...)
			all.Go(func() {
				if err := j.join(t.Context(), "rule", m, run); err != nil {
					t.Error(err)
				}
			})
		}
		ctx, cancel := context.WithCancel(t.Context())
		gone := make(chan error)
		m := request(t, &k, "gone")
		go func() { gone <- j.join(ctx, "rule", m, run) }()
		synctest.Wait()
		cancel()
		if err := <-gone; !errors.Is(err, context.Canceled) {
			t.Errorf("told %v", err)
		}
		heavy := request(t, &k, "x")
		heavy.bytes = jointBytes
		if err := j.join(t.Context(), "another", heavy, run); !errors.Is(err, fault.TooManyRequests) {
			t.Errorf("more than there is room for: %v", err)
		}
		close(goOn)
		all.Wait()
		synctest.Wait()
		if n := largest.Load(); n < 2*smallRequest || n > jointRows+smallRequest {
			t.Errorf("the largest run had %d rows", n)
		}
	})
}

// BenchmarkTransformSmall is 64 clients that send one row a request through one rule.
func BenchmarkTransformSmall(b *testing.B) {
	w := enginely(b)
	c := wire.Change{Text: `source | parse S with "user=" User:string " id=" Id:long *`, Stream: sourceColumns, Now: 1,
		Table: schema.Table{Name: "T", Columns: []schema.Column{{Name: schema.TimeGenerated, Type: schema.DateTime}, {Name: "User", Type: schema.String}, {Name: "Id", Type: schema.Long}}}}
	in, err := batch.ParseStream(strings.NewReader(`[{"S":"user=ann id=7 rest","N":1}]`), sourceColumns, 1)
	if err != nil {
		b.Fatal(err)
	}
	keep := func(context.Context, arrow.RecordBatch) (uint64, error) { return 0, nil }
	run := func(ctx context.Context, c wire.Change, recs []arrow.RecordBatch) (batch.Parsed, error) {
		return w.transform(ctx, c, recs...)
	}
	for _, together := range []bool{false, true} {
		b.Run(map[bool]string{false: "Alone", true: "Together"}[together], func(b *testing.B) {
			b.SetParallelism(32)
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					var err error
					if together {
						err = w.joints.join(b.Context(), "rule", &joined{change: c, rec: in.Record, bytes: 40, keep: keep}, run)
					} else {
						_, err = w.transform(b.Context(), c, in.Record)
					}
					if err != nil {
						b.Error(err)
						return
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
		})
	}
}
