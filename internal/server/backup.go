package server

import (
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"logkeep/internal/backup"
	"logkeep/internal/catalog"
	"logkeep/internal/cli"
	"logkeep/internal/disk"
	"logkeep/internal/domain"
	"logkeep/internal/schema"
)

// backups makes backups of a running server (design 0036). It is reached over
// the support socket only.
type backups struct {
	dir, runtime string
	catalog      *catalog.Catalog
	vault        *vaultProcess
	accounts     disk.FS
	storage      *domain.Storage // where the accounts' journals and objects lie; nil: in accounts, too
	key          *ecdsa.PublicKey
	sign         *signer
	domains      *domain.Domains
	log          *slog.Logger
}

// A wish says which folder and which backup of it is meant.
type wish struct {
	Folder string `json:"folder"`
	Vault  string `json:"vault,omitempty"` // where a copy of the vault's store goes
	Name   string `json:"name,omitempty"`
	Repair bool   `json:"repair,omitempty"`
}

// A tale is what the command line shows of a request.
type tale struct {
	Lines  []string `json:"lines"`
	Failed bool     `json:"failed,omitempty"`
}

func (t *tale) say(format string, args ...any) {
	t.Lines = append(t.Lines, fmt.Sprintf(format, args...))
}

func (b *backups) serve(mux *http.ServeMux) {
	for path, do := range map[string]func(context.Context, wish, *tale) error{
		"/backup": b.make, "/backup/list": b.list, "/backup/verify": b.verify, "/backup/remove": b.remove, "/storage/check": b.check,
	} {
		mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
			var ask wish
			var t tale
			err := json.NewDecoder(http.MaxBytesReader(w, r.Body, supportBody)).Decode(&ask)
			if err == nil {
				err = do(r.Context(), ask, &t)
			}
			if err != nil {
				b.log.Warn("a request about backups failed", "what", path, "cause", err)
				t.Failed = true
				t.say("%s", err)
			}
			json.NewEncoder(w).Encode(t)
		})
	}
}

func (b *backups) make(ctx context.Context, ask wish, t *tale) error {
	if err := apart(b.dir, ask.Folder, ask.Vault); err != nil {
		return err
	}
	f, err := backup.Create(ask.Folder)
	if err != nil {
		return err
	}
	defer f.Close()
	done, err := backup.Make(ctx, f, backup.Config{
		Catalog: b.catalog, Temp: b.runtime, Key: b.key,
		Accounts: b.lying(),
		Sign:     func(ctx context.Context, m []byte) ([]byte, error) { return b.sign.Sign(ctx, sha256.Sum256(m)) },
	})
	if err != nil {
		return err
	}
	if err := domain.NoteBackup(ctx, b.catalog, domain.Backup{Name: done.Name, Folder: ask.Folder, At: done.Began, Keys: done.Keys}); err != nil {
		return err
	}
	b.log.Info("a backup was made", "folder", ask.Folder, "name", done.Name, "files", done.Files, "bytes", done.Bytes, "fresh", done.Fresh)
	t.say("backup %s: %d files, %s, of which %s are new, in %s", done.Name, done.Files, size(done.Bytes), size(done.Fresh), done.Ended.Sub(done.Began).Round(time.Millisecond))
	for _, name := range done.Purged {
		t.say("backup %s has, or may have, rows that were purged since; remove it with `logkeep backup remove %[1]s` when it is not needed", name)
	}
	if ask.Vault == "" {
		t.say("The vault is not in it: it opens with this installation's vault only. --vault-to copies the vault to a folder of its own.")
		return nil
	}
	return b.copyVault(ctx, ask.Vault, done.Name, t)
}

func (b *backups) copyVault(ctx context.Context, folder, name string, t *tale) error {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	path := filepath.Join(folder, "vault-"+name+".db")
	if err := b.vault.Copy(ctx, path); err != nil {
		return err
	}
	for _, p := range []string{path, folder} {
		f, err := os.Open(p)
		if err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return err
		}
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return err
	}
	t.say("The vault's store is %s. Keep it apart from the backup, and the root key apart from both: whoever has all three has the data, whatever is revoked later.", path)
	return nil
}

