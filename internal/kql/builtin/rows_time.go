package builtin

import "logkeep/internal/kql/native"

// timeRows are the functions on datetimes and timespans, all in ticks. Those
// that filters use often have an SQL form, and a Go form with which constants
// are computed when the query is compiled.
func timeRows() []Function {
	g := func(name, sig string, eval func([]any) (any, error), doc string) Function {
		return Function{Names: []string{name}, Sig: sig, Go: eval, Doc: doc}
	}
	both := func(name, sig, sql string, eval func([]any) (any, error), doc string) Function {
		return Function{Names: []string{name}, Sig: sig, SQL: sql, Go: eval, Doc: doc}
	}
	const day = "864000000000"
	rows := []Function{
		both("dayofweek", "(datetime) timespan", "(((({0} // "+day+") + 1) % 7) * "+day+")", native.DayOfWeek, "The days since Sunday."),
		g("dayofmonth", "(datetime) int", native.DatePart("day32"), "The day of the month."),
		g("dayofyear", "(datetime) int", native.DatePart("dayofyear32"), "The day of the year."),
		both("hourofday", "(datetime) long", "(({0} // 36000000000) % 24)", native.DatePart("hour"), "The hour of the day."),
		{Names: []string{"week_of_year", "weekofyear"}, Sig: "(datetime) int", Go: native.DatePart("week32"), Doc: "The week of the year as ISO 8601 counts."},
		{Names: []string{"getyear"}, Sig: "(datetime) long", Go: native.DatePart("year"), Doc: "The year."},
		{Names: []string{"getmonth", "monthofyear"}, Sig: "(datetime) long", Go: native.DatePart("month"), Doc: "The month."},
		{Names: []string{"datetime_part", "datepart"}, Sig: "(part:string, datetime) long", Go: native.DateTimePart, Doc: "A part of a datetime, such as 'year' or 'hour'."},
		g("datetime_add", "(period:string, amount:long, datetime) datetime", native.DateTimeAdd, "A datetime moved by a number of periods."),
		{Names: []string{"datetime_diff"}, Rule: "datetime_diff", Sig: "(period:string, to:datetime, from:datetime) long", Go: native.DateTimeDiff, Doc: "How many limits of a period lie between two datetimes; weeks as a real."},
		{Names: []string{"make_datetime"}, Sig: "(year:long, month:long, day:long, hour:long?, minute:long?, second:real?) datetime", Go: native.MakeDateTime, Named: ByOnly, Doc: "A datetime of its parts."},
		{Names: []string{"make_datetime"}, Sig: "(datetime) datetime", SQL: "{0}", Named: ByOnly, Doc: "A datetime of its parts."},
		{Names: []string{"make_datetime"}, Sig: "(text:string) datetime", Go: native.ParseTime, Named: ByOnly, Doc: "A datetime of its parts."},
		{Names: []string{"make_timespan"}, Sig: "(hours:long, minutes:long) timespan", Go: native.MakeTimespan, Named: ByOnly, Doc: "A timespan of its parts."},
		{Names: []string{"make_timespan"}, Sig: "(hours:long, minutes:long, seconds:real) timespan", Go: native.MakeTimespan, Doc: "A timespan of its parts."},
		{Names: []string{"make_timespan"}, Sig: "(days:long, hours:long, minutes:long, seconds:real) timespan", Go: native.MakeTimespan, Doc: "A timespan of its parts."},
		{Names: []string{"make_timespan"}, Sig: "(timespan) timespan", SQL: "{0}", Named: ByOnly, Doc: "A timespan of its parts."},
		{Names: []string{"make_timespan"}, Sig: "(text:string) timespan", Go: native.ParseSpan, Named: ByOnly, Doc: "A timespan of its parts."},
		{Names: []string{"format_datetime"}, Sig: "(datetime, format:string) string", Go: native.FormatDateTime, Named: ByArgument, Doc: "A datetime in a form of one's own."},
		{Names: []string{"format_timespan"}, Sig: "(timespan, format:string) string", Go: native.FormatTimespan, Named: ByArgument, Doc: "A timespan in a form of one's own."},
		g("unixtime_seconds_todatetime", "(number) datetime", native.UnixTime(10_000_000), "A datetime of seconds since 1970."),
		g("unixtime_milliseconds_todatetime", "(number) datetime", native.UnixTime(10_000), "A datetime of milliseconds since 1970."),
		g("unixtime_microseconds_todatetime", "(number) datetime", native.UnixTime(10), "A datetime of microseconds since 1970."),
		g("unixtime_nanoseconds_todatetime", "(number) datetime", native.UnixTime(0.01), "A datetime of nanoseconds since 1970."),
		g("datetime_utc_to_local", "(datetime, zone:string) datetime", native.ToLocal, "The clock of a time zone at a datetime."),
		g("datetime_local_to_utc", "(datetime, zone:string) datetime", native.ToUTC, "The datetime at which a time zone's clock shows something."),
		g("datetime_list_timezones", "() dynamic", native.Zones, "The time zones that are known."),
	}
	for _, period := range []string{"day", "week", "month", "year"} {
		start := both("startof"+period, "(datetime, offset:long?) datetime", "", native.StartOf(period), "The start of the "+period+", moved by an offset.")
		if period == "day" {
			start.Named = ByArgument
		}
		rows = append(rows, start, g("endof"+period, "(datetime, offset:long?) datetime", native.EndOf(period), "The end of the "+period+", moved by an offset."))
	}
	bin := []string{"bin", "floor"}
	const doc = "A value rounded down to a multiple."
	return append(rows,
		Function{Names: bin, Sig: "(datetime, size:timespan) datetime", Go: native.Bin, Longs: native.Bins, Named: ByArgument, Doc: doc},
		Function{Names: bin, Sig: "(timespan, size:timespan) timespan", Go: native.Bin, Longs: native.Bins, Named: ByArgument, Doc: doc},
		Function{Names: bin, Sig: "(long, size:long) long", Go: native.Bin, Longs: native.Bins, Named: ByArgument, Doc: doc},
		Function{Names: bin, Sig: "(real, size:real) real", SQL: "CASE WHEN {1} >= 0 THEN floor({0} / {1}) * {1} END", Go: native.BinReal, Named: ByArgument, Doc: doc},
		Function{Names: bin, Sig: "(decimal, size:decimal) decimal", Go: native.BinDecimal, Named: ByArgument, Doc: doc},
		Function{Names: bin, Sig: "(datetime, size:long) datetime", Go: native.Bin, Longs: native.Bins, Named: ByArgument, Doc: doc},
		Function{Names: bin, Sig: "(datetime, size:datetime) datetime", Go: native.Bin, Longs: native.Bins, Named: ByArgument, Doc: doc},
		Function{Names: bin, Sig: "(int, size:int) int", SQL: "CASE WHEN {1} > 0 THEN TRY_CAST({0} - (CAST({0} % {1} AS BIGINT) + {1}) % {1} AS INTEGER) END", Named: ByArgument, Doc: doc},
		Function{Names: []string{"bin_at"}, Sig: "(datetime, size:timespan, at:datetime) datetime", Go: native.BinTimeAt, Named: ByArgument, Doc: "A value rounded down to a grid through a point."},
		Function{Names: []string{"bin_at"}, Sig: "(timespan, size:timespan, at:timespan) timespan", Go: native.BinAt, Named: ByArgument, Doc: "A value rounded down to a grid through a point."},
		Function{Names: []string{"bin_at"}, Sig: "(timespan, size:long, at:timespan) timespan", Go: native.BinAt, Named: ByArgument, Doc: "A value rounded down to a grid through a point."},
		Function{Names: []string{"bin_at"}, Sig: "(datetime, size:long, at:datetime) datetime", Go: native.BinTimeAt, Named: ByArgument, Doc: "A value rounded down to a grid through a point."},
		Function{Names: []string{"bin_at"}, Sig: "(datetime, size:datetime, at:datetime) datetime", Go: native.BinTimeAt, Named: ByArgument, Doc: "A value rounded down to a grid through a point."},
		Function{Names: []string{"bin_at"}, Sig: "(long, size:long, at:long) long", Go: native.BinAt, Named: ByArgument, Doc: "A value rounded down to a grid through a point."},
		Function{Names: []string{"bin_at"}, Sig: "(real, size:real, at:real) real", Go: native.BinAtReal, Named: ByArgument, Doc: "A value rounded down to a grid through a point."},
	)
}
