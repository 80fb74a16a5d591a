package cli

import (
	"cmp"
	"errors"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// A BackupAction is what the server is asked to do about backups.
type BackupAction int

// The actions.
const (
	BackupMake BackupAction = iota
	BackupList
	BackupVerify
	BackupRemove
)

// A Restoration says what is restored, and to where.
type Restoration struct {
	From, Name, VaultFrom    string
	DataDir, RootKey, Domain string
	Storage                  string // where its rows shall lie, as --storage of the server; "" means the data directory
}

// A Checking says which storage is checked. Storage is for a data directory whose
// server does not run and whose rows lie in a bucket.
type Checking struct {
	DataDir, Storage string
	Repair           bool
}

// addBackup adds the commands that keep copies of the data and bring them back.
func addBackup(root *cobra.Command, commands Commands, t terminal) {
	if commands.Backup == nil {
		return
	}
	var dataDir, folder, vault string
	where := func() string {
		return cmp.Or(dataDir, os.Getenv("LOGKEEP_DATA_DIR"), DefaultSettings().DataDir)
	}
	named := func(args []string) string {
		if len(args) == 0 {
			return ""
		}
		return args[0]
	}
	c := &cobra.Command{
		Use: "backup --to FOLDER", Short: "Copy the data of a running server, sealed as they are",
		Long: "Copy the data of a running server to a folder: catalog, segments, journals and spools of one moment, sealed as they are.\n" +
			"What earlier backups in the folder have is not copied again. Without the vault a backup opens nowhere, and\n" +
			"with a key that is revoked it opens no more than the data do: the vault is not in it. --vault-to copies the\n" +
			"vault's store to another folder, for the day when the whole machine is lost.",
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if folder == "" { // a script whose variable is empty must not take it for done
				return usageError{errors.New("no backup was made: name its folder with --to; see `logkeep backup --help`")}
			}
			return commands.Backup(c.Context(), where(), BackupMake, folder, vault, "", t.out)
		},
	}
	c.Flags().StringVar(&folder, "to", "", "folder of the backups; made if missing")
	c.Flags().StringVar(&vault, "vault-to", "", "another folder, for a copy of the built-in vault's store")
	c.PersistentFlags().StringVar(&dataDir, "data-dir", "", "data directory of the server (LOGKEEP_DATA_DIR; default .logkeep)")
	for _, sub := range []struct {
		use, short string
		what       BackupAction
		least      int
	}{
		{"list", "List the backups in a folder", BackupList, 0},
		{"verify [NAME]", "Check every file of a backup, the newest by default", BackupVerify, 0},
		{"remove NAME", "Remove a backup, and the files that no other one has", BackupRemove, 1},
	} {
		from := ""
		s := &cobra.Command{
			Use: sub.use + " --from FOLDER", Short: sub.short, Long: sub.short + ". The server that made it must run.",
			Args: func(c *cobra.Command, args []string) error {
				if sub.least == 0 && (len(args) == 0 || len(args) == 1 && strings.Contains(sub.use, "NAME")) {
					return nil
				}
				return exactly(c, args, sub.least, "the name of a backup")
			},
			RunE: func(c *cobra.Command, args []string) error {
				return commands.Backup(c.Context(), where(), sub.what, from, "", named(args), t.out)
			},
		}
		s.Flags().StringVar(&from, "from", "", "folder of the backups")
		s.MarkFlagRequired("from")
		c.AddCommand(s)
	}
	root.AddCommand(c, restoreCommand(commands, t), storageCommand(commands, t))
}

