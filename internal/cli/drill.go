package cli

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/spf13/cobra"

	"logkeep/internal/cli/client"
	"logkeep/internal/cli/drill"
	"logkeep/internal/dsse"
	"logkeep/internal/report"
)

func drillCommand(t terminal) *cobra.Command {
	var server connection
	var output string
	var config drill.Config
	var clean bool
	c := &cobra.Command{
		Use: "drill CLUSTER", Short: "Try revocation, restoration and rotation, and get a signed report",
		Long: "Try on a running server, under load, what disabling, enabling and rotating a key do, and how fast.\n\n" +
			"CLUSTER, its key and its data are not touched: beside it a cluster with the same settings is made, and in\n" +
			"the same vault a key for it; both are removed at the end, also after Ctrl-C and after a failure. The key's\n" +
			"name stays in the vault until it may be purged. The last line is a report that the server has signed;\n" +
			"`logkeep key drill verify` checks it anywhere. The exit code is 0 only if every promise held.",
		Args: func(c *cobra.Command, args []string) error {
			if clean {
				return noArgs(c, args)
			}
			return exactly(c, args, 1, "one cluster")
		},
		RunE: func(c *cobra.Command, args []string) error {
			if err := oneOf("output", output, "text", "json"); err != nil {
				return err
			}
			if config.Steady <= 0 || config.Steady > 10*time.Minute {
				return usageError{fmt.Errorf("--steady %s is not between 0 and 10m", config.Steady)}
			}
			s, err := server.open(c.Context(), client.Options{Retries: clean})
			if err != nil {
				return err
			}
			defer s.Close()
			if clean {
				names, err := drill.Left(c.Context(), s)
				fmt.Fprintf(t.err, "removed what %d drills had left %s\n", len(names), strings.Join(names, " "))
				return err
			}
			if config.Subject, err = oneCluster(c, s, args[0]); err != nil {
				return err
			}
			steps, number := t.out, 0
			if output == "json" {
				steps = t.err
			}
			config.Server = s
			config.Show = func(took time.Duration, format string, args ...any) {
				number++
				fmt.Fprintf(steps, "%2d  %7s  %s\n", number, took.Round(time.Millisecond), fmt.Sprintf(format, args...))
			}
			signed, err := drill.Run(c.Context(), config)
			if _, begun := errors.AsType[drill.Broken](err); begun {
				return failed{err} // a revoked key in a drill is a drill that failed, no more
			}
			if signed == nil {
				return err
			}
			envelope, openErr := dsse.Parse(signed)
			if openErr != nil {
				return failed{errors.Join(err, openErr)}
			}
			about, measured, openErr := report.Read(envelope.Payload)
			if openErr != nil {
				return failed{errors.Join(err, openErr)}
			}
			printReport(steps, about, measured, envelope.Signatures[0].KeyID)
			if _, writeErr := t.out.Write(signed); writeErr != nil {
				err = errors.Join(err, writeErr)
			}
			if !about.Verdict.Held {
				err = errors.Join(err, errors.New("not every promise held"))
			}
			if err != nil {
				return failed{err}
			}
			return nil
		},
	}
	server.flags(c)
	c.Flags().StringVarP(&output, "output", "o", "text", "text, or json: nothing but the signed report on standard output")
	c.Flags().DurationVar(&config.Steady, "steady", 3*time.Second, "how long each state is held under load")
	c.Flags().BoolVar(&config.NewVault, "new-vault", false, "make a vault for the drill instead of a key in the cluster's")
	c.Flags().BoolVar(&clean, "clean", false, "drill nothing; remove what drills left that were cut off")
	c.AddCommand(verifyCommand(t))
	return c
}

// oneCluster finds a cluster by name or resource id.
func oneCluster(c *cobra.Command, s *client.Server, wanted string) (client.Cluster, error) {
	all, err := s.Clusters(c.Context())
	if err != nil {
		return client.Cluster{}, err
	}
	chosen, err := choose(all, []string{wanted})
	if err != nil {
		return client.Cluster{}, err
	}
	if len(chosen) > 1 {
		return client.Cluster{}, fmt.Errorf("%d clusters are called %q; give the resource id", len(chosen), wanted)
	}
	return chosen[0], nil
}

// maxReport bounds a report's file and a key's.
const maxReport = 4 << 20

