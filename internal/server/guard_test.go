package server

import (
	"slices"
	"strings"
	"testing"
)

func TestSwapIsRefusedOrWarnedOf(t *testing.T) {
	const none = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
	const two = none + "/dev/sda2                               partition\t8388604\t\t0\t\t-2\n/swap.img\tfile\t1\t0\t-3\n"
	if areas := swapAreas(none); len(areas) != 0 {
		t.Errorf("no swap is %q", areas)
	}
	areas := swapAreas(two)
	if !slices.Equal(areas, []string{"/dev/sda2", "/swap.img"}) {
		t.Fatalf("swap is %q", areas)
	}
	warned := 0
	warn := func([]string) { warned++ }
	for _, m := range []SwapMode{RefuseSwap, WarnOfSwap} {
		if err := m.check(nil, warn); err != nil || warned != 0 {
			t.Errorf("%s, no swap: %v, warned %d times", m, err, warned)
		}
	}
	if err := RefuseSwap.check(areas, warn); err == nil || !strings.Contains(err.Error(), "--swap=warn") || !strings.Contains(err.Error(), "/swap.img") {
		t.Errorf("refused with %v", err)
	}
	if err := WarnOfSwap.check(areas, warn); err != nil || warned != 1 {
		t.Errorf("%v, warned %d times", err, warned)
	}
	if err := SwapMode("often").check(nil, warn); err == nil {
		t.Error("an unknown mode was taken")
	}
}
