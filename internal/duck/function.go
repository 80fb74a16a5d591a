package duck

import (
	"database/sql"
	"database/sql/driver"
	"fmt"
	"unsafe"

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

	// Search is set of a function of a text, a term and two flags that tells
	// whether it finds the term in the text; it is called instead of Eval. It makes
	// a term ready; what it returns is called with texts where they lie in the
	// engine's memory, which it must neither keep nor change: a copy of each takes
	// as long as to unpack it, and many queries do little else.
	Search func(term string) func(text string, left, right bool) bool

	// Longs is set of a function of two values that are carried as int64, as its
	// result is; it is called instead of Eval, with a vector of rows at a time. It
	// sets out, or calls null for a row whose result is none. What it does of rows
	// with a null argument, which may hold anything, is not looked at.
	Longs func(x, y, out []int64, null func(row int))
}

// Raise returns an error whose text reaches the user. It must not quote data.
func Raise(text string) error { return fmt.Errorf("%s%s", raisedPrefix, text) }

type scalar struct {
	cfg duckdb.ScalarFuncConfig
	f   Function
}

func (s *scalar) Config() duckdb.ScalarFuncConfig { return s.cfg }

// Executor implements duckdb.ScalarFunc. The row's form and not the chunk's,
// which takes a context: the driver keeps that one in a place that two of the
// engine's threads may write and read at the same time, and a torn interface ends
// the process.
func (s *scalar) Executor() duckdb.ScalarFuncExecutor {
	return duckdb.ScalarFuncExecutor{RowExecutor: s.row}
}

func (s *scalar) row(values []driver.Value) (v any, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("internal error in function %s", s.f.Name)
		}
	}()
	return s.f.Eval(*(*[]any)(unsafe.Pointer(&values))) // driver.Value is any by another name
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
