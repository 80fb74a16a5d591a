package keystore

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"logkeep/internal/seal"
	"logkeep/internal/vault/admin"
)

// On a disk that others fill up again and again changes are made, because room was
// kept for them; audit records don't get it.
func TestChangesHaveRoomOnAFullDisk(t *testing.T) {
	disk := t.TempDir()
	if err := unix.Mount("tmpfs", disk, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0700,size=4m"); err != nil {
		t.Skipf("a disk of our own can't be mounted (%v); run as root to test a full one", err)
	}
	t.Cleanup(func() { unix.Unmount(disk, unix.MNT_DETACH) })
	ballast := filepath.Join(disk, "ballast")
	fill := func() {
		f, err := os.OpenFile(ballast, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for err == nil {
			_, err = f.Write(make([]byte, 4<<10))
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
	}
	root, err := seal.ImportKey(make([]byte, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), filepath.Join(disk, "vault"), root)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	v := Vault{Name: "kv-1"}
	if err := s.Update(t.Context(), func(tx *Tx) error { return tx.PutVault(&v) }); err != nil {
		t.Fatal(err)
	}
	fill()
	event := Entry{Vault: v.UID, Event: admin.Event{Time: time.Now(), OperationName: fmt.Sprintf("%0100000d", 1)}}
	if err := s.AppendEvents(t.Context(), []Entry{event}); !errors.Is(err, ErrFull) {
		t.Fatalf("an audit record on a full disk: %v", err)
	}
	for i := range 10 {
		if err := s.Update(t.Context(), func(tx *Tx) error { return tx.PutMeta(fmt.Sprint("m", i), []byte("shown"), []byte("secret")) }); err != nil {
			t.Fatalf("change %d: %v", i, err)
		}
		fill()
	}
	var last error
	for i := 0; last == nil && i < 1000; i++ {
		last = s.Update(t.Context(), func(tx *Tx) error { return tx.PutMeta(fmt.Sprint("n", i), make([]byte, 50_000), []byte("secret")) })
		fill()
	}
	if !errors.Is(last, ErrFull) {
		t.Fatalf("the reserve does not end: %v", last)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if err := s.Update(t.Context(), func(tx *Tx) error { return tx.PutMeta("after", []byte("shown"), []byte("secret")) }); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(s.reserve.path); err != nil || info.Size() != reserveBytes {
		t.Errorf("the reserve is not there again: %v, %v", info, err)
	}
}
