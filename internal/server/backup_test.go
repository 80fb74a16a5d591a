package server_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"logkeep/internal/canary"
	"logkeep/internal/cli"
	"logkeep/internal/server"
)

// backUp makes a backup of the site that runs.
func (s *site) backUp(to, vault string) string {
	s.t.Helper()
	var out bytes.Buffer
	must(s.t, server.AskBackup(s.t.Context(), s.DataDir, cli.BackupMake, to, vault, "", &out))
	return out.String()
}

// restore puts a backup into the site that does not run.
func (s *site) restore(r cli.Restoration) (string, error) {
	s.t.Helper()
	r.DataDir, r.RootKey, r.Domain = s.DataDir, s.RootKey, cli.DefaultSettings().Domain
	var out bytes.Buffer
	err := server.Restore(s.t.Context(), r, []string{os.Args[0]}, &out, slog.New(slog.NewTextHandler(&s.out, nil)))
	return out.String(), err
}

func TestBackupUnderLoadHasAllRowsOfBefore(t *testing.T) {
	t.Parallel()
	s := copied(t)
	s.Flush.Bytes, s.Flush.Age = 16<<10, 50*time.Millisecond
	s.serve()
	word := canary.New()
	s.mustSend(word, 500)
	to := filepath.Join(t.TempDir(), "backups")
	stop := make(chan struct{})
	var load sync.WaitGroup
	var sent atomic.Int64
	load.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := s.Upload(context.WithoutCancel(t.Context()), s.Target, rows(fmt.Sprintf("load%d", i), 20), nil); err == nil {
				sent.Add(20)
			}
		}
	})
	before := make([]int64, 3)
	for i := range before {
		eventually(t, limit, "rows come", func() error {
			if sent.Load() < int64(100*(i+1)) {
				return errNotYet
			}
			return nil
		})
		before[i] = 500 + sent.Load()
		s.backUp(to, "")
	}
	close(stop)
	load.Wait()
	scanner, err := canary.NewScanner(word)
	must(t, err)
	report, err := scanner.Tree(t.Context(), to)
	must(t, err)
	for _, hit := range report.Hits {
		t.Errorf("in the clear in the backup: %s", hit)
	}
	var listed bytes.Buffer
	must(t, server.AskBackup(t.Context(), s.DataDir, cli.BackupList, to, "", "", &listed))
	names := regexp.MustCompile(`(?m)^2\S+`).FindAllString(listed.String(), -1)
	if len(names) != 3 {
		t.Fatalf("%s", listed.String())
	}
	var verified bytes.Buffer
	must(t, server.AskBackup(t.Context(), s.DataDir, cli.BackupVerify, to, "", names[0], &verified))
	s.halt()
	for i, name := range names {
		out, err := s.restore(cli.Restoration{From: to, Name: name})
		must(t, err)
		if !strings.Contains(out, name) {
			t.Errorf("%s", out)
		}
		s.serve()
		marks := s.marks()
		for mark, n := range marks {
			if n != 1 {
				t.Errorf("%s is there %d times", mark, n)
			}
		}
		if n := int64(len(marks)); n < before[i] || n > 500+sent.Load() {
			t.Errorf("backup %d has %d rows of at least %d", i, n, before[i])
		}
		s.mustSend("after", 1)
		s.halt()
	}
}

func TestARevokedKeyClosesBackups(t *testing.T) {
	t.Parallel()
	s := linked(t)
	s.mustSend("a", 10)
	to, vault := filepath.Join(t.TempDir(), "backups"), filepath.Join(t.TempDir(), "vaults")
	out := s.backUp(to, vault)
	if !strings.Contains(out, "apart") {
		t.Errorf("nobody is told to keep the vault apart: %s", out)
	}
	for _, bad := range [][2]string{{filepath.Join(s.DataDir, "x"), ""}, {to, filepath.Join(to, "v")}, {filepath.Join(vault, "b"), vault}} {
		if err := server.AskBackup(t.Context(), s.DataDir, cli.BackupMake, bad[0], bad[1], "", &bytes.Buffer{}); err == nil {
			t.Errorf("a backup to %q", bad)
		}
	}
	customer, _ := s.census()
	for _, k := range customer {
		if k.Backups == 0 {
			t.Errorf("the census does not know of the backup: %+v", k)
		}
	}
	s.disabled()
	s.halt()
	_, err := s.restore(cli.Restoration{From: to})
	must(t, err)
	s.serve()
	if n, err := s.count(); err == nil {
		t.Errorf("%d rows are read from a backup whose key is revoked", n)
	}
	s.enable("", true)
	s.light(limit, 10)
	s.halt()

	// The machine is lost; what is left is the backup, the vault's copy and the root key.
	lost := s.DataDir
	s.DataDir = filepath.Join(t.TempDir(), "data")
	if _, err := s.restore(cli.Restoration{From: to}); err == nil || !strings.Contains(err.Error(), "--vault-from") {
		t.Errorf("a restore without a vault: %v", err)
	}
	_, err = s.restore(cli.Restoration{From: to, VaultFrom: vault})
	must(t, err)
	must(t, os.RemoveAll(lost))
	s.bootstrapFrom(lost)
	s.serve()
	s.holds(10)
}

// bootstrapFrom keeps the first administrator's secret, which no backup has.
func (s *site) bootstrapFrom(string) {
	text, err := os.ReadFile(filepath.Join(prepared.dir, "data", "bootstrap.json"))
	must(s.t, err)
	must(s.t, os.WriteFile(filepath.Join(s.DataDir, "bootstrap.json"), text, 0o600))
}

func TestAChangedBackupIsRefusedAndNothingIsLost(t *testing.T) {
	t.Parallel()
	s := linked(t)
	s.mustSend("a", 10)
	to := filepath.Join(t.TempDir(), "backups")
	s.backUp(to, "")
	s.mustSend("b", 10)
	s.halt()
	changed := 0
	must(t, filepath.WalkDir(filepath.Join(to, "files"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || changed > 0 {
			return err
		}
		text, err := os.ReadFile(path)
		must(t, err)
		text[len(text)-1] ^= 1
		changed++
		return os.WriteFile(path, text, 0o600)
	}))
	if _, err := s.restore(cli.Restoration{From: to}); err == nil || !strings.Contains(err.Error(), "changed") {
		t.Errorf("a changed file: %v", err)
	}
	s.serve()
	s.holds(20)
}

func TestAWitnessIsToldOfARestore(t *testing.T) {
	t.Parallel()
	s := copied(t)
	s.Witness = filepath.Join(t.TempDir(), "witness")
	s.serve()
	s.mustSend("a", 10)
	to := filepath.Join(t.TempDir(), "backups")
	s.backUp(to, "")
	s.mustSend("b", 10)
	s.holds(20)
	s.halt()
	_, err := s.restore(cli.Restoration{From: to})
	must(t, err)
	text := s.refusal()
	number := regexp.MustCompile(`--witness-accept=(\d+)`).FindStringSubmatch(text)
	if number == nil || !strings.Contains(text, "restored at") {
		t.Fatalf("%s", text)
	}
	s.WitnessAccept = number[1]
	s.serve()
	s.holds(10)
	s.mustSend("c", 5)
	s.halt()
	s.WitnessAccept = ""
	s.serve()
	s.holds(15)
	events, _, err := s.KeyEvents(t.Context(), s.ClusterID)
	must(t, err)
	told := false
	for _, e := range events {
		told = told || e.What == "RolledBack"
	}
	if !told {
		t.Errorf("no event tells of it: %+v", events)
	}
}
