package store_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"logkeep/internal/batch"
	"logkeep/internal/disk"
	"logkeep/internal/disk/disktest"
	"logkeep/internal/schema"
	"logkeep/internal/seal"
	"logkeep/internal/segment"
	"logkeep/internal/store"
)

// A catalog is a Committer in memory that keeps its contract.
type catalog struct {
	mu      sync.Mutex
	m       store.Manifest
	commits int
	// around runs a commit; it may fail before, after or instead of it.
	around func(commit func() error) error
}

func (c *catalog) Commit(_ context.Context, ch store.Change) error {
	if c.around != nil {
		return c.around(func() error { return c.commit(ch) })
	}
	return c.commit(ch)
}

func (c *catalog) commit(ch store.Change) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if ch.Seq == c.m.Seq && string(ch.MAC) == string(c.m.MAC) {
		return nil
	}
	if ch.Seq != c.m.Seq+1 || ch.Floor < c.m.Floor {
		return fmt.Errorf("change %d does not follow %d", ch.Seq, c.m.Seq)
	}
	c.m.Segments = slices.DeleteFunc(slices.Clone(c.m.Segments), func(i segment.Info) bool { return slices.Contains(ch.Remove, i.ID) })
	c.m.Segments = append(c.m.Segments, ch.Add...)
	c.m.Seq, c.m.Floor, c.m.MAC = ch.Seq, ch.Floor, ch.MAC
	c.commits++
	return nil
}

func (c *catalog) manifest() store.Manifest {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.m
	m.Segments = slices.Clone(m.Segments)
	return m
}

// keys gives a key for each generation below 8.
func keys(t testing.TB) func(uint32) (seal.Keys, error) {
	all := make([]*seal.Key, 8)
	for i := range all {
		k, err := seal.ImportKey(slices.Repeat([]byte{byte(i + 1)}, seal.KeySize))
		if err != nil {
			t.Fatal(err)
		}
		all[i] = k
	}
	return func(g uint32) (seal.Keys, error) {
		if int(g) >= len(all) {
			return seal.Keys{}, fmt.Errorf("there is no generation %d", g)
		}
		return seal.Keys{Inner: all[g], Generation: g}, nil
	}
}

func config(t testing.TB, fs disk.FS, c *catalog) store.Config {
	return store.Config{
		FS: fs, Dir: "accounts/c-0", Account: "c-0", Place: seal.Place{Tenant: "t", Cluster: "c"},
		Keys: keys(t), Current: 1, Manifest: c.manifest(), Commit: c, Cache: segment.NewCache(1 << 30),
	}
}

