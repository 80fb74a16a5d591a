package template

// markPlainly is mark of a processor without AVX2.
var markPlainly = mark16
