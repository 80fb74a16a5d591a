package builtin

import (
	"math"

	"logkeep/internal/kql/libm"
	"logkeep/internal/kql/native"
	"logkeep/internal/schema"
)

// seriesRows are the functions on series: arrays of numbers at equal distances.
func seriesRows() []Function {
	g := func(name, sig string, named Naming, eval func([]any) (any, error), doc string) Function {
		return Function{Names: []string{name}, Sig: sig, Go: eval, Named: named, Doc: doc}
	}
	rows := []Function{
		g("series_sum", "(series:dynamic) real", ByDefault, native.SeriesSum, "The sum of a series."),
		g("series_product", "(series:dynamic) real", ByDefault, native.SeriesProduct, "The product of a series."),
		g("series_magnitude", "(series:dynamic) real", ByDefault, native.SeriesMagnitude, "The length of a vector."),
		g("series_dot_product", "(a:dynamic/number, b:dynamic/number) real", ByDefault, native.SeriesDot, "The dot product of two vectors."),
		g("series_pearson_correlation", "(a:dynamic, b:dynamic) real", ByDefault, native.SeriesPearson, "Pearson's correlation of two series."),
		g("series_cosine_similarity", "(a:dynamic, b:dynamic, magnitude_a:real?, magnitude_b:real?) real", ByDefault, native.SeriesCosine, "The cosine of the angle between two vectors."),
		g("series_fir", "(series:dynamic, filter:dynamic, normalize:bool?, center:bool?) dynamic", ByArgument, native.SeriesFIR, "A series under a filter of finite response."),
		g("series_iir", "(series:dynamic, numerators:dynamic, denominators:dynamic) dynamic", ByArgument, native.SeriesIIR, "A series under a filter of infinite response."),
		g("series_fill_forward", "(series:dynamic, missing:scalar?) dynamic", ByArgument, native.SeriesFillForward, "What is missing is as the value before."),
		g("series_fill_backward", "(series:dynamic, missing:scalar?) dynamic", ByArgument, native.SeriesFillBackward, "What is missing is as the value behind."),
		g("series_fill_const", "(series:dynamic, value:scalar?, missing:scalar?) dynamic", ByArgument, native.SeriesFillConst, "What is missing is a constant."),
		g("series_fill_linear", "(series:dynamic, missing:scalar?, edges:bool?, value:scalar?) dynamic", ByArgument, native.SeriesFillLinear, "What is missing is between its neighbours."),
		g("series_outliers", "(series:dynamic, kind:string?, ignore:real?, low:real?, high:real?, test_points:long?) dynamic", ByArgument, native.SeriesOutliers, "How far each value lies outside of Tukey's fence."),
		g("series_seasonal", "(series:dynamic, period:long?, test_points:long?) dynamic", ByDefault, native.SeriesSeasonal, "What repeats in a series."),
		g("series_stats_dynamic", "(series:dynamic, ignore_nonfinite:bool?) dynamic", ByDefault, native.Bagged(native.SeriesStats, "min", "min_idx", "max", "max_idx", "avg", "stdev", "variance", "sum", "len"), "Statistics of a series as a bag."),
		g("series_fit_line_dynamic", "(series:dynamic) dynamic", ByDefault, native.Bagged(native.SeriesFitLine, lineParts()...), "The straight line nearest to a series as a bag."),
		g("series_fit_2lines_dynamic", "(series:dynamic) dynamic", ByDefault, native.Fit2LinesBag, "The two straight lines nearest to a series as a bag."),
	}
	binary := func(name, doc string, whole bool, f func(x, y float64) float64) {
		rows = append(rows, g("series_"+name, "(a:dynamic/number, b:dynamic/number) dynamic", ByDefault, native.SeriesBinary(whole, f), doc))
	}
	binary("add", "Sums, element by element.", true, func(x, y float64) float64 { return x + y })
	binary("subtract", "Differences, element by element.", true, func(x, y float64) float64 { return x - y })
	binary("multiply", "Products, element by element.", true, func(x, y float64) float64 { return x * y })
	binary("divide", "Quotients, element by element.", false, func(x, y float64) float64 { return x / y })
	binary("pow", "Powers, element by element.", false, libm.Pow)
	compare := func(name, doc string, f func(x, y float64) bool) {
		rows = append(rows, g("series_"+name, "(a:dynamic/number, b:dynamic/number) dynamic", ByDefault, native.SeriesCompare(f), doc))
	}
	compare("equals", "Which elements are equal.", func(x, y float64) bool { return x == y })
	compare("not_equals", "Which elements are different.", func(x, y float64) bool { return x != y })
	compare("greater", "Which elements are greater.", func(x, y float64) bool { return x > y })
	compare("greater_equals", "Which elements are not less.", func(x, y float64) bool { return x >= y })
	compare("less", "Which elements are less.", func(x, y float64) bool { return x < y })
	compare("less_equals", "Which elements are not greater.", func(x, y float64) bool { return x <= y })
	unary := func(name, doc string, whole bool, f func(float64) float64) {
		rows = append(rows, g("series_"+name, "(series:dynamic) dynamic", ByDefault, native.SeriesUnary(whole, f), doc))
	}
	unary("abs", "Each without its sign.", true, math.Abs)
	unary("sign", "The sign of each.", true, native.Sign)
	unary("exp", "The exponential of each.", false, libm.Exp)
	unary("log", "The natural logarithm of each.", false, libm.Log)
	unary("sin", "The sine of each.", false, libm.Sin)
	unary("cos", "The cosine of each.", false, libm.Cos)
	unary("tan", "The tangent of each.", false, libm.Tan)
	unary("asin", "The arc sine of each.", false, libm.Asin)
	unary("acos", "The arc cosine of each.", false, libm.Acos)
	unary("atan", "The arc tangent of each.", false, libm.Atan)
	unary("floor", "Each rounded down.", true, math.Floor)
	unary("ceiling", "Each rounded up.", true, math.Ceil)
	return append(rows, tupleRows()...)
}

