package native

import "math"

// Units returns how many base units one of each unit is, by kind of measure.
func Units() map[string]map[string]float64 {
	const (
		foot, inch, yard, mile = 0.3048, 0.0254, 0.9144, 1609.344
		pound, gallon, liter   = 0.45359237, 0.003785411784, 0.001
		imperial               = 0.00454609
		survey                 = 1200.0 / 3937
		hour, minute           = 3600.0, 60.0
		btu, calorie, electron = 1055.05585262, 4.184, 1.602176565e-19
		lightYear, parsec      = 9.46073047258e15, 3.08567758128e16
		therm                  = 105505585.262
		footPound              = 1.355817948
	)
	cubic := func(side float64) float64 { return side * side * side }
	return map[string]map[string]float64{
		"angle": {
			"Arcminute": math.Pi / 10800, "Arcsecond": math.Pi / 648000, "Centiradian": 1e-2, "Deciradian": 1e-1, "Degree": math.Pi / 180, "Gradian": math.Pi / 200,
			"Microdegree": math.Pi / 180e6, "Microradian": 1e-6, "Millidegree": math.Pi / 180e3, "Milliradian": 1e-3, "Nanodegree": math.Pi / 180e9, "Nanoradian": 1e-9,
			"NatoMil": math.Pi / 3200, "Radian": 1, "Revolution": 2 * math.Pi, "Tilt": 1,
		},
		"energy": {
			"BritishThermalUnit": btu, "Calorie": calorie, "DecathermEc": therm * 10, "DecathermImperial": 1.05505585257348e9, "DecathermUs": 1.054804e9,
			"ElectronVolt": electron, "Erg": 1e-7, "FootPound": footPound, "GigabritishThermalUnit": btu * 1e9, "GigaelectronVolt": electron * 1e9,
			"Gigajoule": 1e9, "GigawattDay": 24 * hour * 1e9, "GigawattHour": hour * 1e9, "HorsepowerHour": 2.6845195377e6, "Joule": 1, "KilobritishThermalUnit": btu * 1e3,
			"Kilocalorie": calorie * 1e3, "KiloelectronVolt": electron * 1e3, "Kilojoule": 1e3, "KilowattDay": 24 * hour * 1e3, "KilowattHour": hour * 1e3,
			"MegabritishThermalUnit": btu * 1e6, "Megacalorie": calorie * 1e6, "MegaelectronVolt": electron * 1e6, "Megajoule": 1e6, "MegawattDay": 24 * hour * 1e6,
			"MegawattHour": hour * 1e6, "Millijoule": 1e-3, "TeraelectronVolt": electron * 1e12, "TerawattDay": 24 * hour * 1e12, "TerawattHour": hour * 1e12,
			"ThermEc": therm, "ThermImperial": 1.05505585257348e8, "ThermUs": 1.054804e8, "WattDay": 24 * hour, "WattHour": hour,
		},
		"force": {
			"Decanewton": 10, "Dyn": 1e-5, "KilogramForce": 9.80665, "Kilonewton": 1e3, "KiloPond": 9.80665, "KilopoundForce": 4448.2216152605, "Meganewton": 1e6,
			"Micronewton": 1e-6, "Millinewton": 1e-3, "Newton": 1, "OunceForce": 2.780138509537812e-1, "Poundal": 0.138254954376, "PoundForce": 4.4482216152605,
			"ShortTonForce": 8896.443230521, "TonneForce": 9806.65,
		},
		"length": {
			"Angstrom": 1e-10, "AstronomicalUnit": 1.495978707e11, "Centimeter": 1e-2, "Chain": 20.1168, "DataMile": 1828.8, "Decameter": 10, "Decimeter": 1e-1,
			"DtpPica": inch / 6, "DtpPoint": inch / 72, "Fathom": 1.8288, "Foot": foot, "Hand": 0.1016, "Hectometer": 100, "Inch": inch, "KilolightYear": lightYear * 1e3,
			"Kilometer": 1e3, "Kiloparsec": parsec * 1e3, "LightYear": lightYear, "MegalightYear": lightYear * 1e6, "Megaparsec": parsec * 1e6, "Meter": 1,
			"Microinch": inch * 1e-6, "Micrometer": 1e-6, "Mil": inch * 1e-3, "Mile": mile, "Millimeter": 1e-3, "Nanometer": 1e-9, "NauticalMile": 1852, "Parsec": parsec,
			"PrinterPica": inch / 6.02248, "PrinterPoint": inch / 72.27, "Shackle": 27.432, "SolarRadius": 6.95510e8, "Twip": inch / 1440, "UsSurveyFoot": survey, "Yard": yard,
		},
		"mass": {
			"Centigram": 1e-5, "Decagram": 1e-2, "Decigram": 1e-4, "EarthMass": 5.9722e24, "Grain": 6.479891e-5, "Gram": 1e-3, "Hectogram": 1e-1, "Kilogram": 1,
			"Kilopound": pound * 1e3, "Kilotonne": 1e6, "LongHundredweight": 50.80234544, "LongTon": 1016.0469088, "Megapound": pound * 1e6, "Megatonne": 1e9, "Microgram": 1e-9,
			"Milligram": 1e-6, "Nanogram": 1e-12, "Ounce": pound / 16, "Pound": pound, "ShortHundredweight": pound * 100, "ShortTon": pound * 2000, "Slug": 14.593902937,
			"SolarMass": 1.98947e30, "Stone": pound * 14, "Tonne": 1e3,
		},
		"speed": {
			"CentimeterPerHour": 1e-2 / hour, "CentimeterPerMinute": 1e-2 / minute, "CentimeterPerSecond": 1e-2, "DecimeterPerMinute": 1e-1 / minute, "DecimeterPerSecond": 1e-1,
			"FootPerHour": foot / hour, "FootPerMinute": foot / minute, "FootPerSecond": foot, "InchPerHour": inch / hour, "InchPerMinute": inch / minute, "InchPerSecond": inch,
			"KilometerPerHour": 1e3 / hour, "KilometerPerMinute": 1e3 / minute, "KilometerPerSecond": 1e3, "Knot": 1852 / hour, "MeterPerHour": 1 / hour, "MeterPerMinute": 1 / minute,
			"MeterPerSecond": 1, "MicrometerPerMinute": 1e-6 / minute, "MicrometerPerSecond": 1e-6, "MilePerHour": mile / hour, "MillimeterPerHour": 1e-3 / hour,
			"MillimeterPerMinute": 1e-3 / minute, "MillimeterPerSecond": 1e-3, "NanometerPerMinute": 1e-9 / minute, "NanometerPerSecond": 1e-9, "UsSurveyFootPerHour": survey / hour,
			"UsSurveyFootPerMinute": survey / minute, "UsSurveyFootPerSecond": survey, "YardPerHour": yard / hour, "YardPerMinute": yard / minute, "YardPerSecond": yard,
		},
		"volume": {
			"AcreFoot": 1 / 0.000810714, "AuTablespoon": 2e-5, "BoardFoot": 2.3597372158e-3, "Centiliter": liter / 100, "CubicCentimeter": 1e-6, "CubicDecimeter": 1e-3,
			"CubicFoot": cubic(foot), "CubicHectometer": 1e6, "CubicInch": cubic(inch), "CubicKilometer": 1e9, "CubicMeter": 1, "CubicMicrometer": 1e-18, "CubicMile": cubic(mile),
			"CubicMillimeter": 1e-9, "CubicYard": cubic(yard), "Decaliter": liter * 10, "DecausGallon": gallon * 10, "Deciliter": liter / 10, "DeciusGallon": gallon / 10,
			"HectocubicFoot": cubic(foot) * 100, "HectocubicMeter": 100, "Hectoliter": liter * 100, "HectousGallon": gallon * 100, "ImperialBeerBarrel": imperial * 36,
			"ImperialGallon": imperial, "ImperialOunce": imperial / 160, "ImperialPint": imperial / 8, "KilocubicFoot": cubic(foot) * 1e3, "KilocubicMeter": 1e3,
			"KiloimperialGallon": imperial * 1e3, "Kiloliter": 1, "KilousGallon": gallon * 1e3, "Liter": liter, "MegacubicFoot": cubic(foot) * 1e6, "MegaimperialGallon": imperial * 1e6,
			"Megaliter": 1e3, "MegausGallon": gallon * 1e6, "MetricCup": 2.5e-4, "MetricTeaspoon": 5e-6, "Microliter": liter * 1e-6, "Milliliter": liter * 1e-3, "OilBarrel": gallon * 42,
			"UkTablespoon": 1.5e-5, "UsBeerBarrel": gallon * 31, "UsCustomaryCup": gallon / 16, "UsGallon": gallon, "UsLegalCup": 2.4e-4, "UsOunce": gallon / 128, "UsPint": gallon / 8,
			"UsQuart": gallon / 4, "UsTablespoon": gallon / 256, "UsTeaspoon": gallon / 768,
		},
	}
}

