package score

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"logkeep/internal/kql"
)

// BenchmarkRules compiles every analytic rule of the corpus in $LOGKEEP_SHARED,
// each as often as the benchmark runs, and tells the median and the 99th
// percentile of the rules' best times.
func BenchmarkRules(b *testing.B) {
	shared := os.Getenv("LOGKEEP_SHARED")
	if shared == "" {
		b.Skip("LOGKEEP_SHARED does not name the folder with kql/sentinel_rules.jsonl")
	}
	r, err := newRunner(filepath.Join(shared, "kql"))
	if err != nil {
		b.Fatal(err)
	}
	defer r.close()
	cat := r.tables["schema_la"]
	var rules []string
	err = each(filepath.Join(shared, "kql", "sentinel_rules.jsonl"), func(c record) error {
		rules = append(rules, c.text("query"))
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	best := make([]time.Duration, len(rules))
	for b.Loop() {
		for i, text := range rules {
			begin := time.Now()
			if p, err := kql.Compile(text, cat, kql.Options{Now: at}); err == nil {
				p.Statement(func(kql.Source) string { return "(t)" })
			}
			if d := time.Since(begin); best[i] == 0 || d < best[i] {
				best[i] = d
			}
		}
	}
	slices.Sort(best)
	b.ReportMetric(float64(best[len(best)/2].Microseconds())/1000, "median-ms")
	b.ReportMetric(float64(best[len(best)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(float64(best[len(best)-1].Microseconds())/1000, "max-ms")
}
