package store_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"

	"logkeep/internal/batch"
	"logkeep/internal/disk/disktest"
	"logkeep/internal/schema"
	"logkeep/internal/segment"
	"logkeep/internal/store"
)

var dynamic = schema.Table{Name: "T_CL", Columns: append(slices.Clone(narrow.Columns), schema.Column{Name: "Props", Type: schema.Dynamic})}

// objectRows are n rows with objects of a key.
func objectRows(from, n int, key string) store.Rows {
	var b strings.Builder
	for i := range n {
		at := noon + schema.Ticks(from+i)*schema.TicksPerSecond
		fmt.Fprintf(&b, `{"TimeGenerated":%q,"Id":%d,"Props":{%q:"of %d"}}`, at, from+i, key, i%3)
	}
	return store.Rows{Workspace: "w", Table: "T_CL", Record: must(batch.Parse(strings.NewReader(b.String()), dynamic, 0)).Record}
}

// A key that many rows of a segment have gets a column of its own, and loses it
// when the segment is merged with others whose rows lack it. No row loses the key.
func TestAKeyThatCoolsIsDemotedByAMerge(t *testing.T) {
	cfg := config(t, disktest.New(), &catalog{})
	cfg.MergeAfter = 3
	s := open(t, cfg)
	look := func(when string, segments int, want ...bool) {
		t.Helper()
		if st := s.Stats(); st.Segments != segments {
			t.Fatalf("%s: %d segments, want %d", when, st.Segments, segments)
		}
		p := s.Snapshot("w", "T_CL", 0, 0)
		defer p.Release()
		// Whether app has columns of its own; the whole objects are there as well.
		files := must(p.Files(t.Context(), []string{"Id", "Props"}, []segment.Member{{Column: "Props", Key: "app"}}, 0))
		var hot []bool
		apps, objects := 0, 0
		for _, f := range files {
			hot = append(hot, len(f.Members) > 0)
			tab := read(f.Path)
			for _, chunk := range tab.Column(tab.Schema().FieldIndices("Props")[0]).Data().Chunks() {
				texts := chunk.(*array.String)
				for i := range texts.Len() {
					objects++
					if strings.Contains(texts.Value(i), `{"app":"of `) {
						apps++
					}
				}
			}
		}
		rows := len(whole(t, s))
		if !slices.Equal(hot, want) || apps != 1200 || objects != rows {
			t.Errorf("%s: columns for app: %v, want %v; %d rows with it of %d", when, hot, want, apps, objects)
		}
	}
	for i, r := range []store.Rows{objectRows(0, 1200, "app"), objectRows(1200, 1900, "rare")} {
		appendRows(t, s, r)
		flush(t, s)
		if i == 0 {
			look("where every row has it", 1, true)
		}
	}
	look("beside rows that lack it", 2, true, false)
	appendRows(t, s, objectRows(3100, 1900, "other"))
	flush(t, s)
	look("merged with rows that lack it", 1, false)
	s.Close()
}
