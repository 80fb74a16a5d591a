package store

import "testing"

// When a flush begins, by what waits: of a FlushBytes of 64 MiB.
func TestFlushesFillRowGroups(t *testing.T) {
	const mib = 1 << 20
	const group = 128 << 10
	for name, c := range map[string]struct {
		own, others size  // of the table that rows came for, and of all others
		leaving     int64 // bytes, on their way into segments
		used        int64 // of a budget of 1,000 MiB
		want        bool
	}{
		"little":                            {own: size{1000, mib}},
		"many small rows":                   {own: size{3 * group, 31 * mib}},
		"a group":                           {own: size{group, 40 * mib}, want: true},
		"almost a group":                    {own: size{group - 1, 60 * mib}},
		"almost a group of larger rows":     {own: size{group - 1, 95 * mib}},
		"rows too large for a group":        {own: size{group / 3 * 2, 65 * mib}, want: true},
		"large rows":                        {own: size{1000, 64 * mib}, want: true},
		"more than a group":                 {own: size{group + 1000, 70 * mib}, want: true},
		"too much":                          {own: size{group - 1, 96 * mib}, want: true},
		"a group, among others":             {own: size{group + 1000, 30 * mib}, others: size{1e6, 20 * mib}},
		"others have as much":               {own: size{group + 1000, 33 * mib}, others: size{1e6, 32 * mib}, want: true},
		"what leaves does not count":        {own: size{1000, 20 * mib}, leaving: 90 * mib},
		"almost a group beside what leaves": {own: size{group - 1, 40 * mib}, leaving: 90 * mib},
		"a group beside what leaves":        {own: size{group, 40 * mib}, leaving: 90 * mib, want: true},
		"all accounts have much":            {own: size{1000, mib}, used: 500 * mib, want: true},
	} {
		t.Run(name, func(t *testing.T) {
			own := &tableState{}
			s := &Store{
				cfg:     Config{FlushBytes: 64 * mib, Budget: NewBudget(1000 * mib)},
				tables:  map[tableKey]*tableState{{"w", "Own_CL"}: own, {"w", "Other_CL"}: {chunks: []*chunk{{size: c.others}}}},
				tail:    size{c.own.rows + c.others.rows, c.own.bytes + c.others.bytes + c.leaving},
				leaving: c.leaving,
			}
			s.cfg.Budget.used = c.used
			for i := range int64(4) { // it has several chunks
				n := size{c.own.rows / 4, c.own.bytes / 4}
				if i == 0 {
					n.rows, n.bytes = c.own.rows-3*n.rows, c.own.bytes-3*n.bytes
				}
				own.chunks = append(own.chunks, &chunk{size: n})
			}
			if got := s.isRipe(); got != c.want {
				t.Errorf("it is time to flush: %t", got)
			}
		})
	}
}
