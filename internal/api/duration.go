package api

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"logkeep/internal/fault"
)

// iso is ISO 8601's duration without years and months, which have no length.
var iso = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^P(?:(\d+(?:\.\d+)?)W)?(?:(\d+(?:\.\d+)?)D)?(?:T(?:(\d+(?:\.\d+)?)H)?(?:(\d+(?:\.\d+)?)M)?(?:(\d+(?:\.\d+)?)S)?)?$`)
})

// parseDuration reads PT10S, P1D, PT86400.0S.
func parseDuration(s string) (time.Duration, error) {
	bad := fmt.Errorf("%q is not an ISO 8601 duration such as PT10S or P1D", s)
	m := iso().FindStringSubmatch(strings.ToUpper(s))
	if m == nil || strings.HasSuffix(strings.ToUpper(s), "T") || len(s) < 3 {
		return 0, bad
	}
	var sum float64
	for i, unit := range []time.Duration{7 * 24 * time.Hour, 24 * time.Hour, time.Hour, time.Minute, time.Second} {
		if m[i+1] == "" {
			continue
		}
		n, err := strconv.ParseFloat(m[i+1], 64)
		if err != nil {
			return 0, bad
		}
		sum += n * float64(unit)
	}
	if sum >= math.MaxInt64 {
		return 0, bad
	}
	return time.Duration(sum), nil
}

// formatDuration writes what parseDuration reads: PT1H, PT1M30S, PT0S.
func formatDuration(d time.Duration) string {
	var b strings.Builder
	b.WriteString("PT")
	if h := d / time.Hour; h > 0 {
		fmt.Fprintf(&b, "%dH", h)
	}
	if m := d % time.Hour / time.Minute; m > 0 {
		fmt.Fprintf(&b, "%dM", m)
	}
	if rest := d % time.Minute; rest > 0 || b.Len() == 2 {
		b.WriteString(strconv.FormatFloat(rest.Seconds(), 'f', -1, 64) + "S")
	}
	return b.String()
}

// duration is a time.Duration on the wire.
type duration time.Duration

func (d *duration) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	v, err := parseDuration(s)
	if err != nil {
		return fault.New(fault.InvalidParameter, "%s", sentence(err))
	}
	*d = duration(v)
	return nil
}

func (d *duration) time() *time.Duration { return (*time.Duration)(d) }
