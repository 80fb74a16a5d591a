// Package duck runs SQL on rows in memory. It is the only importer of the
// DuckDB driver.
//
// The promise is that nothing a query touches reaches a disk:
//
//   - the database lives in memory and there is no folder to spill to, so a
//     query that needs more than its memory ends with ErrMemory;
//   - the only files it can open are below /proc/self/fd, which is how decrypted
//     Parquet in memfds is handed over, and this process keeps no other kind of
//     file open for it;
//   - extensions are neither installed nor loaded by themselves, and after Open
//     no statement can change any setting.
//
// A query returns to its caller as soon as its context ends, although the
// engine may need some hundred milliseconds more to let go of it.
package duck

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"sync"
	"time"

	duckdb "github.com/duckdb/duckdb-go/v2"
	"github.com/duckdb/duckdb-go/v2/mapping"
)

// Defaults of Config.
const (
	DefaultMemoryLimit = 2 << 30
	DefaultThreads     = 2
)

// A Config says what a DB may use. The zero value means the defaults.
type Config struct {
	MemoryLimit int64      // bytes for intermediate results of all queries together
	Threads     int        // worker threads of the engine
	Functions   []Function // functions to offer in SQL
}

// A DB is one in-memory engine. It is safe for concurrent use.
type DB struct {
	pool *sql.DB
	busy sync.WaitGroup // statements that the engine has not let go of
	kept []*registered  // what the engine has addresses of
}

// Open starts an engine with everything outside memory locked away.
func Open(cfg Config) (*DB, error) {
	if cfg.MemoryLimit <= 0 {
		cfg.MemoryLimit = DefaultMemoryLimit
	}
	if cfg.Threads <= 0 {
		cfg.Threads = DefaultThreads
	}
	// What is not told at the start the engine finds out from files of the
	// kernel, most of which a confined process can't open.
	connector, err := duckdb.NewConnector(fmt.Sprintf("?memory_limit=%dB&threads=%d", cfg.MemoryLimit, cfg.Threads), nil)
	if err != nil {
		return nil, fmt.Errorf("start the query engine: %w", err)
	}
	db := &DB{pool: sql.OpenDB(connector)}
	if err := db.prepare(context.Background(), cfg); err != nil {
		db.Close()
		return nil, fmt.Errorf("start the query engine: %w", err)
	}
	return db, nil
}

func (db *DB) prepare(ctx context.Context, cfg Config) error {
	conn, err := db.pool.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	for _, f := range cfg.Functions {
		if err := db.register(conn, f); err != nil {
			return fmt.Errorf("function %s: %w", f.Name, err)
		}
	}
	for _, set := range settings(cfg) {
		if _, err := conn.ExecContext(ctx, set); err != nil {
			return fmt.Errorf("%s: %w", set, err)
		}
	}
	return nil
}

func (db *DB) register(conn *sql.Conn, f Function) error {
	var kept *registered
	var err error
	switch {
	case f.Search != nil:
		kept, err = registerSearch(conn, f)
	case f.Longs != nil:
		kept, err = registerLongs(conn, f)
	default:
		return register(conn, f)
	}
	if err == nil {
		db.kept = append(db.kept, kept)
	}
	return err
}

// settings lists the lock-down in the order in which it has to happen: access
// goes before the list of exceptions can be frozen, the lock comes last.
func settings(cfg Config) []string {
	return []string{
		"SET temp_directory=''",
		"SET max_temp_directory_size='0B'",
		"SET autoinstall_known_extensions=false",
		"SET autoload_known_extensions=false",
		"SET allow_community_extensions=false",
		"SET enable_external_file_cache=false",
		"SET TimeZone='UTC'",
		"SET preserve_insertion_order=true",
		"SET allowed_directories=['/proc/self/fd/']",
		"SET enable_external_access=false",
		"SET allowed_configs=['memory_limit']", // see Limit
		"SET lock_configuration=true",
	}
}

// Limit changes MemoryLimit. Less than what running statements hold at this moment
// is an error that changes nothing: ErrMemory.
func (db *DB) Limit(ctx context.Context, bytes int64) error {
	if _, err := db.pool.ExecContext(ctx, fmt.Sprintf("SET memory_limit='%dB'", max(bytes, 1<<20))); err != nil {
		return classify(err)
	}
	return nil
}

// Close waits for running statements and stops the engine.
func (db *DB) Close() error {
	db.busy.Wait()
	err := db.pool.Close()
	for _, r := range db.kept {
		r.free()
	}
	db.kept = nil
	return err
}

// Query runs one statement whose parameters are $1, $2, …. It returns at once
// when ctx ends. The error is an *Error unless it is ctx's.
func (db *DB) Query(ctx context.Context, text string, args []any) (*Rows, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	type outcome struct {
		rows *Rows
		err  error
	}
	done := make(chan outcome, 1)
	db.busy.Add(1)
	go func() {
		rows, err := db.run(ctx, text, args)
		if err == nil {
			rows.free = db.busy.Done
		} else {
			db.busy.Done()
		}
		done <- outcome{rows, err}
	}()
	select {
	case o := <-done:
		if o.err != nil && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return o.rows, o.err
	case <-ctx.Done():
		go func() { // the engine is still letting go; drop what it brings
			if o := <-done; o.err == nil {
				o.rows.Close()
			}
		}()
		return nil, ctx.Err()
	}
}

func (db *DB) run(ctx context.Context, text string, args []any) (*Rows, error) {
	conn, err := db.pool.Conn(ctx)
	if err != nil {
		return nil, classify(err)
	}
	named := make([]driver.NamedValue, len(args))
	for i, a := range args {
		named[i] = driver.NamedValue{Ordinal: i + 1, Value: a}
	}
	var rows driver.Rows
	err = conn.Raw(func(c any) error {
		var err error
		rows, err = c.(driver.QueryerContext).QueryContext(ctx, text, named)
		return err
	})
	if err != nil {
		settle(conn)
		return nil, classify(err)
	}
	return &Rows{rows: rows, conn: conn}, nil
}

// settle gives back a connection whose statement did not end well. A statement that
// is ended as it begins is left to run in the engine's own threads, with the files
// that it has open, until the connection has another; and this waits for it. So the
// engine is told to stop until the other one is through.
func settle(conn *sql.Conn) {
	conn.Raw(func(c any) error {
		inner, err := connectionOf(c)
		if err != nil {
			return err
		}
		through, stopped := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(stopped)
			for {
				mapping.Interrupt(inner)
				select {
				case <-through:
					return
				case <-time.After(time.Millisecond):
				}
			}
		}()
		_, err = c.(driver.ExecerContext).ExecContext(context.Background(), "SELECT 1", nil)
		close(through)
		<-stopped // or it would stop the connection's next statement
		return err
	})
	conn.Close()
}
