package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"logkeep/internal/cli/client"
)

// evidenceCommands are those that tell what keys are needed for.
func evidenceCommands(t terminal) []*cobra.Command {
	return []*cobra.Command{
		evidenceCommand(t, "census CLUSTER", "Show what each version of a key is needed for",
			"Show what each version of the customer's key and of the service's is needed for: wrapped keys,\nsealed objects and bytes, when it was last used, and whether it may be disabled.",
			func(c *cobra.Command, s *client.Server, id string) (json.RawMessage, error) {
				keys, whole, err := s.Census(c.Context(), id)
				if err == nil {
					err = printCensus(t.out, keys, c)
				}
				return whole, err
			}),
		evidenceCommand(t, "events CLUSTER", "Show what happened to a cluster's key",
			"Show the last changes of the key's state, of the key and of the version in use, and of rows that waited for it, newest first.",
			func(c *cobra.Command, s *client.Server, id string) (json.RawMessage, error) {
				events, whole, err := s.KeyEvents(c.Context(), id)
				if err == nil {
					err = printEvents(t.out, events, c)
				}
				return whole, err
			}),
		evidenceCommand(t, "coverage CLUSTER", "Show what lies on disk and which keys protect it",
			"Show every kind of object and file that the server has, the keys that protect the cluster's,\nand what is in the clear by design and why.",
			func(c *cobra.Command, s *client.Server, id string) (json.RawMessage, error) {
				data, kinds, whole, err := s.Coverage(c.Context(), id)
				if err == nil {
					err = printCoverage(t.out, data, kinds, c)
				}
				if err == nil {
					err = printWitness(t.out, whole, c)
				}
				return whole, err
			}),
	}
}

func evidenceCommand(t terminal, use, what, long string, show func(*cobra.Command, *client.Server, string) (json.RawMessage, error)) *cobra.Command {
	var server connection
	var output string
	c := &cobra.Command{
		Use: use, Short: what, Long: long,
		Args: func(c *cobra.Command, args []string) error { return exactly(c, args, 1, "one cluster") },
		RunE: func(c *cobra.Command, args []string) error {
			if err := oneOf("output", output, "table", "json"); err != nil {
				return err
			}
			s, err := server.open(c.Context(), client.Options{Retries: true})
			if err != nil {
				return err
			}
			defer s.Close()
			chosen, err := oneCluster(c, s, args[0])
			if err != nil {
				return err
			}
			whole, err := show(c, s, chosen.ID)
			if err != nil || output != "json" {
				return err
			}
			return indent(t.out, whole)
		},
	}
	server.flags(c)
	c.Flags().StringVarP(&output, "output", "o", "table", "table or json")
	return c
}

// indent prints JSON for people.
func indent(out io.Writer, text []byte) error {
	var b bytes.Buffer
	if err := json.Indent(&b, text, "", "  "); err != nil {
		return err
	}
	b.WriteByte('\n')
	_, err := b.WriteTo(out)
	return err
}

// asTable reports whether a command was not told to print JSON.
func asTable(c *cobra.Command) bool { return c.Flag("output").Value.String() == "table" }

func printCensus(out io.Writer, keys []client.KeyUse, c *cobra.Command) error {
	if !asTable(c) {
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "KEY VERSION\tHOLDER\tWRAPS\tOBJECTS\tBYTES\tLAST USED\tSAFE TO DISABLE\tBECAUSE")
	for _, k := range keys {
		safe, last := "no", ""
		if k.SafeToDisable {
			safe = "yes"
		}
		if !k.LastUsed.IsZero() {
			last = k.LastUsed.Format(time.RFC3339)
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%s\t%s\t%s\n", k.KID, k.Holder, len(k.Wraps), k.Objects, k.Bytes, last, safe, short(k.Reason))
	}
	return w.Flush()
}

func printEvents(out io.Writer, events []client.KeyEvent, c *cobra.Command) error {
	if !asTable(c) {
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "AT\tWHAT\tFROM\tTO\tREASON")
	for _, e := range events {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", e.At.Format(time.RFC3339), e.What, e.From, e.To, short(e.Reason))
	}
	return w.Flush()
}

func printCoverage(out io.Writer, data []client.Covered, kinds []client.AtRest, c *cobra.Command) error {
	if !asTable(c) {
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "KIND\tACCOUNT\tGENERATION\tOBJECTS\tBYTES\tKEY\tSECOND LAYER")
	for _, d := range data {
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%s\t%s\n", d.Kind, d.Account, d.Generation, d.Objects, d.Bytes, d.Key, d.OuterKey)
	}
	fmt.Fprintln(w)
	fmt.Fprintln(w, "FILES\tSEALED WITH\tIN THE CLEAR\tBECAUSE")
	for _, k := range kinds {
		sealed := k.SealedWith
		if sealed == "" {
			sealed = "-"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", k.Where, sealed, short(k.Clear), short(k.Why))
	}
	return w.Flush()
}

// printWitness says whether an older copy of the data directory would be noticed.
func printWitness(out io.Writer, whole json.RawMessage, c *cobra.Command) error {
	var told struct {
		Noticed bool `json:"rollbackNoticed"`
		Witness struct {
			Place  string    `json:"place"`
			At     time.Time `json:"at"`
			Failed string    `json:"failed"`
		} `json:"witness"`
	}
	if err := json.Unmarshal(whole, &told); err != nil || !asTable(c) {
		return err
	}
	switch w := told.Witness; {
	case !told.Noticed:
		fmt.Fprintf(out, "\nAn older copy of the whole data directory, put in its place, would not be noticed: the server has no witness (--witness).\n")
	case w.Failed != "":
		fmt.Fprintf(out, "\nAn older copy of the data directory is noticed, up to %s: %s was told then, and not since: %s.\n", w.At.Format(time.RFC3339), w.Place, short(w.Failed))
	default:
		fmt.Fprintf(out, "\nAn older copy of the data directory is noticed: %s was told last at %s.\n", w.Place, w.At.Format(time.RFC3339))
	}
	return nil
}