func verifyCommand(t terminal) *cobra.Command {
	var where connection
	var keyFile, output string
	c := &cobra.Command{
		Use: "verify FILE", Short: "Check a drill's signed report",
		Long: "Check that a drill's report is as the server signed it, and show it. The server's public key is asked of\n" +
			"the server, or with --key read from a file, which needs no server: what its /metadata/reportKeys shows, or\n" +
			"the key in PEM form. FILE - is standard input.\n\nThe exit code is 0 only if the signature holds and the drill did.",
		Args: func(c *cobra.Command, args []string) error { return exactly(c, args, 1, "one report") },
		RunE: func(c *cobra.Command, args []string) error {
			if err := oneOf("output", output, "text", "json"); err != nil {
				return err
			}
			signed, err := readSmall(args[0], t.in)
			if err != nil {
				return err
			}
			envelope, err := dsse.Parse(signed)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			var text []byte
			if keyFile != "" {
				text, err = readSmall(keyFile, t.in)
			} else {
				where.where.Getenv = os.Getenv
				text, err = client.ReportKeys(c.Context(), where.where)
			}
			if err != nil {
				return err
			}
			keys, err := reportKeys(text)
			if err != nil {
				return err
			}
			payload, err := envelope.Open(report.Type, keys)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			about, measured, err := report.Read(payload)
			if err != nil {
				return err
			}
			if output == "json" {
				if err := indent(t.out, payload); err != nil {
					return err
				}
			} else {
				printReport(t.out, about, measured, envelope.Signatures[0].KeyID)
				fmt.Fprintf(t.out, "The signature holds.\n")
			}
			if !about.Verdict.Held {
				return failed{errors.New("the signature holds, but not every promise did")}
			}
			return nil
		},
	}
	where.flags(c)
	c.Flags().StringVar(&keyFile, "key", "", "file with the server's public key, instead of asking it")
	c.Flags().StringVarP(&output, "output", "o", "text", "text, or json: the report without its envelope")
	return c
}

// readSmall reads a file that can't be long.
func readSmall(path string, stdin io.Reader) ([]byte, error) {
	in := stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, maxReport+1))
	if err == nil && len(b) > maxReport {
		err = fmt.Errorf("%s has more than %d bytes: it is no report and no key", path, maxReport)
	}
	return b, err
}

// reportKeys reads public keys: a JWK set, one JWK, or PEM.
func reportKeys(text []byte) (dsse.Keys, error) {
	keys := dsse.Keys{}
	if block, _ := pem.Decode(text); block != nil {
		k, err := x509.ParsePKIXPublicKey(block.Bytes)
		public, ok := k.(ed25519.PublicKey)
		if err != nil || !ok {
			return nil, errors.New("the key is no Ed25519 public key")
		}
		keys[dsse.KeyID(public)] = public
		return keys, nil
	}
	var set jose.JSONWebKeySet
	err := json.Unmarshal(text, &set)
	if err == nil && len(set.Keys) == 0 {
		set.Keys = make([]jose.JSONWebKey, 1)
		err = json.Unmarshal(text, &set.Keys[0])
	}
	if err != nil {
		return nil, fmt.Errorf("the key is neither a JWK set nor PEM: %w", err)
	}
	for _, k := range set.Keys {
		if public, ok := k.Key.(ed25519.PublicKey); ok {
			keys[dsse.KeyID(public)] = public // not the id that stands beside it: that can be anything
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("there is no Ed25519 public key")
	}
	return keys, nil
}

func printReport(out io.Writer, r report.Report, m report.Measured, key string) {
	fmt.Fprintf(out, "\nDrill of %s\n", m.Subject)
	fmt.Fprintf(out, "  %s to %s, on %s (%s, %s, %s)\n", m.Began.Format(time.RFC3339), m.Ended.Format(time.RFC3339), r.Server.Domain, r.Server.Version, r.Server.Go, r.Server.Platform)
	fmt.Fprintf(out, "  key %s; probe every %d ms, lease %d ms, double encryption %t; workers confined by %s\n", r.Cluster.Key, r.Cluster.ProbeIntervalMs, r.Cluster.LeaseMs, r.Cluster.DoubleEncryption, r.Server.Sandbox)
	fmt.Fprintf(out, "  %d ingestions and %d queries\n", m.Load.Ingestions, m.Load.Queries)
	for _, f := range r.Verdict.Findings {
		mark := "held  "
		if !f.Held {
			mark = "BROKEN"
		}
		fmt.Fprintf(out, "  %s  %s: %s\n", mark, f.Claim, f.Saw)
	}
	verdict := "Every promise held."
	if !r.Verdict.Held {
		verdict = "Not every promise held."
	}
	fmt.Fprintf(out, "%s Signed %s with key %s.\n", verdict, r.Signed.Format(time.RFC3339), key)
}
