package worker

import (
	"context"
	"errors"
	"slices"
	"strings"

	"logkeep/internal/kql"
	"logkeep/internal/parquet"
	"logkeep/internal/schema"
	"logkeep/internal/segment"
	"logkeep/internal/standard"
	"logkeep/internal/store"
	"logkeep/internal/template"
	"logkeep/internal/worker/wire"
)

// A reading is the tables of one program at one moment. It is to be released.
type reading struct {
	tables   []tableReading
	external []externalReading
	newest   *kql.Newest
}

type tableReading struct {
	relation  string
	table     schema.Table
	wanted    []schema.Column // as the query knows them
	stored    []schema.Column // and as they are stored, in the same order
	members   []member
	newest    bool // late rows may do
	weights   bool // rows may stand for several
	snapshots []*store.Snapshot
	accounts  []schema.AccountID  // whose the snapshots are
	known     []map[string]string // what all rows of a snapshot have
}

// A goneError says that something which a snapshot of an account names is not
// there: it was replaced, or it is lost.
type goneError struct {
	account schema.AccountID
	cause   error
}

func (e *goneError) Error() string { return e.cause.Error() }
func (e *goneError) Unwrap() error { return e.cause }

// sources takes snapshots of every table that the program reads. The reading is
// never nil.
func (w *base) sources(ctx context.Context, q wire.Query, p *kql.Program, from sourcing) (*reading, error) {
	r := &reading{newest: p.Newest}
	cat := catalogOf(ctx, q, from)
	if err := r.outside(q, p.Sources); err != nil {
		return r, err
	}
	for _, src := range p.Sources { // all on their way before the first is waited for
		if table, ok := cat.table(src); ok && src.External == nil {
			from.expect(accountsOf(q, src.Place, table.Name)...)
		}
	}
	for _, src := range p.Sources {
		if src.External != nil {
			continue
		}
		table, ok := cat.table(src)
		if !ok {
			return r, errors.New("internal error: the compiler reads a table that is not there")
		}
		t := tableReading{
			relation: src.Relation, table: table, wanted: pick(table, src.Columns, len(src.Members) == 0 && src.Weights == nil),
			newest: p.Newest != nil && slices.Contains(p.Newest.Relations, src.Relation), weights: src.Weights != nil,
		}
		renamed := false
		if t.stored = t.wanted; src.Place == "" || !cat.apart(src) {
			t.stored, renamed = storedAs(q, t.table.Name, t.wanted)
		}
		for _, m := range src.Members {
			of := []schema.Column{{Name: m.Column, Type: schema.Dynamic}}
			if src.Place == "" || !cat.apart(src) {
				of, _ = storedAs(q, t.table.Name, of)
			}
			t.members = append(t.members, member{m, of[0].Name})
		}
		for _, readable := range q.Readable {
			if src.Place != "" && src.Place != string(readable.Workspace) {
				continue
			}
			of := knownOf(table.Name, readable.Workspace)
			for _, id := range readable.Of(table.Name) {
				shelf, err := from.shelf(ctx, id)
				if err != nil {
					r.tables = append(r.tables, t)
					return r, err
				}
				s := shelf.Snapshot(readable.Workspace, table.Name, src.From, before(src.To))
				s.Keep(q.Retention[readable.Workspace].Edge(table.Name))
				if !renamed { // needs go by names
					s.Need(needs(src.Needs, table.Name, of))
				}
				if src.Weights != nil {
					s.Weigh(weightsOf(src.Weights, renamed))
				}
				t.snapshots, t.accounts, t.known = append(t.snapshots, s), append(t.accounts, id), append(t.known, of)
			}
		}
		r.tables = append(r.tables, t)
	}
	return r, nil
}

// weightsOf says weights in the words of segments. Looks go by names, as needs do:
// there are none if a column is stored under another.
func weightsOf(of *kql.Weights, renamed bool) (by segment.Weights) {
	by.Cuts = of.Cuts
	for _, b := range of.Bins {
		by.Bins = append(by.Bins, segment.Bin(b))
	}
	for _, l := range of.Looks {
		if !renamed {
			by.Looks = append(by.Looks, look(l))
		}
	}
	return by
}

// storedAs is how a table's columns are stored, and whether any column of the
// table is stored under another name.
func storedAs(q wire.Query, table schema.TableName, columns []schema.Column) (stored []schema.Column, renamed bool) {
	stored = slices.Clone(columns)
	for _, s := range q.Stored {
		if s.Table != table {
			continue
		}
		renamed = true
		for i := range columns {
			if columns[i].Name == s.Column {
				stored[i].Name = s.As
			}
		}
	}
	return stored, renamed
}

