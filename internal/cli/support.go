package cli

import (
	"os"

	"github.com/spf13/cobra"
)

// addSupport adds what only whoever runs the server may do, on its machine.
func addSupport(root *cobra.Command, commands Commands, t terminal) {
	if commands.RestoreIdentity == nil {
		return
	}
	support := &cobra.Command{
		Use: "support", Short: "Do what only the operator of the server may do", Args: noArgs,
		Long: "Do what no role allows, on the machine of a running server and as the user that runs it.",
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	dataDir := ""
	restore := &cobra.Command{
		Use: "restore-identity CLUSTER", Short: "Give a cluster a new identity after its own was set to None",
		Long: "Give a cluster, by name or resource id, a new system-assigned identity after its own was set to None.\n\n" +
			"That revoked access to the cluster's data, and no update undoes it: whoever asks support for it must be\nentitled to. The new identity has no rights; the data comes back when the owner of the key grants them.",
		Args: func(c *cobra.Command, args []string) error { return exactly(c, args, 1, "a cluster") },
		RunE: func(c *cobra.Command, args []string) error {
			if dataDir == "" {
				dataDir = os.Getenv("LOGKEEP_DATA_DIR")
			}
			if dataDir == "" {
				dataDir = DefaultSettings().DataDir
			}
			return commands.RestoreIdentity(c.Context(), dataDir, args[0], t.out)
		},
	}
	restore.Flags().StringVar(&dataDir, "data-dir", "", "data directory of the server (LOGKEEP_DATA_DIR; default .logkeep)")
	support.AddCommand(restore)
	root.AddCommand(support)
}
