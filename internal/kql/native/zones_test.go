package native

import (
	"strings"
	"testing"
	"time"
)

func TestZonesCanBeLoaded(t *testing.T) {
	for _, z := range strings.Fields(zones) {
		if _, err := time.LoadLocation(z); err != nil {
			t.Errorf("%s is listed but not known: %v", z, err)
		}
	}
}
