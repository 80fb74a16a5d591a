package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"logkeep/internal/backup"
	"logkeep/internal/catalog"
	"logkeep/internal/cli"
)

// restoredName is the file that says where a data directory came from.
const restoredName = "RESTORED"

// A comeback is what it says.
type comeback struct {
	Backup string    `json:"backup"`
	Began  time.Time `json:"began"` // the backup
	At     time.Time `json:"at"`    // the restore
}

// Restore puts a backup in place of a data directory's catalog and accounts. It
// changes nothing before the vault has said whose the backup is and every file
// was read; what was there is kept beside the directory.
func Restore(ctx context.Context, r cli.Restoration, command []string, out io.Writer, log *slog.Logger) error {
	cfg := Config{Log: log, Domain: r.Domain, DataDir: r.DataDir, RootKey: r.RootKey}
	folder, err := backup.Open(r.From)
	if err != nil {
		return err
	}
	defer folder.Close()
	var undo stack
	defer undo.run()
	dir, err := openFolder(r.DataDir)
	if err != nil {
		return err
	}
	undo.push(dir.close)
	to, err := findDestination(ctx, r.Storage, dir)
	if err != nil {
		return err
	}
	undo.push(to.close)
	rootKey, err := checkRootKey(r.RootKey, dir.path, false)
	if err != nil {
		return err
	}
	if err := vaultFor(dir, r.VaultFrom, rootKey, out); err != nil {
		return err
	}
	runtime, err := runtimeFolder(dir.path)
	if err != nil {
		return err
	}
	undo.push(func() { os.RemoveAll(runtime) })
	var nobody atomic.Pointer[callbacks]
	keeper := filepath.Join(runtime, "keeper")
	if err := serveCallbacks(cfg, keeper, &nobody, &undo); err != nil {
		return err
	}
	v, err := startVault(ctx, append(command[:len(command):len(command)], "vault"), runtime,
		vaultStart{Dir: dir.in("vault"), Domain: r.Domain, Port: 1, RootKey: rootKey, Keeper: keeper}, log)
	if err != nil {
		return err
	}
	undo.push(v.stop)
	key, err := v.Integrity(ctx)
	if err != nil {
		return err
	}
	s, err := folder.Statement(r.Name, key)
	if err != nil {
		return err
	}
	staged := dir.path + ".restoring"
	if err := os.RemoveAll(staged); err != nil { // of a restore that was interrupted
		return err
	}
	undo.push(func() { os.RemoveAll(staged) })
	if err := to.begin(ctx, dir, staged); err != nil {
		return err
	}
	if err := folder.Restore(ctx, s, to.Place); err != nil {
		return errors.Join(fmt.Errorf("%w; nothing was changed", err), to.abandon(ctx))
	}
	replaced, err := exchange(dir, staged)
	if err == nil {
		err = to.end()
	}
	if err != nil {
		return err
	}
	text, err := json.Marshal(comeback{s.Name, s.Began, time.Now().UTC()})
	if err != nil {
		return err
	}
	if err := writeFile(dir.in(restoredName), append(text, '\n'), 0o600); err != nil {
		return err
	}
	fmt.Fprintf(out, "backup %s of %s is restored: %d files, every one as it was signed\n", s.Name, s.Began.Format(time.RFC3339), s.Files)
	if replaced != "" {
		fmt.Fprintf(out, "What was there is in %s; remove it when nothing of it is needed.\n", replaced)
		tellPurges(ctx, replaced, s.Began, out)
	}
	to.tell(out)
	if _, err := os.Stat(dir.in("bootstrap.json")); errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintln(out, "The first administrator's secret is in no backup: put bootstrap.json, as it was kept, into the data directory, or sign in by what it says with the AZURE_ variables.")
	}
	fmt.Fprintln(out, "Rows and changes since the backup are not in it. With a witness, the first start asks for --witness-accept.")
	return nil
}

