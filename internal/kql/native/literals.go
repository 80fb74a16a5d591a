package native

import (
	"regexp/syntax"
	"slices"
)

// Literals lists texts that whatever a regular expression matches has, in their
// case. There may be more; of an expression that can't be read there are none.
func Literals(pattern string) (all []string) {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil
	}
	var walk func(*syntax.Regexp)
	walk = func(re *syntax.Regexp) {
		switch re.Op {
		case syntax.OpLiteral:
			if re.Flags&syntax.FoldCase == 0 && !slices.Contains(re.Rune, '\ufffd') {
				all = append(all, string(re.Rune))
			}
		case syntax.OpConcat, syntax.OpCapture:
			for _, sub := range re.Sub {
				walk(sub)
			}
		}
	}
	walk(re)
	return all
}
