package store_test

import (
	"testing"

	"logkeep/internal/disk/disktest"
)

func TestDroppedRowsDoNotComeBack(t *testing.T) {
	disk, c := disktest.New(), &catalog{}
	cfg := config(t, disk, c)
	s := open(t, cfg)
	other := rows(narrow, 7, 8)
	other.Table = "U_CL"
	appendRows(t, s, rows(narrow, 1, 2), other)
	flush(t, s)
	appendRows(t, s, rows(narrow, 3)) // only in the journal
	if err := s.Drop(t.Context(), "w", "T_CL"); err != nil {
		t.Fatal(err)
	}
	expect(t, whole(t, s))
	appendRows(t, s, rows(narrow, 4))
	expect(t, whole(t, s), 4)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	cfg.Manifest = c.manifest()
	s = open(t, cfg)
	expect(t, whole(t, s), 4)
	p := s.Snapshot("w", "U_CL", 0, 0)
	expect(t, ids(t, p), 7, 8)
	p.Release()
	if err := s.Drop(t.Context(), "w", ""); err != nil {
		t.Fatal(err)
	}
	expect(t, whole(t, s))
	if err := s.Drop(t.Context(), "w", "T_CL"); err != nil {
		t.Errorf("dropping what is gone: %v", err)
	}
}
