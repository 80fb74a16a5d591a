package builtin

import (
	"sync"

	"logkeep/internal/kql/native"
)

// Operators returns the table of arithmetic, by sign; - with one argument is
// negation.
var Operators = sync.OnceValue(func() *Table { return build(operatorRows(), "kqlop_") })

func operatorRows() []Function {
	row := func(op, sig, sql string) Function { return Function{Names: []string{op}, Sig: sig, SQL: sql} }
	word := map[string]string{"+": "add", "-": "subtract", "*": "multiply", "/": "divide", "%": "modulo"}
	rows := []Function{
		row("+", "(real, real) real", "({0} + {1})"),
		row("-", "(real, real) real", "({0} - {1})"),
		row("*", "(real, real) real", "({0} * {1})"),
		row("/", "(real, real) real", "({0} / {1})"),
		row("%", "(real, real) real", "(({0} % abs({1})) + abs({1})) % abs({1})"),
		row("/", "(long, long) long", "TRY({0} // {1})"),
		row("%", "(long, long) long", "TRY((({0} % abs({1})) + abs({1})) % abs({1}))"),

		row("+", "(timespan, timespan) timespan", "TRY({0} + {1})"),
		row("+", "(datetime, timespan) datetime", "(CASE WHEN TRY({0} + {1}) BETWEEN 0 AND 3155378975999999999 THEN TRY({0} + {1}) END)"),
		row("+", "(timespan, datetime) datetime", "(CASE WHEN TRY({0} + {1}) BETWEEN 0 AND 3155378975999999999 THEN TRY({0} + {1}) END)"),
		row("-", "(timespan, timespan) timespan", "TRY({0} - {1})"),
		row("-", "(datetime, datetime) timespan", "TRY({0} - {1})"),
		row("-", "(datetime, timespan) datetime", "(CASE WHEN TRY({0} - {1}) BETWEEN 0 AND 3155378975999999999 THEN TRY({0} - {1}) END)"),
		row("-", "(timespan, datetime) datetime", "TRY({0} - {1})"),
		row("*", "(timespan, long) timespan", "TRY({0} * {1})"),
		row("*", "(long, timespan) timespan", "TRY({0} * {1})"),
		row("*", "(timespan, real) timespan", "TRY_CAST(trunc({0} * {1}) AS BIGINT)"),
		row("*", "(real, timespan) timespan", "TRY_CAST(trunc({0} * {1}) AS BIGINT)"),
		row("/", "(timespan, timespan) real", "(CAST({0} AS DOUBLE) / CAST({1} AS DOUBLE))"),
		row("/", "(datetime, timespan) real", "(CAST({0} AS DOUBLE) / CAST({1} AS DOUBLE))"),
		row("/", "(datetime, datetime) real", "(CAST({0} AS DOUBLE) / CAST({1} AS DOUBLE))"),
		row("/", "(timespan, long) timespan", "TRY({0} // {1})"),
		row("/", "(timespan, real) timespan", "TRY_CAST(trunc({0} / {1}) AS BIGINT)"),
		row("%", "(timespan, timespan) timespan", "TRY({0} % {1})"),
		row("%", "(datetime, timespan) timespan", "TRY({0} % {1})"),
		row("%", "(timespan, long) timespan", "TRY({0} % {1})"),

		row("neg", "(int) long", "(- CAST({0} AS BIGINT))"),
		row("neg", "(long) long", "TRY(- {0})"),
		row("neg", "(real) real", "(- {0})"),
		row("neg", "(timespan) timespan", "TRY(- {0})"),
		{Names: []string{"neg"}, Sig: "(decimal) decimal", Go: func(a []any) (any, error) { return native.Decimal("-")([]any{"0", a[0]}) }},
		{Names: []string{"neg"}, Sig: "(dynamic) dynamic", Go: func(a []any) (any, error) { return native.Arithmetic("-")([]any{"0", a[0]}) }},
	}
	for _, op := range []string{"+", "-", "*"} {
		rows = append(rows,
			// Overflow wraps around. Only rows that overflow pay for it.
			row(op, "(long, long) long", "coalesce(TRY({0} "+op+" {1}), kqlop___wrap_"+word[op]+"_0({0}, {1}))"),
			Function{Names: []string{"__wrap_" + word[op]}, Sig: "(long, long) long", Go: native.WrapLong(op)})
	}
	for _, op := range []string{"+", "-", "*", "/", "%"} {
		rows = append(rows,
			Function{Names: []string{"__decimal_" + word[op]}, Sig: "(decimal, decimal) decimal", Go: native.Decimal(op)},
			row(op, "(decimal, decimal) decimal", "kqlop___decimal_"+word[op]+"_0({0}, {1})"),
			Function{Names: []string{"__dynamic_" + word[op]}, Sig: "(dynamic, dynamic) dynamic", Go: native.Arithmetic(op)},
			row(op, "(dynamic, dynamic) dynamic", "kqlop___dynamic_"+word[op]+"_0({0}, {1})"))
	}
	return rows
}
