package server_test

import (
	"testing"
)

func TestEverythingIsThereAfterAStop(t *testing.T) {
	s := linked(t)
	s.mustSend("a", 1000)
	s.holds(1000)
	s.halt()
	s.serve()
	s.holds(1000)
	s.mustSend("b", 10)
	s.holds(1010)
}
