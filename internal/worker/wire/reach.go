package wire

import (
	"hash/fnv"
	"slices"
	"strings"

	"logkeep/internal/schema"
)

// A Readable is a workspace whose rows the query reads, and where they are.
type Readable struct {
	Workspace schema.WorkspaceID   `json:"workspace"`
	Accounts  []schema.AccountID   `json:"accounts"`         // that may have rows of any table
	Spread    [][]schema.AccountID `json:"spread,omitempty"` // of each list, one has a table's
}

// Of are the accounts that may have rows of a table.
func (r Readable) Of(table schema.TableName) []schema.AccountID {
	list := slices.Clone(r.Accounts)
	for _, s := range r.Spread {
		list = append(list, s[Spread(r.Workspace, table, len(s))])
	}
	return list
}

// Spread says which of n accounts has the rows of a table. It is on disks: never
// change it, or rows that are there are not found any more.
func Spread(w schema.WorkspaceID, table schema.TableName, n int) int {
	h := fnv.New32a()
	h.Write([]byte(string(w) + "/" + string(table)))
	return int(h.Sum32() % uint32(n))
}

// Likely are the accounts that the query may be about to read: those of the tables
// whose names its text has. What it really reads the compiler says.
func (q *Query) Likely() (likely []schema.AccountID) {
	for _, t := range q.Tables {
		if !strings.Contains(q.Text, string(t.Name)) {
			continue
		}
		for _, r := range q.Readable {
			for _, id := range r.Of(t.Name) {
				if !slices.Contains(likely, id) {
					likely = append(likely, id)
				}
			}
		}
	}
	return likely
}

// A Mark says how far an account has come (store.Mark).
type Mark struct {
	Account schema.AccountID `json:"account"`
	Seq     uint64           `json:"seq"`
	Last    uint64           `json:"last"`
	Head    []byte           `json:"head"` // commitment of the journal's last frame
	Rest    *Rest            `json:"rest,omitempty"`
}

// A Rest stands in a mark in place of Last and Head: nobody writes to the
// account, so that a reader finds its journal's end for itself.
type Rest struct {
	Floor  uint64 `json:"floor"`            // of the journal, as the catalog has it
	Seen   uint64 `json:"seen,omitempty"`   // an entry that is known to have been durable
	Newest string `json:"newest,omitempty"` // the journal's newest file; later ones are somebody's who writes by now
}
