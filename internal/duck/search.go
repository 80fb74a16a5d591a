package duck

/*
#include <stdint.h>
typedef void (*logkeep_callback)(void *, void *, void *);
void logkeepSearch(void *, void *, void *);
void logkeepLongs(void *, void *, void *);
static logkeep_callback logkeep_search(void) { return logkeepSearch; }
static logkeep_callback logkeep_longs(void) { return logkeepLongs; }
*/
import "C"

import (
	"database/sql"
	"unsafe"
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

type search = func(term string) func(text string, left, right bool) bool

func registerSearch(conn *sql.Conn, f Function) (*registered, error) {
	return registerVector(conn, f, search(f.Search), unsafe.Pointer(C.logkeep_search()))
}

// logkeepSearch is called by the engine's threads.
//
//export logkeepSearch
func logkeepSearch(info, input, output unsafe.Pointer) {
	defer failed(info)
	c := callOf(info, input, output)
	prepare := c.run.(search)
	texts, terms := cells[cell](c, c.args[0]), cells[cell](c, c.args[1])
	lefts, rights := cells[byte](c, c.args[2]), cells[byte](c, c.args[3])
	out := cells[byte](c, c.out)
	var term string
	var find func(string, bool, bool) bool
	for i := range out {
		if c.null(i) {
			continue
		}
		if t := terms[i].text(); find == nil || t != term {
			term, find = t, prepare(t)
		}
		out[i] = 0
		if find(texts[i].text(), lefts[i] != 0, rights[i] != 0) {
			out[i] = 1
		}
	}
}

type longs = func(x, y, out []int64, null func(row int))

func registerLongs(conn *sql.Conn, f Function) (*registered, error) {
	return registerVector(conn, f, longs(f.Longs), unsafe.Pointer(C.logkeep_longs()))
}

// logkeepLongs is called by the engine's threads.
//
//export logkeepLongs
func logkeepLongs(info, input, output unsafe.Pointer) {
	defer failed(info)
	c := callOf(info, input, output)
	c.run.(longs)(cells[int64](c, c.args[0]), cells[int64](c, c.args[1]), cells[int64](c, c.out), c.setNull)
	if len(c.masks) > 0 {
		for i := range c.rows {
			c.null(i)
		}
	}
}
