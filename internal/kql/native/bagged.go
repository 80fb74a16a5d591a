package native

import "slices"

// Bagged makes a bag of the array that f gives, with these names.
func Bagged(f func([]any) (any, error), names ...string) func([]any) (any, error) {
	return func(a []any) (any, error) {
		v, err := f(a)
		if v == nil || err != nil {
			return nil, err
		}
		return Value{Kind: Bag, Names: names, Items: parse(v).Items}.out()
	}
}

// Fit2LinesBag is series_fit_2lines_dynamic: the lines are bags of their own.
func Fit2LinesBag(a []any) (any, error) {
	v, err := SeriesFit2Lines(a)
	if v == nil || err != nil {
		return nil, err
	}
	it := parse(v).Items
	names := []string{"rsquare", "slope", "interception", "variance", "rvariance"}
	return Value{
		Kind:  Bag,
		Names: []string{"rsquare", "split_idx", "variance", "rvariance", "line_fit", "right", "left"},
		Items: append(slices.Clone(it[:5]), Value{Kind: Bag, Names: names, Items: it[5:10]}, Value{Kind: Bag, Names: names, Items: it[10:15]}),
	}.out()
}
