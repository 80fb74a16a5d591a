package duck

/*
#include <stdint.h>
typedef void (*logkeep_callback)(void *, void *, void *);
void logkeepSearch(void *, void *, void *);
static logkeep_callback logkeep_search(void) { return logkeepSearch; }
*/
import "C"

import (
	"database/sql"
	"fmt"
	"reflect"
	"runtime"
	"runtime/cgo"
	"unsafe"

	"github.com/duckdb/duckdb-go/v2/mapping"
)

// A cell is a text as the engine's vectors have it: the length, then the bytes
// themselves if they fit, else the first four of them and the address of all.
type cell struct {
	length uint32
	start  [4]byte
	rest   [8]byte
}

const inCell = 12 // bytes that fit

// text is valid for as long as the vector is.
func (c *cell) text() string {
	if c.length <= inCell {
		return unsafe.String(&c.start[0], int(c.length))
	}
	return unsafe.String(*(**byte)(unsafe.Pointer(&c.rest)), int(c.length))
}

// registered keeps what the engine holds an address of until it is closed.
type registered struct {
	handle *cgo.Handle // apart, since C may not hold what holds a pointer of Go's
	pin    runtime.Pinner
}

func (r *registered) free() {
	r.pin.Unpin()
	r.handle.Delete()
}

// registerSearch offers a Search in SQL. It is null where the text or the term
// is. What it returns is to be freed after the engine is closed.
func registerSearch(conn *sql.Conn, s Function) (r *registered, err error) {
	r = &registered{handle: new(cgo.Handle)}
	*r.handle = cgo.NewHandle(s.Search)
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
		text, flag := mapping.CreateLogicalType(mapping.TypeVarchar), mapping.CreateLogicalType(mapping.TypeBoolean)
		defer mapping.DestroyLogicalType(&text)
		defer mapping.DestroyLogicalType(&flag)
		f := mapping.CreateScalarFunction()
		defer mapping.DestroyScalarFunction(&f)
		mapping.ScalarFunctionSetName(f, s.Name)
		for _, t := range []mapping.LogicalType{text, text, flag, flag} {
			mapping.ScalarFunctionAddParameter(f, t)
		}
		mapping.ScalarFunctionSetReturnType(f, flag)
		mapping.ScalarFunctionSetExtraInfo(f, unsafe.Pointer(r.handle), nil)
		mapping.ScalarFunctionSetFunction(f, unsafe.Pointer(C.logkeep_search()))
		if mapping.RegisterScalarFunction(inner, f) != mapping.StateSuccess {
			return fmt.Errorf("the engine refused it")
		}
		return nil
	})
	return r, err
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
	return mapping.Connection{}, fmt.Errorf("internal error: the driver's connections are not of the version that this was written for")
}

// logkeepSearch is called by the engine's threads, with up to a vector's rows.
// The engine flattens the arguments before.
//
//export logkeepSearch
func logkeepSearch(info, input, output unsafe.Pointer) {
	defer func() {
		if p := recover(); p != nil {
			mapping.ScalarFunctionSetError(mapping.FunctionInfo{Ptr: info}, "internal error in a search")
		}
	}()
	prepare := (*(*cgo.Handle)(mapping.ScalarFunctionGetExtraInfo(mapping.FunctionInfo{Ptr: info}))).Value().(func(string) func(string, bool, bool) bool)
	chunk, out := mapping.DataChunk{Ptr: input}, mapping.Vector{Ptr: output}
	rows := int(mapping.DataChunkGetSize(chunk))
	if rows == 0 {
		return
	}
	var vectors [4]mapping.Vector
	for i := range vectors {
		vectors[i] = mapping.DataChunkGetVector(chunk, mapping.IdxT(i))
	}
	texts, terms := cellsOf(vectors[0], rows), cellsOf(vectors[1], rows)
	lefts, rights := flagsOf(vectors[2], rows), flagsOf(vectors[3], rows)
	found := flagsOf(out, rows)
	valid := func(i int) bool { return true }
	if masks := masksOf(vectors[:]); len(masks) > 0 {
		mapping.VectorEnsureValidityWritable(out)
		none := mapping.VectorGetValidity(out)
		valid = func(i int) bool {
			for _, m := range masks {
				if !mapping.ValidityRowIsValid(m, mapping.IdxT(i)) {
					mapping.ValiditySetRowInvalid(none, mapping.IdxT(i))
					return false
				}
			}
			return true
		}
	}
	var term string
	var find func(string, bool, bool) bool
	for i := range rows {
		if !valid(i) {
			continue
		}
		if t := terms[i].text(); find == nil || t != term {
			term, find = t, prepare(t)
		}
		found[i] = 0
		if find(texts[i].text(), lefts[i] != 0, rights[i] != 0) {
			found[i] = 1
		}
	}
}

func cellsOf(v mapping.Vector, rows int) []cell {
	return unsafe.Slice((*cell)(mapping.VectorGetData(v)), rows)
}

func flagsOf(v mapping.Vector, rows int) []byte {
	return unsafe.Slice((*byte)(mapping.VectorGetData(v)), rows)
}

// masksOf are those of the vectors that may have nulls.
func masksOf(vectors []mapping.Vector) (masks []unsafe.Pointer) {
	for _, v := range vectors {
		if m := mapping.VectorGetValidity(v); m != nil {
			masks = append(masks, m)
		}
	}
	return masks
}
