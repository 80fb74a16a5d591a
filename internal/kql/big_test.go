package kql_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"logkeep/internal/kql"
)

// TestLargeListsStayQuick: threat lists are long.
func TestLargeListsStayQuick(t *testing.T) {
	db := engine(t)
	var items []string
	for i := range 5000 {
		items = append(items, fmt.Sprintf("%q", fmt.Sprintf("host%d.example.com", i)))
	}
	list := strings.Join(items, ", ")
	for _, q := range []string{
		"let bad = dynamic([" + list + "]); Logs | where Host in (bad) or Host in~ (bad) | count",
		"Logs | where Message has_any (" + strings.Join(items[:2000], ", ") + ") | count",
		"datatable(h:string)[" + list + "] | summarize count()",
	} {
		start := time.Now()
		p, err := kql.Compile(q, tables{}, kql.Options{Now: now})
		if err != nil {
			t.Fatal(err)
		}
		compiled := time.Since(start)
		if got := answer(t, db, p); !strings.Contains(got, "\n0\n") && !strings.Contains(got, "\n5000\n") {
			t.Errorf("%.40s…: %.300s", q, got)
		}
		if d := time.Since(start); d > 5*time.Second {
			t.Errorf("%.40s…: compiled in %v, answered in %v", q, compiled, d)
		}
		t.Logf("%.40s… compiled in %v, answered in %v", q, compiled, time.Since(start))
	}
}