// knownOf is what rows of a table have in columns that are not stored: the
// table's name and the workspace's id.
func knownOf(table schema.TableName, w schema.WorkspaceID) map[string]string {
	return map[string]string{"Type": string(table), "TenantId": string(w)}
}

// needs says what a source needs in the words of segments, which know nothing
// of columns that are not stored. A need that what is known may fulfil is none.
// Rows of published tables may have those columns stored after all, with other
// texts (activity, audit), so that nothing is concluded from what is known of them.
func needs(of []kql.Need, table schema.TableName, known map[string]string) []segment.Need {
	var out []segment.Need
	for _, n := range of {
		need, fulfilled := segment.Need{}, false
		for _, all := range n {
			clues, possible := []segment.Clue{}, true
			for _, c := range all {
				text, is := known[c.Column]
				switch {
				case !is:
					clues = append(clues, clue(c))
				case !mayHave(text, c.Terms) && !standard.Is(string(table)): // asked last: a new process unpacks the list
					possible = false
				}
			}
			if possible {
				need = append(need, clues)
			}
			fulfilled = fulfilled || possible && len(clues) == 0
		}
		if !fulfilled {
			out = append(out, need)
		}
	}
	return out
}

// look says a look in the words of segments.
func look(l kql.Look) segment.Look {
	if l.Pattern != "" {
		return segment.Look{Column: l.Column, By: template.Matching(l.Pattern)}
	}
	p := partOf(l.Part)
	return segment.Look{Column: l.Column, Part: p, By: p.Pattern()}
}

// clue says a clue in the words of segments. A pattern says all that parts do.
func clue(c kql.Clue) segment.Clue {
	out := segment.Clue{Column: c.Column, Terms: c.Terms}
	if c.Pattern != "" {
		out.By = append(out.By, template.Matching(c.Pattern))
	}
	for _, p := range c.Parts {
		part := partOf(p)
		if out.Parts = append(out.Parts, part); c.Pattern == "" {
			out.By = append(out.By, part.Pattern())
		}
	}
	return out
}

func partOf(p kql.Part) parquet.Part {
	return parquet.Part{Text: p.Text, Left: edges[p.Left], Right: edges[p.Right]}
}

var edges = [...]parquet.Edge{kql.Open: parquet.Open, kql.AtWord: parquet.Word, kql.AtEnd: parquet.End}

// mayHave reports whether a text may have all the terms, which are in lower case.
func mayHave(text string, terms []string) bool {
	text = strings.ToLower(text)
	return !slices.ContainsFunc(terms, func(t string) bool { return !strings.Contains(text, t) })
}

// tries lists the times from which on rows are to be read, one try after
// another; the last is 0, for all.
func (r *reading) tries() []schema.Ticks {
	var held []store.Extent
	for _, t := range r.tables {
		for _, s := range t.snapshots {
			if t.newest {
				held = append(held, s.Extents()...)
			}
		}
	}
	if len(held) == 0 {
		return []schema.Ticks{0}
	}
	return tries(held, r.newest.Rows)
}

// relations makes the rows available to the engine: by relation, its SQL. Where
// late rows may do, those before since are left out. What was read is added to use.
func (r *reading) relations(ctx context.Context, since schema.Ticks, use *wire.Use) (map[string]string, error) {
	out := map[string]string{}
	for _, t := range r.tables {
		from := schema.Ticks(0)
		if t.newest {
			from = since
		}
		var files []file
		for i, s := range t.snapshots {
			held, err := s.Files(ctx, names(t.stored), stored(t.members), from)
			if store.Replaced(err) {
				err = &goneError{t.accounts[i], err}
			}
			if err != nil {
				return nil, err
			}
			for _, f := range held {
				files = append(files, file{f.Path, f.Columns, f.Members, t.known[i], f.Since, f.Weighed})
			}
			u := s.Use()
			use.Segments += u.Segments
			use.RowGroups += u.Groups
			use.RowGroupsRead += u.Read
			use.SealedBytes += u.Bytes
			use.OpenedBytes += u.Opened
			use.TailRows += u.Tail
			use.SiftedRows += u.Sifted
			use.KeptRows += u.Kept
			use.WeighedRows += u.Weighed
			use.WeightedRows += u.Weights
		}
		out[t.relation] = relation(t.wanted, t.stored, t.members, files, from, t.weights)
	}
	for _, x := range r.external {
		out[x.relation] = x.sql
	}
	return out, nil
}

func (r *reading) release() {
	for _, t := range r.tables {
		for _, s := range t.snapshots {
			s.Release()
		}
	}
	for _, x := range r.external {
		x.rows.Close()
	}
}
