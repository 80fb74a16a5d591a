package cli

import (
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"logkeep/internal/cli/client"
)

func keyCommand(t terminal) *cobra.Command {
	key := &cobra.Command{
		Use: "key", Short: "Look at customers' keys", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	var server connection
	var output string
	status := &cobra.Command{
		Use: "status [CLUSTER...]", Short: "Show the state of the clusters' keys",
		Long: "Show the state of the clusters' keys, as the clusters see it. The exit code is that of the worst:\n0 all can be used, 5 one is revoked, 6 one cannot be reached, 1 one is damaged.",
		RunE: func(c *cobra.Command, wanted []string) error {
			if err := oneOf("output", output, "table", "json"); err != nil {
				return err
			}
			s, err := server.open(c.Context(), client.Options{Retries: true})
			if err != nil {
				return err
			}
			defer s.Close()
			all, err := s.Clusters(c.Context())
			if err != nil {
				return err
			}
			shown, err := choose(all, wanted)
			if err != nil {
				return err
			}
			if err := printKeys(t, shown, output); err != nil {
				return err
			}
			if code := worst(shown); code != exitDone {
				return exitError(code)
			}
			return nil
		},
	}
	server.flags(status)
	status.Flags().StringVarP(&output, "output", "o", "table", "table or json")
	key.AddCommand(status)
	key.AddCommand(evidenceCommands(t)...)
	key.AddCommand(drillCommand(t))
	return key
}

func choose(all []client.Cluster, wanted []string) ([]client.Cluster, error) {
	if len(wanted) == 0 {
		return all, nil
	}
	var chosen []client.Cluster
	for _, name := range wanted {
		before := len(chosen)
		for _, c := range all {
			if strings.EqualFold(c.Name, name) || strings.EqualFold(c.ID, name) {
				chosen = append(chosen, c)
			}
		}
		if len(chosen) == before {
			return nil, fmt.Errorf("cluster %q %w", name, client.ErrNotFound)
		}
	}
	return chosen, nil
}

func worst(clusters []client.Cluster) int {
	has := map[string]bool{}
	for _, c := range clusters {
		has[c.Logkeep.KeyState.State] = true
	}
	switch {
	case has["Damaged"]:
		return exitFailed
	case has["Revoked"]:
		return exitKeyRevoked
	case has["Unreachable"]:
		return exitKeyUnreachable
	}
	return exitDone
}

func printKeys(t terminal, clusters []client.Cluster, form string) error {
	if form == "json" {
		type line struct {
			Cluster  string          `json:"cluster"`
			Vault    string          `json:"keyVaultUri"`
			Key      string          `json:"keyName"`
			KeyState client.KeyState `json:"keyState"`
			Worker   int             `json:"workerPid,omitempty"`
		}
		lines := []line{}
		for _, c := range clusters {
			lines = append(lines, line{c.ID, c.VaultURI, c.KeyName, c.Logkeep.KeyState, c.Logkeep.Worker.PID})
		}
		e := json.NewEncoder(t.out)
		e.SetIndent("", "  ")
		return e.Encode(lines)
	}
	w := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "CLUSTER\tKEY\tVERSION\tSTATE\tSINCE\tLAST UNWRAP\tNEXT PROBE\tREASON")
	for _, c := range clusters {
		k := c.Logkeep.KeyState
		name := "(the service's own)"
		if c.KeyName != "" {
			name = strings.TrimSuffix(c.VaultURI, "/") + "/keys/" + c.KeyName
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", c.Name, name, k.KeyVersion, k.State, k.Since, k.LastUnwrap, k.NextProbe, short(k.Reason))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, c := range clusters {
		if w := c.Logkeep.KeyState.Warning; w != "" {
			fmt.Fprintf(t.out, "%s: %s\n", c.Name, w)
		}
		s := c.Logkeep.KeyState.Spool
		if s != nil && s.Batches > 0 {
			fmt.Fprintf(t.out, "%s: %d rows (%d batches, %d bytes) wait for the key since %s\n", c.Name, s.Rows, s.Batches, s.Bytes, s.Since)
		}
		if s != nil && s.AsideBatches > 0 {
			fmt.Fprintf(t.out, "%s: %d batches (%d bytes) could not be imported and are kept; the server's log says why\n", c.Name, s.AsideBatches, s.AsideBytes)
		}
	}
	return nil
}
