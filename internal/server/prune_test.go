package server_test

import (
	"testing"
)

// Queries that can do with less read less, and find the same.
func TestQueriesReadWhatTheyNeed(t *testing.T) {
	t.Parallel()
	s := copied(t)
	s.Flush.Bytes = 1 << 10 // every upload becomes a segment
	s.serve()
	const each = 500
	// One absent term in some twenty is claimed by a row group's terms; none of these is.
	words := []string{"alpha", "sigma", "gamma", "delta"}
	for i, word := range words {
		s.mustSend(word, each)
		eventually(t, limit, "the rows in a segment", func() error {
			_, spent, err := s.Explain(t.Context(), s.Workspace.CustomerID, "Events_CL | count", "")
			if err == nil && (spent.Storage.TailRows > 0 || spent.Storage.Segments <= i) {
				err = errNotYet
			}
			return err
		})
	}
	for _, c := range []struct {
		query string
		rows  int
		read  int // row groups
	}{
		{"Events_CL", len(words) * each, 4},
		{"Events_CL | where Mark has 'gamma'", each, 1},
		{"Events_CL | where Mark startswith 'GAMMA-' or Mark == 'sigma-7'", each + 1, 2},
		{"Events_CL | where Mark has_any ('delta', 'absent') and Mark has '499'", 1, 1},
		{"Events_CL | where Mark contains 'amm'", each, 4},
		{"Events_CL | where Mark has 'gamma' or Type has 'gamma' or _ResourceId has 'gamma'", each, 1},
		{"Events_CL | where Type == 'Other_CL'", 0, 0},
		{"Events_CL | where Mark == 'absent'", 0, 0},
		{"union (Events_CL | extend m = tolower(Mark)), (Events_CL | extend m = Mark) | where m has 'sigma'", 2 * each, 2},
		{"Events_CL | where Mark has 'alpha' | top 3 by TimeGenerated", 3, 1},
	} {
		result, spent, err := s.Explain(t.Context(), s.Workspace.CustomerID, c.query, "")
		must(t, err)
		if len(result.Rows) != c.rows || spent.Storage.RowGroupsRead != c.read {
			t.Errorf("%s: %d rows from %d of %d row groups; want %d from %d", c.query, len(result.Rows), spent.Storage.RowGroupsRead, spent.Storage.RowGroups, c.rows, c.read)
		}
		if c.read > 0 && (spent.Storage.OpenedBytes <= 0 || spent.Storage.OpenedBytes > spent.Storage.SealedBytes) {
			t.Errorf("%s: %d of %d bytes", c.query, spent.Storage.OpenedBytes, spent.Storage.SealedBytes)
		}
	}
}
