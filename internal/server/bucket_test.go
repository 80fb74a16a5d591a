package server_test

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"logkeep/internal/bucket"
	"logkeep/internal/bucket/cloud"
	"logkeep/internal/bucket/cloud/cloudtest"
	"logkeep/internal/cli"
	"logkeep/internal/server"
	"logkeep/internal/worker/wire"
)

func TestRowsLieInS3(t *testing.T)    { inBucket(t, cloudtest.S3(t)) }
func TestRowsLieInAzure(t *testing.T) { inBucket(t, cloudtest.Azure(t)) }

// cached is how many files the hot cache has.
func (s *site) cached() (n int) {
	files, err := filepath.Glob(filepath.Join(s.DataDir, "cache", "*", "*"))
	must(s.t, err)
	return len(files)
}

// refuses starts the server and returns why it does not run.
func (s *site) refuses() string {
	c := s.config()
	c.Out, c.Log = io.Discard, slog.New(slog.DiscardHandler)
	if err := server.Run(s.t.Context(), c); err != nil {
		return err.Error()
	}
	return "it ran"
}

// inBucket is the life of rows that lie in a bucket: the machine's own copies
// are lost, the key is denied and comes back, an object vanishes.
func inBucket(t *testing.T, store cloudtest.Server) {
	store.Setenv(t)
	dir := t.TempDir()
	s := &site{t: t, setting: setting{
		DataDir: filepath.Join(dir, "data"), RootKey: filepath.Join(dir, "root.key"), Storage: store.URL,
		Flush: wire.Flush{Bytes: 64 << 10, Age: time.Hour},
	}}
	b, err := cloud.Open(t.Context(), store.URL)
	must(t, err)
	defer b.Close()
	objects := func(kind string) (all []bucket.Info) {
		list, err := b.List(t.Context(), "")
		must(t, err)
		for _, o := range list {
			if strings.Contains(o.Name, "/"+kind+"/") {
				all = append(all, o)
			}
		}
		return all
	}

	s.spawn()
	s.make()
	s.mustSend("a", 3000)
	eventually(t, limit, "segments", func() error { // and what is left in a journal
		if len(objects("objects")) == 0 {
			return errNotYet
		}
		return nil
	})
	s.mustSend("b", 10)
	s.holds(3010)
	must(t, s.exe.Process.Kill())
	s.exe.Wait()
	if len(objects("journal")) == 0 || len(objects("changes")) == 0 {
		t.Error("no journal, or no change, in the bucket")
	}
	for _, kind := range []string{"objects", "journal"} {
		if local, _ := filepath.Glob(filepath.Join(s.DataDir, "accounts", "*", "*", kind, "*")); len(local) > 0 {
			t.Errorf("on the disk: %q", local)
		}
	}
	must(t, os.RemoveAll(filepath.Join(s.DataDir, "cache")))

	s.spawn()
	s.holds(3010)
	if n := s.marks(); len(n) != 3010 {
		t.Errorf("%d different rows", len(n))
	}
	before := s.cached()
	if before == 0 {
		t.Error("nothing is in the hot cache after a query")
	}
	_, _, coverage, err := s.Coverage(t.Context(), s.ClusterID)
	must(t, err)
	if text := string(coverage); !strings.Contains(text, `"hotCache"`) || !strings.Contains(text, "installation-1") || strings.Contains(text, "logkeep-test-secret") {
		t.Errorf("coverage: %.2000s", text)
	}

	var told bytes.Buffer
	backup := filepath.Join(dir, "backup")
	must(t, server.AskBackup(t.Context(), s.DataDir, cli.BackupMake, backup, "", "", &told))
	told.Reset()
	must(t, server.AskBackup(t.Context(), s.DataDir, cli.BackupVerify, backup, "", "", &told))
	if !strings.Contains(told.String(), "is whole") {
		t.Errorf("the backup: %s", told.String())
	}

	denied := time.Now()
	s.enable("", false)
	eventually(t, limit, "a refusal and an empty cache", func() error {
		if n, err := s.count(); err == nil {
			return fmt.Errorf("%d rows", n)
		}
		if n := s.cached(); n >= before {
			return fmt.Errorf("%d files", n)
		}
		return nil
	})
	t.Logf("%v from the denial to a refusal and a cache without the cluster's files, %d of %d files left, of others", time.Since(denied).Round(time.Millisecond), s.cached(), before)
	eventually(t, limit, "the log to tell of it", func() error {
		if !strings.Contains(s.out.String(), "the hot cache of a key domain was removed") {
			return errNotYet
		}
		return nil
	})
	dark := s.cached()
	s.enable("", true)
	eventually(t, limit, "the cache to be filled again, before anybody asks or writes", func() error {
		if n := s.cached(); n <= dark || !strings.Contains(s.out.String(), "the hot cache of a key domain was filled") {
			return fmt.Errorf("%d files, %d without the key", n, dark)
		}
		return nil
	})
	eventually(t, limit, "the key", func() error { _, err := s.count(); return err })
	s.holds(3010)
	s.mustSend("c", 5)
	s.holds(3015)
	must(t, s.exe.Process.Kill())
	s.exe.Wait()

	// An object that vanished is an error that names it, and never fewer rows.
	gone := objects("objects")
	for _, o := range gone {
		must(t, b.Remove(t.Context(), o.Name))
	}
	s.spawn()
	if n, err := s.count(); err == nil {
		t.Errorf("%d rows without their objects", n)
	} else if !strings.Contains(err.Error(), filepath.Base(gone[0].Name)) && len(gone) == 1 {
		t.Errorf("it is not named: %v", err)
	}
	must(t, s.exe.Process.Kill())
	s.exe.Wait()

	// Another installation does not take the bucket for its own.
	other := &site{t: t, setting: setting{DataDir: filepath.Join(dir, "other"), RootKey: filepath.Join(dir, "other.key"), Storage: store.URL}}
	if err := other.refuses(); !strings.Contains(err, "belongs to another installation") {
		t.Errorf("another installation: %s", err)
	}
	s.Storage = ""
	if err := s.refuses(); !strings.Contains(err, "name it with --storage") {
		t.Errorf("without the bucket: %s", err)
	}
}
