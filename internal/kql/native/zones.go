package native

import (
	_ "embed"
	"strings"
)

// zones are the names of the time zones that come with the program, sorted:
// those of Go's own copy of the tz database.
//
//go:embed zones.txt
var zones string

// Zones is datetime_list_timezones.
func Zones([]any) (any, error) {
	var out []Value
	for _, z := range strings.Fields(zones) {
		out = append(out, str(z))
	}
	return array(out).out()
}