func storageCommand(commands Commands, t terminal) *cobra.Command {
	c := &cobra.Command{
		Use: "storage", Short: "Look after what lies on disk", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	var ask Checking
	check := &cobra.Command{
		Use: "check", Short: "Find what is missing or damaged",
		Long: "Compare what lies on disk, or in the bucket, with what the catalog says: each segment's object is there, whole, and of the length that\n" +
			"it must have; journals have no holes. With a running server, every record is opened whose key can be used; without\n" +
			"one only what needs no key is checked.\n\n" +
			"--repair takes segments that can't be read out of use, so that queries over their time work again, without their rows;\n" +
			"of a journal that can't be read it saves what can be, and tells what is lost. What is taken out of use is kept beside.\n" +
			"Nothing is deleted: what is left of an object is kept in the account's folder aside, and one that is whole again\n" +
			"(restored from a backup) is taken back. It needs the server to run.",
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			ask.DataDir = cmp.Or(ask.DataDir, os.Getenv("LOGKEEP_DATA_DIR"), DefaultSettings().DataDir)
			ask.Storage = cmp.Or(ask.Storage, os.Getenv("LOGKEEP_STORAGE"))
			return commands.Check(c.Context(), ask, t.out)
		},
	}
	check.Flags().StringVar(&ask.DataDir, "data-dir", "", "data directory of the server (LOGKEEP_DATA_DIR; default .logkeep)")
	check.Flags().StringVar(&ask.Storage, "storage", "", "the bucket that has the rows, `URL`, if no server runs (LOGKEEP_STORAGE); credentials come from the environment")
	check.Flags().BoolVar(&ask.Repair, "repair", false, "take out of use what can't be read, and back what can be again")
	c.AddCommand(check)
	return c
}

func restoreCommand(commands Commands, t terminal) *cobra.Command {
	var r Restoration
	c := &cobra.Command{
		Use: "restore --from FOLDER [NAME]", Short: "Put a backup back, while no server runs",
		Long: "Put a backup, the newest by default, in place of the data directory's catalog and accounts. Its signature and every\n" +
			"file are checked first. What was there is kept beside the data directory. The vault stays as it is, with all that was\n" +
			"revoked since; a data directory without one gets it from --vault-from, and opens with the root key of then.\n\n" +
			"--storage names an empty prefix of a bucket, or an empty folder, for segments and journals; a backup of a bucket may\n" +
			"be restored to a disk and one of a disk into a bucket. Rows that are in another bucket now stay there.",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 1 {
				return exactly(c, args, 1, "the name of a backup")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 {
				r.Name = args[0]
			}
			r.DataDir = cmp.Or(r.DataDir, os.Getenv("LOGKEEP_DATA_DIR"), DefaultSettings().DataDir)
			r.RootKey = cmp.Or(r.RootKey, os.Getenv("LOGKEEP_ROOT_KEY"), strings.TrimRight(r.DataDir, "/")+".rootkey")
			r.Domain = cmp.Or(r.Domain, os.Getenv("LOGKEEP_DOMAIN"), DefaultSettings().Domain)
			r.Storage = cmp.Or(r.Storage, os.Getenv("LOGKEEP_STORAGE"))
			return commands.Restore(c.Context(), r, t.out)
		},
	}
	f := c.Flags()
	f.StringVar(&r.From, "from", "", "folder of the backups")
	f.StringVar(&r.VaultFrom, "vault-from", "", "folder that --vault-to named, for a data directory without a vault")
	f.StringVar(&r.DataDir, "data-dir", "", "data directory (LOGKEEP_DATA_DIR; default .logkeep)")
	f.StringVar(&r.RootKey, "root-key", "", "file with the root key (LOGKEEP_ROOT_KEY; default DATA-DIR.rootkey)")
	f.StringVar(&r.Domain, "domain", "", "domain of the server's host names (LOGKEEP_DOMAIN; default logkeep.test)")
	f.StringVar(&r.Storage, "storage", "", "where its segments and journals shall lie, `URL`: an empty prefix, s3://BUCKET/PREFIX or azblob://CONTAINER/PREFIX, or file:///FOLDER (LOGKEEP_STORAGE; default the data directory)")
	c.MarkFlagRequired("from")
	return c
}
