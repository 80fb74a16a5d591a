package server_test

import (
	"context"
	"encoding/hex"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"logkeep/internal/server"
)

// refusal starts a server that must not start and returns what it says.
func (s *site) refusal() string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), limit)
	defer cancel()
	c := s.config()
	c.Out = &readyEnds{cancel}
	err := server.Run(ctx, c)
	if err == nil {
		s.t.Fatal("the server started")
	}
	return err.Error()
}

// readyEnds stops a server that says that it is ready.
type readyEnds struct{ stop func() }

func (r *readyEnds) Write(p []byte) (int, error) {
	r.stop()
	return len(p), nil
}

// files are all files below a folder with their contents, but not those that
// every look at a database touches.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	must(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, "-shm") || strings.HasSuffix(path, "-wal") {
			return err
		}
		b, err := os.ReadFile(path)
		all[path] = string(b)
		return err
	}))
	return all
}

func TestAFolderThatIsNotRightIsRefusedAndLeftAlone(t *testing.T) {
	for _, test := range []struct {
		name  string
		spoil func(t *testing.T, s *site)
		says  []string
	}{
		{"files of somebody else", func(t *testing.T, s *site) {
			must(t, os.RemoveAll(s.DataDir))
			must(t, os.Mkdir(s.DataDir, 0o700))
			must(t, os.WriteFile(filepath.Join(s.DataDir, "thesis.txt"), []byte("x"), 0o600))
		}, []string{"thesis.txt", "choose an empty folder"}},
		{"a newer version's folder", func(t *testing.T, s *site) {
			must(t, os.WriteFile(filepath.Join(s.DataDir, "FORMAT"), []byte("logkeep data 2\n"), 0o600))
		}, []string{"another version", "logkeep data 2"}},
		{"a FORMAT of nothing", func(t *testing.T, s *site) {
			must(t, os.WriteFile(filepath.Join(s.DataDir, "FORMAT"), nil, 0o600))
		}, []string{"damaged", "FORMAT"}},
		{"no catalog any more", func(t *testing.T, s *site) {
			must(t, os.Remove(filepath.Join(s.DataDir, "catalog.db")))
		}, []string{"damaged", "not catalog.db", "backup"}},
		{"no vault any more", func(t *testing.T, s *site) {
			must(t, os.RemoveAll(filepath.Join(s.DataDir, "vault")))
		}, []string{"damaged", "not vault/vault.db", "backup"}},
		{"a damaged catalog", func(t *testing.T, s *site) {
			overwrite(t, filepath.Join(s.DataDir, "catalog.db"))
		}, []string{"catalog.db", "damaged", "backup"}},
		{"a damaged vault", func(t *testing.T, s *site) {
			overwrite(t, filepath.Join(s.DataDir, "vault", "vault.db"))
		}, []string{"vault", "damaged"}},
		{"no root key", func(t *testing.T, s *site) {
			must(t, os.Remove(s.RootKey))
		}, []string{"root key", "missing", "--root-key"}},
		{"another root key", func(t *testing.T, s *site) {
			must(t, os.WriteFile(s.RootKey, []byte(hex.EncodeToString(make([]byte, 32))+"\n"), 0o600))
		}, []string{"root key"}},
		{"half a root key", func(t *testing.T, s *site) {
			must(t, os.WriteFile(s.RootKey, []byte("abcd\n"), 0o600))
		}, []string{"root key", "32 bytes"}},
		{"a root key for everybody", func(t *testing.T, s *site) {
			must(t, os.Chmod(s.RootKey, 0o644))
		}, []string{"root key", "0644", "chmod 600"}},
		{"the root key among the data", func(t *testing.T, s *site) {
			inside := filepath.Join(s.DataDir, "root.key")
			must(t, os.Rename(s.RootKey, inside))
			s.RootKey = inside
		}, []string{"inside the data directory", "--root-key"}},
		{"the root key among the data, by a link", func(t *testing.T, s *site) {
			link := filepath.Join(t.TempDir(), "elsewhere")
			must(t, os.Symlink(s.DataDir, link))
			must(t, os.Rename(s.RootKey, filepath.Join(s.DataDir, "root.key")))
			s.RootKey = filepath.Join(link, "root.key")
		}, []string{"inside the data directory"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := copied(t)
			test.spoil(t, s)
			before := files(t, filepath.Dir(s.DataDir))
			said := s.refusal()
			for _, want := range test.says {
				if !strings.Contains(said, want) {
					t.Errorf("no %q in %q", want, said)
				}
			}
			after := files(t, filepath.Dir(s.DataDir))
			for path, b := range before {
				if strings.HasSuffix(path, "ca.pem") || strings.HasSuffix(path, "LOCK") {
					continue
				}
				if a, ok := after[path]; !ok || a != b {
					t.Errorf("%s was touched", path)
				}
			}
		})
	}
}

// overwrite spoils the pages in the middle of a file.
func overwrite(t *testing.T, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	must(t, err)
	for i := range b[100:] {
		b[100+i] ^= 0x5a
	}
	must(t, os.WriteFile(path, b, 0o600))
}

func TestOneServerADataDirectoryAndOneAPort(t *testing.T) {
	t.Parallel()
	s := linked(t)
	again := &site{t: t, setting: s.setting}
	if said := again.refusal(); !strings.Contains(said, "in use by another server") {
		t.Error(said)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	other := copied(t)
	other.Listen = l.Addr().String()
	if said := other.refusal(); !strings.Contains(said, l.Addr().String()) || !strings.Contains(said, "in use") {
		t.Error(said)
	}
	s.holds(0)
}

func TestAFirstStartThatWasCutOffIsTakenUp(t *testing.T) {
	t.Parallel()
	// What each step of a first start leaves, in their order.
	for name, keep := range map[string][]string{
		"nothing":       {},
		"the mark":      {"FORMAT"},
		"the vault too": {"FORMAT", "vault", "tls"},
		"no principals": {"FORMAT", "vault", "tls", "bootstrap.json"},
	} {
		s := copied(t)
		entries, err := os.ReadDir(s.DataDir)
		must(t, err)
		for _, e := range entries {
			kept := false
			for _, k := range keep {
				kept = kept || e.Name() == k
			}
			if !kept {
				must(t, os.RemoveAll(filepath.Join(s.DataDir, e.Name())))
			}
		}
		s.Target.Endpoint = ""
		s.serve()
		if _, err := s.Clusters(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		s.halt()
	}
}

func TestTheServerEndsWithItsVault(t *testing.T) {
	t.Parallel()
	s := copied(t)
	s.spawn()
	s.mustSend("a", 10)
	family := children(t, s.exe.Process.Pid)
	worker := s.cluster().Logkeep.Worker.PID
	for _, child := range family {
		if child.Pid != worker {
			must(t, child.Kill())
		}
	}
	if err := s.exe.Wait(); err == nil {
		t.Error("the server ended as if it had been told to")
	}
	if said := s.out.String(); !strings.Contains(said, "the vault's process ended: ") || !strings.Contains(said, "killed") {
		t.Errorf("the server said %s", said)
	}
	for _, child := range family {
		child.ends(t, limit)
	}
	s.serve()
	s.holds(10)
}
