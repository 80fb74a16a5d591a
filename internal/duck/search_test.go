package duck

import (
	"database/sql/driver"
	"fmt"
	"strings"
	"testing"

	"logkeep/internal/schema"
)

func TestASearchSeesEveryRowAsItIs(t *testing.T) {
	db, err := Open(Config{Functions: []Function{{
		Name: "found", Params: []schema.Type{schema.String, schema.String, schema.Bool, schema.Bool}, Result: schema.Bool,
		Search: func(term string) func(string, bool, bool) bool {
			return func(text string, left, right bool) bool {
				if text == "panic" {
					panic("as a bug would")
				}
				return left && strings.HasPrefix(text, term) || right && strings.HasSuffix(text, term)
			}
		},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	// Short texts lie in the vector itself, long ones elsewhere; constants, words
	// of a dictionary and rows that a filter has left come in other vectors.
	long := strings.Repeat("x", 200)
	answers(t, db, []answer{
		{`SELECT found('abc', 'a', true, false), found('abc', 'c', true, false), found('abc', 'c', false, true)`, "[true false true]"},
		{`SELECT found(NULL, 'a', true, true), found('abc', NULL, true, true), found('', '', true, true)`, "[<nil> <nil> true]"},
		{`SELECT count(*) FROM range(10000) t(i) WHERE found('row ' || i, '7', false, true)`, "[1000]"},
		{`SELECT count(*) FROM range(10000) t(i) WHERE found('` + long + `' || i, '7', false, true)`, "[1000]"},
		{`SELECT count(*), count(f) FROM (SELECT found(CASE WHEN i % 3 > 0 THEN 'row ' || i END, 'row', true, true) AS f FROM range(9000) t(i))`, "[9000 6000]"},
		{`SELECT count(*) FROM range(10000) t(i) WHERE i % 2 = 0 AND found('row ' || i, (i % 10)::VARCHAR, false, true)`, "[5000]"},
		{`SELECT count(*) FROM range(10000) t(i) WHERE found('row ' || i, 'row', i % 2 = 0, i % 5 = 0) AND i < 100`, "[50]"},
	})
	if _, err := db.Query(t.Context(), `SELECT count(*) FROM range(10) t(i) WHERE found('panic', i::VARCHAR, true, true)`, nil); err == nil {
		t.Error("a panic was an answer")
	}
}

func TestLongsSeeEveryRowAsItIs(t *testing.T) {
	db, err := Open(Config{Functions: []Function{{
		Name: "less", Params: []schema.Type{schema.DateTime, schema.TimeSpan}, Result: schema.DateTime,
		Longs: func(x, y, out []int64, null func(int)) {
			for i := range x {
				if out[i] = x[i] - y[i]; y[i] == 7 {
					null(i)
				}
			}
		},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	answers(t, db, []answer{
		{`SELECT less(5::BIGINT, 3::BIGINT), less(NULL, 3::BIGINT), less(5::BIGINT, 7::BIGINT)`, "[2 <nil> <nil>]"},
		{`SELECT sum(f)::BIGINT, count(*), count(f) FROM (SELECT less(CASE WHEN i % 3 > 0 THEN i END, i % 10) AS f FROM range(9000) t(i))`, "[24279000 9000 5400]"},
	})
}

type answer struct{ sql, want string }

// answers asks for one row each.
func answers(t *testing.T, db *DB, cases []answer) {
	t.Helper()
	for _, c := range cases {
		rows, err := db.Query(t.Context(), c.sql, nil)
		if err != nil {
			t.Errorf("%s: %v", c.sql, err)
			continue
		}
		cells := make([]driver.Value, strings.Count(c.want, " ")+1)
		if err := rows.Next(cells); err != nil || fmt.Sprint(cells) != c.want {
			t.Errorf("%.80s: %v, want %s (%v)", c.sql, cells, c.want, err)
		}
		rows.Close()
	}
}
