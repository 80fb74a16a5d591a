package kql

// CompilePlain compiles without the rules of package plan.
func CompilePlain(text string, cat Catalog, opt Options) (*Program, error) {
	return compile(text, cat, opt, false)
}
