package ingest

import (
	"strings"

	"logkeep/internal/fault"
	"logkeep/internal/kql/transform"
	"logkeep/internal/schema"
)

// Check tells what is wrong with a rule's transformation: with its text over rows
// of a stream, or with what comes out for a table. It is a control.Checker.
func Check(text string, stream, table []schema.Column) (wrong []*fault.Error) {
	t, err := transform.Compile(text, stream, 0)
	if err != nil {
		return []*fault.Error{fault.New(fault.TransformFailed, "%s", err)}
	}
	timed := false
	for _, c := range t.Columns {
		timed = timed || c.Name == schema.TimeGenerated
	}
	if !timed {
		return []*fault.Error{fault.New(fault.TransformFailed, "The output of the transform query must contain the column 'TimeGenerated' of type datetime.")}
	}
	if odd := transform.Fit(t.Columns, table); len(odd) > 0 {
		var each []string
		for _, m := range odd {
			each = append(each, m.Column+" [produced:'"+typeName(m.Produced)+"', output:'"+typeName(m.Output)+"']")
		}
		wrong = append(wrong, fault.New(fault.TransformOutput, "Types of transform output columns do not match the ones defined by the output stream: %s", strings.Join(each, ", ")))
	}
	return wrong
}

// typeName is a type in the words of that message.
func typeName(t schema.Type) string {
	switch t {
	case schema.DateTime:
		return "DateTime"
	case schema.TimeSpan:
		return "TimeSpan"
	case schema.Bool:
		return "Boolean"
	}
	name := t.String()
	return strings.ToUpper(name[:1]) + name[1:]
}
