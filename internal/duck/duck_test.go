package duck

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"logkeep/internal/schema"
)

func open(t *testing.T, cfg Config) *DB {
	t.Helper()
	db, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func one(t *testing.T, db *DB, text string, args ...any) driver.Value {
	t.Helper()
	rows, err := db.Query(t.Context(), text, args)
	if err != nil {
		var e *Error
		if errors.As(err, &e) {
			t.Fatalf("%s: %v (%s)", text, err, e.Detail())
		}
		t.Fatalf("%s: %v", text, err)
	}
	defer rows.Close()
	dest := make([]driver.Value, len(rows.Columns()))
	if err := rows.Next(dest); err != nil {
		t.Fatal(err)
	}
	v := dest[0]
	if err := rows.Next(dest); !errors.Is(err, io.EOF) {
		t.Fatalf("%s: more than one row (%v)", text, err)
	}
	return v
}

func TestGoFunctionsSeeNullsAndManyArguments(t *testing.T) {
	db := open(t, Config{Functions: []Function{
		{Name: "count_nulls", Params: []schema.Type{schema.String}, Variadic: true, Result: schema.Long, Eval: func(args []any) (any, error) {
			n := int64(0)
			for _, a := range args {
				if a == nil {
					n++
				}
			}
			return n, nil
		}},
		{Name: "complain", Params: []schema.Type{schema.Long}, Result: schema.Long, Eval: func([]any) (any, error) { return nil, Raise("no") }},
		{Name: "broken", Params: []schema.Type{schema.Long}, Result: schema.Long, Eval: func([]any) (any, error) { panic("secret row") }},
	}})
	if n := one(t, db, "select count_nulls('a', null, $1, null)", "x"); n != int64(2) {
		t.Errorf("nulls: %v", n)
	}
	_, err := db.Query(t.Context(), "select complain(1)", nil)
	if err == nil || err.Error() != "no" {
		t.Errorf("raised: %v", err)
	}
	if _, err = db.Query(t.Context(), "select broken(i) from range(2) r(i)", nil); !errors.Is(err, ErrEngine) {
		t.Errorf("panic: %v", err)
	}
}

func TestFilesOutsideCannotBeReadOrWritten(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	secret := filepath.Join(dir, "secret.csv")
	if err := os.WriteFile(secret, []byte("a,b\n1,2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	db := open(t, Config{})
	for _, text := range []string{
		"select * from read_csv('" + secret + "')",
		"select * from read_text('/etc/hostname')",
		"select * from read_text('/proc/self/fd/../environ')",
		"select * from read_blob('/proc/self/environ')",
		"select * from glob('/*')",
		"copy (select 1) to '" + filepath.Join(dir, "out.csv") + "'",
		"copy (select 1) to '/proc/self/fd/../../../tmp/logkeep-out.csv'",
		"attach '" + filepath.Join(dir, "x.db") + "'",
		"export database '" + dir + "'",
		"install httpfs",
		"load httpfs",
		"set enable_external_access=true",
		"set temp_directory='" + dir + "'",
		"reset allowed_directories",
		"pragma enable_logging",
		"select * from '" + secret + "'",
	} {
		rows, err := db.Query(t.Context(), text, nil)
		if err == nil {
			rows.Close()
			t.Errorf("allowed: %s", text)
		}
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 {
		t.Errorf("files were made: %v %v", left, err)
	}
}

func TestParquetInMemoryRoundTrips(t *testing.T) {
	f, err := Memfd("rows")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	db := open(t, Config{})
	rows, err := db.Query(t.Context(), "copy (select i, 'row ' || i as s from range(1000) r(i)) to '"+Path(f)+"' (format parquet, use_tmp_file false)", nil)
	if err != nil {
		t.Fatal(err)
	}
	rows.Close()
	if n := one(t, db, "select sum(i) from read_parquet($1) where s <> 'row 3'", Path(f)); n.(interface{ String() string }).String() != "499497" {
		t.Errorf("sum: %v", n)
	}
}

func TestAQueryBeyondItsMemoryEndsAndLeavesNoFile(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	db := open(t, Config{MemoryLimit: 64 << 20})
	_, err := db.Query(t.Context(), "select i, count(*) from (select i::varchar || repeat('x', 50) as i from range(5000000) r(i)) group by i order by i", nil)
	if !errors.Is(err, ErrMemory) {
		t.Errorf("error: %v", err)
	}
	if n := one(t, db, "select 1::bigint"); n != int64(1) {
		t.Errorf("the engine is not usable afterwards: %v", n)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("files were made: %v", left)
	}
}

func TestTheLimitCanBeMovedAndNothingElse(t *testing.T) {
	db := open(t, Config{MemoryLimit: 32 << 20})
	const large = "select count(*) from (select distinct i::varchar || repeat('x', 50) as i from range(700000) r(i))"
	if _, err := db.Query(t.Context(), large, nil); !errors.Is(err, ErrMemory) {
		t.Errorf("below its need: %v", err)
	}
	if err := db.Limit(t.Context(), 1<<30); err != nil {
		t.Fatal(err)
	}
	if n := one(t, db, large); n != int64(700000) {
		t.Errorf("with more memory: %v", n)
	}
	if err := db.Limit(t.Context(), 32<<20); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Query(t.Context(), large, nil); !errors.Is(err, ErrMemory) {
		t.Errorf("with less again: %v", err)
	}
	for _, text := range []string{"set threads=64", "set allowed_configs=['threads']", "set lock_configuration=false"} {
		if rows, err := db.Query(t.Context(), text, nil); err == nil {
			rows.Close()
			t.Errorf("allowed: %s", text)
		}
	}
}

// A query of hours ends when it is given up, whenever that is, and the engine goes on.
func TestCancellingReturnsAtOnce(t *testing.T) {
	db := open(t, Config{})
	for spins := 1; spins <= 1<<17; spins *= 4 { // at one of these times it runs
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			_, err := db.Query(ctx, "select count(*) from range(100000000000) a(i) where i % 7 = 3", nil)
			ended <- err
		}()
		for range spins {
			runtime.Gosched()
		}
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("error: %v", err)
		}
		if n := one(t, db, "select 1::bigint"); n != int64(1) {
			t.Errorf("afterwards: %v", n)
		}
	}
}