// apart refuses folders that lie in one another.
func apart(dataDir, folder, vault string) error {
	if folder == "" || !filepath.IsAbs(folder) || vault != "" && !filepath.IsAbs(vault) {
		return errors.New("internal error: a folder's path is not absolute")
	}
	within := func(inner, outer string) bool {
		rel, err := filepath.Rel(outer, inner)
		return err == nil && rel != ".." && !strings.HasPrefix(rel, "../")
	}
	for _, p := range []string{folder, vault} {
		if p != "" && (within(p, dataDir) || within(dataDir, p)) {
			return fmt.Errorf("%s and the data directory %s lie in one another; a backup must lie elsewhere", p, dataDir)
		}
	}
	if vault != "" && (within(vault, folder) || within(folder, vault)) {
		return fmt.Errorf("%s and %s lie in one another; the vault's copy must be kept apart from the backup, or a revocation would not hold for it", vault, folder)
	}
	return nil
}

func (b *backups) list(_ context.Context, ask wish, t *tale) error {
	f, err := backup.Open(ask.Folder)
	if err != nil {
		return err
	}
	defer f.Close()
	all, err := f.Statements(b.key)
	if err != nil {
		return err
	}
	t.say("%-20s  %8s  %10s  %s", "NAME", "FILES", "BYTES", "KEY VERSIONS")
	for _, s := range all {
		t.say("%-20s  %8d  %10s  %d", s.Name, s.Files, size(s.Bytes), len(s.Keys))
	}
	return nil
}

func (b *backups) verify(ctx context.Context, ask wish, t *tale) error {
	f, err := backup.Open(ask.Folder)
	if err != nil {
		return err
	}
	defer f.Close()
	s, err := f.Statement(ask.Name, b.key)
	if err != nil {
		return err
	}
	wrong, err := f.Verify(ctx, s)
	if err != nil {
		return err
	}
	for _, w := range wrong {
		t.say("%s", w)
	}
	if t.Failed = len(wrong) > 0; t.Failed {
		t.say("backup %s can't be restored; make a new one, or restore another", s.Name)
	} else {
		t.say("backup %s is whole: %d files, %s, signed by this installation", s.Name, s.Files, size(s.Bytes))
	}
	return nil
}

func (b *backups) remove(ctx context.Context, ask wish, t *tale) error {
	f, err := backup.Create(ask.Folder)
	if err != nil {
		return err
	}
	defer f.Close()
	freed, err := f.Remove(ctx, ask.Name)
	if err != nil {
		return err
	}
	if err := domain.ForgetBackup(ctx, b.catalog, ask.Name); err != nil {
		return err
	}
	t.say("backup %s is removed, and with it %s that no other one has", ask.Name, size(freed))
	return nil
}

func size(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%d bytes", n)
}

// AskBackup has the server that runs on a data directory do something about backups.
func AskBackup(ctx context.Context, dataDir string, what cli.BackupAction, folder, vault, name string, out io.Writer) error {
	path := map[cli.BackupAction]string{cli.BackupMake: "/backup", cli.BackupList: "/backup/list", cli.BackupVerify: "/backup/verify", cli.BackupRemove: "/backup/remove"}[what]
	var t tale
	for _, p := range []*string{&folder, &vault} {
		if *p == "" {
			continue
		}
		abs, err := filepath.Abs(*p)
		if err != nil {
			return err
		}
		*p = abs
	}
	if err := askSupport(ctx, dataDir, path, wish{Folder: folder, Vault: vault, Name: name}, &t); err != nil {
		return err
	}
	return t.tell(out)
}

// tell prints the lines; of a failure the last one is the error.
func (t tale) tell(out io.Writer) error {
	lines := t.Lines
	var failed error
	if t.Failed {
		last := len(lines) - 1
		lines, failed = lines[:last], errors.New(lines[last])
	}
	for _, line := range lines {
		fmt.Fprintln(out, line)
	}
	return failed
}

// lying says where accounts lie below a folder of all of them.
func lying(accounts disk.FS) func(schema.ClusterID, schema.AccountID) (disk.FS, string) {
	return func(domain schema.ClusterID, id schema.AccountID) (disk.FS, string) {
		return accounts, string(domain) + "/" + string(id)
	}
}
