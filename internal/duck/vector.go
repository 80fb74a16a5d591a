package duck

import (
	"database/sql"
	"errors"
	"reflect"
	"runtime"
	"runtime/cgo"
	"unsafe"

	"github.com/duckdb/duckdb-go/v2/mapping"

	"logkeep/internal/schema"
)

// Most functions in Go are called once a row, with copies of their arguments. Two
// kinds, of which a query may need millions of results and little else, see a
// vector of the engine's at a time, where it lies: Function's Search and Longs.

// registered keeps what the engine holds an address of until it is closed.
type registered struct {
	handle *cgo.Handle // apart, since C may not hold what holds a pointer of Go's
	pin    runtime.Pinner
}

func (r *registered) free() {
	r.pin.Unpin()
	r.handle.Delete()
}

// registerVector offers a function in SQL whose callback, in C, finds run again
// with runOf. What it returns is to be freed after the engine is closed.
func registerVector(conn *sql.Conn, s Function, run any, callback unsafe.Pointer) (r *registered, err error) {
	r = &registered{handle: new(cgo.Handle)}
	*r.handle = cgo.NewHandle(run)
	r.pin.Pin(r.handle)
	defer func() {
		if err != nil {
			r.free()
		}
	}()
	err = conn.Raw(func(c any) error {
		inner, err := connectionOf(c)
		if err != nil {
			return err
		}
		f := mapping.CreateScalarFunction()
		defer mapping.DestroyScalarFunction(&f)
		mapping.ScalarFunctionSetName(f, s.Name)
		for _, p := range s.Params {
			logical := mapping.CreateLogicalType(carried(p))
			mapping.ScalarFunctionAddParameter(f, logical)
			mapping.DestroyLogicalType(&logical)
		}
		logical := mapping.CreateLogicalType(carried(s.Result))
		mapping.ScalarFunctionSetReturnType(f, logical)
		mapping.DestroyLogicalType(&logical)
		mapping.ScalarFunctionSetExtraInfo(f, unsafe.Pointer(r.handle), nil)
		mapping.ScalarFunctionSetFunction(f, callback)
		if mapping.RegisterScalarFunction(inner, f) != mapping.StateSuccess {
			return errors.New("the engine refused it")
		}
		return nil
	})
	return r, err
}

func carried(t schema.Type) mapping.Type {
	switch t {
	case schema.Bool:
		return mapping.TypeBoolean
	case schema.Long, schema.DateTime, schema.TimeSpan:
		return mapping.TypeBigInt
	}
	return mapping.TypeVarchar
}

// connectionOf is the engine's own connection inside of the driver's, which has
// no way to register a function that sees whole vectors.
func connectionOf(c any) (mapping.Connection, error) {
	v := reflect.ValueOf(c)
	if v.Kind() == reflect.Pointer && v.Elem().Kind() == reflect.Struct {
		field := v.Elem().FieldByName("conn")
		if field.IsValid() && field.Type() == reflect.TypeFor[mapping.Connection]() {
			return mapping.Connection{Ptr: field.FieldByName("Ptr").UnsafePointer()}, nil
		}
	}
	return mapping.Connection{}, errors.New("internal error: the driver's connections are not of the version that this was written for")
}

// A call is one call of such a function: up to a vector's rows. The engine
// flattens the arguments before.
type call struct {
	run   any
	rows  int
	args  []mapping.Vector
	out   mapping.Vector
	masks []unsafe.Pointer // of the arguments that may have nulls
	nulls unsafe.Pointer   // of the result; nil while there are none
}

func callOf(info, input, output unsafe.Pointer) *call {
	handle := (*cgo.Handle)(mapping.ScalarFunctionGetExtraInfo(mapping.FunctionInfo{Ptr: info}))
	chunk := mapping.DataChunk{Ptr: input}
	c := &call{run: handle.Value(), rows: int(mapping.DataChunkGetSize(chunk)), out: mapping.Vector{Ptr: output}}
	for i := range mapping.DataChunkGetColumnCount(chunk) {
		v := mapping.DataChunkGetVector(chunk, i)
		c.args = append(c.args, v)
		if m := mapping.VectorGetValidity(v); m != nil {
			c.masks = append(c.masks, m)
		}
	}
	return c
}

// failed tells the engine of a panic, to be deferred.
func failed(info unsafe.Pointer) {
	if p := recover(); p != nil {
		mapping.ScalarFunctionSetError(mapping.FunctionInfo{Ptr: info}, "internal error in a function")
	}
}

// null reports whether an argument of a row is null, and makes its result so.
func (c *call) null(row int) bool {
	for _, m := range c.masks {
		if !mapping.ValidityRowIsValid(m, mapping.IdxT(row)) {
			c.setNull(row)
			return true
		}
	}
	return false
}

func (c *call) setNull(row int) {
	if c.nulls == nil {
		mapping.VectorEnsureValidityWritable(c.out)
		c.nulls = mapping.VectorGetValidity(c.out)
	}
	mapping.ValiditySetRowInvalid(c.nulls, mapping.IdxT(row))
}

// cells is a vector's values, of the type that its column is carried in.
func cells[T any](c *call, v mapping.Vector) []T {
	return unsafe.Slice((*T)(mapping.VectorGetData(v)), c.rows)
}