// vaultFor makes sure that the data directory has a vault.
func vaultFor(dir *folder, from, rootKey string, out io.Writer) error {
	path := dir.in("vault", "vault.db")
	_, err := os.Stat(path)
	switch {
	case err == nil && from != "":
		return fmt.Errorf("%s has a vault, which knows what was revoked since; leave --vault-from out, or move %s away", dir.path, dir.in("vault"))
	case err == nil:
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return err
	case from == "":
		return fmt.Errorf("%s has no vault, and the backup opens with the vault of its installation only; name the folder of the vault's copy with --vault-from, or the data directory with --data-dir", dir.path)
	}
	if _, err := os.Stat(rootKey); err != nil {
		return fmt.Errorf("the vault's copy opens with the root key of then: %w; name its file with --root-key", err)
	}
	copies, err := filepath.Glob(filepath.Join(from, "vault-*.db"))
	if err != nil || len(copies) == 0 {
		return fmt.Errorf("%s has no copy of a vault", from)
	}
	newest := slices.Max(copies)
	text, err := os.ReadFile(newest)
	if err != nil {
		return err
	}
	if err := dir.begin(); err != nil {
		return err
	}
	if err := writeFile(path, text, 0o600); err != nil {
		return err
	}
	fmt.Fprintf(out, "The vault is that of %s: keys that were disabled or deleted since are as they were then.\n", strings.TrimSuffix(strings.TrimPrefix(filepath.Base(newest), "vault-"), ".db"))
	return nil
}

// exchange puts what was staged into place, and moves what was there beside the
// data directory.
func exchange(dir *folder, staged string) (replaced string, err error) {
	there, err := filepath.Glob(dir.in("catalog.db*"))
	if err != nil {
		return "", err
	}
	for _, name := range [...]string{"accounts", storedName} {
		if _, err := os.Stat(dir.in(name)); err == nil {
			there = append(there, dir.in(name))
		}
	}
	if len(there) > 0 {
		replaced = dir.path + ".replaced-" + time.Now().UTC().Format("20060102T150405.000Z")
		if err := os.Mkdir(replaced, 0o700); err != nil {
			return "", err
		}
		for _, path := range there {
			if err := os.Rename(path, filepath.Join(replaced, filepath.Base(path))); err != nil {
				return "", err
			}
		}
	}
	// Where the rows lie comes first: a catalog without it would look for them here.
	for _, name := range [...]string{storedName, "catalog.db", "accounts"} {
		err := os.Rename(filepath.Join(staged, name), dir.in(name))
		if err != nil && !(errors.Is(err, fs.ErrNotExist) && name != "catalog.db") {
			return replaced, err
		}
	}
	for _, path := range []string{dir.path, filepath.Dir(dir.path)} {
		f, err := os.Open(path)
		if err != nil {
			return replaced, err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return replaced, err
		}
	}
	return replaced, dir.begin()
}

// tellPurges tells which purges are undone by going back to a time.
func tellPurges(ctx context.Context, replaced string, began time.Time, out io.Writer) {
	cat, err := catalog.Open(ctx, filepath.Join(replaced, "catalog.db"))
	if err != nil {
		return // what was there may be what was lost
	}
	defer cat.Close()
	all, err := cat.Purges(ctx)
	if err != nil {
		return
	}
	told := map[string]bool{}
	for _, p := range all {
		if p.At.After(began) && !told[p.Operation] {
			told[p.Operation] = true
			fmt.Fprintf(out, "Rows of table %s that were purged at %s (purge-%s) are back: purge them again.\n", p.Table, p.At.Format(time.RFC3339), p.Operation)
		}
	}
}

// restoredWords explain why data are older, if they were restored.
func (f *folder) restoredWords() string {
	text, err := os.ReadFile(f.in(restoredName))
	var c comeback
	if err != nil || json.Unmarshal(text, &c) != nil {
		return ""
	}
	return fmt.Sprintf("; the data directory was restored at %s from backup %s", c.At.Format(time.RFC3339), c.Backup)
}
