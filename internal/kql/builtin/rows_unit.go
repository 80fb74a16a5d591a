package builtin

import "logkeep/internal/kql/native"

// unitRows convert units of measure, and know distributions and tolerances.
func unitRows() []Function {
	rows := []Function{
		{Names: []string{"convert_temperature"}, Sig: "(value:real, from:string, to:string) real", Go: native.ConvertTemperature, Doc: "A temperature in another unit."},
		{Names: []string{"beta_cdf"}, Sig: "(x:real, alpha:real, beta:real) real", Go: native.BetaCDF, Doc: "The beta distribution up to a value."},
		{Names: []string{"beta_inv"}, Sig: "(probability:real, alpha:real, beta:real) real", Go: native.BetaInv, Doc: "The value up to which the beta distribution has a probability."},
		{Names: []string{"beta_pdf"}, Sig: "(x:real, alpha:real, beta:real) real", Go: native.BetaPDF, Doc: "The density of the beta distribution."},
	}
	for _, sig := range []string{"(value:datetime, center:datetime, delta:timespan) bool", "(value:timespan, center:timespan, delta:timespan) bool", "(value:long, center:long, delta:long) bool", "(value:real, center:real, delta:real) bool"} {
		rows = append(rows, Function{Names: []string{"around"}, Sig: sig, SQL: "({0} BETWEEN {1} - {2} AND {1} + {2})", Doc: "Whether a value is near another."})
	}
	units := native.Units()
	for _, kind := range []string{"angle", "energy", "force", "length", "mass", "speed", "volume"} {
		rows = append(rows, Function{Names: []string{"convert_" + kind}, Sig: "(value:real, from:string, to:string) real", Go: native.Convert(units[kind]), Doc: "A measure of " + kind + " in another unit."})
	}
	return rows
}
