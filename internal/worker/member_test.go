package worker

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"logkeep/internal/batch"
	"logkeep/internal/disk/disktest"
	"logkeep/internal/duck"
	"logkeep/internal/kql"
	"logkeep/internal/schema"
	"logkeep/internal/seal"
	"logkeep/internal/segment"
	"logkeep/internal/store"
)

// jsonOf makes an object of which some keys are mostly of one type and common,
// others of any type, odd, rare, nested or there twice.
func jsonOf(r *rand.Rand, calm bool) string {
	some := func(list ...string) string { return list[r.IntN(len(list))] }
	fields := []string{
		`"app":` + some(`"web"`, `"db"`, `"größe"`, `""`, `"null"`, `"a b"`),
		`"n":` + some("0", "7", "-3", "123456789012345678", "400"),
		`"ok":` + some("true", "false"),
		`"user":{"id":` + some("1", "2", `"x"`, "null") + `,"tags":["a","b"]}`,
	}
	if r.IntN(3) > 0 {
		fields = append(fields, `"rare":`+some(`"r"`, `"s"`))
	}
	if r.IntN(4) == 0 {
		fields[r.IntN(len(fields))] = `"n":null`
	}
	if !calm {
		fields = append(fields, `"mixed":`+some("1", `"1"`, "1.0", "1e5", "true", "null", "[1]", `{"a":1}`, "-0", "12345678901234567890", `"a\nb"`, `"\u0041"`, `"\""`),
			`"late":`+some(`"x"`, `"y"`), `"late":`+some(`"z"`, "5"))
		if r.IntN(200) == 0 {
			return some("5", `"text"`, "[1,2]", "{}", "null", `{"a\u0070p":"x","n":1}`, `{"App":"upper","app":"lower"}`)
		}
	}
	r.Shuffle(len(fields), func(i, j int) { fields[i], fields[j] = fields[j], fields[i] })
	if r.IntN(4) == 0 {
		fields = fields[:r.IntN(len(fields))+1]
	}
	return "{" + strings.Join(fields, ",") + "}"
}

// Whether a key has a column of its own is seen by nobody: the same rows are
// asked in the tail, where none has, in segments, and in both.
func TestKeysWithColumnsOfTheirOwnAnswerAsBefore(t *testing.T) {
	table := schema.Table{Name: "T_CL", Columns: []schema.Column{{Name: schema.TimeGenerated, Type: schema.DateTime}, {Name: "Id", Type: schema.Long}, {Name: "P", Type: schema.Dynamic}}}
	engine, err := openEngine(256 << 20)
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	var questions []string
	for _, key := range []string{"app", "n", "ok", "rare", "mixed", "late", "user.id", "user.tags[0]"} {
		p := "P." + key
		questions = append(questions,
			"T_CL | summarize n=count(), ids=sum(Id) by k=tostring("+p+")",
			"T_CL | extend x="+p+" | summarize count(), min(Id) by s=strcat(gettype(x), '/', tostring(x))",
			"T_CL | where "+p+" == '1' or "+p+" has 'web' | project Id, "+p+", y=tolong("+p+")",
			"T_CL | where isnull("+p+") or isempty(tostring("+p+")) | count",
			"T_CL | where toint("+p+") > 5 | project Id, v="+p+", P | summarize count(), any=take_any(1) by tostring(v)",
			"T_CL | where Id % 7 == 1 | where "+p+" in ('db', 'r') | extend z=bag_pack('v', "+p+", 'w', tostring("+p+")) | project Id, z")
	}
	questions = append(questions,
		"T_CL | project P, Id | where P.app == 'web' | extend a=P.app, n=P.n | project Id, a, n",
		"T_CL | join kind=leftouter (T_CL | where Id % 3 == 0 | project Id, Q=P) on Id | summarize count() by tostring(Q.app), tostring(P.app)",
		"union (T_CL | where P.app == 'db'), (T_CL | extend P=P.user | where P.id == 2) | summarize count() by tostring(P.app), tostring(P.id)",
		"let X = T_CL | where P.ok == true; X | summarize count() by tostring(P.app) | union (X | summarize count() by tostring(P.n))",
		"T_CL | mv-expand x=P.user.tags to typeof(string) | summarize count() by x",
		"T_CL | where P.app == 'web' | take 10 | count",
		"T_CL | top 5 by TimeGenerated | project Id, tostring(P.app)",
		"T_CL | summarize sum(toint(P.n)), dcount(tostring(P.app)), max(tolong(P.n)) by bin(Id, 1000)")
	apartSeen := map[string]int{}
	for seed := range uint64(2) {
		r := rand.New(rand.NewPCG(7, seed))
		calm := seed == 0
		var body strings.Builder
		for id := range 1200 {
			fmt.Fprintf(&body, `{"TimeGenerated":"2026-01-02T03:04:%02dZ","Id":%d,"P":%s}`+"\n", id%60, id, jsonOf(r, calm))
		}
		parsed, err := batch.Parse(strings.NewReader(body.String()), table, 1)
		if err != nil {
			t.Fatal(err)
		}
		s := emptyStore(t)
		if err := s.Append(t.Context(), store.Rows{Workspace: "w", Table: table.Name, Record: parsed.Record}); err != nil {
			t.Fatal(err)
		}
		before := answers(t, engine, s, table, questions, nil)
		if err := s.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		after := answers(t, engine, s, table, questions, apartSeen)
		for i, q := range questions {
			if before[i] != after[i] {
				t.Errorf("seed %d: %s\nin the tail:\n%.600s\nin a segment:\n%.600s", seed, q, before[i], after[i])
			}
		}
	}
	for _, key := range []string{"app", "n", "ok", "rare"} {
		if apartSeen[key] == 0 {
			t.Errorf("%s never had a column of its own", key)
		}
	}
	for _, key := range []string{"mixed", "user"} {
		if apartSeen[key] > 0 {
			t.Errorf("%s had a column of its own", key)
		}
	}
}