func open(t testing.TB, cfg store.Config) *store.Store {
	t.Helper()
	s, err := store.Open(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

var (
	narrow = schema.Table{Name: "T_CL", Columns: []schema.Column{{Name: "TimeGenerated", Type: schema.DateTime}, {Name: "Id", Type: schema.Long}}}
	wide   = schema.Table{Name: "T_CL", Columns: append(slices.Clone(narrow.Columns), schema.Column{Name: "Added", Type: schema.String})}
	noon   = must(schema.ParseTicks("2026-01-02T12:00:00Z"))
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// rows makes one row for each id; the id is also its second after noon.
func rows(t schema.Table, ids ...int) store.Rows {
	var b strings.Builder
	for _, id := range ids {
		fmt.Fprintf(&b, `{"TimeGenerated":%q,"Id":%d,"Added":"added %d"}`, noon+schema.Ticks(id)*schema.TicksPerSecond, id, id)
	}
	p := must(batch.Parse(strings.NewReader(b.String()), t, 0))
	return store.Rows{Workspace: "w", Table: t.Name, Record: p.Record}
}

func appendRows(t testing.TB, s *store.Store, r ...store.Rows) {
	t.Helper()
	if err := s.Append(t.Context(), r...); err != nil {
		t.Fatal(err)
	}
}

func flush(t testing.TB, s *store.Store) {
	t.Helper()
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// ids reads a snapshot as an engine does and counts each row's id.
func ids(t testing.TB, p *store.Snapshot) map[int]int {
	t.Helper()
	found := map[int]int{}
	files, err := p.Files(context.Background(), []string{"Id"}, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		var rows int64
		for id, n := range idsOf(f.Path) {
			found[id] += n
			rows += int64(n)
		}
		if rows != f.Rows {
			t.Errorf("%s has %d rows, not %d", f.Path, rows, f.Rows)
		}
	}
	return found
}

// idsOf counts the ids in a Parquet file.
func idsOf(path string) map[int]int {
	found := map[int]int{}
	tab := read(path)
	for _, chunk := range tab.Column(tab.Schema().FieldIndices("Id")[0]).Data().Chunks() {
		for _, v := range chunk.(*array.Int64).Int64Values() {
			found[int(v)]++
		}
	}
	return found
}

func read(path string) arrow.Table {
	f := must(file.OpenParquetFile(path, false))
	defer f.Close()
	r := must(pqarrow.NewFileReader(f, pqarrow.ArrowReadProperties{}, memory.DefaultAllocator))
	return must(r.ReadTable(context.Background()))
}

// whole returns the ids of a table of workspace w.
func whole(t testing.TB, s *store.Store) map[int]int {
	t.Helper()
	p := s.Snapshot("w", "T_CL", 0, 0)
	defer p.Release()
	return ids(t, p)
}

func expect(t testing.TB, got map[int]int, want ...int) {
	t.Helper()
	once := map[int]int{}
	for _, id := range want {
		once[id] = 1
	}
	if !maps.Equal(got, once) {
		t.Errorf("rows %v, want %v once each", got, want)
	}
}

func TestRowsAreSeenOnceWhereverTheyAre(t *testing.T) {
	fs, c := disktest.New(), &catalog{}
	s := open(t, config(t, fs, c))
	appendRows(t, s, rows(narrow, 3, 1, 2))
	expect(t, whole(t, s), 1, 2, 3)
	flush(t, s)
	expect(t, whole(t, s), 1, 2, 3)
	appendRows(t, s, rows(narrow, 0, 9)) // late and new
	expect(t, whole(t, s), 0, 1, 2, 3, 9)
	if st := s.Stats(); st.Segments != 1 || st.SegmentRows != 3 || st.TailRows != 2 || st.TailBytes == 0 {
		t.Errorf("%+v", st)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, config(t, fs, c))
	expect(t, whole(t, s), 0, 1, 2, 3, 9)
	flush(t, s)
	flush(t, s) // nothing to do
	expect(t, whole(t, s), 0, 1, 2, 3, 9)
	if st := s.Stats(); c.commits != 2 || st.TailRows != 0 || st.TailBytes != 0 {
		t.Errorf("%d commits, %+v", c.commits, st)
	}
	if p := s.Snapshot("x", "T_CL", 0, 0); len(ids(t, p)) != 0 {
		t.Error("another workspace sees rows")
	}
}

func TestSnapshotStaysAsItWas(t *testing.T) {
	s := open(t, config(t, disktest.New(), &catalog{}))
	appendRows(t, s, rows(narrow, 1))
	p := s.Snapshot("w", "T_CL", 0, 0)
	defer p.Release()
	appendRows(t, s, rows(narrow, 2))
	q := s.Snapshot("w", "T_CL", 0, 0)
	defer q.Release()
	flush(t, s)
	appendRows(t, s, rows(narrow, 3))
	expect(t, ids(t, p), 1)
	expect(t, ids(t, q), 1, 2)
	expect(t, whole(t, s), 1, 2, 3)
	if len(p.Tail()) != 1 || len(q.Tail()) != 2 || len(q.Segments()) != 0 {
		t.Errorf("tails %d %d", len(p.Tail()), len(q.Tail()))
	}
}

func TestTimeRangeSkipsWhatLiesOutside(t *testing.T) {
	s := open(t, config(t, disktest.New(), &catalog{}))
	for _, at := range []int{0, 1000, 2000} {
		appendRows(t, s, rows(narrow, at, at+10))
		flush(t, s)
	}
	appendRows(t, s, rows(narrow, 3000, 3010))
	second := func(n int) schema.Ticks { return noon + schema.Ticks(n)*schema.TicksPerSecond }
	for _, c := range []struct {
		from, to schema.Ticks
		want     []int
	}{
		{0, 0, []int{0, 10, 1000, 1010, 2000, 2010, 3000, 3010}},
		{second(1010), second(2000), []int{1010, 2000}},
		{second(11), second(999), nil},
		{second(2005), 0, []int{2010, 3000, 3010}},
		{0, second(5), []int{0}},
		{second(3005), 0, []int{3000, 3010}}, // of what is not in segments, all
		{second(3011), 0, nil},
	} {
		p := s.Snapshot("w", "T_CL", c.from, c.to)
		expect(t, ids(t, p), c.want...)
		p.Release()
	}
}

// A table got a column: old segments and old parts of the tail lack it.
func TestColumnsAddedLater(t *testing.T) {
	fs, c := disktest.New(), &catalog{}
	s := open(t, config(t, fs, c))
	check := func(step string, with, without int) {
		t.Helper()
		p := s.Snapshot("w", "T_CL", 0, 0)
		defer p.Release()
		files, err := p.Files(t.Context(), []string{"Id", "Added"}, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		got := map[bool]int{}
		for _, f := range files {
			tab := read(f.Path)
			var names []string
			for _, col := range f.Columns {
				names = append(names, col.Name)
			}
			for i, field := range tab.Schema().Fields() {
				if field.Name != names[i] {
					t.Fatalf("%s: file has %v, not %v", step, tab.Schema(), names)
				}
			}
			got[slices.Contains(names, "Added")] += int(f.Rows)
		}
		if got[true] != with || got[false] != without {
			t.Errorf("%s: %d rows with the column, %d without; want %d and %d", step, got[true], got[false], with, without)
		}
	}
	appendRows(t, s, rows(narrow, 1, 2))
	flush(t, s)
	appendRows(t, s, rows(narrow, 3))
	appendRows(t, s, rows(wide, 4, 5, 6))
	check("in the tail", 3, 3)
	flush(t, s)
	check("in segments", 3, 3)
	expect(t, whole(t, s), 1, 2, 3, 4, 5, 6)
	for _, info := range c.manifest().Segments {
		if n := len(info.Columns); n != 2 && n != 3 {
			t.Errorf("segment with %d columns", n)
		}
	}
}

func TestAppendIsAllTablesOrNone(t *testing.T) {
	fs, c := disktest.New(), &catalog{}
	s := open(t, config(t, fs, c))
	other := rows(narrow, 7)
	other.Table = "Other_CL"
	appendRows(t, s, rows(narrow, 1), other)
	fs.SetCapacity(1) // full
	if err := s.Append(t.Context(), rows(narrow, 2), other); err == nil {
		t.Fatal("a full disk accepted rows")
	}
	fs.SetCapacity(0)
	appendRows(t, s, rows(narrow, 3))
	expect(t, whole(t, s), 1, 3)
	s.Close()
	s = open(t, config(t, fs, c))
	expect(t, whole(t, s), 1, 3)
	p := s.Snapshot("w", "Other_CL", 0, 0)
	defer p.Release()
	expect(t, ids(t, p), 7)
}

func TestGenerationsLiveTogether(t *testing.T) {
	fs, c := disktest.New(), &catalog{}
	s := open(t, config(t, fs, c))
	appendRows(t, s, rows(narrow, 1))
	flush(t, s)
	appendRows(t, s, rows(narrow, 2))
	if err := s.Use(99); err == nil {
		t.Error("a generation without keys was used")
	}
	if err := s.Use(2); err != nil {
		t.Fatal(err)
	}
	appendRows(t, s, rows(narrow, 3))
	expect(t, whole(t, s), 1, 2, 3)
	s.Close()
	cfg := config(t, fs, c)
	cfg.Current = 2
	s = open(t, cfg)
	expect(t, whole(t, s), 1, 2, 3)
	flush(t, s)
	appendRows(t, s, rows(narrow, 4))
	expect(t, whole(t, s), 1, 2, 3, 4)
	var generations []uint32
	for _, info := range c.manifest().Segments {
		generations = append(generations, info.Generation)
	}
	if !slices.Equal(generations, []uint32{1, 2}) {
		t.Errorf("segments of generations %v", generations)
	}
	s.Close()
	// Without the old generation's key nothing of it is read, and new data is.
	cfg = config(t, fs, c)
	cfg.Current = 2
	all := cfg.Keys
	gone := errors.New("the key is gone")
	cfg.Keys = func(g uint32) (seal.Keys, error) {
		if g == 1 {
			return seal.Keys{}, gone
		}
		return all(g)
	}
	s = open(t, cfg)
	p := s.Snapshot("w", "T_CL", 0, 0)
	defer p.Release()
	if _, err := p.Files(t.Context(), nil, nil, 0); !errors.Is(err, gone) {
		t.Errorf("old segment without its key: %v", err)
	}
}

func TestClosedStoreRefuses(t *testing.T) {
	s := open(t, config(t, disktest.New(), &catalog{}))
	s.Close()
	if err := s.Append(t.Context(), rows(narrow, 1)); !errors.Is(err, store.ErrClosed) {
		t.Errorf("append: %v", err)
	}
	if err := s.Flush(t.Context()); !errors.Is(err, store.ErrClosed) {
		t.Errorf("flush: %v", err)
	}
	if err := s.Close(); !errors.Is(err, store.ErrClosed) {
		t.Errorf("close: %v", err)
	}
	p := s.Snapshot("w", "T_CL", 0, 0)
	defer p.Release()
	if _, err := p.Files(t.Context(), nil, nil, 0); !errors.Is(err, store.ErrClosed) {
		t.Errorf("query: %v", err)
	}
}

func TestOneStoreOpensAnAccount(t *testing.T) {
	fs, c := disktest.New(), &catalog{}
	open(t, config(t, fs, c))
	if _, err := store.Open(t.Context(), config(t, fs, c)); !errors.Is(err, disk.ErrLocked) {
		t.Errorf("second store: %v", err)
	}
}

// What rows are wanted for decides which of them are read: never fewer.
func TestASnapshotLeavesOutWhatIsNotWanted(t *testing.T) {
	s := open(t, config(t, disktest.New(), &catalog{}))
	appendRows(t, s, rows(wide, 1, 2))
	flush(t, s)
	appendRows(t, s, rows(wide, 3, 4))
	flush(t, s)
	appendRows(t, s, rows(wide, 5))
	needs := func(term string) []segment.Need {
		return []segment.Need{{{{Column: "Added", Terms: []string{term}}}}}
	}
	read := func(needs []segment.Need, since schema.Ticks) (map[int]int, store.Use) {
		p := s.Snapshot("w", "T_CL", 0, 0)
		defer p.Release()
		p.Need(needs)
		found := map[int]int{}
		for _, f := range must(p.Files(t.Context(), []string{"Id"}, nil, since)) {
			maps.Copy(found, idsOf(f.Path))
		}
		return found, p.Use()
	}
	for _, c := range []struct {
		needs []segment.Need
		since schema.Ticks
		want  []int
		read  int
	}{
		{nil, 0, []int{1, 2, 3, 4, 5}, 2},
		{needs("4"), 0, []int{3, 4, 5}, 1}, // the tail is always read
		{needs("absent"), 0, []int{5}, 0},
		{nil, noon + 3*schema.TicksPerSecond, []int{3, 4, 5}, 1},
		{nil, noon + 5*schema.TicksPerSecond, []int{5}, 0},
		{nil, noon + 6*schema.TicksPerSecond, nil, 0},
	} {
		got, use := read(c.needs, c.since)
		expect(t, got, c.want...)
		if use.Read != c.read {
			t.Errorf("needs %v since %v: %d row groups were read, want %d", c.needs, c.since, use.Read, c.read)
		}
	}
}
