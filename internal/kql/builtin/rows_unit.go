package builtin

import "logkeep/internal/kql/native"

// unitRows convert units of measure, and know the beta distribution.
func unitRows() []Function {
	rows := []Function{
		{Names: []string{"convert_temperature"}, Sig: "(value:real, from:string, to:string) real", Go: native.ConvertTemperature, Doc: "A temperature in another unit."},
		{Names: []string{"beta_cdf"}, Sig: "(x:real, alpha:real, beta:real) real", Go: native.BetaCDF, Doc: "The beta distribution up to a value."},
		{Names: []string{"beta_inv"}, Sig: "(probability:real, alpha:real, beta:real) real", Go: native.BetaInv, Doc: "The value up to which the beta distribution has a probability."},
		{Names: []string{"beta_pdf"}, Sig: "(x:real, alpha:real, beta:real) real", Go: native.BetaPDF, Doc: "The density of the beta distribution."},
	}
	units := native.Units()
	for _, kind := range []string{"angle", "energy", "force", "length", "mass", "speed", "volume"} {
		rows = append(rows, Function{Names: []string{"convert_" + kind}, Sig: "(value:real, from:string, to:string) real", Go: native.Convert(units[kind]), Doc: "A measure of " + kind + " in another unit."})
	}
	return rows
}
