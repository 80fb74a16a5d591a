package server

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"slices"
	"strings"

	"logkeep/internal/cli"
	"logkeep/internal/entra"
	"logkeep/internal/hostcert"
	"logkeep/internal/kek"
	"logkeep/internal/keyring"
	"logkeep/internal/kql/score"
	"logkeep/internal/outside"
	"logkeep/internal/schema"
	"logkeep/internal/throttle"
	"logkeep/internal/worker"
	"logkeep/internal/worker/sandbox"
)

// Commands are the roles of the program, for the command line.
func Commands() cli.Commands {
	return cli.Commands{
		Serve: func(ctx context.Context, s cli.Settings, out io.Writer) error {
			if err := Erase(); err != nil {
				return err
			}
			exe, err := os.Executable()
			if err != nil {
				return fmt.Errorf("find this program's file: %w", err)
			}
			var vaults []kek.Suffix
			for _, v := range s.Vaults {
				vaults = append(vaults, kek.Suffix{Domain: v.Domain, Ranges: v.Ranges})
			}
			var roots []byte
			if s.VaultRoots != "" {
				if roots, err = os.ReadFile(s.VaultRoots); err != nil {
					return fmt.Errorf("vault-roots: %w", err)
				}
			}
			var issuerRoots []byte
			if s.IssuerRoots != "" {
				if issuerRoots, err = os.ReadFile(s.IssuerRoots); err != nil {
					return fmt.Errorf("issuer-roots: %w", err)
				}
			}
			var externalRoots []byte
			if s.ExternalRoots != "" {
				if externalRoots, err = os.ReadFile(s.ExternalRoots); err != nil {
					return fmt.Errorf("externaldata-roots: %w", err)
				}
			}
			var external []outside.Host
			for _, h := range s.External {
				external = append(external, outside.Host{Name: h.Host, Ranges: h.Ranges})
			}
			header, err := identityHeader(s.IMDSHeaderFile)
			if err != nil {
				return err
			}
			var trusts []entra.Trust
			for _, i := range s.Issuers {
				trusts = append(trusts, entra.Trust{URL: i.URL, Tenant: schema.TenantID(i.Tenant), Audiences: i.Audiences, Claim: i.Claim})
			}
			rates := map[string]throttle.Rate{}
			for name, l := range s.Limits {
				if !slices.ContainsFunc(throttle.Azure(), func(a throttle.Limit) bool { return a.Name == name }) {
					return fmt.Errorf("limits: there is no limit %q", name)
				}
				rates[name] = throttle.Rate{Burst: l.Burst, PerSecond: l.PerSecond}
			}
			var pairs []hostcert.Pair
			for _, p := range s.Certificates {
				pairs = append(pairs, hostcert.Pair{Certificate: p.Certificate, Key: p.Key})
			}
			debug.SetMemoryLimit(divide(s.Memory).keeper)
			return Run(ctx, Config{
				Issuers: trusts, IssuerRoots: issuerRoots, Closed: s.IssuerBuiltin == "off", Admins: s.Admins, Certificates: pairs,
				External: external, ExternalRoots: externalRoots,
				Throttled: s.Throttling == "on", Rates: rates,
				DoubleEncryption: s.DoubleEncryptionRegions,
				Vaults:           vaults, VaultRoots: roots, Identities: s.IMDSIdentities, IdentityHeader: header,
				DataDir: s.DataDir, Listen: s.Listen, IMDS: s.IMDS, Domain: s.Domain, RootKey: s.RootKey,
				Policy: keyring.Policy{Interval: s.ProbeInterval, Timeout: s.ProbeTimeout, Lease: s.Lease, Grace: s.OutageGrace},
				Spool:  s.SpoolBytes, Memory: s.Memory,
				Storage: s.Storage, CacheBytes: s.CacheBytes,
				Sandbox: sandbox.Mode(s.Sandbox), Swap: SwapMode(s.Swap),
				Witness: s.Witness, WitnessAccept: s.WitnessAccept,
				Command: []string{exe}, Out: out, Log: logTo(os.Stderr),
			})
		},
		RestoreIdentity: RestoreIdentity,
		Backup:          AskBackup,
		Check:           CheckStorage,
		Restore: func(ctx context.Context, r cli.Restoration, out io.Writer) error {
			exe, err := os.Executable()
			if err != nil {
				return fmt.Errorf("find this program's file: %w", err)
			}
			return Restore(ctx, r, []string{exe}, out, logTo(os.Stderr))
		},

		Vault:  func(ctx context.Context, _ []string) error { return RunVault(ctx, os.Stdin, logTo(os.Stderr)) },
		Worker: func(ctx context.Context, _ []string) error { return worker.Run(ctx, os.Stdin, logTo(os.Stderr)) },
		Score: func(dir string, out io.Writer, verbose bool) error {
			return score.Run(context.Background(), dir, out, verbose)
		},
	}
}

func logTo(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelInfo}))
}

// shortestHeader is the least that IDENTITY_HEADER may have: it is a secret.
const shortestHeader = 16

// identityHeader reads the secret of the managed-identity endpoint's App Service
// form.
func identityHeader(file string) (string, error) {
	if file == "" {
		return "", nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("imds-header-file: %w", err)
	}
	header := strings.TrimSpace(string(text))
	if len(header) < shortestHeader || strings.ContainsFunc(header, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", fmt.Errorf("imds-header-file: %s must hold one word of at least %d printable characters", file, shortestHeader)
	}
	return header, nil
}