func lineParts() []string {
	return []string{"rsquare", "slope", "variance", "rvariance", "interception", "line_fit"}
}

// tupleRows are the functions that give several columns. Their Go form gives an
// array with an element for each column.
func tupleRows() []Function {
	part := func(t schema.Type, names ...string) (out []Part) {
		for _, n := range names {
			out = append(out, Part{Name: n, Type: t})
		}
		return out
	}
	cat := func(lists ...[]Part) (out []Part) {
		for _, l := range lists {
			out = append(out, l...)
		}
		return out
	}
	t := func(name, sig string, eval func([]any) (any, error), doc string, parts []Part) Function {
		return Function{Names: []string{name}, Sig: sig, Go: eval, Rule: "tuple", Parts: parts, Doc: doc}
	}
	const r, l, d = schema.Real, schema.Long, schema.Dynamic
	rows := []Function{
		t("series_stats", "(series:dynamic, ignore_nonfinite:bool?) dynamic", native.SeriesStats, "Statistics of a series.",
			cat(part(r, "min"), part(l, "min_idx"), part(r, "max"), part(l, "max_idx"), part(r, "avg", "stdev", "variance"))),
		t("series_fit_line", "(series:dynamic) dynamic", native.SeriesFitLine, "The straight line nearest to a series.",
			cat(part(r, lineParts()[:5]...), part(d, "line_fit"))),
		t("series_fit_2lines", "(series:dynamic) dynamic", native.SeriesFit2Lines, "The two straight lines nearest to a series.",
			cat(part(r, "rsquare"), part(l, "split_idx"), part(r, "variance", "rvariance"), part(d, "line_fit"),
				part(r, "right_rsquare", "right_slope", "right_interception", "right_variance", "right_rvariance",
					"left_rsquare", "left_slope", "left_interception", "left_variance", "left_rvariance"))),
		t("series_fit_poly", "(y:dynamic, x:dynamic?, degree:long?) dynamic", native.SeriesFitPoly, "The polynomial nearest to a series.",
			cat(part(r, "rsquare"), part(d, "coefficients"), part(r, "variance", "rvariance"), part(d, "poly_fit"))),
		t("series_fft", "(real:dynamic, imaginary:dynamic?) dynamic", native.SeriesFFT(-1), "The Fourier transform of a series.", part(d, "real", "imag")),
		t("series_ifft", "(real:dynamic, imaginary:dynamic?) dynamic", native.SeriesFFT(1), "The series of a Fourier transform.", part(d, "real", "imag")),
		t("series_periods_detect", "(series:dynamic, least:real, most:real, count:long) dynamic", native.SeriesPeriods, "The strongest periods of a series.", part(d, "periods", "scores")),
		t("series_periods_validate", "(series:dynamic, periods:real...) dynamic", native.SeriesValidate, "How strong given periods are in a series.", part(d, "periods", "scores")),
		t("series_decompose", "(series:dynamic, period:long?, trend:string?, test_points:long?, threshold:real?) dynamic", native.SeriesDecompose, "A series as season, trend and rest.",
			part(d, "baseline", "seasonal", "trend", "residual")),
		t("series_decompose_forecast", "(series:dynamic, points:long, period:long?, trend:string?, threshold:real?) dynamic", native.SeriesForecast, "How a series goes on.", part(d, "forecast")),
		t("series_decompose_anomalies", "(series:dynamic, threshold:real?, period:long?, trend:string?, test_points:long?, method:string?, season_threshold:real?) dynamic", native.SeriesAnomalies, "What in a series is out of the ordinary.",
			part(d, "ad_flag", "ad_score", "baseline")),
	}
	for name, desc := range map[string]bool{"array_sort_asc": false, "array_sort_desc": true} {
		rows = append(rows, Function{Names: []string{name}, Sig: "(arrays:dynamic/bool...) dynamic", Go: native.SortArray(desc), Rule: "tuple", Note: NullSafe, Doc: "Arrays in the order of the first."})
	}
	return rows
}
