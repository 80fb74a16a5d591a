package server_test

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armresources"
	"golang.org/x/sys/unix"

	"logkeep/internal/cli/client"
)

// onSmallDisk moves the site's data to a disk of a few megabytes and returns
// the folder that is the disk.
func (s *site) onSmallDisk(size string) (disk string) {
	s.t.Helper()
	disk = s.t.TempDir()
	if err := unix.Mount("tmpfs", disk, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0700,size="+size); err != nil {
		s.t.Skipf("a disk of our own can't be mounted (%v); run as root to test a full one", err)
	}
	s.t.Cleanup(func() {
		if err := unix.Unmount(disk, unix.MNT_DETACH); err != nil {
			s.t.Error(err)
		}
	})
	data := filepath.Join(disk, "data")
	must(s.t, os.CopyFS(data, os.DirFS(s.DataDir)))
	s.DataDir = data
	return disk
}

// fill writes a file until the disk is full.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	must(t, err)
	defer f.Close()
	for block := make([]byte, 64<<10); len(block) > 0; {
		if _, err := f.Write(block); errors.Is(err, syscall.ENOSPC) {
			block = block[:len(block)/2]
		} else {
			must(t, err)
		}
	}
}

func TestAFullDiskStopsAcknowledgingButNotAnsweringAndHeals(t *testing.T) {
	t.Parallel()
	s := copied(t)
	disk := s.onSmallDisk("24m")
	s.serve()
	s.mustSend("a", 1000)
	s.holds(1000)
	ballast := filepath.Join(disk, "ballast")
	fill(t, ballast)
	acknowledged := 0
	eventually(t, limit, "a refusal for want of space", func() error {
		err := s.send("b", 100)
		if err == nil {
			acknowledged += 100 // there was room in what a file had already
			return errNotYet
		}
		f := refused(t, err, http.StatusServiceUnavailable, "ServiceUnavailable")
		if f.RetryAfter == 0 {
			t.Error("senders are not told when to come back")
		}
		return nil
	})
	s.holds(1000 + acknowledged)
	eventually(t, limit, "a change of the control plane that has no room", func() error {
		groups, err := armresources.NewResourceGroupsClient(s.SubscriptionID, s.Credential(), s.ARM())
		must(t, err)
		_, err = groups.CreateOrUpdate(t.Context(), group, armresources.ResourceGroup{Location: to.Ptr(location), Tags: map[string]*string{"a": to.Ptr(strings.Repeat("x", 200))}}, nil)
		if err == nil {
			return errNotYet // the catalog had room
		}
		if f := refused(t, err, http.StatusServiceUnavailable, "ServiceUnavailable"); !strings.Contains(f.Message, "disk is full") {
			t.Errorf("who changes something is told %q", f.Message)
		}
		return nil
	})
	if c := s.cluster(); c.Logkeep.KeyState.State != "Active" {
		t.Errorf("a full disk made the key %s", c.Logkeep.KeyState.State)
	}
	worker := s.worker()
	must(t, os.Remove(ballast))
	eventually(t, limit, "rows are taken again", func() error {
		err := s.send("c", 100)
		if err != nil {
			if f, ok := client.FailureOf(err); !ok || f.Status != http.StatusServiceUnavailable {
				t.Fatal(err)
			}
			return fmt.Errorf("still refused: %w", err)
		}
		return nil
	})
	if worker.gone() {
		t.Error("a full disk ended the worker")
	}
	s.holds(1100 + acknowledged)
	s.halt()
	s.serve()
	s.holds(1100 + acknowledged)
}

// A start needs no room for what is there already, however the server ended before.
func TestAServerStartsAndAnswersOnAFullDisk(t *testing.T) {
	t.Parallel()
	s := copied(t)
	disk := s.onSmallDisk("24m")
	free, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	s.Listen = free.Addr().String() // a server has its address for long
	must(t, free.Close())
	s.spawn()
	s.mustSend("a", 1000)
	fill(t, filepath.Join(disk, "ballast"))
	must(t, s.exe.Process.Kill())
	s.exe.Wait()
	s.spawn()
	s.holds(1000)
	must(t, s.exe.Process.Signal(syscall.SIGTERM))
	must(t, s.exe.Wait())
	s.spawn()
	s.holds(1000)
}

// Logs that fill the disk keep nobody from disabling his key.
func TestAKeyIsDisabledOnAFullDisk(t *testing.T) {
	t.Parallel()
	s := copied(t)
	disk := s.onSmallDisk("24m")
	s.serve()
	s.mustSend("a", 10)
	s.holds(10)
	fill(t, filepath.Join(disk, "ballast"))
	for range 3 { // and not once only
		s.disabled()
		_, err := s.count()
		refused(t, err, http.StatusForbidden, client.KeyRevoked)
		s.enable("", true)
		eventually(t, limit, "the rows are back", func() error {
			n, err := s.count()
			if err == nil && n != 10 {
				t.Fatalf("%d rows", n)
			}
			return err
		})
		fill(t, filepath.Join(disk, "ballast"))
	}
}