// Convert is convert_… for a kind of measure: value, from, to.
func Convert(units map[string]float64) func([]any) (any, error) {
	return func(a []any) (any, error) {
		from, ok1 := units[a[1].(string)]
		to, ok2 := units[a[2].(string)]
		if !ok1 || !ok2 {
			return nil, nil
		}
		if a[1] == a[2] {
			return a[0], nil
		}
		return tilt(tilt(a[0].(float64), a[1], math.Asin)*from/to, a[2], math.Sin), nil
	}
}

// tilt is the one angle that is not proportional: the sine of the others.
func tilt(v float64, unit any, f func(float64) float64) float64 {
	if unit == "Tilt" {
		return f(v)
	}
	return v
}

// scale says how degrees of a scale become kelvins: k = v*factor + offset.
type scale struct{ factor, offset float64 }

// ConvertTemperature is convert_temperature(value, from, to).
func ConvertTemperature(a []any) (any, error) {
	from, ok1 := temperature(a[1].(string))
	to, ok2 := temperature(a[2].(string))
	if !ok1 || !ok2 {
		return nil, nil
	}
	if from == to {
		return a[0], nil
	}
	return (a[0].(float64)*from.factor + from.offset - to.offset) / to.factor, nil
}

func temperature(unit string) (scale, bool) {
	const zero = 273.15
	switch unit {
	case "DegreeCelsius":
		return scale{1, zero}, true
	case "DegreeDelisle":
		return scale{-2.0 / 3, 373.15}, true
	case "DegreeFahrenheit":
		return scale{5.0 / 9, 459.67 * 5 / 9}, true
	case "DegreeNewton":
		return scale{100.0 / 33, zero}, true
	case "DegreeRankine":
		return scale{5.0 / 9, 0}, true
	case "DegreeReaumur":
		return scale{5.0 / 4, zero}, true
	case "DegreeRoemer":
		return scale{40.0 / 21, zero - 7.5*40/21}, true
	case "Kelvin":
		return scale{1, 0}, true
	case "MillidegreeCelsius":
		return scale{1e-3, zero}, true
	case "SolarTemperature":
		return scale{5778, 0}, true
	}
	return scale{}, false
}
