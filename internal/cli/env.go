package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"logkeep/internal/cli/client"
)

func envCommand(t terminal) *cobra.Command {
	var server connection
	c := &cobra.Command{
		Use: "env", Short: "Print what points az, the SDKs and curl at the server", Args: noArgs,
		Long: "Print shell lines that point az, the Azure SDKs, Terraform, curl and this program at the server:\n\n    eval \"$(logkeep env)\"\n\nThe secret of the identity is among them.",
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := server.open(c.Context(), client.Options{Retries: true})
			if err != nil {
				return err
			}
			defer s.Close()
			lines, err := environment(c.Context(), s)
			if err != nil {
				return err
			}
			for _, l := range lines {
				fmt.Fprintf(t.out, "export %s=%s\n", l.name, quote(l.value))
			}
			return nil
		},
	}
	server.flags(c)
	return c
}

type variable struct{ name, value string }

func environment(ctx context.Context, s *client.Server) ([]variable, error) {
	ca, err := s.AbsCA()
	if err != nil {
		return nil, err
	}
	// az must not mix this server with other clouds, and asks for an existing folder.
	config, err := azFolder(s)
	if err != nil {
		return nil, err
	}
	base, err := url.Parse(s.URL)
	if err != nil {
		return nil, err
	}
	suffix := ".vault." + s.Domain
	if base.Port() != "" {
		suffix += ":" + base.Port()
	}
	lines := slices.DeleteFunc([]variable{
		{"ARM_CLOUD_METADATA_URL", s.URL + "/metadata/endpoints?api-version=2019-05-01"},
		{"AZURE_AUTHORITY_HOST", s.URL},
		{"AZURE_CLIENT_ID", s.ClientID},
		{"AZURE_CLIENT_SECRET", s.ClientSecret},
		{"AZURE_CONFIG_DIR", config},
		{"AZURE_POD_IDENTITY_AUTHORITY_HOST", s.IMDS},
		{"AZURE_SUBSCRIPTION_ID", s.SubscriptionID},
		{"AZURE_TENANT_ID", s.TenantID},
		{"LOGKEEP_ADFS", s.URL + "/adfs"},
		{"LOGKEEP_ARM", s.URL},
		{"LOGKEEP_GRAPH", s.URL},
		{"LOGKEEP_IMDS", s.IMDS},
		{"LOGKEEP_INGEST", ingestEndpoint(ctx, s)},
		{"LOGKEEP_KEYVAULT_SUFFIX", suffix},
		{"LOGKEEP_QUERY", s.Query},
	}, func(v variable) bool { return v.value == "" }) // with a token of another issuer there is no secret
	if ca != "" {
		for _, name := range []string{"CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"} {
			lines = append(lines, variable{name, ca})
		}
	}
	return lines, nil
}

// ingestEndpoint is the first collection endpoint by name. Where there is none
// yet, or none may be seen, it is the form that one will have.
func ingestEndpoint(ctx context.Context, s *client.Server) string {
	endpoints, err := s.Endpoints(ctx)
	if err != nil || len(endpoints) == 0 {
		return s.Host("default.ingest")
	}
	return slices.Min(slices.Collect(maps.Values(endpoints)))
}

// azFolder is a folder for az to keep its state of this one server in. It lies
// outside the data directory: az writes secrets into it.
func azFolder(s *client.Server) (string, error) {
	if ours := os.Getenv("AZURE_CONFIG_DIR"); ours != "" && os.Getenv("LOGKEEP_ARM") == s.URL {
		return ours, nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	folder := filepath.Join(cache, "logkeep", "az-"+s.TenantID)
	return folder, os.MkdirAll(folder, 0o700)
}

// quote makes one word of a shell out of s.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

func hostsCommand(t terminal) *cobra.Command {
	var server connection
	write, file := false, "/etc/hosts"
	c := &cobra.Command{
		Use: "hosts", Short: "Print the server's host names as lines of a hosts file", Args: noArgs,
		Long: "Print the host names that exist now (the domain's own, vaults, collection endpoints, workspaces) as lines\nof a hosts file. Logkeep's own commands need none of them; az, SDKs and curl do.",
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := server.open(c.Context(), client.Options{Retries: true})
			if err != nil {
				return err
			}
			defer s.Close()
			hosts, err := s.Hosts(c.Context())
			if err != nil {
				return err
			}
			address, err := addressOf(s.URL)
			if err != nil {
				return err
			}
			var lines strings.Builder
			for _, h := range hosts {
				fmt.Fprintf(&lines, "%s %s\n", address, h)
			}
			fmt.Fprint(t.out, lines.String())
			if !write {
				return nil
			}
			return writeHosts(file, s.Domain, lines.String())
		},
	}
	server.flags(c)
	c.Flags().BoolVar(&write, "write", false, "also put them into the hosts file, in the place of those of the last time (needs root)")
	c.Flags().StringVar(&file, "file", file, "the hosts file to write")
	return c
}

func addressOf(server string) (string, error) {
	u, err := url.Parse(server)
	if err != nil {
		return "", err
	}
	if u.Hostname() == "localhost" {
		return "127.0.0.1", nil
	}
	if ip := net.ParseIP(u.Hostname()); ip != nil {
		return ip.String(), nil
	}
	addresses, err := net.LookupHost(u.Hostname())
	if err != nil {
		return "", err
	}
	return addresses[0], nil
}

// writeHosts replaces the block of this domain in a hosts file, in place: the
// file may be a mount of its own, which cannot be renamed over.
func writeHosts(file, domain, lines string) error {
	begin, end := "# logkeep "+domain+" begin\n", "# logkeep "+domain+" end\n"
	old, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	before, rest, found := strings.Cut(string(old), begin)
	after := ""
	if found {
		if _, after, found = strings.Cut(rest, end); !found {
			return fmt.Errorf("%s has the line %q but not %q; put it back where the block ends", file, strings.TrimSpace(begin), strings.TrimSpace(end))
		}
	} else if before != "" && !strings.HasSuffix(before, "\n") {
		before += "\n"
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(before + begin + lines + end + after)
	return errors.Join(err, f.Close())
}
