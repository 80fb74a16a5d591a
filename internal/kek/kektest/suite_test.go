package kektest_test

import (
	"testing"

	"logkeep/internal/kek"
	"logkeep/internal/kek/kektest"
)

func TestFakePassesTheSuite(t *testing.T) {
	kektest.Run(t, func(_ *testing.T, truth *kektest.Vault) kek.Vault { return truth })
}

func TestClientPassesTheSuite(t *testing.T) {
	kektest.Run(t, func(t *testing.T, truth *kektest.Vault) kek.Vault {
		c, err := kek.NewClient(kektest.URI, truth.Serve(t))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		return c
	})
}
