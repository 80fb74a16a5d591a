package syntax

import (
	"strings"
	"time"

	"logkeep/internal/schema"
)

// dateLayouts are the forms of dates beyond ISO 8601 that the language reads.
// Where day and month could be confused the month comes first.
var dateLayouts = [...]string{
	"2006-01-02T15:04:05.999999999Z07:00", "2006-01-02T15:04:05.999999999-0700", "2006-01-02 15:04:05.999999999Z07:00", "2006-01-02T15:04:05.999999999",
	"2006-01-02 15:04:05.999999999", "2006-01-02T15:04Z07:00", "2006-01-02 15:04Z07:00", "2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02T15", "2006-01-02 15", "2006-01-02", "2006-1-2", "2006-1-2 15:04:05.999999999",
	"2006-01", "2006", "20060102", "2006.01.02", "2006/01/02", "2006/1/2 15:04:05", "2006-01-02 15:04:05.999999999 -07:00", "2006-01-02 15:04:05 -0700 MST",
	"1/2/2006", "1-2-2006", "1.2.2006", "1/2/2006 15:04:05.999999999", "1/2/2006 15:04", "1-2-2006 15:04:05", "1/2/2006 3:04:05 PM", "1/2/2006 3:04 PM", "01-02-2006 3:04:05 PM",
	"2006-01-02 3:04:05 PM", "2006-01-02 3:04 PM",
	"Mon, 02 Jan 2006 15:04:05 MST", "Mon, 2 Jan 2006 15:04:05 -0700", "Monday, 02-Jan-06 15:04:05 MST", "Monday, January 2, 2006 15:04:05",
	"Mon, 02 Jan 2006 15:04:05", "Mon, 2 Jan 2006 15:04:05", "02 Jan 2006 15:04:05", "2 Jan 2006 15:04:05 -0700", "2 Jan 2006", "Jan 2, 2006", "January 2, 2006", "2-Jan-2006", "02-Jan-2006 15:04:05",
	"Mon Jan 2 15:04:05 2006", "Mon Jan 2 15:04:05 MST 2006", "Jan 2, 2006 3:04:05 PM", "Jan 2, 2006 15:04:05", "02/Jan/2006:15:04:05 -0700", "Jan 2 2006", "Jan 2 15:04:05 2006",
	"Mon, 02 Jan 06 15:04:05 MST", "2 Jan 06 15:04 MST", "2 Jan 2006 15:04", "2006 - 01 - 02", "2006 - 1 - 2", "2006-Jan-02", "2006-Jan-02 15:04:05",
}

// ParseDateTime reads a date in one of the forms of the language.
func ParseDateTime(s string) (schema.Ticks, bool) {
	s = strings.TrimSpace(s)
	if v, err := schema.ParseTicks(s); err == nil {
		return v, true
	}
	if i := strings.IndexByte(s, '.'); i > 0 { // more digits of the second than Go reads
		j := i + 1
		for j < len(s) && isDigit(s[j]) {
			j++
		}
		if j-i > 10 {
			s = s[:i+10] + s[j:]
		}
	}
	s = strings.NewReplacer(" GMT", " UTC", " UT", " UTC", " Z", "Z").Replace(strings.ReplaceAll(s, " UTC", " GMT"))
	if len(s) < 4 || len(s) > 64 {
		return 0, false
	}
	for _, layout := range dateLayouts {
		if t, err := time.Parse(layout, s); err == nil {
			if y := t.UTC().Year(); y < 1 || y > 9999 {
				return 0, false
			}
			return schema.TicksOf(t), true
		}
	}
	return 0, false
}
