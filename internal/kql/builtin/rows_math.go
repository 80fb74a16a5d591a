package builtin

import "logkeep/internal/kql/native"

// mathRows are the functions on numbers.
func mathRows() []Function {
	var rows []Function
	add := func(name, sig, sql string, named Naming, doc string) {
		rows = append(rows, Function{Names: []string{name}, Sig: sig, SQL: sql, Named: named, Doc: doc})
	}
	goes := func(name, sig string, named Naming, eval func([]any) (any, error), doc string) {
		rows = append(rows, Function{Names: []string{name}, Sig: sig, Go: eval, Named: named, Doc: doc})
	}
	for name, f := range native.RealFunctions() {
		named := ByArgument
		switch name {
		case "cot", "degrees", "radians", "sign":
			named = ByDefault
		}
		goes(name, "(real) real", named, f, "The "+name+" of a number.")
	}
	add("abs", "(real) real", "abs({0})", ByArgument, "Without its sign.")
	add("abs", "(long) long", "TRY(abs({0}))", ByArgument, "Without its sign.")
	goes("abs", "(decimal) decimal", ByArgument, native.DecimalAbs, "Without its sign.")
	add("abs", "(timespan) timespan", "TRY(abs({0}))", ByArgument, "Without its sign.")
	goes("atan2", "(y:real, x:real) real", ByArgument, native.Atan2, "The angle of a point.")
	goes("pow", "(base:real, exponent:real) real", ByArgument, native.Pow, "A power.")
	goes("round", "(real, precision:long?) real", ByArgument, native.Round, "Rounded to a number of digits.")
	goes("round", "(decimal, precision:long?) decimal", ByArgument, native.RoundDecimal, "Rounded to a number of digits.")
	goes("round", "(long, precision:long?) long", ByArgument, native.RoundLong, "Rounded to a number of digits.")
	goes("round", "(int, precision:long?) int", ByArgument, native.RoundInt, "Rounded to a number of digits.")
	add("ceiling", "(real) real", "ceil({0})", ByArgument, "Rounded up.")
	add("ceiling", "(long) long", "{0}", ByArgument, "Rounded up.")
	add("ceiling", "(int) int", "{0}", ByArgument, "Rounded up.")
	goes("ceiling", "(decimal) decimal", ByArgument, native.DecimalCeiling, "Rounded up.")
	add("pi", "() real", "pi()", ByDefault, "The number pi.")
	add("isnan", "(real) bool", "isnan({0})", ByDefault, "Whether a real is no number.")
	add("isinf", "(real) bool", "isinf({0})", ByDefault, "Whether a real is infinite.")
	add("isfinite", "(real) bool", "isfinite({0})", ByDefault, "Whether a real is finite.")
	rows = append(rows,
		Function{Names: []string{"rand"}, Sig: "(n:long?) real", Rule: "rand", SQL: "random()", Note: Volatile, Named: ByArgument, Doc: "A random number from 0 to 1."},
		Function{Names: []string{"max_of"}, Sig: "(number...) common", Rule: "extreme_of", SQL: "greatest({*})", Doc: "The greatest of several values."},
		Function{Names: []string{"min_of"}, Sig: "(number...) common", Rule: "extreme_of", SQL: "least({*})", Doc: "The least of several values."},
		Function{Names: []string{"binary_and"}, Sig: "(long, long) long", SQL: "({0} & {1})", Named: ByArgument, Doc: "Bitwise and."},
		Function{Names: []string{"binary_or"}, Sig: "(long, long) long", SQL: "({0} | {1})", Named: ByArgument, Doc: "Bitwise or."},
		Function{Names: []string{"binary_xor"}, Sig: "(long, long) long", SQL: "xor({0}, {1})", Named: ByArgument, Doc: "Bitwise exclusive or."},
		Function{Names: []string{"binary_not"}, Sig: "(long) long", SQL: "(~{0})", Named: ByArgument, Doc: "Bitwise not."},
		Function{Names: []string{"binary_shift_left"}, Sig: "(long, by:long) long", Go: native.ShiftLeft, Named: ByArgument, Doc: "Bits moved to the left."},
		Function{Names: []string{"binary_shift_right"}, Sig: "(long, by:long) long", Go: native.ShiftRight, Named: ByArgument, Doc: "Bits moved to the right."},
		Function{Names: []string{"bitset_count_ones"}, Sig: "(long) long", SQL: "CAST(bit_count({0}) AS BIGINT)", Named: ByArgument, Doc: "The number of bits that are set."},
		Function{Names: []string{"format_bytes"}, Sig: "(number, precision:long?, units:string?, base:long?) string", Go: native.FormatBytes, Named: ByArgument, Doc: "A number of bytes for people."},
		Function{Names: []string{"tohex"}, Sig: "(long, length:long?) string", Go: native.ToHex, Named: ByArgument, Doc: "A number in hexadecimal."},
		Function{Names: []string{"welch_test"}, Sig: "(m1:real, v1:real, c1:real, m2:real, v2:real, c2:real) real", Go: native.WelchTest, Doc: "The p value of Welch's test."},
	)
	return rows
}
