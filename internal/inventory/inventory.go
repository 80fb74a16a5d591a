// Package inventory knows every kind of file below a data directory: what is in
// it, what seals it, and what can be read of it without any key, and why.
//
// It is the one list from which the coverage report is made. A test walks a
// data directory after all that a server does, and fails on a file that no kind
// names. So who has the server write a new kind of file says here what it is.
//
// The package reads names, sizes and the heads of journals and spools, and no sealed byte.
package inventory

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"logkeep/internal/schema"
)

// A Seal says what protects a kind of file.
type Seal string

// The seals.
const (
	ByAccount Seal = "account key"                      // of the generation; twice where the account has an infrastructure key
	ByRoot    Seal = "root key"                         // from outside the data directory
	ByMemory  Seal = "account key, and a key in memory" // that dies with the process
	None      Seal = ""                                 // what is in it is in the clear
)

// A Kind is a kind of file.
type Kind struct {
	Name    string
	Pattern string // of its path below the data directory, as in path.Match
	What    string
	Seal    Seal
	Clear   string // what can be read without a key; "" nothing but name and size
	Why     string // why that is so
}

// The kinds that other packages ask for.
const (
	Segment = "segment"
	Partial = "segment being written"
	Journal = "journal"
	Spool   = "spool"
)

// kinds are tried from top to bottom.
var kinds = [...]Kind{
	{Partial, "accounts/*/*/objects/.*", "rows of one table on their way into a segment; removed at the next start", ByAccount,
		"a random id, its size, and how often it is sealed", "a file needs a name"},
	{Segment, "accounts/*/*/objects/*", "rows of one table, with their statistics and column names", ByAccount,
		"a random id, its size, and how often it is sealed", "a file needs a name"},
	{"segment set aside", "accounts/*/*/aside/*", "what is left of segments and journals that can't be read, and segments that the catalog did not name when a journal was repaired", ByAccount, "as for segments and journals", "as for these"},
	{Journal, "accounts/*/*/journal/*.journal", "rows that were accepted and are not in a segment yet", ByAccount,
		"the key generation, how many appends it holds, and how long each group of them is", "it is found and cut after a crash before any key is there"},
	{Spool, "accounts/*/*/spool/*.spool", "rows that were accepted while the key could not be used, until they are imported", ByAccount,
		"the public key that they are sealed to, its sealed private half, and of each batch its workspace and table, time, number of rows and size",
		"it is written by who has no key, and counted before any key is back"},
	{Spool, "accounts/*/*/spool/*.aside", "batches of a spool that could not be imported, as they were", ByAccount, "as for a spool", "as for a spool"},
	{"journal lock", "accounts/*/*/journal/lock", "nothing", None, "", "one process at a time writes an account"},
	{"hot cache", "cache/*/*", "pieces of segments and journals that lie in the bucket, as they are there", ByMemory,
		"names without meaning, and sizes", "it is removed when the key is denied, and by every start: the key of its outer layer is in the server's memory only"},
	{"storage", "storage", "the name of the bucket that segments and journals lie in", None, "all of it", "the server refuses to start on another"},
	{"catalog", "catalog.db", "the control plane's records", None,
		"names, ids, tags and settings of resources; tables' names, columns and types; of each segment its table, size, number of rows and first and last time; " +
			"wrapped keys; who exists and may what, secrets only as salted hashes; operations; for a moment, events of the activity log: who did what to which resource",
		"with the key refused, resources must still be seen and repaired, and rows whose retention ends be removed; wrapped keys open with the vault alone, and are signed"},
	{"catalog log", "catalog.db-*", "the catalog's last changes", None, "what the catalog has", "as for the catalog"},
	{"vault", "vault/vault.db", "keys of the built-in vault, the service's own among them", ByRoot,
		"names, versions, times, policies and public halves of keys, and who used them when; authenticated under the root key",
		"only private halves are secret; vaults are administered by these records"},
	{"vault log", "vault/vault.db-*", "the vault's last changes", ByRoot, "what the vault has", "as for the vault"},
	{"vault reserve", "vault/reserve", "nothing: room for changes of keys while the disk is full", None, "", "rows that fill a disk must not keep a key from being disabled"},
	{"authority", "tls/ca.pem", "the certificate of the server's own authority", None, "all of it", "clients need it to trust the server; it is public"},
	{"bootstrap", "bootstrap.json", "the first administrator's name and secret, readable by the server's user", None,
		"all of it", "somebody must be able to sign in first; remove it when it is kept elsewhere"},
	{"endpoint", "endpoint", "where the server is to be found", None, "all of it", "commands on this machine look here"},
	{"restored", "RESTORED", "which backup the data directory was restored from, and when", None, "all of it", "who starts the server with a witness is told why the data are older"},
	{"format", "FORMAT", "the version of the data directory", None, "all of it", "other versions must be able to refuse it"},
	{"lock", "LOCK", "nothing", None, "", "one server at a time uses the directory"},
	{"being written", ".write-*", "one of the small files, on its way to its place", None, "as for that file", "files appear whole or not at all"},
	{"being written", "tls/.write-*", "the certificate, on its way to its place", None, "as for that file", "files appear whole or not at all"},
	{"process", "logkeep.pid", "the number of the server's process, from make run", None, "all of it", "to stop it"},
	{"log", "*.log", "the server's messages: names, places and causes, never rows or keys", None, "all of it", "the operator reads it"},
}