func emptyStore(t *testing.T) *store.Store {
	s, _ := cachedStore(t)
	return s
}

func cachedStore(t *testing.T) (*store.Store, *segment.Cache) {
	k, err := seal.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	cache := segment.NewCache(64 << 20)
	s, err := store.Open(t.Context(), store.Config{
		FS: disktest.New(), Dir: "a", Account: "a", Place: seal.Place{Tenant: "t", Cluster: "c"},
		Keys: func(uint32) (seal.Keys, error) { return seal.Keys{Inner: k, Generation: 1}, nil }, Current: 1, Commit: commits{}, Cache: cache,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(); cache.Close() })
	return s, cache
}

// answers runs queries over one table of a store.
func answers(t *testing.T, engine *duck.DB, s *store.Store, table schema.Table, questions []string, apartSeen map[string]int) (out []string) {
	for _, q := range questions {
		p, err := kql.Compile(q, tables{table}, kql.Options{Now: 1})
		if err != nil {
			t.Fatalf("%s: %v", q, err)
		}
		var relations = map[string]string{}
		var held []*store.Snapshot
		for _, src := range p.Sources {
			snapshot := s.Snapshot("w", table.Name, src.From, before(src.To))
			snapshot.Need(needs(src.Needs, table.Name, nil))
			held = append(held, snapshot)
			members := unrenamed(src.Members)
			wanted := pick(table, src.Columns, len(members) == 0)
			got, err := snapshot.Files(t.Context(), names(wanted), stored(members), 0)
			if err != nil {
				t.Fatal(err)
			}
			var files []file
			for _, f := range got {
				for _, m := range f.Members {
					apartSeen[m.Key]++
				}
				files = append(files, file{path: f.Path, columns: f.Columns, members: f.Members})
			}
			relations[src.Relation] = relation(wanted, wanted, members, files, 0, false)
		}
		text, args := p.Statement(func(src kql.Source) string { return relations[src.Relation] })
		rows, err := engine.Query(t.Context(), text, args)
		if err != nil {
			t.Fatalf("%s: %v\n%s", q, err, text)
		}
		out = append(out, sortedAnswer(rows, p))
		rows.Close()
		for _, snapshot := range held {
			snapshot.Release()
		}
	}
	return out
}

// sortedAnswer is an answer, its rows in the order of their text.
func sortedAnswer(rows *duck.Rows, p *kql.Program) string {
	cells := make([]driver.Value, len(p.Columns))
	var all []string
	for rows.Next(cells) == nil {
		b, err := json.Marshal(cells)
		if err != nil {
			b = []byte(fmt.Sprint(cells))
		}
		all = append(all, string(b))
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}

// commits takes every change.
type commits struct{}

func (commits) Commit(context.Context, store.Change) error { return nil }
