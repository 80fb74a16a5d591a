package duck

import (
	"context"
	"database/sql"
	"fmt"

	duckdb "github.com/duckdb/duckdb-go/v2"

	"logkeep/internal/schema"
)

// A Function is a scalar function written in Go. Its types are the words of
// the query language; the engine carries them as bool, int32, int64 (long,
// datetime, timespan), float64 and string (all others). An argument may be nil.
type Function struct {
	Name     string
	Params   []schema.Type
	Variadic bool // any number of further arguments of the last type
	Result   schema.Type
	Volatile bool // two calls with equal arguments may differ
	Eval     func(args []any) (any, error)
}

// Raise returns an error whose text reaches the user. It must not quote data.
func Raise(text string) error { return fmt.Errorf("%s%s", raisedPrefix, text) }

type scalar struct {
	cfg duckdb.ScalarFuncConfig
	f   Function
}

func (s *scalar) Config() duckdb.ScalarFuncConfig { return s.cfg }

func (s *scalar) Executor() duckdb.ScalarFuncExecutor {
	return duckdb.ScalarFuncExecutor{ChunkContextExecutor: s.chunk}
}

func (s *scalar) chunk(_ context.Context, chunk *duckdb.ChunkIteratorState) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("internal error in function %s", s.f.Name)
		}
	}()
	args := make([]any, chunk.ColumnCount())
	for row, err := range chunk.Rows() {
		if err != nil {
			return err
		}
		for i := range args {
			args[i] = *row.GetValuePtr(i)
		}
		v, err := s.f.Eval(args)
		if err != nil {
			return err
		}
		if err := row.SetResult(v); err != nil {
			return err
		}
	}
	return nil
}

func register(conn *sql.Conn, f Function) error {
	cfg := duckdb.ScalarFuncConfig{Volatile: f.Volatile, SpecialNullHandling: true}
	var err error
	for i, p := range f.Params {
		info, err := physical(p)
		if err != nil {
			return err
		}
		if f.Variadic && i == len(f.Params)-1 {
			cfg.VariadicTypeInfo = info
			break
		}
		cfg.InputTypeInfos = append(cfg.InputTypeInfos, info)
	}
	if cfg.ResultTypeInfo, err = physical(f.Result); err != nil {
		return err
	}
	return duckdb.RegisterScalarUDF(conn, f.Name, &scalar{cfg, f})
}

func physical(t schema.Type) (duckdb.TypeInfo, error) {
	switch t {
	case schema.Bool:
		return duckdb.NewTypeInfo(duckdb.TYPE_BOOLEAN)
	case schema.Int:
		return duckdb.NewTypeInfo(duckdb.TYPE_INTEGER)
	case schema.Long, schema.DateTime, schema.TimeSpan:
		return duckdb.NewTypeInfo(duckdb.TYPE_BIGINT)
	case schema.Real:
		return duckdb.NewTypeInfo(duckdb.TYPE_DOUBLE)
	case schema.String, schema.Dynamic, schema.Decimal, schema.GUID:
		return duckdb.NewTypeInfo(duckdb.TYPE_VARCHAR)
	}
	return nil, fmt.Errorf("internal error: no physical type for %v", t)
}
