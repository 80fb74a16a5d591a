package domain

import (
	"strings"
	"testing"
	"time"

	"logkeep/internal/catalog"
	"logkeep/internal/metrics"
	"logkeep/internal/schema"
	"logkeep/internal/worker/wire"
)

// A flush moves the floor of the journal, whatever else it takes along; a merge
// or a purge does not. A change that is sent twice was written once.
func TestWhatIsWrittenIsCountedByWhatWroteIt(t *testing.T) {
	d := domains(t)
	var counts metrics.Set
	d.cfg.Metrics = NewMetrics(&counts)
	account := clusterAccountAt(cluster, 0)
	d.cover(t, catalog.Account{ID: account, Domain: cluster, Kind: ofCluster})
	segment := func(id string, rows, bytes int64) wire.Segment {
		return wire.Segment{ID: schema.SegmentID(id), Workspace: workspace, Table: "T", Generation: 1, Rows: rows, Bytes: bytes, Columns: []schema.Column{{Name: "a", Type: schema.Long}}, Created: time.Now()}
	}
	for _, c := range []wire.Commit{
		{Account: account, Add: []wire.Segment{segment("01", 10, 1000), segment("02", 5, 500)}, Seq: 1, Floor: 5, MAC: []byte("m1")},
		{Account: account, Add: []wire.Segment{segment("03", 15, 1200)}, Remove: []schema.SegmentID{"01", "02"}, Seq: 2, Floor: 5, MAC: []byte("m2")},
		{Account: account, Add: []wire.Segment{segment("04", 1, 100)}, Remove: []schema.SegmentID{"03"}, Seq: 3, Floor: 6, MAC: []byte("m3")},
		{Account: account, Remove: []schema.SegmentID{"04"}, Seq: 4, Floor: 6, MAC: []byte("m4")},
	} {
		must(t, d.Commit(t.Context(), cluster, c))
		must(t, d.Commit(t.Context(), cluster, c))
	}
	if err := d.Commit(t.Context(), stranger, wire.Commit{Account: account, Add: []wire.Segment{segment("05", 1, 1)}, Seq: 5, Floor: 7, MAC: []byte("m5")}); err == nil {
		t.Error("another domain's change was made")
	}
	var b strings.Builder
	must(t, counts.Write(&b))
	var got []string
	for line := range strings.Lines(b.String()) {
		if strings.HasPrefix(line, "logkeep_segment_") {
			got = append(got, strings.TrimSpace(strings.ReplaceAll(line, `cluster="`+string(cluster)+`",`, "")))
		}
	}
	want := `logkeep_segment_bytes_written_total{by="flush"} 1600
logkeep_segment_bytes_written_total{by="rewrite"} 1200
logkeep_segment_rows_written_total{by="flush"} 16
logkeep_segment_rows_written_total{by="rewrite"} 15`
	if text := strings.Join(got, "\n"); text != want {
		t.Errorf("got:\n%s\nwant:\n%s", text, want)
	}
}
