package worker

import (
	"slices"

	"logkeep/internal/batch"
	"logkeep/internal/kql"
	"logkeep/internal/schema"
	"logkeep/internal/segment"
)

// A member is a key of a dynamic column that a query reads as a column.
type member struct {
	kql.Member
	stored string // the name under which the column is stored
}

// unrenamed is members of columns that are stored under their own names.
func unrenamed(of []kql.Member) (members []member) {
	for _, m := range of {
		members = append(members, member{m, m.Column})
	}
	return members
}

// stored is members in the words of segments.
func stored(members []member) []segment.Member {
	out := make([]segment.Member, len(members))
	for i, m := range members {
		out[i] = segment.Member{Column: m.stored, Key: m.Key}
	}
	return out
}

// How a file has a member.
const (
	isAbsent = '0' // not even the column that it would be in
	isInside = 'j'
	isText   = 's'
	isValue  = 'v' // a number or a bool, which are spelt in one way
)

// apart tells for each member how the file has it.
func apart(members []member, f file) string {
	b := make([]byte, len(members))
	for i, m := range members {
		b[i] = isAbsent
		if slices.Contains(f.columns, schema.Column{Name: m.stored, Type: schema.Dynamic}) {
			b[i] = isInside
		}
		for _, have := range f.members {
			if have.Column == m.stored && have.Key == m.Key {
				if b[i] = isValue; have.Type == schema.String {
					b[i] = isText
				}
			}
		}
	}
	return string(b)
}

// sql is the member's value in files that have it so. It is the same whatever
// they have: the text of a column of its own has nothing that JSON would escape.
func (m member) sql(how byte) string {
	own := quote(batch.Member{Column: m.stored, Key: m.Key}.Name())
	switch {
	case how == isAbsent && m.Text:
		return "''"
	case how == isAbsent:
		return "CAST(NULL AS VARCHAR)"
	case how == isText && m.Text:
		return "coalesce(" + own + ", '')"
	case how == isText:
		return `'"' || ` + own + ` || '"'`
	case how == isValue && m.Text:
		return "coalesce(CAST(" + own + " AS VARCHAR), '')"
	case how == isValue:
		return "CAST(" + own + " AS VARCHAR)"
	}
	return kql.MemberSQL(m.Member, quote(m.stored))
}
