package kql

// CompilePlain compiles without the rules of package plan.
func CompilePlain(text string, cat Catalog, opt Options) (*Program, error) {
	p, errs := compile(text, cat, opt, false)
	if len(errs) > 0 {
		return nil, errs
	}
	return p, nil
}