// Kinds lists every kind of file.
func Kinds() []Kind { return append([]Kind(nil), kinds[:]...) }

// Classify finds the kind of a file by its path below the data directory.
func Classify(name string) (Kind, bool) {
	name = filepath.ToSlash(name)
	for _, k := range kinds {
		if ok, _ := path.Match(k.Pattern, name); ok {
			return k, true
		}
	}
	return Kind{}, false
}

// A File is a sealed file of an account.
type File struct {
	Kind       string // Segment, Partial, Journal or Spool
	Name       string
	Bytes      int64
	Generation uint32 // of a journal's or a spool's frames; a segment's is in the catalog
}

// Account lists the sealed files of an account; dir is its folder. An account
// that was never written to has none.
func Account(dir string) ([]File, error) {
	var files []File
	for _, folder := range [...]string{"journal", "objects", "spool"} {
		entries, err := os.ReadDir(filepath.Join(dir, folder))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("list the files of %s: %w", filepath.Base(dir), err)
		}
		for _, e := range entries {
			k, ok := Classify(path.Join("accounts", "x", "x", folder, e.Name()))
			if !ok || k.Seal != ByAccount {
				continue
			}
			f := File{Kind: k.Name, Name: strings.TrimPrefix(e.Name(), ".")}
			info, err := e.Info()
			switch {
			case err != nil:
			case k.Name == Journal:
				f.Generation, err = generation(filepath.Join(dir, folder, e.Name()))
			case k.Name == Spool:
				f.Generation, err = spoolGeneration(filepath.Join(dir, folder, e.Name()))
			}
			if errors.Is(err, fs.ErrNotExist) {
				continue // flushed or merged meanwhile
			}
			if err != nil {
				return nil, fmt.Errorf("list the files of %s: %w", filepath.Base(dir), err)
			}
			f.Bytes = info.Size()
			files = append(files, f)
		}
	}
	return files, nil
}

// generation reads the head of a journal file; docs/format/journal.md has it.
// A file that was being begun when the machine stopped has none, and no rows.
func generation(name string) (uint32, error) {
	f, err := os.Open(name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	var head [JournalHead]byte
	if _, err := io.ReadFull(f, head[:]); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return 0, nil
	} else if err != nil {
		return 0, err
	}
	return GenerationOf(filepath.Base(name), head)
}

// JournalHead is how many bytes of a journal file tell its generation.
const JournalHead = 8

// GenerationOf reads the first bytes of a journal file.
func GenerationOf(name string, head [JournalHead]byte) (uint32, error) {
	if s := string(head[:4]); s != "LKJ\x01" && s != "LKJ\x02" {
		return 0, fmt.Errorf("%s is no journal file that this version knows", name)
	}
	return binary.BigEndian.Uint32(head[4:]), nil
}

// spoolGeneration reads the head of a spool's file; docs/format/spool.md has it.
// What is not one counts for no generation.
func spoolGeneration(name string) (uint32, error) {
	f, err := os.Open(name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	var head [12]byte
	if _, err := io.ReadFull(f, head[:]); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return 0, nil
	} else if err != nil {
		return 0, err
	}
	var text struct {
		Key struct {
			Generation uint32 `json:"generation"`
		} `json:"key"`
	}
	if string(head[:4]) != "LKS\x01" {
		return 0, nil
	}
	err = json.NewDecoder(io.LimitReader(f, int64(binary.BigEndian.Uint32(head[4:])))).Decode(&text)
	if err != nil {
		return 0, nil
	}
	return text.Key.Generation, nil
}

// Of is the folder of an account: below that of its key domain, below that of all.
func Of(accounts string, domain schema.ClusterID, id schema.AccountID) string {
	return filepath.Join(accounts, string(domain), string(id))
}
