// Package libm is the C library's mathematics.
//
// The language's own engine is written in C++, and queries compare what it
// prints to the last digit. Go computes sines, logarithms and powers in
// another way, which differs in that digit in one of five places; the C
// library's are nearly always the nearest real there is. The engine of this
// program needs a C library anyway. A call costs about 30 ns more than Go's.
package libm

// #cgo LDFLAGS: -lm
// #include <math.h>
import "C"

// The functions have the names and the meaning of those of package math.

func Sin(x float64) float64      { return float64(C.sin(C.double(x))) }
func Cos(x float64) float64      { return float64(C.cos(C.double(x))) }
func Tan(x float64) float64      { return float64(C.tan(C.double(x))) }
func Asin(x float64) float64     { return float64(C.asin(C.double(x))) }
func Acos(x float64) float64     { return float64(C.acos(C.double(x))) }
func Atan(x float64) float64     { return float64(C.atan(C.double(x))) }
func Atan2(y, x float64) float64 { return float64(C.atan2(C.double(y), C.double(x))) }
func Exp(x float64) float64      { return float64(C.exp(C.double(x))) }
func Exp2(x float64) float64     { return float64(C.exp2(C.double(x))) }
func Log(x float64) float64      { return float64(C.log(C.double(x))) }
func Log2(x float64) float64     { return float64(C.log2(C.double(x))) }
func Log10(x float64) float64    { return float64(C.log10(C.double(x))) }
func Pow(x, y float64) float64   { return float64(C.pow(C.double(x), C.double(y))) }
func Gamma(x float64) float64    { return float64(C.tgamma(C.double(x))) }
func Erf(x float64) float64      { return float64(C.erf(C.double(x))) }
func Erfc(x float64) float64     { return float64(C.erfc(C.double(x))) }
